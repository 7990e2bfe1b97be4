# SPDX-License-Identifier: MIT
"""Who wears the card.

The story: an engineer asks a device in the field which program writes to its card, how long the card will last, and
is told when that changes. The device's own kernel is asked where it can be, by disks that tests own; what no test
machine has, an SD card that wears out, is a tree of files that looks like one.
"""

import json
import os
import subprocess
import sys
import time

import pytest

from board import Board
from conftest import wait_until
from lines import book, is_own, lines
from loopdisk import LoopDisk

WRITER = """
import os, sys, time
path, mebibytes = sys.argv[1], int(sys.argv[2])
with open(path, "wb", buffering=0) as file:
    for n in range(mebibytes * 16):
        file.write(os.urandom(1 << 16))
    print("written", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def card():
    with LoopDisk(192) as disk:
        yield disk


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path / "board")


def wear(agent):
    done = agent.client("wear", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def disk(agent, name):
    return next((d for d in wear(agent)["disks"] if d["name"] == name), None)


def looked(agent):
    """A whole look that began after this."""
    seen = wear(agent)["watched_s"]
    wait_until(lambda: wear(agent)["watched_s"] > seen + 1)


def share(told, name):
    return sum(p["bytes"] for p in told["programs"] if p["name"] == name)


def alerts(intake, kind):
    return [e for e in intake.everything() if e.get("logboom", {}).get("kind") == "alert" and
            e["logboom"].get("alert") == kind]


class Writers:
    """Programs with names of their own, which write and then wait."""

    def __init__(self, directory):
        self.directory, self.running = directory, []

    def start(self, name, path, mebibytes):
        program = self.directory / name
        program.symlink_to(sys.executable)
        one = subprocess.Popen([program, "-c", WRITER, path, str(mebibytes)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
        self.running.append(one)
        return one

    def end(self):
        while self.running:
            self.running.pop().communicate("\n", timeout=60)


@pytest.fixture
def writers(tmp_path):
    made = Writers(tmp_path)
    yield made
    made.end()


def fast(disk_name, **keys):
    return {"wear": {"devices": disk_name, "sample": "1s", **keys}}


def test_who_writes_buffered_is_told_within_a_tenth_of_what_the_disk_counts(agent, quick, card, writers):
    name = os.path.basename(card.device)
    a = agent({**quick, **fast(name)})
    wait_until(lambda: disk(a, name))
    looked(a)
    before = card.settled()
    for program, size in ("telemetry", 40), ("recorder", 20):
        assert writers.start(program, card.path / program, size).stdout.readline() == "written\n"
    counted = card.settled() - before
    told = wait_until(lambda: (lambda d: share(d, "recorder") and d["watched"] >= counted and d)(disk(a, name)))
    assert abs(share(told, "telemetry") - (40 << 20)) <= (40 << 20) / 10, told
    assert abs(share(told, "recorder") - (20 << 20)) <= (20 << 20) / 10, told
    assert told["unattributed"] <= counted / 10
    assert sum(p["bytes"] for p in told["programs"]) + told["unattributed"] == told["watched"]
    assert abs(told["hour"] - counted) <= counted / 100


def test_what_the_kernel_adds_is_not_put_on_who_wrote(agent, quick, writers):
    """A file system that writes all data twice, the first time by the kernel's own hand."""
    with LoopDisk(192, options="noatime,data=journal") as card:
        name = os.path.basename(card.device)
        a = agent({**quick, **fast(name)})
        wait_until(lambda: disk(a, name))
        looked(a)
        before = card.settled()
        assert writers.start("writer", card.path / "data", 20).stdout.readline() == "written\n"
        counted = card.settled() - before
        assert counted > 38 << 20, "or this test is about nothing"
        told = wait_until(lambda: (lambda d: d["watched"] >= counted and d)(disk(a, name)))
        assert abs(share(told, "writer") - (20 << 20)) <= (20 << 20) / 10, told
        kernel = sum(p["bytes"] for p in told["programs"] if p["name"].startswith(("jbd2", "kworker")))
        assert kernel + told["unattributed"] >= 0.9 * (counted - (20 << 20)), told["programs"]
        assert "the kernel" in a.client("wear").stdout
        writers.end()


def test_looking_writes_nothing(agent, quick, card):
    name = os.path.basename(card.device)
    before = card.settled()
    a = agent({**quick, **fast(name)})
    wait_until(lambda: disk(a, name))
    for _ in range(3):
        looked(a)
    assert card.settled() == before


