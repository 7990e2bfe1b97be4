# SPDX-License-Identifier: MIT
"""The client's questions to a real agent: status, tail, flush, ping, check.

The story: a person, or a script of theirs, asks an agent that works, idles or has lost its sink. Every documented
key is there, the numbers are consistent at any instant, and exit codes tell what happened.
"""

import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from conftest import ROOMY, wait_until
from lines import (NUMBER, assert_books_balance, assert_exactly, book, by_number, end, held_pipe, is_own, line, lines,
                   lost_numbers, numbers, prove_ring, write_all)

SUM = {"lines", "bytes"}
BOOK = {"in", "open", "queued", "held", "dropped", "pending", "delivered", "shed", "rejected", "own", "dropped_by",
        "held_by", "shed_by"}
HELD = {"filter", "collapse", "sample", "limit", "lost", "quota", "pressure"}
DROPS = {"blank", "overload", "client", "repeat"} | HELD
KEYS = {
    "": {"version", "pid", "uptime_s", "runtime_dir", "hostname", "books", "sinks", "ring", "held", "redact", "network", "pressure", "staging", "inputs", "syslog", "clock",
         "memory", "refused", "backlog", "spool", "hours_left", "wear", "remote"},
    "sinks": {"name", "type", "state", "requests", "delivered_bodies", "failures", "lines", "raw_bytes", "wire_bytes", "wire_bytes_today",
              "in_flight", "last_delivery_s", "next_try_s", "encoding", "body_lines", "body_bytes", "last_error", "first", "primary",
              "filtered"},
    "ring": {"id", "size", "used", "fill", "tmpfs", "locked", "lock_error", "holes", "lost_bytes", "set_aside", "next"},
    "held": {"size", "used", "locked"},
    "backlog": {"size", "used", "fill", "locked", "segments", "urgent", "lines", "bytes", "shed_segments", "oldest_s"},
    "redact": {"jit"},
    "network": {"quota", "rate"},
    "pressure": {"step"},
    "staging": {"size", "free", "streams", "cut", "locked"},
    "clock": {"boot_ms", "wall_ms", "synchronized", "state"},
    "memory": {"ceiling", "parts"},
}


@pytest.fixture
def numbered(sink):
    sink["sink datadog"].update(sequence="all", wait="50ms")
    return sink


def assert_has_every_key(status):
    assert set(status) == KEYS[""]
    assert [set(sink) for sink in status["sinks"]] == [KEYS["sinks"]]
    for key in "ring", "backlog", "network", "pressure", "staging", "clock", "memory":
        assert set(status[key]) == KEYS[key], key
    assert set(status["ring"]["next"]) == {"urgent", "routine"}
    for one in [status["books"]["all"], *status["books"]["services"].values()]:
        assert set(one) == BOOK and set(one["dropped_by"]) == DROPS
        assert set(one["shed_by"]) == {"away", "expired"}
        assert all(set(value) == SUM for key, value in one.items() if not key.endswith("_by"))


def test_status_has_every_documented_key_from_the_first_moment(agent, numbered, intake):
    a = agent(numbered)
    idle = a.status()
    assert_has_every_key(idle)
    # The record of the start may have been delivered by now.
    assert idle["sinks"][0]["state"] == ("idle" if idle["sinks"][0]["last_delivery_s"] is None else "ok")
    assert idle["pid"] == a.process.pid and idle["runtime_dir"] == str(a.runtime)
    assert idle["memory"]["ceiling"] == sum(idle["memory"]["parts"].values())
    a.run("/bin/echo", "#n=1", service="app")
    a.flush()
    before_ms = time.time() * 1000
    busy = a.status()
    after_ms = time.time() * 1000
    assert_has_every_key(busy)
    sink = busy["sinks"][0]
    assert (sink["state"], sink["lines"]) == ("ok", 3), "the record of the start, a line, and that of the end"
    assert sink["requests"] == sink["delivered_bodies"] in (1, 2, 3)
    assert sink["wire_bytes"] > 0 and 0 <= sink["last_delivery_s"] < 60
    assert sink["raw_bytes"] == intake.stats()["raw_bytes"]
    assert busy["ring"]["next"] == {"urgent": 1, "routine": 4} and busy["ring"]["used"] == 0
    assert before_ms - 1000 < busy["clock"]["wall_ms"] < after_ms + 1000


def test_status_is_consistent_under_load(agent, numbered, intake, feeder):
    a = agent({**numbered, **ROOMY})
    count = 10000
    clients = [a.popen("run", "-s", f"s{i}", "--", feeder, "--lines", str(count), "--rate", "10000", "--report", "/dev/null")
               for i in range(3)]
    last, looks = {}, 0
    while looks < 10 or any(c.poll() is None for c in clients):
        status = a.status()
        assert_books_balance(status)
        now = {(name, key): one[key]["lines"] for name, one in status["books"]["services"].items()
               for key in ("queued", "delivered")}
        assert all(now[key] >= value for key, value in last.items()), "no counter runs backwards"
        last, looks = now, looks + 1
    a.flush()
    assert [end(c) for c in clients] == [0] * 3
    for i in range(3):
        assert_exactly(numbers(by_number(intake.entries()).values(), f"s{i}"), range(count))
    assert book(a)["in"] == book(a)["delivered"] == 3 * count


