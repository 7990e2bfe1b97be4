# SPDX-License-Identifier: MIT
"""[input NAME] type = journal.

The story: services log to systemd's journal. A stand-in for journalctl, first in PATH, prints what a journal of
ours holds, byte for byte as the export format has it (docs/JOURNAL_EXPORT_FORMATS.md of systemd), follows it, and
honours the options that the agent gives it. It is killed, and so is the agent; every entry is put into the ring once.
Where the machine has a journald that runs in a namespace of its own, the same is asked of the real journalctl.
"""

import os
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

from conftest import wait_until
from lines import assert_books_balance, assert_exactly, book, by_number, numbers, prove_ring, seeded

STAND_IN = r'''#!/usr/bin/python3
import os, sys, time
# Entries lie in a file of "LENGTH CURSOR UNIT\n" + bytes; how it is called is written down.
where, args = os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0]))), sys.argv[1:]
with open(where + "/calls", "a") as calls:
    calls.write(" ".join(args) + "\n")
if os.path.exists(where + "/fails"):
    sys.exit(open(where + "/fails").read())
assert args[:3] == ["-o", "export", "--follow"], args
after = next((a[15:] for a in args if a.startswith("--after-cursor=")), None)
units = [args[i + 1] for i, a in enumerate(args) if a == "-u"]
out = os.fdopen(1, "wb", buffering=0)
journal, passed, entries = open(where + "/journal", "rb"), after is None, []

def next_entry():
    at = journal.tell()
    head = journal.readline()
    if not head.endswith(b"\n"):
        journal.seek(at)
        return None
    length, cursor, unit = head.decode().rstrip("\n").split(" ", 2)
    body = journal.read(int(length))
    if len(body) < int(length):
        journal.seek(at)
        return None
    return cursor, unit, body

def is_wanted(unit):
    return not units or unit in units or unit.removesuffix(".service") in units

if "--lines=1" in args:
    while entry := next_entry():
        if is_wanted(entry[1]):
            entries = [entry[2]]
    for body in entries:
        out.write(body)
open(where + "/looked", "a").close()
while True:
    entry = next_entry()
    if not entry:
        if os.getppid() == 1:
            sys.exit()
        time.sleep(0.005)
    elif passed and is_wanted(entry[1]):
        out.write(entry[2])
    elif entry[0] == after:
        passed = True
'''

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")


class Journal:
    """What the stand-in prints."""

    def __init__(self, where):
        self.where, self.count = where, 0
        (where / "bin").mkdir()
        self.program = where / "bin" / "journalctl"
        self.program.write_text(STAND_IN)
        self.program.chmod(0o755)
        (where / "journal").touch()
        self.env = {"PATH": f"{where / 'bin'}:{os.environ['PATH']}"}

    def add(self, message, unit="app.service", binary=False, **fields):
        """One entry. Fields with None are left out."""
        self.count += 1
        cursor = f"s={'5' * 32};i={self.count:x};b={BOOT_ID};m={self.count:x};t=62{self.count:x};x=9f"
        all_fields = {"__CURSOR": cursor, "__REALTIME_TIMESTAMP": str(int(time.time() * 1e6)),
                      "__MONOTONIC_TIMESTAMP": str(int(time.monotonic() * 1e6)), "_BOOT_ID": BOOT_ID,
                      "PRIORITY": "6", "_PID": "4242", "_UID": "33", "_COMM": "app", "SYSLOG_IDENTIFIER": "ident",
                      "_SYSTEMD_UNIT": unit, **fields, "MESSAGE": message}
        body = b""
        for name, value in all_fields.items():
            if value is None:
                continue
            value = value if isinstance(value, bytes) else value.encode()
            if (binary and name == "MESSAGE") or b"\n" in value:
                body += name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
            else:
                body += name.encode() + b"=" + value + b"\n"
        body += b"\n"
        with open(self.where / "journal", "ab") as file:
            file.write(f"{len(body)} {cursor} {unit}\n".encode() + body)
        return cursor

    def numbered(self, first, last, **kwargs):
        for n in range(first, last):
            self.add(f"INFO:app:line #n={n:07d} {'z' * (n % 90)}", binary=n % 5 == 0, **kwargs)

    @property
    def calls(self):
        path = self.where / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def children(self, agent):
        """The processes of journalctl that this agent has."""
        found = []
        for task in Path(f"/proc/{agent.process.pid}/task").iterdir():
            found += [int(pid) for pid in (task / "children").read_text().split()]
        return found