def test_a_disk_that_is_written_too_much_is_told_with_the_program_to_blame(agent, quick, intake, card, writers):
    name = os.path.basename(card.device)
    a = agent({**quick, **fast(name, alert="5M/h")})
    wait_until(lambda: disk(a, name))
    looked(a)
    writers.start("hammer", card.path / "data", 20).stdout.readline()
    card.written()
    told = wait_until(lambda: alerts(intake, "disk"))[0]
    assert told["status"] == "warning" and told["service"] == "logboom"
    assert told["logboom"]["disk"] == name and told["logboom"]["program"] == "hammer", told
    assert told["logboom"]["bytes"] > told["logboom"]["limit"] == 5 << 20
    assert name in told["message"] and "hammer" in told["message"] and "5" in told["message"]
    looked(a)
    looked(a)
    assert len(alerts(intake, "disk")) == 1


def test_a_file_system_that_goes_read_only_is_told_and_so_is_that_it_is_back(agent, quick, intake, card):
    name = os.path.basename(card.device)
    a = agent({**quick, **fast(name)})
    wait_until(lambda: wear(a)["filesystems"])
    subprocess.run(["mount", "-o", "remount,ro", card.path], check=True)
    told = wait_until(lambda: alerts(intake, "read_only"))[0]
    assert told["status"] == "error" and str(card.path) in told["message"] and told["logboom"]["step"] == 1
    assert any(str(card.path) in f["what"] and f["advice"] for f in wear(a)["findings"])
    subprocess.run(["mount", "-o", "remount,rw", card.path], check=True)
    wait_until(lambda: [e for e in alerts(intake, "read_only") if e["logboom"]["step"] == 0])


def test_a_disk_that_is_taken_out_is_shown_as_gone(agent, quick, tmp_path):
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    device = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True,
                            text=True).stdout.strip()
    try:
        name = os.path.basename(device)
        a = agent({**quick, **fast(name)})
        wait_until(lambda: disk(a, name))
        assert disk(a, name)["present"]
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    wait_until(lambda: not disk(a, name)["present"])
    assert "taken out" in a.client("wear").stdout


def test_a_page_is_written_whole_or_not_at_all(agent, quick, tmp_path):
    a = agent({**quick, "wear": {"sample": "1s"}})
    wait_until(lambda: wear(a)["sampled_s"] is not None)
    page = tmp_path / "card.html"
    assert a.client("wear", "--report", page).returncode == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>") and "testhost" in text
    assert a.client("wear", "--report", "-").stdout.startswith("<!DOCTYPE html>")
    failed = a.client("wear", "--report", tmp_path / "no" / "card.html")
    assert failed.returncode == 1 and "no/card.html" in failed.stderr
    a.kill9()
    failed = a.client("wear", "--report", page)
    assert failed.returncode == 3 and page.read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir() if "card" in p.name) == ["card.html"]


def test_a_look_that_hangs_costs_the_look_and_nothing_else(agent, quick, intake, board, kp_program):
    """Reading one file of the kernel's never comes back, as where a driver waits for a dead disk."""
    a = agent({**quick, "wear": {"sample": "1s"}}, program=kp_program, env={"LOGBOOM_WEAR_ROOT": str(board.root)})
    wait_until(lambda: disk(a, "mmcblk0"))
    stuck = board.root / "proc/self/mountinfo"
    stuck.unlink()
    os.mkfifo(stuck)
    wait_until(lambda: a.status()["wear"]["state"] == "hangs", what="no look for ten seconds")
    client = a.pipe("-s", "app")
    client.communicate(lines(0, 50), timeout=60)
    wait_until(lambda: book(a)["delivered"] == 50)
    told = wear(a)
    assert told["hangs_s"] >= 10 and disk(a, "mmcblk0"), "what was seen before is shown"
    assert "not come back" in a.client("wear").stdout
    wait_until(lambda: a.log.count("has not come back") == 1)
    begin = time.monotonic()
    assert a.term() == 0
    assert time.monotonic() - begin < 20
    fd = os.open(stuck, os.O_RDWR)  # nobody waits for it any more
    os.close(fd)