def test_status_for_a_person_names_what_matters(agent, numbered, intake):
    a = agent(numbered)
    a.run("/bin/echo", "#n=1", service="checkout")
    a.flush()
    text = a.client("status").stdout
    assert re.search(r"^ +checkout +1 +1 +0 +0 +0 +0$", text, re.M), text
    for word in "testhost", str(a.process.pid), "datadog", "ok", "ring", "in RAM":
        assert word in text
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a.run("/bin/echo", "#n=2", service="checkout")
    wait_until(lambda: a.status()["sinks"][0]["state"] == "away")
    text = a.client("status").stdout
    assert "away" in text and "503" in text


def test_status_in_json_is_what_the_agent_says_of_itself(agent, numbered, intake):
    a = agent(numbered)
    a.run("/bin/echo", "#n=1", service="app")
    a.flush()
    done = a.client("status", "--json")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("}\n")
    told = json.loads(done.stdout)
    assert_has_every_key(told)
    assert_books_balance(told)
    assert told["books"] == a.status()["books"]


def test_status_of_no_agent_says_so(agent, numbered):
    a = agent(numbered)
    a.term()
    done = a.client("status", "--json")
    assert done.returncode == 3 and "agent" in done.stderr and done.stdout == ""


# --- tail


@pytest.fixture
def full(agent, numbered, intake):
    """An agent whose sink is away, so that its ring keeps everything."""
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent(numbered)
    client = a.pipe("-s", "web")
    client.communicate(b"".join(line(n, level=["DEBUG", "INFO", "WARNING", "ERROR"][n % 4]) for n in range(200)), timeout=60)
    client = a.pipe("-s", "db", "-T", "role=main")
    client.communicate(lines(200, 300, "needle") + line(300, "a [x] .*"), timeout=60)
    wait_until(lambda: book(a)["in"] == 301)
    return a


def tail(agent, *args):
    done = agent.client("tail", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def shown(agent, *args):
    return [int(NUMBER.search(text)[1]) for text in tail(agent, *args) if "logboom: started, version" not in text]


def test_tail_shows_the_last_ten(full):
    assert shown(full) == list(range(291, 301))
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info +db: INFO:app:line #n=0000291", tail(full)[0])


def test_tail_takes_its_options(full):
    assert shown(full, "-n", "3") == [298, 299, 300]
    assert shown(full, "-n", "1000") == list(range(301))
    assert tail(full, "-n", "0") == []
    assert shown(full, "-s", "web", "-n", "2") == [198, 199]
    assert shown(full, "-p", "warning", "-n", "4") == [194, 195, 198, 199]
    assert shown(full, "-p", "error", "-n", "1000") == list(range(3, 200, 4))
    assert shown(full, "-g", "needle", "-n", "2") == [298, 299]
    assert shown(full, "-g", ".*") == [300], "fixed text"
    assert tail(full, "-g", "nowhere") == []
    assert shown(full, "--since", "1h", "-n", "1") == [300]
    time.sleep(1.1)
    assert tail(full, "--since", "1s") == []


def test_tail_refuses_nonsense(full):
    for args in ("-n", "x"), ("-p", "loud"), ("--since", "soon"), ("-z",), ("word",):
        done = full.client("tail", *args)
        assert done.returncode == 2 and done.stderr, args


def test_tail_prints_the_file_sinks_objects(full):
    entries = [json.loads(text) for text in tail(full, "--json", "-n", "1000")]
    assert_exactly(numbers(entries), range(301))
    by_number(entries)
    last = entries[-1]
    assert {"message", "status", "timestamp", "hostname", "service", "ddsource", "ddtags", "logboom"} == set(last)
    assert (last["service"], last["hostname"], last["ddtags"]) == ("db", "testhost", "role:main")


def test_tail_takes_nothing_away(full, intake):
    shown(full, "-n", "1000")
    intake.plan.set([])
    full.flush()
    assert_exactly(numbers(by_number(intake.entries()).values()), range(301))
    assert shown(full, "-n", "1000") == list(range(301)), "what was delivered is shown until it is overwritten"


def test_tail_follows(agent, numbered, intake):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, lines(0, 5))
        wait_until(lambda: book(a)["in"] == 5)
        follower = a.popen("tail", "-f", "-n", "2", stdout=subprocess.PIPE, text=True)
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(int(NUMBER.search(t)[1]) for t in follower.stdout), daemon=True)
        reader.start()
        try:
            wait_until(lambda: seen == [3, 4], what="the last two are shown")
            for n in range(5, 2005, 10):
                write_all(write_end, lines(n, n + 10))
            wait_until(lambda: 2004 in seen, what="the newest line is shown")
            assert seen == list(range(3, 2005))
        finally:
            follower.terminate()
            follower.wait(60)
            reader.join(10)
        os.close(write_end)
        assert end(client) == 0


