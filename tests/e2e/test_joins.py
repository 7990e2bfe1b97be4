# SPDX-License-Identifier: MIT
"""Lines that become one record, through the real agent: how long they wait, what a kill does to them, bounds,
and how errors that come again are counted. What belongs together is told by the text; where a record ends, by
what arrived.
"""

import os
import signal
import time

import pytest

from conftest import wait_until
from lines import assert_books_balance, book, held_pipe, is_own

TRACEBACK = ('Traceback (most recent call last):\n'
             '  File "/opt/pump/app.py", line {line}, in read\n'
             '    return self.raw()["value"]\n'
             'KeyError: {message!r}\n')


def crash(line=7, message="value", function="read"):
    return TRACEBACK.format(line=line, message=message).replace("in read", f"in {function}")


def texts(intake):
    return [entry["message"] for entry in intake.entries()]


def own(intake, kind):
    return [entry for entry in intake.everything() if entry.get("logboom", {}).get("kind") == kind]


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def test_an_ordinary_line_waits_for_nobody_and_an_error_for_its_traceback(agent, quick, intake):
    a = agent({**quick, "capture": {"join_timeout": "off"}})
    with held_pipe() as (read_end, write_end):
        a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, b"INFO:app:ready\n")
        assert intake.wait_entries(1), "it does not wait for join_timeout"
        write_all(write_end, b"ERROR:app:failed\n")
        wait_until(lambda: book(a)["open"] == 1, what="it waits for its traceback")
        for part in crash().encode().splitlines(True):
            write_all(write_end, part)
            time.sleep(0.02)
        write_all(write_end, b"INFO:app:go on\n")
        assert intake.wait_entries(3)
    assert texts(intake) == ["INFO:app:ready", "ERROR:app:failed\n" + crash().rstrip(), "INFO:app:go on"]
    assert_books_balance(a.status())


def test_with_nothing_more_the_record_goes_out_after_join_timeout(agent, quick, intake):
    a = agent({**quick, "capture": {"join_timeout": "300ms"}})
    with held_pipe() as (read_end, write_end):
        a.popen("pipe", "-s", "app", stdin=read_end)
        begin = time.monotonic()
        write_all(write_end, crash().encode())
        assert intake.wait_entries(1)
        assert time.monotonic() - begin > 0.29
        assert texts(intake) == [crash().rstrip()]
        assert not intake.entries()[0]["logboom"].get("cut")


def test_a_flush_takes_an_open_record_and_what_lies_in_the_pipe_along(agent, quick, intake):
    quick["sink datadog"]["wait"] = "1h"
    a = agent({**quick, "capture": {"join_timeout": "off"}})
    with held_pipe() as (read_end, write_end):
        a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, b"INFO:app:a\n")
        wait_until(lambda: book(a)["in"] == 1)
        write_all(write_end, b"INFO:app:b\nERROR:app:c\n")
        a.flush()
        assert texts(intake) == ["INFO:app:a", "INFO:app:b", "ERROR:app:c"]


def test_a_kill_in_the_middle_of_a_join_changes_nothing(agent, quick, intake):
    a = agent({**quick, "capture": {"join_timeout": "60s"}})
    parts = crash().encode().splitlines(True)
    with held_pipe() as (read_end, write_end):
        a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, b"INFO:app:before\n")
        wait_until(lambda: book(a)["in"] == 1)
        a.flush()  # what is on its way when the agent is killed is sent again
        write_all(write_end, b"ERROR:app:failed\n")
        for number, part in enumerate(parts, 3):
            write_all(write_end, part)
            wait_until(lambda: book(a)["in"] == number)
            a.kill9()
            a.start()
        write_all(write_end, b"INFO:app:after\n")
        assert intake.wait_entries(3)
    a.flush()
    assert texts(intake) == ["INFO:app:before", "ERROR:app:failed\n" + crash().rstrip(), "INFO:app:after"]
    assert [e["logboom"].get("lines", 1) for e in intake.entries()] == [1, 5, 1]
    assert book(a)["in"] == book(a)["delivered"] == 7, "the books count lines"