def test_the_kernels_last_words_are_told_once_and_removed_when_they_are_delivered(agent, quick, intake, board,
                                                                               kp_program):
    words = board.write("sys/fs/pstore/dmesg-ramoops-0",
                        "Panic#1 Part1\n<4>[   12.1] mmc0: timeout\n<0>[   12.3] Kernel panic - not syncing: \"it\"")
    board.write("sys/fs/pstore/console-ramoops-0", "not a record of dmesg")
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent({**quick, "wear": {"sample": "1s"}}, program=kp_program, env={"LOGBOOM_WEAR_ROOT": str(board.root)})
    wait_until(lambda: a.status()["books"]["services"].get("kernel", {}).get("own", {}).get("lines") == 1)
    wait_until(lambda: (a.runtime / "last-words").exists())
    a.kill9()
    a.start()  # and reads it no second time
    wait_until(lambda: wear(a)["watched_s"] > 2)
    assert words.exists(), "not before it is delivered"
    intake.plan.set([])
    wait_until(lambda: not words.exists())
    told = [e for e in intake.everything() if e["service"] == "kernel"]
    assert len(told) == 1 and told[0]["status"] == "critical", told
    assert told[0]["message"].endswith('Kernel panic - not syncing: "it"') and "timeout" in told[0]["message"]
    assert told[0]["logboom"]["alert"] == "kernel" and is_own(told[0])
    assert (board.root / "sys/fs/pstore/console-ramoops-0").exists()
    a.restart()
    wait_until(lambda: wear(a)["watched_s"] > 2)
    assert len([e for e in intake.everything() if e["service"] == "kernel"]) == 1


def test_a_card_on_a_board_is_told_with_model_writers_and_life(agent, quick, intake, board, kp_program):
    board.write("proc/device-tree/chosen/bootloader/rsts", "")
    (board.root / "proc/device-tree/chosen/bootloader/rsts").write_bytes(b"\0\0\x10\0")
    a = agent({**quick, "wear": {"sample": "1s", "endurance": "30T", "program_alert": "1M/h"}}, program=kp_program,
              env={"LOGBOOM_WEAR_ROOT": str(board.root)})
    wait_until(lambda: disk(a, "mmcblk0"))
    looked(a)
    board.process(4711, "tele met\"ry", 3 << 20, "telemetry.service")
    board.written(4 << 20)
    told = wait_until(lambda: (lambda d: d["programs"] and d)(disk(a, "mmcblk0")))
    assert told["kind"] == "sd" and told["flash"] and "SC32G" in told["model"] and told["made"] == "08/2021"
    assert told["capacity"] == 62333952 * 512 and told["unit"] == 4 << 20 and told["endurance"] == 30 << 40
    assert told["programs"][0] == {"name": "tele met\"ry", "unit": "telemetry.service", "ours": False, "bytes": 3 << 20}
    assert told["watched"] == 4 << 20 and told["unattributed"] == 1 << 20
    assert "power was switched on" in wear(a)["boot_reason"]
    blamed = wait_until(lambda: alerts(intake, "program"))[0]["logboom"]
    assert blamed["unit"] == "telemetry.service" and blamed["program"] == "tele met\"ry"
    text = a.client("wear").stdout
    assert "telemetry.service" in text and "75 %" in text and "power was switched on" in text


def test_without_privilege_disks_are_seen_and_what_is_missing_is_said(agent, quick, runtime):
    """As the unit runs it: no capabilities, a user of its own."""
    os.chmod(runtime.parent, 0o755)
    runtime.mkdir(mode=0o755, exist_ok=True)
    os.chown(runtime, 65534, 65534)
    key = quick["sink datadog"].get("api_key_file")
    if key:
        os.chmod(key, 0o644)
    a = agent({**quick, "wear": {"sample": "1s"}},
              wrap=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
                    "--inh-caps=-all"])
    told = wait_until(lambda: (lambda s: s["state"] == "on" and s)(a.status()["wear"]))
    assert told["processes"]["refused"] > 0 and "wear-full.conf" in told["missing"]
    assert told["missing"] in a.client("status").stdout
    assert told["disks"] == len(wear(a)["disks"])


def test_sampling_can_be_off_and_comes_back_with_a_reload(agent, quick):
    a = agent({**quick, "wear": {"sample": "off"}})
    assert a.status()["wear"] is None
    failed = a.client("wear")
    assert failed.returncode == 1 and "sample" in failed.stderr
    a.sections["wear"]["sample"] = "1s"
    a.reload()
    wait_until(lambda: a.status()["wear"]["state"] == "on")
