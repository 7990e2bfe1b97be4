# SPDX-License-Identifier: MIT
"""Lines from a service to its sink, through real processes.

The story: a Python service prints and logs under `logboom run`, or into `| logboom pipe`. What arrives is what
was written: each line once, in order, with the right fields; and the ranges that the bodies tell prove it.
"""

import json
import os
import socket
import stat
import subprocess
import time

import pytest

from conftest import ROOMY, wait_until
from lines import (PYTHON, assert_books_balance, assert_exactly, book, by_number, in_order, line, lines, numbers,
                   prove_ranges, prove_ring, seeded, unit_of_this_process)

SERVICE = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
log = logging.getLogger("app")
for n in range(0, 400, 4):
    print("printed #n=%d" % n, flush=True)
    log.info("told #n=%d", n + 1)
    log.error("failed #n=%d", n + 2)
    log.debug("seen #n=%d", n + 3)
"""
STATUS_BY_WORD = {"printed": "info", "INFO": "info", "ERROR": "error", "DEBUG": "debug"}


@pytest.fixture
def sink(sink):
    """Room for all that is said here."""
    return {**sink, **ROOMY}


def send(agent, data, *args, service="app"):
    """Feed bytes to `logboom pipe` and wait until the agent has them all."""
    client = agent.pipe("-s", service, *args)
    client.communicate(data, timeout=60)
    assert client.returncode == 0
    agent.flush()


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_a_python_service_under_run_arrives_whole(agent, sink, intake, compression):
    sink["sink datadog"]["compression"] = compression
    a = agent(sink)
    done = a.run(PYTHON, "-c", SERVICE, service="app")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    a.flush()
    entries = intake.entries()
    assert_exactly(numbers(entries, "app"), range(400))
    for entry in entries:
        assert entry["status"] == STATUS_BY_WORD[entry["message"].split()[0].split(":")[0]], entry
    seen = prove_ranges(intake.requests())
    assert sum(map(len, seen.values())) == 400 + 2, "the first record tells of the start, the last one of the end"
    assert {r.encoding for r in intake.requests()} == {"identity" if compression == "none" else compression}
    assert all(r.headers["dd-api-key"] for r in intake.requests())


def test_a_python_service_through_a_shell_pipe_arrives_in_order(agent, sink, intake):
    sink["sink datadog"]["sequence"] = "all"
    a = agent(sink)
    client = a.program.parent / "logboom"
    shell = subprocess.run(["/bin/sh", "-c", f"'{PYTHON}' -c \"$SERVICE\" 2>&1 | '{client}' pipe -s app"],
                           env={**a.env, "SERVICE": SERVICE}, timeout=60, capture_output=True)
    assert shell.returncode == 0, shell.stderr
    a.flush()
    assert_exactly(numbers(intake.entries()), range(400))
    prove_ring(intake.everything())


def test_every_field_is_there_with_its_documented_form(agent, sink, intake, runtime):
    rack = runtime.parent / "rack"
    rack.write_text("r7\n")
    sink["sink datadog"]["sequence"] = "all"
    a = agent({**sink, "agent": {"hostname": "dev-%hostname-$LB_TEST_PLACE", "tags": f"place:$LB_TEST_PLACE,rack:@{rack}"},
               "service app": {"tags": "team:boats", "source": "my-source"}}, env={"LB_TEST_PLACE": "dock9"})
    before_ms, mine = time.time() * 1000, os.getuid()
    client = a.popen("run", "-s", "app", "-T", "color=red", "--", "/bin/sh", "-c",
                     "echo $$; echo 'WARNING:app:w' >&2")
    assert client.wait(60) == 0
    a.flush()
    first, second = sorted(intake.entries(), key=lambda e: e["status"])
    assert (first["status"], second["status"], second["message"]) == ("info", "warning", "WARNING:app:w")
    for entry, lane in (first, "routine"), (second, "urgent"):
        assert set(entry) == {"message", "status", "timestamp", "hostname", "service", "ddsource", "ddtags", "logboom"}
        assert entry["hostname"] == f"dev-{socket.gethostname()}-dock9"
        assert (entry["service"], entry["ddsource"]) == ("app", "my-source")
        assert sorted(entry["ddtags"].split(",")) == ["color:red", "place:dock9", "rack:r7", "team:boats"]
        assert isinstance(entry["timestamp"], int) and before_ms - 1000 < entry["timestamp"] < time.time() * 1000 + 1000
        mark = entry["logboom"]
        assert set(mark) == {"id", "lane", "n", "stream", "pid", "uid", "pattern", "clock"}
        first_n = 2 if lane == "routine" else 1  # a start record is the first of its ring
        assert (mark["lane"], mark["n"], mark["uid"]) == (lane, first_n, mine)
        assert mark["pid"] == int(first["message"]), "the pid of the process that writes"
    assert first["logboom"]["stream"] != second["logboom"]["stream"]


def test_sequence_off_tells_no_numbers(agent, sink, intake):
    sink["sink datadog"]["sequence"] = "off"
    a = agent(sink)
    send(a, lines(0, 50))
    assert_exactly(numbers(intake.entries()), range(50))
    assert not [e for e in intake.everything() if {"id", "n", "urgent", "routine"} & set(e.get("logboom", {}))]


def test_the_file_sink_appends_whole_lines_with_numbers(agent, runtime):
    path = runtime.parent / "out.ndjson"
    path.write_text('{"old":1}\n')
    path.chmod(0o600)
    a = agent({"sink file": {"type": "file", "path": path, "wait": "100ms"}})
    send(a, lines(0, 3000))
    old, *entries = [json.loads(text) for text in path.read_text().splitlines()]
    assert old == {"old": 1}
    assert_exactly(numbers(entries), range(3000))
    prove_ring(entries)


def test_the_file_sink_makes_its_file_for_its_owner_only(agent, runtime):
    path = runtime.parent / "out.ndjson"
    a = agent({"sink file": {"type": "file", "path": path, "wait": "100ms"}})
    send(a, line(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_body_is_no_larger_than_body_lines_and_body_bytes(agent, sink, intake):
    sink["sink datadog"].update(body_lines="37", body_bytes="16K", wait="5s")
    chance = seeded()
    a = agent(sink)
    send(a, lines(0, 400) + b"".join(line(n, "x" * chance.randrange(600, 900)) for n in range(400, 800)))
    assert_exactly(numbers(intake.entries()), range(800))
    prove_ranges(intake.requests())
    assert max(r.entry_count for r in intake.requests()) == 37
    assert 15 * 1024 < max(r.raw_bytes for r in intake.requests()) <= 16 * 1024


def test_one_record_larger_than_a_body_goes_alone(agent, sink, intake):
    sink["sink datadog"].update(body_bytes="16K")
    a = agent(sink)
    send(a, line(0) + line(1, "y" * 60000) + line(2))
    assert_exactly(numbers(intake.entries()), range(3))
    large = [r for r in intake.requests() if r.raw_bytes > 16 * 1024]
    assert [numbers(r.entries) for r in large] == [[1]]


def test_an_urgent_line_does_not_wait_and_takes_along_what_is_before_it(agent, sink, intake):
    sink["sink datadog"].update(wait="10m", urgent_wait="100ms")
    a = agent(sink)
    client = a.pipe("-s", "app")
    client.stdin.write(lines(0, 5))
    client.stdin.flush()
    wait_until(lambda: book(a)["pending"] == 5, what="five routine lines are queued")
    time.sleep(0.5)
    assert intake.stats()["requests"] == 0, "routine lines wait"
    client.stdin.write(line(5, level="ERROR"))
    client.stdin.flush()
    assert intake.wait_entries(6), "the urgent line leaves within urgent_wait"
    assert numbers(intake.entries()) == list(range(6))
    client.communicate(timeout=60)


def test_a_routine_line_waits_for_wait(agent, sink, intake):
    sink["sink datadog"].update(wait="800ms")
    a = agent(sink)
    assert intake.wait_requests(1), "the record of the start; from then on the device has its beat"
    client = a.pipe("-s", "app")
    begin = time.monotonic()
    client.stdin.write(line(0))
    client.stdin.flush()
    assert intake.wait_entries(1)
    assert intake.requests()[-1].at_s - begin >= 0.39, "at the device's own beat in the second half of wait"
    client.communicate(timeout=60)


@pytest.mark.parametrize("max_line,size", [("1K", 10_000), ("1K", 1025), ("64K", 300_000), ("64K", 65537)])
def test_a_long_line_is_cut_and_marked_and_no_byte_is_lost(agent, sink, intake, max_line, size):
    sink["sink datadog"]["sequence"] = "all"
    a = agent({**sink, "capture": {"max_line": max_line}})
    limit = 1024 if max_line == "1K" else 65536
    body = "".join(chr(ord("a") + i % 26) for i in range(size))
    whole = "w" * limit
    send(a, f"first\n{body}\n{whole}\nlast\n".encode())
    first, *pieces, exact, last = in_order(intake.entries())
    assert [first["message"], exact["message"], last["message"]] == ["first", whole, "last"]
    assert not [e for e in (first, exact, last) if e.get("logboom", {}).get("cut")]
    assert "".join(e["message"] for e in pieces) == body
    assert len(pieces) == -(-size // limit)
    assert all(e["logboom"]["cut"] is True for e in pieces)


def test_line_ends_blanks_and_strange_bytes(agent, sink, intake):
    a = agent(sink)
    send(a, b"crlf\r\n\n\r\nlone\rcr\n \n" + b"\xff" * 40 + b"\nbad \xff\xfe\xc3 end\ncut \xe2\x82\nnul \x00 byte\n"
         b'quote " back \\ tab \t esc \x1b\n\xe2\x82\xac euro \xf0\x9f\x98\x80\n' + b"no end")
    got = [e["message"] for e in intake.entries()]
    bad = "\ufffd"
    assert got[0] == "crlf"
    assert got[1] == "lone\rcr"
    assert got[2] == " ", "a blank is something"
    assert got[3] == bad * 40
    assert got[4] == f"bad {bad}{bad}{bad} end"
    assert got[5] in (f"cut {bad}", f"cut {bad}{bad}")
    assert got[6:] == ["nul \x00 byte", 'quote " back \\ tab \t esc \x1b', "\u20ac euro \U0001f600", "no end"]
    status = a.status()
    assert status["books"]["services"]["app"]["dropped_by"]["blank"]["lines"] == 2
    assert book(a, "app")["in"] == 12
    assert_books_balance(status)


@pytest.mark.parametrize("source", ["pipe", "file", "null"])
def test_input_of_no_bytes_gives_no_record(agent, sink, intake, runtime, source):
    a = agent(sink)
    if source == "pipe":
        send(a, b"")
    else:
        (runtime.parent / "empty").write_bytes(b"")
        with open("/dev/null" if source == "null" else runtime.parent / "empty", "rb") as stdin:
            assert a.client("pipe", "-s", "app", stdin=stdin).returncode == 0
        a.flush()
    assert intake.entries() == [] and book(a)["in"] == 0


def test_a_file_may_be_the_input(agent, sink, intake, runtime):
    a = agent(sink)
    (runtime.parent / "log").write_bytes(lines(0, 20000))
    with open(runtime.parent / "log", "rb") as stdin:
        assert a.client("pipe", "-s", "app", stdin=stdin).returncode == 0
    a.flush()
    assert_exactly(numbers(intake.entries()), range(20000))


def test_tee_passes_everything_on(agent, sink, intake):
    a = agent(sink)
    client = a.pipe("-s", "app", "--tee", stdout=subprocess.PIPE)
    out, _ = client.communicate(lines(0, 5000), timeout=60)
    assert client.returncode == 0 and out == lines(0, 5000)
    a.flush()
    assert_exactly(numbers(intake.entries()), range(5000))


def test_without_a_name_the_service_is_the_unit_or_else_the_program(agent, sink, intake):
    a = agent(sink)
    assert a.run("/bin/sh", "-c", "sleep 0.2; echo '#n=1'").returncode == 0
    for n in range(10):
        assert a.run("/bin/sh", "-c", f"echo '#n={n}'").returncode == 0, "one that is gone at once has a name too"
    a.flush()
    # /bin/sh is a link on Debian, and the kernel names a process by the link it was called by.
    assert {e["service"] for e in intake.entries()} == {unit_of_this_process() or "sh"}


def test_levels_of_plain_text_come_from_the_stream(agent, sink, intake):
    a = agent({**sink, "service app": {"stderr_level": "error", "stdout_level": "debug"}})
    assert a.run("/bin/sh", "-c", "echo out; echo err >&2; echo 'INFO:x:y' >&2", service="app").returncode == 0
    a.flush()
    assert {e["message"]: e["status"] for e in intake.entries()} == {"out": "debug", "err": "error", "INFO:x:y": "info"}


def test_many_services_at_once_arrive_each_for_itself(agent, sink, intake, feeder):
    sink["sink datadog"]["sequence"] = "all"
    a = agent(sink)
    clients = [a.popen("run", "-s", f"s{i}", "--", feeder, "--lines", "2000", "--report", "/dev/null") for i in range(12)]
    assert [c.wait(60) for c in clients] == [0] * 12
    a.flush()
    for i in range(12):
        assert_exactly(numbers(intake.entries(), f"s{i}"), range(2000))
    prove_ring(intake.everything())
    assert len({e["logboom"]["stream"] for e in by_number(intake.entries()).values()}) == 12


def test_a_random_mix_of_lines_arrives_as_it_was_written(agent, sink, intake):
    chance = seeded()
    written = [f"#n={n} " + "".join(chance.choices("abc \u00e9\u20ac\U0001f600\"\\\t", k=chance.choice([0, 1, 30, 3000, 20000])))
               for n in range(600)]
    sink["sink datadog"]["sequence"] = "all"
    a = agent(sink)
    data = "\n".join(written).encode() + b"\n"
    client = a.pipe("-s", "app")
    while data:
        size = chance.choice([1, 7, 4096, 65536, 200_000])
        client.stdin.write(data[:size])
        client.stdin.flush()
        data = data[size:]
        if chance.random() < 0.02:
            time.sleep(0.005)
    client.communicate(timeout=60)
    a.flush()
    assert [e["message"] for e in in_order(intake.entries())] == written


def test_without_a_name_a_pipe_bears_the_name_of_the_program_that_writes_it(agent, sink, intake):
    sink["sink datadog"].update(wait="100ms")
    a = agent(sink)
    app = subprocess.Popen(["sleep", "30"], stdout=subprocess.PIPE)  # a program of that name holds the pipe's other end
    writer = os.open(f"/proc/{app.pid}/fd/1", os.O_WRONLY)
    client = a.popen("pipe", stdin=app.stdout)
    os.write(writer, b"who am I?\n")
    entry = wait_until(lambda: intake.entries() and intake.entries()[0], what="the line is delivered")
    assert entry["service"] == "sleep"
    os.close(writer)
    app.kill()
    app.wait()
    assert client.wait(60) == 0
