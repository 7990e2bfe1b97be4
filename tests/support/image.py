# SPDX-License-Identifier: MIT
"""A Debian image with logboom in it, and the machine that boots from it: systemd-nspawn. Needs root.

    with Image(build) as image:
        image.write("/etc/logboom/conf.d/site.ini", "...")
        image.boot("logboom status; systemctl poweroff")     # what it printed

The tree is made once for a build (mmdebstrap, half a minute) and unpacked for each image. The package is installed as
an image builder does it: into a tree whose systemd does not run, with nothing fetched but what it depends on.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

SUITE = "bookworm"
TREE_PACKAGES = "systemd-sysv,udev,dbus,kmod,iproute2,python3"

UNIT = """[Unit]
Description=what the test wants to know
After=logboomd.service
[Service]
Type=oneshot
ExecStart=/bin/bash /opt/check.sh
[Install]
WantedBy=multi-user.target
"""


def mirror():
    """Where this machine has its packages from."""
    for path in [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]:
        if not path.exists():
            continue
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] == ["URIs:"]:
                return words[1]
            if words[:1] == ["deb"]:
                return next(word for word in words[1:] if "://" in word)
    raise FileNotFoundError("no source of Debian packages")


def package_of(build):
    """The package that `make deb` made for this machine, the newest."""
    arch = subprocess.run(["dpkg", "--print-architecture"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return max(Path(build).glob(f"logboom_*_{arch}.deb"), key=lambda path: path.stat().st_mtime)


def tree_of(build, suite=SUITE):
    """A minimal Debian, with what the package depends on."""
    tar = Path(build) / "image" / f"{suite}.tar"

    def is_made():
        return tar.exists() and tar.stat().st_mtime > package_of(build).stat().st_mtime

    if is_made():
        return tar
    tar.parent.mkdir(parents=True, exist_ok=True)
    depends = subprocess.run(["dpkg-deb", "--field", package_of(build), "Depends"], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    names = [word.split()[0] for word in depends.split(",") if word.strip()]
    with (tar.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who else runs such tests beside this one needs it as well
        if not is_made():
            fresh = tar.with_suffix(".new.tar")
            subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase",
                            f"--include={TREE_PACKAGES},{','.join(names)}", suite, fresh,
                            f"deb {mirror()} {suite} main"], check=True)
            fresh.rename(tar)
    return tar


class Image:
    def __init__(self, build, suite=SUITE):
        self.build, self.suite = Path(build), suite
        self.path = self._top = None

    def __enter__(self):
        self._top = Path(tempfile.mkdtemp(prefix="logboom-image-", dir="/var/tmp"))
        self.path = self._top / "tree"
        self.path.mkdir()
        subprocess.run(["tar", "-xpf", tree_of(self.build, self.suite), "-C", self.path], check=True)
        package = package_of(self.build)
        shutil.copy(package, self.path / "opt")
        self.run("dpkg", "--install", f"/opt/{package.name}")
        (self.path / "etc/systemd/system/check.service").write_text(UNIT)
        self.run("systemctl", "enable", "check.service")
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self._top, ignore_errors=True)

    @staticmethod
    def _cut(machine, mark, seconds):
        end = time.monotonic() + seconds
        while not mark.exists():
            assert time.monotonic() < end and machine.poll() is None, f"{mark} is not there"
            time.sleep(0.05)
        # Its process 1, with which the kernel ends all of its pid namespace; systemd-nspawn alone would leave that be.
        inits = Path(f"/proc/{machine.pid}/task/{machine.pid}/children").read_text().split()
        for init in inits:
            os.kill(int(init), signal.SIGKILL)
        machine.communicate(timeout=30)

    def write(self, path, text, mode=0o644):
        where = self.path / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
        where.chmod(mode)

    def read(self, path):
        return (self.path / path.lstrip("/")).read_text(errors="replace")

    def _nspawn(self, *options):
        return ["systemd-nspawn", "--quiet", f"--directory={self.path}", f"--machine=logboom{os.getpid()}",
                "--register=no", "--keep-unit", *options]

    def run(self, *command):
        """In the tree, with no system running there."""
        subprocess.run([*self._nspawn("--pipe"), *command], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)

    def boot(self, script, seconds=120, options=(), cut=None):
        """Boot, run a script when multi-user.target is near, and wait until the machine is off; what it printed. A
        script that fails turns the machine off, and that is an error. cut: once this file is there all of the machine
        is killed at one instant, and nothing of it has a last word."""
        out = self.path / "opt/out"
        out.unlink(missing_ok=True)
        self.write("/opt/check.sh", "exec >/opt/out 2>&1\n"
                   "trap 'code=$?; echo \"exit $code\"; [ $code = 0 ] || systemctl --no-block poweroff' EXIT\n"
                   f"set -eu\n{script}\n")
        machine = subprocess.Popen([*self._nspawn("--boot", *options)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if cut:
            self._cut(machine, self.path / cut.lstrip("/"), seconds)
            return ""
        try:
            console = machine.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            machine.terminate()
            console = machine.communicate()[0] + f"\n--- not off within {seconds} s"
        told = out.read_text(errors="replace") if out.exists() else ""
        told, end, _ = told.partition("exit 0\n")  # who turned the machine off may hear that it goes
        if not end:
            raise AssertionError(f"the script failed:\n{told}\n--- the machine's console:\n{console[-4000:]}")
        return told
