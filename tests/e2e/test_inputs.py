# SPDX-License-Identifier: MIT
"""[input NAME] type = file.

The story: programs that know nothing of pipes write log files on tmpfs; they append, rotate, truncate, come and
go, and the agent is stopped, killed and started anew. Every line is delivered, and was put into the ring once.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from conftest import wait_until
from lines import (assert_books_balance, assert_exactly, book, by_number, in_order, line, lines, numbers, prove_ring,
                   receipts, seeded)


@pytest.fixture
def logs(runtime):
    path = runtime.parent / "logs"
    path.mkdir()
    return path


@pytest.fixture
def follow(agent, quick, logs):
    """Factory: follow(**keys of [input app]) -> a running agent that has looked at its inputs once: what is there from
    then on is new. follow(start_agent=False) does not start it."""

    def make(start_agent=True, sections=None, **keys):
        made = agent({**quick, "input app": {"type": "file", "path": logs / "*.log", **keys}, **(sections or {})},
                     start=start_agent)
        if start_agent:
            wait_until(lambda: all(one["state"] != "starting" for one in made.status()["inputs"]))
        return made

    return make


LET_GO_S = 40  # a file that is gone is let go after 5 s; one whose writers nobody may know, after a minute


def input_of(agent, name="app"):
    return next(one for one in agent.status()["inputs"] if one["name"] == name)


def wait_for_files(agent, count, name="app"):
    wait_until(lambda: input_of(agent, name)["files"] == count, what=f"{count} files are followed")


def append(path, data):
    with open(path, "ab") as file:
        file.write(data)


def arrived(intake, service="app"):
    return numbers(by_number(intake.entries()).values(), service)


def wait_for_lines(intake, expected, service="app", seconds=60):
    expected = list(expected)
    wait_until(lambda: len(arrived(intake, service)) >= len(expected), seconds, f"{len(expected)} lines")
    assert_exactly(arrived(intake, service), expected)


def cpu_seconds(agent):
    fields = Path(f"/proc/{agent.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def texts(intake, service="app"):
    return [e["message"] for e in by_number(intake.entries()).values() if e["service"] == service]


def test_what_is_appended_is_shipped_and_what_was_there_before_is_not(follow, intake, logs):
    append(logs / "a.log", lines(0, 5))
    a = follow(tags="tier:edge")
    wait_for_files(a, 1)
    append(logs / "a.log", lines(5, 1000))
    wait_for_lines(intake, range(5, 1000))
    assert input_of(a) == {"name": "app", "type": "file", "state": "reading", "files": 1, "error": ""}
    assert all("tier:edge" in e["ddtags"] for e in intake.entries() if e["service"] == "app")
    assert numbers(in_order(intake.entries()), "app") == list(range(5, 1000))
    assert_books_balance(a.status())


def test_with_start_begin_what_was_there_is_shipped_too(follow, intake, logs):
    append(logs / "a.log", lines(0, 50))
    follow(start="begin", service="web")
    wait_for_lines(intake, range(50), "web")


def test_a_file_that_appears_later_is_read_from_its_begin(follow, intake, logs):
    a = follow()
    wait_until(lambda: input_of(a)["state"] == "waiting")
    for i in range(5):
        append(logs / f"{i}.log", lines(100 * i, 100 * i + 100))
    append(logs / "other.txt", b"not asked for\n")
    append(logs / "old.log.gz", b"packed\n")
    (logs / "dir.log").mkdir()
    os.mkfifo(logs / "fifo.log")
    wait_for_lines(intake, range(500))
    wait_for_files(a, 5)


def test_a_directory_that_appears_later_is_found(follow, intake, logs):
    a = follow(path=logs / "*" / "x.log")
    wait_until(lambda: input_of(a)["state"] == "waiting")
    (logs / "d1").mkdir()
    append(logs / "d1" / "x.log", lines(0, 10))
    wait_for_lines(intake, range(10))


def test_a_half_line_waits_for_its_end(follow, intake, logs):
    a = follow()
    whole = line(1)
    append(logs / "a.log", line(0) + whole[:10])
    wait_for_lines(intake, [0])
    time.sleep(0.3)  # it must not come, however long one waits
    assert arrived(intake) == [0]
    assert book(a, "app")["open"] == 1
    append(logs / "a.log", whole[10:])
    wait_for_lines(intake, [0, 1])


@pytest.mark.long
def test_a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_begin(follow, intake, logs):
    a = follow()
    with open(logs / "a.log", "ab", buffering=0) as old:
        old.write(lines(0, 100))
        wait_for_files(a, 1)
        os.rename(logs / "a.log", logs / "a.log.1")
        old.write(lines(100, 200))
        append(logs / "a.log", lines(200, 300))
        wait_for_lines(intake, range(300))
        wait_for_files(a, 2)
        time.sleep(7)  # its writer is slow to reopen: as long as it has the file, it is followed
        old.write(lines(300, 310))
        wait_for_lines(intake, range(310))
    wait_until(lambda: input_of(a)["files"] == 1, LET_GO_S, "the old one is let go")
    assert a.status()["staging"]["streams"] == 1


def test_a_line_without_an_end_goes_out_when_its_file_is_gone(follow, intake, logs):
    a = follow()
    append(logs / "a.log", line(0)[:-1])
    wait_for_files(a, 1)
    wait_until(lambda: book(a, "app")["open"] == 1)
    os.unlink(logs / "a.log")
    wait_for_lines(intake, [0], seconds=LET_GO_S)
    assert [e["logboom"].get("cut") for e in intake.entries() if e["service"] == "app"] == [True]


def test_a_truncated_file_is_read_from_its_begin(follow, intake, logs):
    a = follow()
    append(logs / "a.log", lines(0, 100) + b"INFO:app:half #n=0000100")
    wait_for_lines(intake, range(100))
    wait_until(lambda: book(a, "app")["open"] == 1)
    os.truncate(logs / "a.log", 0)
    append(logs / "a.log", lines(101, 120))
    wait_for_lines(intake, range(120))
    assert "truncated" in a.log
    os.truncate(logs / "a.log", 0)
    wait_until(lambda: book(a, "app")["open"] == 0)
    append(logs / "a.log", lines(120, 130))
    wait_for_lines(intake, range(130))


def test_a_traceback_in_a_file_is_one_record(follow, intake, logs):
    follow()
    append(logs / "a.log", b"ERROR:app:it failed\nTraceback (most recent call last):\n"
                           b'  File "a.py", line 1, in f\n    g()\nValueError: no\n' + line(1))
    wait_until(lambda: any("#n=0000001" in text for text in texts(intake)))
    assert len(texts(intake)) == 2


def test_the_next_agent_goes_on_where_the_last_one_stopped(follow, intake, logs):
    a = follow()
    append(logs / "a.log", lines(0, 100) + line(100)[:20])
    wait_for_lines(intake, range(100))
    assert a.term() == 0
    append(logs / "a.log", line(100)[20:] + lines(101, 200))
    append(logs / "b.log", lines(200, 300))
    a.start()
    wait_for_lines(intake, range(300))
    prove_ring(intake.everything())


def test_what_was_rotated_while_no_agent_ran_is_read_to_its_end(follow, intake, logs):
    a = follow()
    append(logs / "a.log", lines(0, 100))
    wait_for_lines(intake, range(100))
    a.kill9()
    append(logs / "a.log", lines(100, 200))
    os.rename(logs / "a.log", logs / "a.old")
    append(logs / "a.log", lines(200, 300))
    a.start()
    wait_for_lines(intake, range(300))
    wait_until(lambda: input_of(a)["files"] == 1, LET_GO_S, "the old one is let go")


def test_another_service_name_goes_on_at_the_same_place(follow, intake, logs):
    a = follow()
    append(logs / "a.log", lines(0, 10))
    wait_for_lines(intake, range(10))
    assert a.term() == 0
    a.sections["input app"]["service"] = "renamed"
    a.write_ini()
    append(logs / "a.log", lines(10, 20))
    a.start()
    wait_for_lines(intake, range(10, 20), "renamed")
    assert_exactly(arrived(intake), range(10))


def test_an_input_that_is_no_more_gives_its_slots_back(follow, intake, logs):
    a = follow()
    append(logs / "a.log", lines(0, 10) + b"INFO:app:half #n=0000010")
    wait_for_lines(intake, range(10))
    assert a.term() == 0
    del a.sections["input app"]
    a.write_ini()
    a.start()
    wait_for_lines(intake, range(11))
    assert a.status()["inputs"] == []


def test_where_the_ring_has_no_room_a_file_waits_and_nothing_is_dropped(follow, intake, logs):
    a = follow(sections={"ring": {"size": "256K"}, "capture": {"max_line": "8K", "join_bytes": "8K"}})
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    append(logs / "a.log", lines(0, 20000, "x" * 50))
    wait_until(lambda: a.status()["ring"]["fill"] > 0.4)
    before = cpu_seconds(a)
    time.sleep(1)  # longer than any patience with a sink that is away
    assert cpu_seconds(a) - before < 0.3, "it waits, and does not ask again and again"
    assert book(a, "app")["dropped"] == book(a, "app")["shed"] == 0
    intake.plan.set([])
    wait_for_lines(intake, range(20000))
    assert not receipts(intake.entries(), "overload")


def test_a_flush_takes_what_was_written_before_it(follow, intake, logs):
    a = follow()
    append(logs / "a.log", lines(0, 1))
    wait_for_lines(intake, [0])
    for i in range(1, 20):
        append(logs / "a.log", line(i))
        a.flush()
        assert_exactly(arrived(intake), range(i + 1))


WRITER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from lines import line
path, count, way = sys.argv[2], int(sys.argv[3]), sys.argv[4]
file = open(path, "ab", buffering=0)
for n in range(count):
    text = line(n, "y" * (n % 200))
    if n % 7 == 0:
        file.write(text[:11])
        time.sleep(0.0005)
        file.write(text[11:])
    else:
        file.write(text)
    if n % 20 == 0:
        time.sleep(0.004)
    if way == "rename" and n % 2000 == 1999:
        os.rename(path, f"{path}.{n}")
        file = open(path, "ab", buffering=0)
"""