@pytest.fixture
def journal(runtime):
    where = runtime.parent / "journal"
    where.mkdir()
    return Journal(where)


@pytest.fixture
def read(agent, quick, journal):
    """Factory: read(**keys of [input j]) -> a running agent that has its journalctl."""

    def make(wait=True, **keys):
        a = agent({**quick, "input j": {"type": "journal", **keys}}, env=journal.env)
        if wait:
            wait_until((journal.where / "looked").exists, what="journalctl was called, and has seen what was there")
        return a

    return make


def records(intake, service=None):
    return [e for e in by_number(intake.entries()).values()
            if "kind" not in e["logboom"] and service in (None, e["service"])]


def wait_for_records(intake, count, service=None, seconds=60):
    wait_until(lambda: len(records(intake, service)) >= count, seconds, f"{count} records")
    assert len(records(intake, service)) == count
    return records(intake, service)


def input_of(agent):
    return agent.status()["inputs"][0]


def test_an_entry_is_a_record_of_its_unit_with_its_priority(read, intake, journal):
    a = read(tags="from:journal")
    journal.add("it broke", PRIORITY="3")
    cursor = journal.add("two\nlines = odd", unit="getty@tty1.service", PRIORITY="5")
    first, second = wait_for_records(intake, 2)
    assert (first["service"], first["status"], first["message"]) == ("app", "error", "it broke")
    assert (first["logboom"]["pid"], first["logboom"]["uid"]) == (4242, 33)
    assert (second["service"], second["status"], second["message"]) == ("getty@tty1", "notice", "two\nlines = odd")
    assert "from:journal" in first["ddtags"]
    one = input_of(a)
    assert one["cursor"] == cursor
    assert {**one, "cursor": ""} == {"name": "j", "type": "journal", "state": "reading", "cursor": "", "error": ""}
    assert_books_balance(a.status())


def test_who_has_no_unit_is_called_by_what_it_calls_itself(read, intake, journal):
    read()
    journal.add("1", unit="session-3.scope", SYSLOG_IDENTIFIER="sudo")
    journal.add("2", unit="", _SYSTEMD_UNIT=None, SYSLOG_IDENTIFIER="kernel", _PID=None, _UID=None)
    journal.add("3", unit="", _SYSTEMD_UNIT=None, SYSLOG_IDENTIFIER=None, _COMM="my prog")
    journal.add("4", unit="", _SYSTEMD_UNIT=None, SYSLOG_IDENTIFIER=None, _COMM=None)
    journal.add("5", unit="init.scope", _PID="1", UNIT="nginx.service")
    found = wait_for_records(intake, 5)
    assert [e["service"] for e in sorted(found, key=lambda e: e["message"])] == ["sudo", "kernel", "my_prog", "unknown",
                                                                                 "nginx"]


def test_what_was_there_before_the_first_start_is_not_read(read, intake, journal):
    journal.numbered(0, 5)
    read()
    journal.numbered(5, 20)
    wait_for_records(intake, 15)
    assert_exactly(numbers(records(intake)), range(5, 20))
    assert "--lines=1" in journal.calls[0]


def test_with_start_begin_all_of_it_is_read(read, intake, journal):
    journal.numbered(0, 50)
    read(start="begin", service="all")
    wait_for_records(intake, 50, "all")
    assert "--no-tail" in journal.calls[0]


def test_units_choose_and_own_entries_never_come_back(read, intake, journal):
    read(units="nginx app-*.service")
    journal.add("no", unit="other.service")
    journal.add("yes 1", unit="nginx.service")
    journal.add("yes 2", unit="app-7.service")
    journal.add("own", unit="nginx.service", _COMM="logboomd")
    journal.add("yes 3", unit="nginx.service")
    assert sorted(e["message"] for e in wait_for_records(intake, 3)) == ["yes 1", "yes 2", "yes 3"]
    assert "-u" not in journal.calls[0], "a glob is ours to judge"


def test_plain_units_are_asked_for_by_name(read, intake, journal):
    read(units="nginx other.service")
    journal.add("no", unit="app.service")
    journal.add("yes", unit="nginx.service")
    wait_for_records(intake, 1, "nginx")
    assert journal.calls[0].endswith("-u nginx -u other.service")