def test_a_join_is_cut_at_its_bounds_and_no_byte_is_lost(agent, quick, intake):
    a = agent({**quick, "capture": {"join_lines": "10", "join_bytes": "1K", "repeat_window": "off"}})
    body = "head\n" + "".join(f"  part {n:03} {'x' * (n % 90)}\n" for n in range(200))
    a.pipe("-s", "app").communicate(body.encode(), timeout=60)
    a.flush()
    assert "\n".join(texts(intake)) + "\n" == body
    found = intake.entries()
    assert all(e["logboom"].get("cut") for e in found) and len(found) >= 20
    assert all(e["logboom"].get("lines", 1) <= 10 and len(e["message"]) <= 1024 for e in found)


@pytest.mark.parametrize("mode,want", [
    ("off", ["a", "  b", "Traceback (most recent call last):", '  File "x", line 1, in f', "E: 1"]),
    ("indent", ["a\n  b", 'Traceback (most recent call last):\n  File "x", line 1, in f', "E: 1"]),
    ("python", ["a\n  b", 'Traceback (most recent call last):\n  File "x", line 1, in f\nE: 1']),
])
def test_multiline_is_a_choice_of_each_service(agent, quick, intake, mode, want):
    a = agent({**quick, "capture": {"multiline": "off"}, "service app": {"multiline": mode}})
    a.pipe("-s", "app").communicate(
        b'a\n  b\nTraceback (most recent call last):\n  File "x", line 1, in f\nE: 1\n', timeout=60)
    a.flush()
    assert texts(intake) == want


def test_a_traceback_says_what_was_raised(agent, quick, intake):
    a = agent(quick)
    a.pipe("-s", "app").communicate(("WARNING:app:odd\n" + crash()).encode(), timeout=60)
    a.flush()
    (entry,) = intake.entries()
    assert entry["status"] == "error", "a traceback is at least an error"
    assert entry["error"]["kind"] == "KeyError" and entry["error"]["message"] == "'value'"
    assert entry["error"]["stack"] == crash().rstrip()
    assert len(entry["error"]["fingerprint"]) == 16 and entry["logboom"]["new"] is True


def test_an_error_that_comes_again_is_counted_and_told_once(agent, quick, intake):
    a = agent({**quick, "capture": {"repeat_window": "2s"}})
    for n in range(40):
        a.pipe("-s", "app").communicate(crash(line=n, message=f"m{n}").encode(), timeout=60)
    a.pipe("-s", "app").communicate(crash(function="write").encode(), timeout=60)
    a.pipe("-s", "other").communicate(crash().encode(), timeout=60)
    wait_until(lambda: sum(e["logboom"]["count"] for e in own(intake, "repeat")) +
               len([e for e in intake.entries() if not is_own(e)]) == 42, what="each is there or counted")
    whole = [e for e in intake.entries() if not is_own(e)]
    first = [e for e in whole if e["service"] == "app" and "in read" in e["message"]]
    assert len({e["error"]["fingerprint"] for e in first}) == 1, "whatever line and message"
    assert len({e["error"]["fingerprint"] for e in whole}) == 2
    assert [e["logboom"].get("new") for e in first] == [True] + [None] * (len(first) - 1)
    for told in own(intake, "repeat"):
        assert told["service"] == "app" and told["status"] == "error"
        assert told["logboom"]["fingerprint"] == first[0]["error"]["fingerprint"]
        assert told["logboom"]["error_kind"] == "KeyError"
        assert told["logboom"]["first_ms"] <= told["logboom"]["last_ms"]
    status = a.status()["books"]["services"]["app"]
    assert status["dropped_by"]["repeat"]["lines"] == 4 * sum(e["logboom"]["count"] for e in own(intake, "repeat"))
    assert_books_balance(a.status())


def test_what_was_counted_survives_a_kill_and_is_told_at_a_stop(agent, quick, intake):
    a = agent(quick)
    for _ in range(5):
        a.pipe("-s", "app").communicate(crash().encode(), timeout=60)
    wait_until(lambda: book(a)["in"] == 20)
    a.kill9()
    a.start()
    for _ in range(3):
        a.pipe("-s", "app").communicate(crash().encode(), timeout=60)
    wait_until(lambda: book(a)["in"] == 32)
    assert a.term() == 0
    assert [e["logboom"]["count"] for e in own(intake, "repeat")] == [7]
    assert len([e for e in intake.entries() if not is_own(e)]) == 1