@pytest.mark.parametrize("way", ["append", "rename"])
def test_killed_at_any_instant_every_line_is_queued_once(follow, intake, logs, way):
    chance = seeded()
    count = 10000
    a = follow(start="begin", path=logs / "a.log", service="a",
               sections={"input b": {"type": "file", "path": logs / "b.log", "start": "begin"}})
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(Path(__file__).parents[1] / "support"),
                                 str(logs / f"{name}.log"), str(count), way]) for name in "ab"]
    while any(w.poll() is None for w in writers):
        time.sleep(chance.uniform(0.02, 0.4))
        a.kill9()
        a.start()
    assert [w.wait() for w in writers] == [0, 0]
    wait_for_lines(intake, range(count), "a")
    wait_for_lines(intake, range(count), "b")
    prove_ring(intake.everything())
    assert_books_balance(a.status())


@pytest.mark.long
def test_a_killed_agent_with_kill_points_reads_nothing_twice(agent, quick, intake, logs, kp_program):
    """Killed by injection between two stores, again and again, while a file grows."""
    chance = seeded()
    a = agent({**quick, "input app": {"type": "file", "path": logs / "*.log", "start": "begin"}}, program=kp_program,
              start=False)
    written = 0
    for _ in range(25):
        a.spawn(env={"LOGBOOM_KILL_AT": str(chance.randrange(50, 6000))})
        for _ in range(40):
            append(logs / "a.log", lines(written, written + 10))
            written += 10
            time.sleep(0.01)
            if a.process.poll() is not None:
                break
        a.kill9()
    a.start()
    wait_until(lambda: len(arrived(intake)) >= written, what="all lines")
    assert_exactly(arrived(intake), range(written))