def test_a_long_message_is_cut_into_marked_records(read, intake, journal):
    read()
    text = "".join(chr(ord("a") + i % 26) for i in range(150_000))
    journal.add(text, binary=True)
    journal.add("", binary=True)
    journal.add("after", BIG="x" * 300_000)
    found = wait_for_records(intake, 4)
    parts = sorted((e for e in found if e["logboom"].get("cut")), key=lambda e: e["logboom"]["n"])
    assert "".join(e["message"] for e in parts) == text and len(parts) == 3
    assert [e["message"] for e in found if not e["logboom"].get("cut")] == ["after"]


def test_the_time_is_when_journald_took_it(read, intake, journal):
    read(start="begin")  # else what is older than the agent is passed over
    now = time.monotonic()
    before_ms = time.time() * 1000
    journal.add("old", __MONOTONIC_TIMESTAMP=str(int((now - 0.2) * 1e6)))
    journal.add("now", __MONOTONIC_TIMESTAMP=str(int(now * 1e6)))
    journal.add("elsewhere", _BOOT_ID="0" * 32, __MONOTONIC_TIMESTAMP="1")
    at = {e["message"]: e["timestamp"] for e in wait_for_records(intake, 3)}
    assert abs(at["now"] - at["old"] - 200) <= 1 and abs(at["now"] - before_ms) < 1000
    assert before_ms - 1000 < at["elsewhere"] < time.time() * 1000 + 1000


def test_a_child_that_ends_is_started_again_behind_the_last_entry(read, intake, journal):
    a = read()
    for i in range(4):
        journal.numbered(100 * i, 100 * i + 100)
        wait_for_records(intake, 100 * i + 100)
        for pid in journal.children(a):
            os.kill(pid, signal.SIGKILL)
    journal.numbered(400, 500)
    wait_for_records(intake, 500)
    assert_exactly(numbers(records(intake)), range(500))
    assert any("--after-cursor=s=" in call for call in journal.calls)


def test_no_child_outlives_its_agent(read, journal):
    a = read()
    pids = wait_until(lambda: journal.children(a))
    a.kill9()
    wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_text()
                               for pid in pids))
    a.start()
    pids = wait_until(lambda: journal.children(a))
    assert a.term() == 0
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_what_journalctl_complains_of_is_told_once(agent, quick, intake, journal):
    (journal.where / "fails").write_text("No journal files were opened due to insufficient permissions.")
    a = agent({**quick, "input j": {"type": "journal"}}, env=journal.env)
    wait_until(lambda: input_of(a)["state"] == "failed")
    wait_until(lambda: len(journal.calls) >= 3)
    assert "insufficient permissions" in input_of(a)["error"]
    assert a.log.count("insufficient permissions") == 1
    journal.numbered(0, 10)
    (journal.where / "fails").unlink()
    wait_for_records(intake, 10)
    assert input_of(a)["state"] == "reading" and input_of(a)["error"] == ""


def test_no_journalctl_is_told_and_stops_nothing(agent, quick, intake, journal):
    a = agent({**quick, "input j": {"type": "journal"}}, env={"PATH": str(journal.where)})
    wait_until(lambda: input_of(a)["state"] == "failed")
    assert "cannot start journalctl: No such file" in input_of(a)["error"]
    a.run("/bin/echo", "#n=1", service="other")
    wait_for_records(intake, 1, "other")


def test_a_cursor_that_the_journal_does_not_know_is_given_up(read, intake, journal):
    a = read()
    journal.numbered(0, 5)
    wait_for_records(intake, 5)
    assert a.term() == 0
    (journal.where / "fails").write_text("Failed to seek to cursor: Invalid argument")
    a.start()
    wait_until(lambda: "does not know our cursor" in a.log)
    journal.numbered(5, 10)  # after it was given up, and before journalctl works again
    (journal.where / "fails").unlink()
    wait_for_records(intake, 10)


def test_where_the_ring_has_no_room_the_journal_waits(agent, quick, intake, journal):
    journal.numbered(0, 6000)
    a = agent({**quick, "input j": {"type": "journal", "start": "begin"}, "ring": {"size": "256K"},
               "capture": {"max_line": "8K", "join_bytes": "8K"}}, env=journal.env, start=False)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a.start()
    wait_until(lambda: a.status()["ring"]["fill"] > 0.4)
    time.sleep(0.5)
    assert book(a)["dropped"] == book(a)["shed"] == 0
    for pid in journal.children(a):
        os.kill(pid, signal.SIGKILL)
    intake.plan.set([])
    wait_for_records(intake, 6000)
    assert_exactly(numbers(records(intake)), range(6000))


