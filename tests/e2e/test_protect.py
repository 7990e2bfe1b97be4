# SPDX-License-Identifier: MIT
"""logboom protect, the real programs, on a system in a directory: an image as a distribution made it.

The machine that runs the tests is only ever looked at.
"""

import fcntl
import json
import os
import subprocess
import tempfile
import time

import pytest

from conftest import BUILD

OURS = ["etc/systemd/journald.conf.d/60-logboom-protect.conf", "etc/systemd/timesyncd.conf.d/60-logboom-protect.conf",
        "etc/systemd/system/logboom-protect.service", "etc/systemd/system/multi-user.target.wants/logboom-protect.service"]


def protect(*args, **kwargs):
    return subprocess.run([BUILD / "logboom", "protect", *map(str, args)], capture_output=True, text=True, timeout=60,
                          **kwargs)


def put(root, path, text=""):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def enable(root, target, unit):
    put(root, f"usr/lib/systemd/system/{unit}", "[Unit]\n")
    wants = root / f"etc/systemd/system/{target}.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / unit).symlink_to(f"/lib/systemd/system/{unit}")


@pytest.fixture
def image(tmp_path):
    root = tmp_path / "image"
    put(root, "etc/fstab", "PARTUUID=1-02 / ext4 defaults 0 1\nPARTUUID=1-01 /boot/firmware vfat defaults 0 2\n")
    put(root, "etc/systemd/journald.conf", "[Journal]\n#Storage=auto\n")
    put(root, "usr/lib/systemd/system/systemd-journald.service", "[Service]\n")
    put(root, "usr/lib/aarch64-linux-gnu/systemd/libsystemd-shared-252.so")
    put(root, "etc/rsyslog.conf", "*.* -/var/log/syslog\n")
    (root / "var/log/journal").mkdir(parents=True)
    enable(root, "multi-user.target", "rsyslog.service")
    enable(root, "sysinit.target", "systemd-timesyncd.service")
    enable(root, "timers.target", "man-db.timer")
    return root


def tree(root):
    """All of it: modes; of what is no directory its time, and where it leads or what it says."""
    found = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            if os.path.islink(path):
                found[path] = (st.st_mode, st.st_mtime_ns, os.readlink(path))
            elif os.path.isfile(path):
                found[path] = (st.st_mode, st.st_mtime_ns, open(path, "rb").read())
            else:
                found[path] = (st.st_mode,)
    return found


def states(root):
    answer = protect("--root", root, "--json")
    assert answer.returncode == 0, answer.stderr
    return {finding["id"]: finding["state"] for finding in json.loads(answer.stdout)["findings"]}


def test_an_image_is_quieted_and_made_what_it_was(image):
    before = tree(image)
    assert states(image) == {"journald": "would", "rsyslog": "by_hand", "mount": "would", "timesyncd": "would",
                             "timers": "by_hand"}
    assert tree(image) == before
    answer = protect("--root", image, "--apply")
    assert answer.returncode == 0, answer.stderr
    assert [path for path in OURS if (image / path).exists() or (image / path).is_symlink()] == OURS
    assert states(image) == {"journald": "done", "rsyslog": "by_hand", "mount": "done", "timesyncd": "done",
                             "timers": "by_hand"}
    after = tree(image)
    assert protect("--root", image, "--apply").returncode == 0
    assert tree(image) == after
    assert {path: entry for path, entry in after.items() if path in before} == before
    answer = protect("--root", image, "--undo")
    assert answer.returncode == 0, answer.stderr
    assert tree(image) == before


def test_killed_at_any_moment_it_can_be_taken_back(image):
    before = tree(image)
    took_s = 0.02
    for i in range(40):
        with subprocess.Popen([BUILD / "logboom", "protect", "--root", image, "--apply"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            time.sleep(took_s * i / 40)
            process.kill()
        assert protect("--root", image, "--undo").returncode == 0
        if (image / "etc/logboom").is_dir():  # killed before there was a manifest to tell of it
            (image / "etc/logboom").rmdir()
        assert tree(image) == before


def test_what_it_writes_is_readable_for_all_whatever_the_umask_is(image):
    assert protect("--root", image, "--apply", umask=0o077).returncode == 0
    assert (image / OURS[0]).stat().st_mode & 0o777 == 0o644
    assert (image / OURS[0]).parent.stat().st_mode & 0o777 == 0o755


def test_a_file_that_somebody_changed_is_kept(image):
    assert protect("--root", image, "--apply").returncode == 0
    (image / OURS[0]).write_text("[Journal]\nStorage=volatile\nRuntimeMaxUse=64M\n")
    answer = protect("--root", image, "--undo")
    assert answer.returncode == 1 and OURS[0] in answer.stderr
    assert "64M" in (image / OURS[0]).read_text() and not (image / OURS[2]).exists()
    (image / OURS[0]).unlink()
    assert protect("--root", image, "--undo").returncode == 0
    assert not (image / "etc/logboom").exists()


def test_for_people_the_worst_comes_first(image):
    answer = protect("--root", image, "--dry-run", env={**os.environ, "COLUMNS": "80"})
    lines = answer.stdout.splitlines()
    assert answer.returncode == 0 and not answer.stderr
    assert lines[2] == "1. The journal is kept on flash"
    assert "logboom protect --apply (and --undo takes it back)" in answer.stdout
    assert all(len(line) <= 80 or " " not in line.strip() for line in lines[2:-1])


def test_of_two_at_once_one_is_refused(image):
    lock = os.open(image / "etc", os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    answer = protect("--root", image, "--apply")
    os.close(lock)
    assert answer.returncode == 1 and "another one is at work" in answer.stderr
    assert not (image / OURS[0]).exists()


def test_what_is_no_system_is_said(tmp_path):
    assert protect("--root", tmp_path).returncode == 1
    assert "no /etc" in protect("--root", tmp_path, "--apply").stderr
    assert protect("--root", tmp_path / "nowhere").returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_ends_with_2(image):
    for args in ["--apply", "--undo"], ["--dry-run", "--apply"], ["--apply", "--json"], ["extra"], ["--nonsense"]:
        answer = protect("--root", image, *args)
        assert answer.returncode == 2 and "logboom protect" in answer.stderr, args
    assert not (image / OURS[0]).exists()
    answer = protect("--help")
    assert answer.returncode == 0 and "--undo" in answer.stdout


def test_the_machine_itself_is_looked_at_by_anybody():
    answer = protect("--json")
    assert answer.returncode == 0 and isinstance(json.loads(answer.stdout)["findings"], list)
    assert protect("--flash").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.parametrize("deed", ["--apply", "--undo"])
def test_only_root_may_change_a_machine(deed):
    # What was built may lie where nobody else can look: a copy, both programs side by side.
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        subprocess.run(["cp", BUILD / "logboom", BUILD / "logboomd", place], check=True)
        answer = subprocess.run([f"{place}/logboom", "protect", deed], user=65534, group=65534, extra_groups=[],
                                capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1 and "only root" in answer.stderr
