# SPDX-License-Identifier: MIT
"""Power cuts while the spool is at work, and a card that hangs.

The story: batches come and go, and the power goes too, at any moment. A filter of qemu-storage-daemon below an ext4
writes down each write and each flush that reaches the disk (facts/storage.md 8). A cut is a prefix of that, of which
what was written behind the last flush has come through or not, at random. Then the file system mounts, the spool
opens, all that was acknowledged is there as it was, and of the one transaction that was under way all or nothing.
"""

import contextlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from conftest import BUILD, wait_until
from fire import NAME
from lines import book, line, seeded
from loopdisk import run

WRITER = BUILD / "tests" / "trace" / "spool_writer"
IMAGE_BYTES = 48 << 20
FLUSH, FUA, DISCARD = 1, 2, 4
ROUNDS, BATCH_BYTES, KEEP = 24, 96 * 1024, 8


@contextlib.contextmanager
def mounted(image, at):
    """An image, or what looks like one, as a file system."""
    device = run("losetup", "--find", "--show", image)
    try:
        at.mkdir(exist_ok=True)
        run("mount", "-o", "noatime", device, at)
        try:
            yield at
        finally:
            run("umount", at)
    finally:
        run("losetup", "--detach", device)


@contextlib.contextmanager
def logged(directory, image):
    """A file that is the image, with each write to it in directory/log."""
    export, log = directory / "export", directory / "log"
    export.touch()
    log.touch()
    daemon = subprocess.Popen([
        "qemu-storage-daemon", "--blockdev", f"driver=file,node-name=img,filename={image}",
        "--blockdev", f"driver=file,node-name=logfile,filename={log}",
        "--blockdev", "driver=blklogwrites,node-name=lw,file=img,log=logfile",
        "--export", f"type=fuse,id=e,node-name=lw,mountpoint={export},writable=on"])
    try:
        wait_until(lambda: export.stat().st_size == IMAGE_BYTES or daemon.poll() is not None, what="the image is exported")
        assert daemon.poll() is None
        yield export, log, daemon
    finally:
        daemon.send_signal(signal.SIGCONT)
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)


def entries_of(log):
    """[(end of the entry in the log, sector, flags, data)] of the format of dm-log-writes."""
    raw = log.read_bytes()
    magic, _, _, sector = struct.unpack_from("<QQQI", raw)
    assert magic == 0x6A736677736872
    at, found = sector, []
    while at + 32 <= len(raw):
        first, count, flags, _ = struct.unpack_from("<QQQQ", raw, at)
        data = b"" if flags & DISCARD else raw[at + sector:at + sector + count * sector]
        if not flags and not count:
            break
        at += sector + len(data)
        found.append((at, first * sector, flags, data))
    return found