def test_killed_at_any_instant_every_entry_is_queued_once(read, intake, journal):
    chance = seeded()
    a = read()
    total, long_text = 0, "w" * 150_000
    for i in range(15):
        for _ in range(chance.randrange(1, 30)):
            journal.numbered(total, total + 20)
            total += 20
        if i % 3 == 0:
            journal.add(f"LONG{i} {long_text}", unit="long.service")
        time.sleep(chance.uniform(0, 0.3))
        if chance.random() < 0.3:
            for pid in journal.children(a):
                os.kill(pid, signal.SIGKILL)
        else:
            a.kill9()
            a.start()
    wait_for_records(intake, total, "app")
    assert_exactly(numbers(records(intake, "app")), range(total))
    parts = wait_for_records(intake, 15, "long")
    assert sum(len(e["message"]) for e in parts) == sum(len(f"LONG{i} ") + 150_000 for i in range(0, 15, 3))
    assert_books_balance(a.status())


@pytest.mark.long
def test_killed_between_two_stores_no_entry_comes_twice(agent, quick, intake, journal, kp_program):
    chance = seeded()
    a = agent({**quick, "input j": {"type": "journal", "start": "begin"}}, program=kp_program, env=journal.env,
              start=False)
    written = 0
    for _ in range(20):
        a.spawn(env={"LOGBOOM_KILL_AT": str(chance.randrange(500, 9000))})
        for _ in range(30):
            journal.numbered(written, written + 5)
            written += 5
            time.sleep(0.02)
            if a.process.poll() is not None:
                break
        a.kill9()
    a.start()
    wait_for_records(intake, written, "app", 40)
    assert_exactly(numbers(records(intake, "app")), range(written))


# --- the real one

# A journald of our own: what it makes in /run and /var/log is seen in this namespace only, and gone with it.
OWN_JOURNALD = """
mount -t tmpfs none /run && mount -t tmpfs none /var/log || exit 1
mkdir -p /run/log/journal /run/systemd/journal
/lib/systemd/systemd-journald >/dev/null 2>&1 &
echo $! >"$LB_TEST_DIR/journald.pid"
until [ -S /run/systemd/journal/socket ] && journalctl -n 1 >/dev/null 2>&1; do sleep 0.05; done
exec "$@"
"""

SAY = r"""
import socket, sys
to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for n in range(int(sys.argv[1]), int(sys.argv[2])):
    text = f"MESSAGE=line #n={n:07d}\nPRIORITY=4\nSYSLOG_IDENTIFIER=saying\n"
    to.sendto(text.encode(), "/run/systemd/journal/socket")
"""


@pytest.mark.long
def test_the_real_journalctl_is_read_across_kills(agent, quick, intake, runtime):
    if os.geteuid() != 0 or not Path("/lib/systemd/systemd-journald").exists() or not shutil.which("journalctl"):
        pytest.skip("no journald of one's own here")
    a = agent({**quick, "input j": {"type": "journal"}}, wrap=["unshare", "-m", "sh", "-c", OWN_JOURNALD, "sh"],
              env={"LB_TEST_DIR": str(runtime.parent)})
    try:
        keep = subprocess.Popen(["nsenter", "-t", str(a.process.pid), "-m", "sleep", "120"])
        within = ["nsenter", "-t", str(keep.pid), "-m"]

        def say(first, last):
            subprocess.run([*within, "/usr/bin/python3", "-c", SAY, str(first), str(last)], check=True)

        wait_until(lambda: input_of(a)["state"] == "reading")
        a.wrap = within
        say(0, 100)
        wait_until(lambda: len(records(intake, "saying")) == 100)
        a.kill9()
        say(100, 300)
        a.start()
        say(300, 400)
        wait_until(lambda: len(records(intake, "saying")) >= 400)
        assert_exactly(numbers(records(intake, "saying")), range(400))
        assert {e["status"] for e in records(intake, "saying")} == {"warning"}
        assert a.term() == 0
        say(400, 450)
        a.start()
        wait_until(lambda: len(records(intake, "saying")) >= 450)
        assert_exactly(numbers(records(intake, "saying")), range(450))
    finally:
        a.stop()
        os.kill(int((runtime.parent / "journald.pid").read_text()), signal.SIGKILL)
        keep.kill()
        keep.wait()