def test_a_crash_loop_does_not_flood(agent, quick, intake):
    """Thirty crashes of one kind: one traceback, ten ends whole and one more of its kind, the rest counted."""
    a = agent(quick)
    program = "import sys\ndef read():\n    raise KeyError('value')\nread()\n"
    for _ in range(30):
        a.run("/usr/bin/python3", "-S", "-c", program, service="app")
    a.term()
    assert len([e for e in intake.entries() if "Traceback" in e["message"]]) == 1
    ends = own(intake, "exit")
    assert 10 <= len(ends) <= 12
    assert {e["logboom"]["code"] for e in ends} == {1} and {e["status"] for e in ends} == {"error"}
    assert [e["logboom"]["restarts"] for e in ends][:10] == list(range(10))
    fingerprints = {e["logboom"]["fingerprint"] for e in ends}
    assert fingerprints == {e["error"]["fingerprint"] for e in intake.entries() if "error" in e}
    counts = [e["logboom"]["count"] for e in own(intake, "repeat")]
    assert sum(counts) == 29 + 30 - len(ends)


@pytest.mark.parametrize("code,status", [(0, "info"), (3, "error")])
def test_an_exit_record_tells_how_a_command_ended(agent, quick, intake, code, status):
    a = agent(quick)
    answer = a.run("/bin/sh", "-c", f"exit {code}", service="app")
    assert answer.returncode == code
    a.flush()
    (end,) = own(intake, "exit")
    mark = end["logboom"]
    assert (end["status"], end["service"], mark["code"], mark["restarts"]) == (status, "app", code, 0)
    assert mark["program"] == "sh" and mark["peak_rss_bytes"] > 100_000 and mark["run_ms"] < 60_000


@pytest.mark.parametrize("number,status", [(signal.SIGTERM, "info"), (signal.SIGKILL, "critical"),
                                           (signal.SIGSEGV, "critical")])
def test_and_which_signal_killed_it(agent, quick, intake, number, status):
    a = agent(quick)
    assert a.run("/bin/sh", "-c", f"kill -{int(number)} $$", service="app").returncode == 128 + number
    a.flush()
    (end,) = own(intake, "exit")
    assert (end["status"], end["logboom"]["signal"]) == (status, number.name)
    assert "code" not in end["logboom"]


def test_a_client_that_is_killed_leaves_a_record(agent, quick, intake, runtime):
    a = agent(quick)
    hold = runtime.parent / "hold"
    hold.touch()
    client = a.popen("run", "-s", "app", "--", "/bin/sh", "-c", f"while [ -e {hold} ]; do sleep 0.02; done")
    wait_until(lambda: a.status()["staging"]["streams"] == 2, what="both streams are read")
    client.kill()
    client.wait()
    hold.unlink()
    wait_until(lambda: own(intake, "exit"))
    (end,) = own(intake, "exit")
    assert end["status"] == "warn" or end["status"] == "warning"
    assert "not known" in end["message"] and "code" not in end["logboom"]


def test_colours_and_prefixes_go_and_json_stays(agent, quick, intake):
    a = agent(quick)
    a.pipe("-s", "app").communicate(
        b'\x1b[31mERROR:x:hot\x1b[0m\n<4>low\n{"level": "error", "dd.trace_id": "12", "dd.span_id": "34"}\n', timeout=60)
    a.flush()
    hot, low, json_line = intake.entries()
    assert (hot["message"], hot["status"]) == ("ERROR:x:hot", "error")
    assert (low["message"], low["status"][:4]) == ("low", "warn")
    assert json_line["message"] == '{"level": "error", "dd.trace_id": "12", "dd.span_id": "34"}'
    assert json_line["dd"] == {"trace_id": "12", "span_id": "34"} and json_line["status"] == "error"


def test_a_flush_that_is_not_done_in_time_says_so_however_short_its_time(agent, quick, intake):
    quick["sink datadog"]["wait"] = "1h"
    a = agent(quick)
    intake.plan.set([{"do": "hang", "seconds": 60, "times": -1}])
    a.pipe("-s", "app").communicate(b"INFO:app:a\n", timeout=60)
    for wait in "0s", "50ms", "200ms":
        answer = a.client("flush", "-w", wait)
        assert answer.returncode == 1 and "not all was delivered in time" in answer.stderr