def work(directory, image):
    """The spool at work on the image. What was acknowledged, with the log's length just then; and the log."""
    with logged(directory, image) as (export, log, _):
        with mounted(export, directory / "mnt") as top:
            writer = subprocess.Popen([WRITER, "write", top / "spool.db", str(ROUNDS), str(BATCH_BYTES), str(KEEP)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            acks = []
            for line in writer.stdout:
                assert line.startswith("ack "), line
                acks.append((log.stat().st_size, line.split()))
                writer.stdin.write("\n")
                writer.stdin.flush()
            assert writer.wait(30) == 0
        return acks, entries_of(log)


def cut(base, target, entries, count, chance):
    """What is on the disk when the power goes behind so many entries."""
    shutil.copyfile(base, target)
    last_flush = max((i for i in range(count) if entries[i][2] & FLUSH), default=-1)
    with open(target, "r+b") as disk:
        for i, (_, at, flags, data) in enumerate(entries[:count]):
            if data and (i <= last_flush or flags & FUA or chance.random() < 0.5):
                disk.seek(at)
                disk.write(data)


def state_after(acks):
    rows = {}
    for _, words in acks:
        rows[int(words[1])] = int(words[2])
        if "dropped" in words:
            del rows[int(words[4])]
    return rows


@pytest.fixture
def directory():
    path = Path(tempfile.mkdtemp(prefix="logboom-cut-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("cuts", [30, pytest.param(300, marks=pytest.mark.long)])
def test_what_was_acknowledged_is_there_after_any_cut(directory, cuts):
    chance = seeded()
    base, image, after = directory / "base", directory / "image", directory / "after"
    with open(base, "wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", base)
    shutil.copyfile(base, image)
    acks, entries = work(directory, image)
    assert len(acks) == ROUNDS and sum(1 for e in entries if e[2] & FLUSH) > 2 * ROUNDS
    under_way = 0
    for _ in range(cuts):
        count = chance.randrange(1, len(entries) + 1)
        cut(base, after, entries, count, chance)
        end = entries[count - 1][0]
        known = [ack for ack in acks if ack[0] <= end]
        with mounted(after, directory / "mnt") as top:
            told = subprocess.run([WRITER, "list", top / "spool.db"], capture_output=True, text=True)
        assert told.returncode == 0, told.stdout
        lines = [line.split() for line in told.stdout.splitlines()]
        assert ["damaged", "0"] in [words[:2] for words in lines], f"cut behind {count}: {told.stdout}"
        rows = {int(words[1]): int(words[2]) for words in lines if words[0] == "row"}
        assert all(words[3] == "ok" for words in lines if words[0] == "row"), told.stdout
        assert rows in (state_after(known), state_after(acks[:len(known) + 1])), \
            f"cut behind {count} of {len(entries)}, {len(known)} acknowledged: {rows}"
        under_way += rows != state_after(known)
    print(f"{cuts} cuts, {len(entries)} entries; {under_way} times the one under way had come through")


class Watchdog:
    """systemd's side of it: hears the agent say that it lives, and when."""

    SECONDS = 4

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(self.SECONDS * 1000000)}
        self.told = [time.monotonic()]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            if b"WATCHDOG=1" in self.socket.recv(4096).splitlines():
                self.told.append(time.monotonic())

    def longest_silence(self, since):
        told = [when for when in self.told if when >= since] + [time.monotonic()]
        return max(after - before for before, after in zip([since, *told], told))


@pytest.mark.parametrize("hangs_s", [0, pytest.param(60, marks=pytest.mark.long)])
def test_a_card_that_hangs_costs_the_spool_and_nothing_else_and_is_back_when_it_answers(agent, quick, intake, directory,
                                                                                      hangs_s):
    """The server below the disk is stopped: each sync waits for it, for the ten seconds until that is said, or more."""
    chance = seeded()
    base = directory / "base"
    with open(base, "wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", base)
    quick[NAME].update(timeout="5s")
    watchdog = Watchdog(directory / "notify")
    with logged(directory, base) as (export, _, daemon), mounted(export, directory / "mnt") as top:
        a = agent({**quick, "ring": {"size": "256K"}, "backlog": {"size": "512K", "segment": "64K"},
                   "wear": {"sample": "1s"}, "spool": {"path": top / "spool.db", "wear_budget": "200M/day", "routine": "yes", "persist": "off",
                             "free_floor": "off"}}, env=watchdog.env)
        wait_until(lambda: a.status()["spool"]["state"] in ("on", "refused"))
        if a.status()["spool"]["state"] == "refused":
            pytest.fail(a.status()["spool"]["why"])
        sent = 0

        def flood():
            nonlocal sent
            client = a.pipe("-s", "app")
            client.communicate(b"".join(line(n, "%0200x" % chance.getrandbits(800), "ERROR")
                                        for n in range(sent, sent + 300)), timeout=60)
            sent += 300

        intake.plan.set([{"do": "status", "code": 503, "times": -1}])
        wait_until(lambda: flood() or a.status()["spool"]["written_rows"] > 0)
        daemon.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        wait_until(lambda: flood() or a.status()["spool"]["state"] == "hangs", what="no answer in 10 s")
        intake.plan.set([])
        before = book(a)["delivered"]
        wait_until(lambda: book(a)["delivered"] > before + 1000, what="what is in RAM is shipped")
        while time.monotonic() < stopped + hangs_s:  # more is shipped meanwhile, and all that time it is said to live
            before = book(a)["delivered"]
            flood()
            wait_until(lambda: book(a)["delivered"] > before, what="a line is delivered")
            time.sleep(0.5)
        assert watchdog.longest_silence(stopped) < watchdog.SECONDS, "the watchdog is fed"
        assert a.log.count("has not answered") == 1
        daemon.send_signal(signal.SIGCONT)
        wait_until(lambda: a.status()["spool"]["state"] == "on" and book(a)["pending"] == 0)
        a.stop()