# --- what it lies on


def test_a_file_on_a_disk_is_followed_by_the_card_side(agent, quick, intake):
    """The disk of the machine that runs this is flash or not: refused and told, or followed; allowed, always followed."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as where:
        if subprocess.run(["stat", "-f", "-c", "%T", where], capture_output=True, text=True).stdout.strip() == "tmpfs":
            pytest.skip("no disk here")
        append(Path(where) / "d.log", lines(0, 10))
        a = agent({**quick, "input app": {"type": "file", "path": f"{where}/*.log", "start": "begin"}})
        wait_until(lambda: input_of(a)["state"] in ("reading", "refused"))
        if input_of(a)["state"] == "refused":
            assert "allow_flash = yes" in input_of(a)["error"] and input_of(a)["files"] == 0
            assert "allow_flash = yes" in a.log
        a.term()
        a.sections["input app"]["allow_flash"] = "yes"
        a.write_ini()
        a.start()
        wait_for_lines(intake, range(10))
        append(Path(where) / "d.log", lines(10, 5000, "z" * 100))
        wait_for_lines(intake, range(5000))
        os.truncate(Path(where) / "d.log", 0)
        a.flush()
        append(Path(where) / "d.log", lines(5000, 5010))
        a.flush()
        wait_for_lines(intake, range(5010))
        a.kill9()
        append(Path(where) / "d.log", lines(5010, 5100))
        os.rename(Path(where) / "d.log", Path(where) / "d.1")
        append(Path(where) / "d.log", lines(5100, 5200))
        a.start()
        wait_for_lines(intake, range(5200))


def test_a_file_that_may_not_be_opened_is_told(agent, quick, intake, logs):
    (logs / "a.log").symlink_to("a.log")  # not by its mode: root may open anything
    a = agent({**quick, "input app": {"type": "file", "path": logs / "*.log"}})
    wait_until(lambda: f"cannot open {logs / 'a.log'}: " in input_of(a)["error"])
    assert input_of(a)["state"] == "failed"
    append(logs / "b.log", lines(0, 3))
    wait_for_lines(intake, range(3))
    (logs / "a.log").unlink()
    wait_until(lambda: input_of(a)["error"] == "" and input_of(a)["state"] == "reading")


def test_a_change_of_inputs_waits_for_the_next_start(follow, intake, logs):
    a = follow()
    a.sections["input app"]["start"] = "begin"
    a.write_ini()
    a.hup()
    wait_until(lambda: "input.start takes effect at the next start" in a.log)
    append(logs / "a.log", lines(0, 10))
    wait_for_lines(intake, range(10))
