#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A machine with a kernel of its own: what a container cannot show. By hand, as root; ten minutes.

    qemu.py BUILD [--seconds 300]

A minimal Debian with its cloud kernel boots from one ext4, emulated (qemu-system-x86, linux-image-cloud-amd64). The
package is installed as it is, wear-full.conf and `logboom protect --apply` are there. A service prints a hundred lines a
second; then `logboom wear` says what logboomd and journald have written to the disk. Then the sink goes away, errors are
copied to the spool, and the kernel is told to reboot at once, with nothing synced. After the next boot they are
delivered. What the machine said is printed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from image import UNIT, mirror, package_of  # noqa: E402

PACKAGES = "systemd-sysv,udev,dbus,kmod,iproute2,python3,linux-image-cloud-amd64,initramfs-tools,systemd-timesyncd"

INI = """[agent]
hostname = box
[throttle]
rate = off
pattern_rate = off
collapse = off
[wear]
sample = 10s
devices = vda
[spool]
free_floor = off
persist = error
persist_after = 1s
persist_interval = off
[sink here]
type = file
path = /run/logboom/delivered
"""

AWAY = INI.replace("[sink here]\ntype = file\npath = /run/logboom/delivered\n",
                   "[sink away]\ntype = datadog\nurl = http://127.0.0.1:9/\n")

BEGIN = """exec >/dev/ttyS0 2>&1
trap 'echo "failed: $BASH_COMMAND"; systemctl --no-block poweroff' ERR
set -eu
"""

FIRST = """
until logboom status >/dev/null; do sleep 0.2; done
echo "kernel $(uname -r), $(systemctl --version | head -1)"
logboom protect --flash --apply
sleep 30
systemctl restart logboomd
until logboom status >/dev/null; do sleep 0.2; done
sleep 15
logboom run -s app -- python3 -u -c '
import sys, time
begin = time.monotonic()
for n in range(int(sys.argv[1]) * 100):
    print("read sensor", n %% 12, "in", n %% 90 + 10, "ms")
    time.sleep(max(0, begin + (n + 1) / 100 - time.monotonic()))' %(seconds)d
logboom flush -w 30
sleep 45
echo "delivered: $(grep -c '"service":"app"' /run/logboom/delivered)"
logboom wear
echo "logboomd and journald: $(logboom wear --json | python3 -c '
import json, sys
for disk in json.load(sys.stdin)["disks"]:
    print({p["name"]: p["bytes"] for p in disk["programs"] if p["name"] in ("logboomd", "systemd-journal")})')"
cp /etc/logboom/away.ini /etc/logboom/logboom.ini
systemctl restart logboomd
until logboom status >/dev/null; do sleep 0.2; done
logboom run -s app -- /bin/sh -c 'for n in $(seq 30); do echo "ERROR:app:line $n"; done'
until logboom status --json | grep -q '"copied_rows":[1-9]'; do sleep 0.2; done
cp /etc/logboom/here.ini /etc/logboom/logboom.ini
mv /opt/second.sh /opt/check.sh
sync -f /opt/check.sh
echo "acknowledged by the spool, and the power goes"
sleep 1
echo 1 >/proc/sys/kernel/sysrq
echo b >/proc/sysrq-trigger
sleep 60
"""

SECOND = BEGIN + """
until logboom status >/dev/null; do sleep 0.2; done
logboom flush -w 60
sleep 5
echo "after the power cut: $(grep -o 'ERROR:app:line [0-9]*' /run/logboom/delivered | sort -u | wc -l) of 30 lines"
grep -o '"stop":"[a-z]*"' /run/logboom/delivered | head -1
logboom status | tail -12
systemctl --no-block poweroff
"""


def run(*argv, **kwargs):
    subprocess.run([str(one) for one in argv], check=True, **kwargs)


def make_disk(build, top, seconds):
    tree = top / "tree"
    depends = subprocess.run(["dpkg-deb", "--field", package_of(build), "Depends"], check=True, capture_output=True,
                             text=True).stdout
    names = ",".join(word.split()[0] for word in depends.split(",") if word.strip())
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES},{names}", "bookworm", tree,
        f"deb {mirror()} bookworm main")
    shutil.copy(package_of(build), tree / "opt")
    run("chroot", tree, "dpkg", "--install", f"/opt/{package_of(build).name}", stdout=subprocess.DEVNULL)
    for name, text in {"etc/fstab": "/dev/vda / ext4 noatime,errors=remount-ro 0 1\n", "etc/logboom/logboom.ini": INI,
                       "etc/logboom/here.ini": INI, "etc/logboom/away.ini": AWAY, "etc/logboom/api_key": "k" * 32,
                       "etc/systemd/system/check.service": UNIT, "opt/second.sh": SECOND,
                       "opt/check.sh": BEGIN + FIRST % {"seconds": seconds}}.items():
        (tree / name).write_text(text)
    drop_in = tree / "etc/systemd/system/logboomd.service.d"
    drop_in.mkdir()
    shutil.copy(tree / "usr/share/logboom/wear-full.conf", drop_in)
    run("chroot", tree, "systemctl", "enable", "check.service", stderr=subprocess.DEVNULL)
    # A login would hang up whoever writes to the console.
    run("chroot", tree, "systemctl", "mask", "serial-getty@ttyS0.service", stderr=subprocess.DEVNULL)
    for name in "vmlinuz", "initrd.img":
        shutil.copy(next(tree.glob(f"boot/{name}-*")), top / name)
    run("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", tree, top / "root.img", "1600M")
    shutil.rmtree(tree)


def boot(top, seconds):
    """What the machine said on its console until it went."""
    console = top / "console"
    machine = subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "q35", "-cpu", "max", "-smp",
                                "2", "-m", "768", "-display", "none", "-serial", f"file:{console}", "-nic", "none",
                                "-no-reboot", "-kernel", top / "vmlinuz", "-initrd", top / "initrd.img", "-drive",
                                f"file={top}/root.img,format=raw,if=virtio,cache=writeback", "-append",
                                "root=/dev/vda rw console=ttyS0 edd=off quiet"])
    try:
        machine.wait(seconds)
    except subprocess.TimeoutExpired:
        print("--- it did not end in time")
    finally:
        machine.kill()
        machine.wait()
    return console.read_text(errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--seconds", type=int, default=300)
    options = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="logboom-qemu-", dir="/var/tmp"))
    try:
        make_disk(options.build, top, options.seconds)
        for which in "first", "second":
            begin = time.monotonic()
            print(f"--- {which} boot\n{boot(top, options.seconds + 420)}--- {time.monotonic() - begin:.0f} s", flush=True)
    finally:
        shutil.rmtree(top)


if __name__ == "__main__":
    main()