def test_tail_does_not_stop_the_agent(agent, numbered, intake, feeder):
    a = agent({**numbered, "ring": {"size": "512K"}})
    follower = a.popen("tail", "-f", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = a.popen("run", "-s", "app", "--", feeder, "--lines", "30000", "--report", "/dev/null")
    for _ in range(20):
        assert a.client("tail", "-n", "100", "--json").returncode == 0
    assert end(client) == 0
    follower.terminate()
    follower.wait(60)
    a.flush()
    # An intake that is held up for 2 s is away: what it has in hand may be given up while it stores it.
    found, lost = prove_ring(intake.everything(), may_be_both=True), lost_numbers(intake.everything())
    got = numbers(found.values())
    both = sum(n in lost[(ring, lane)] for (ring, lane, n), entry in found.items() if not is_own(entry))
    assert len(got) - both + book(a)["overload"] + book(a)["shed"] == 30000 and len(set(got)) == len(got)


# --- flush, ping, check


def test_flush_tells_by_its_exit_code_whether_all_is_delivered(agent, numbered, intake):
    numbered["sink datadog"]["wait"] = "10m"
    a = agent(numbered)
    assert a.client("flush").returncode == 0, "nothing to do is done"
    a.run("/bin/echo", "#n=1", service="app")
    assert a.client("flush", "-w", "10s").returncode == 0
    assert numbers(intake.entries()) == [1]
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a.run("/bin/echo", "#n=2", service="app")
    begin = time.monotonic()
    late = a.client("flush", "-w", "700ms")
    assert late.returncode == 1 and "503" in late.stderr
    assert 0.6 < time.monotonic() - begin < 8
    a.term()
    assert a.client("flush").returncode == 3


def test_flush_waits_for_a_ring_that_was_set_aside_and_for_the_new_one(agent, numbered, intake):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent({**numbered, "ring": {"size": "1M"}})
    a.run("/bin/echo", "#n=1", service="app")
    a.term()
    a.sections["ring"]["size"] = "2M"
    a.sections["sink datadog"]["wait"] = "10m"
    a.write_ini()
    a.start()
    a.run("/bin/echo", "#n=2", service="app")
    assert a.status()["ring"]["set_aside"]
    intake.plan.set([{"do": "slow", "seconds": 0.4, "times": 2}])
    assert a.client("flush", "-w", "15s").returncode == 0
    assert sorted(numbers(by_number(intake.entries()).values())) == [1, 2], "all, as it says"


def test_ping_tells_whether_the_sink_answers(agent, numbered, intake):
    a = agent(numbered)
    for args in [], ["datadog"]:
        good = a.client("ping", *args)
        assert good.returncode == 0 and "datadog" in good.stdout and "version" in good.stdout
    assert intake.entries() == []
    other = a.client("ping", "elsewhere")
    assert other.returncode == 1 and "no sink of this name" in other.stderr
    intake.api_key = "another"
    refused = a.client("ping")
    assert refused.returncode == 1 and "403" in refused.stderr
    intake.down()
    dead = a.client("ping")
    assert dead.returncode == 1 and "connect" in dead.stderr.lower()
    a.term()
    assert a.client("ping").returncode == 3


def test_ping_of_a_file_sink_writes_nothing(agent, runtime):
    path = runtime.parent / "out.ndjson"
    a = agent({"sink file": {"type": "file", "path": path}})
    assert a.client("ping").returncode == 0
    assert not path.exists() or path.read_bytes() == b""
    a.sections["sink file"]["path"] = runtime.parent / "no" / "such" / "dir"
    a.write_ini()
    a.restart()
    bad = a.client("ping")
    assert bad.returncode == 1 and "No such file" in bad.stderr


def test_check_reads_a_configuration_without_an_agent(agent, numbered):
    a = agent(numbered, start=False)
    good = a.client("check", a.ini)
    assert good.returncode == 0 and "memory ceiling" in good.stdout and not good.stderr
    a.sections["ring"] = {"size": "huge"}
    a.sections["sonk x"] = {"type": "file"}
    a.write_ini()
    bad = a.client("check", a.ini)
    assert bad.returncode == 2
    assert re.search(rf"^{re.escape(str(a.ini))}:\d+: .*size", bad.stderr, re.M)
    assert re.search(r"is \[sink\] meant", bad.stderr)


def test_a_client_that_asks_and_leaves_costs_nothing(agent, numbered, intake):
    a = agent(numbered)
    fds = len(os.listdir(f"/proc/{a.process.pid}/fd"))
    keep = []
    for i in range(60):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        try:
            sock.connect(str(a.runtime / "control.sock"))
            sock.send([b"status json\n", b"stat", b"\n", b"x" * 300, b"flush 60000\n", b"ring\n", b"ping\n", b"status\0json\n"][i % 8])
        except OSError:
            pass
        keep.append(sock)
    for sock in keep:
        sock.close()
    wait_until(lambda: a.client("status").returncode == 0, what="it answers again")
    wait_until(lambda: len(os.listdir(f"/proc/{a.process.pid}/fd")) <= fds + 2, what="nothing leaks")
