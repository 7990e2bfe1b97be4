# SPDX-License-Identifier: MIT
"""The throttle: quiet on the wire, context when it matters, and books that balance.

The story: services say more than anybody wants to pay for. Most of it is held in RAM and summed up; an error
arrives at once, with what led up to it. Every line is delivered, held, or counted with a reason, whatever happens
to the agent meanwhile.
"""

import json
import os
import signal
import time

import pytest

from conftest import wait_until
from lines import (NUMBER, PYTHON, assert_books_balance, assert_exactly, book, by_number, end, held_pipe, is_own, line,
                   lines, numbers, seeded)

QUIET = {"throttle": {"burst": "10", "rate": "1/day", "pattern_rate": "off", "collapse": "off"}}


@pytest.fixture
def numbered(sink):
    sink["sink datadog"].update(sequence="all", wait="50ms", urgent_wait="20ms", retry_min="20ms", retry_max="200ms")
    return sink


def own(intake, kind):
    """Records of logboom's own of one kind, each once."""
    found = by_number(intake.everything())
    return [e for _, e in sorted(found.items()) if e["logboom"].get("kind") == kind]


def context(entries):
    """Numbers of the lines that came as context, in the order of their numbers in the ring."""
    return [int(NUMBER.search(e["message"])[1]) for _, e in sorted(by_number(entries).items())
            if e["logboom"].get("context")]


def feed(agent, data, service="app"):
    client = agent.pipe("-s", service)
    client.communicate(data, timeout=60)
    assert client.returncode == 0


def settle(agent, service="app", lines_in=None):
    """All that was fed has a verdict, and what is queued is delivered."""
    if lines_in is not None:
        wait_until(lambda: book(agent, service)["in"] == lines_in and book(agent, service)["open"] == 0)
    agent.flush()
    status = agent.status()
    assert_books_balance(status)
    return status


# --- held, and brought along


@pytest.mark.parametrize("damage", ["of a record", "of the file"])
def test_held_lines_that_damage_took_have_a_receipt(agent, numbered, intake, runtime, damage):
    a = agent({**numbered, **QUIET})
    feed(a, lines(0, 500))
    settle(a, lines_in=500)
    a.kill9()
    with open(runtime / "held", "r+b") as file:
        if damage == "of the file":
            file.write(os.urandom(4096))
        else:
            file.seek(file.read().index(b"#n=0000100"))
            file.write(b"?")
    a.start()
    feed(a, line(500, level="ERROR"))
    settle(a, lines_in=501)
    lost = book(a)["lost"]
    receipt, = wait_until(lambda: [e for e in own(intake, "receipt") if e["service"] == "app"])
    assert (receipt["logboom"]["reason"], receipt["logboom"]["count"]) == ("corrupt", lost) and lost > 0
    assert len(context(intake.entries())) + lost + book(a)["held"] + 11 == 501


def test_what_is_beyond_the_rate_is_held_and_an_error_brings_it_along_in_order_once(agent, numbered, intake):
    a = agent({**numbered, **QUIET})
    feed(a, lines(0, 500))
    settle(a, lines_in=500)
    assert book(a)["held"] == 490 and book(a)["limit"] == 0
    assert_exactly(numbers(intake.entries(), "app"), range(10))
    feed(a, line(500, level="ERROR"))
    settle(a, lines_in=501)
    assert context(intake.entries()) == list(range(10, 500))
    arrived = [e for _, e in sorted(by_number(intake.entries()).items()) if e["service"] == "app" and not is_own(e)]
    assert "#n=0000500" in arrived[0]["message"] or "#n=0000500" in arrived[-1]["message"], "urgent has a lane of its own"
    assert (book(a)["held"], book(a)["queued"], book(a)["delivered"]) == (0, 501, 501)
    feed(a, line(501, level="ERROR"))
    settle(a, lines_in=502)
    assert_exactly(numbers(intake.entries(), "app"), range(502))


def test_context_reaches_as_far_as_it_is_told(agent, numbered, intake):
    a = agent({**numbered, "throttle": {**QUIET["throttle"], "context_bytes": "4K"}})
    feed(a, lines(0, 1000))
    feed(a, line(1000, level="ERROR"))
    status = settle(a, lines_in=1001)
    got = context(intake.entries())
    size = len(line(999)) - 1
    assert got == list(range(1000 - len(got), 1000)) and 4096 - size <= len(got) * size <= 4096
    books = status["books"]["services"]["app"]
    assert books["dropped_by"]["limit"]["lines"] + books["held"]["lines"] == 990 - len(got)
    assert books["held_by"]["limit"] == books["held"]


def test_other_services_are_left_alone(agent, numbered, intake):
    a = agent({**numbered, **QUIET})
    feed(a, lines(0, 100), "one")
    feed(a, lines(100, 200), "two")
    feed(a, line(200, level="CRITICAL"), "one")
    settle(a)
    assert context(intake.entries()) == list(range(10, 100))
    assert book(a, "two")["held"] == 90


def test_a_traceback_and_a_bad_end_bring_context_too(agent, numbered, intake):
    a = agent({**numbered, "throttle": {**QUIET["throttle"], "trigger": "emergency"}})
    code = "import sys\nfor n in range(100): print(f'line #n={n:07d}', flush=True)\nsys.exit(3)"
    assert a.run(PYTHON, "-c", code, service="ends").returncode == 3
    wait_until(lambda: own(intake, "exit"))
    settle(a)
    assert context(intake.entries()) == list(range(10, 100))
    code = "for n in range(200, 300): print(f'line #n={n:07d}', flush=True)\nprint(flush=True)\nimport nowhere_to_be_found"
    a.run(PYTHON, "-c", f"import sys; sys.stderr = sys.stdout\n{code}", service="raises")
    wait_until(lambda: len(own(intake, "exit")) == 2)
    settle(a)
    assert [n for n in context(intake.entries()) if n >= 200] == list(range(210, 300))


def test_a_person_may_ask_for_context_and_see_what_is_held(agent, numbered, intake):
    a = agent({**numbered, **QUIET})
    feed(a, lines(0, 50))
    settle(a, lines_in=50)
    shown = a.client("tail", "--held", "-n", "100").stdout.splitlines()
    assert [int(NUMBER.search(s)[1]) for s in shown] == list(range(10, 50)) and all("(held)" in s for s in shown)
    shown = [json.loads(s) for s in a.client("tail", "--json", "-n", "1000", "-s", "app").stdout.splitlines()]
    assert [int(NUMBER.search(s["message"])[1]) for s in shown] == list(range(50)), "queue and held together"
    assert [s["logboom"].get("held", False) for s in shown] == [False] * 10 + [True] * 40
    assert a.client("flush", "--context").returncode == 2
    unknown = a.client("flush", "--context", "-s", "nobody")
    assert unknown.returncode == 1 and "no service of this name" in unknown.stderr
    assert a.client("flush", "-w", "10s", "--context", "-s", "app").returncode == 0
    assert context(intake.entries()) == list(range(10, 50))
    assert a.client("tail", "--held").stdout == "" and book(a)["held"] == 0


def test_without_a_pool_what_is_throttled_is_dropped_and_counted(agent, numbered, intake):
    a = agent({**numbered, **QUIET, "held": {"size": "off"}})
    feed(a, lines(0, 100) + line(100, level="ERROR"))
    settle(a, lines_in=101)
    assert_exactly(numbers(intake.entries(), "app"), [*range(10), 100])
    assert (book(a)["held"], book(a)["limit"]) == (0, 90)


# --- rules, levels, neighbours


def test_rules_and_min_level_decide_before_anything_else(agent, numbered, intake):
    a = agent({**numbered, "throttle": {"min_level": "info", "drop health": "GET /health", "keep debug": "payment \\d+",
                                        "collapse": "off"},
               "service special": {"drop health": "never said"}})
    feed(a, b"INFO:a:GET /health #n=1\nDEBUG:a:payment 7 #n=2\nDEBUG:a:detail #n=3\nINFO:a:work #n=4\n")
    feed(a, b"INFO:a:GET /health #n=5\n", "special")
    status = settle(a)
    assert_exactly(numbers(intake.entries()), [2, 4, 5])
    assert status["books"]["services"]["app"]["held_by"]["filter"]["lines"] == 1
    assert book(a, "app")["filter"] == 1
    feed(a, b"ERROR:a:broken #n=6\n")
    settle(a)
    assert context(intake.entries()) == [3], "what a rule drops is gone"


def test_a_rule_that_is_no_pattern_is_refused_with_its_line(agent, numbered):
    a = agent({**numbered, "throttle": {"drop bad": "a(b"}, "redact": {"rule worse": "[z-a]"}}, start=False)
    a.write_ini()
    told = a.client("check", a.ini)
    assert told.returncode == 2
    faults = told.stderr.splitlines()
    assert len(faults) == 2 and all(fault.startswith(f"{a.ini}:") for fault in faults)
    assert "drop bad: no pattern" in told.stderr and "rule worse: no pattern" in told.stderr
    a.spawn()
    assert a.process.wait(60) == 2 and "bad" in a.log


def test_a_line_said_again_and_again_is_sent_once_and_counted(agent, numbered, intake):
    a = agent({**numbered, "throttle": {"collapse": "30s"}})
    client = a.pipe("-s", "app")
    client.stdin.write(b"2026-01-01 10:00:00,001 INFO a: idle #n=1\n" +
                       b"".join(b"2026-01-01 10:00:%02d,001 INFO a: idle #n=1\n" % s for s in range(1, 50)))
    client.stdin.write(b"2026-01-01 10:01:00,001 INFO a: busy #n=2\n")
    client.communicate(timeout=60)
    settle(a, lines_in=51)
    wait_until(lambda: own(intake, "repeat"))
    assert_exactly(numbers(intake.entries(), "app"), [1, 2])
    told = own(intake, "repeat")
    assert [t["logboom"]["count"] for t in told] == [49] and "idle" in told[0]["message"]
    assert book(a)["collapse"] == 49
    kinds = [e["logboom"].get("kind", e["message"][-5:]) for _, e in sorted(by_number(intake.entries()).items())
             if e["service"] == "app"]
    assert kinds == ["#n=1", "repeat", "#n=2"] or kinds == [" #n=1", "repeat", " #n=2"], "told where it happened"


def test_a_count_is_told_when_its_window_is_over(agent, numbered, intake):
    a = agent({**numbered, "throttle": {"collapse": "500ms"}})
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        os.write(write_end, b"INFO:a:idle #n=1\n" * 4)
        wait_until(lambda: own(intake, "repeat"), 20, "nobody says anything else")
        assert [t["logboom"]["count"] for t in own(intake, "repeat")] == [3]
        os.close(write_end)
        os.close(read_end)
        read_end = write_end = None
        end(client)


def test_what_was_suppressed_is_summed_up_at_the_stop_at_the_latest(agent, numbered, intake):
    a = agent({**numbered, **QUIET})
    feed(a, lines(0, 60))
    feed(a, b"".join(b"INFO:db:query took %d ms #n=%d\n" % (n, n) for n in range(100, 140)))
    feed(a, line(200, level="ERROR"))
    settle(a)
    assert a.term() == 0
    [told] = own(intake, "summary")
    mark = told["logboom"]
    assert told["service"] == "app" and mark["count"] == 90 and mark["by"] == {"limit": 90}
    assert mark["first_ms"] <= mark["last_ms"]
    assert [p["count"] for p in mark["patterns"]] == [50, 40]
    assert "took" in mark["patterns"][1]["template"] and "139" not in mark["patterns"][1]["template"]
    assert mark["promoted"]["count"] == 90, "they were sent after all"


# --- whatever happens


@pytest.mark.parametrize("how", ["kill", "restart", "reload"])
def test_books_and_held_lines_go_on(agent, numbered, intake, how):
    a = agent({**numbered, **QUIET})
    feed(a, lines(0, 300))
    settle(a, lines_in=300)
    before = {key: count for key, count in book(a).items() if key not in ("own", "delivered", "pending")}
    if how == "kill":
        a.kill9()
        a.start()
    elif how == "restart":
        a.restart()
    else:
        a.sections["throttle"]["burst"] = "20"
        a.reload()
    after = book(a)
    assert {key: after[key] for key in before} == before
    feed(a, lines(300, 400))
    feed(a, line(400, level="ERROR"))
    settle(a, lines_in=401)
    assert_exactly(numbers(by_number(intake.entries()).values(), "app"), range(401))
    assert (book(a)["held"], book(a)["in"]) == (0, 401)


@pytest.mark.parametrize("samples", [12, pytest.param(150, marks=pytest.mark.long)])
def test_no_kill_point_loses_a_held_line_or_sends_it_twice(agent, numbered, intake, kp_program, samples):
    """Lines are held and brought along while the agent dies between two stores: each is delivered or held."""
    chance = seeded()
    a = agent({**numbered, **QUIET, "held": {"size": "256K"}}, program=kp_program, start=False)
    done = killed = 0
    for _ in range(samples):
        a.spawn({"LOGBOOM_KILL_AT": str(chance.randrange(1, chance.choice([200, 1000, 6000])))})
        client = a.pipe("-s", "app")
        client.stdin.write(lines(done, done + 150) + line(done + 150, level="ERROR"))
        client.stdin.close()
        done += 151
        wait_until(lambda: a.process.poll() is not None or client.poll() is not None, what="killed, or fed")
        if a.process.poll() is None:
            a.process.send_signal(signal.SIGTERM)
        killed += a.process.wait(60) == -signal.SIGKILL
        a.start()
        assert end(client) == 0
        wait_until(lambda: book(a)["open"] == 0 and book(a)["in"] == done)
        assert_books_balance(a.status())
        a.stop()
    print(f"{killed} of {samples} were killed")
    a.start()
    a.flush()
    held = [int(NUMBER.search(s)[1]) for s in a.client("tail", "--held", "-n", "100000").stdout.splitlines()]
    got = numbers(by_number(intake.entries()).values(), "app")
    assert len(got) == len(set(got)) and not set(got) & set(held)
    assert len(set(got)) + len(set(held)) + book(a)["dropped"] == done == book(a)["in"]
    assert book(a)["held"] == len(held) and killed > 0


# --- a service gone mad


def mad_lines(seconds, rate):
    """What a service says that polls a broken sensor in a loop: three kinds of lines, and one error in the middle."""
    total = int(seconds * rate)
    for n in range(total):
        if n == total // 2:
            yield f"ERROR:poll:sensor 7 gave up after {n} reads #n={n:07d}\n"
        elif n % 3 == 0:
            yield f"DEBUG:poll:reading register 0x{n % 256:02x} of sensor {n % 40} took {n % 97} us #n={n:07d}\n"
        elif n % 3 == 1:
            yield f"INFO:poll:sensor {n % 40} at 192.168.4.{n % 200} answered {n * 7 % 1000} #n={n:07d}\n"
        else:
            yield f"INFO:poll:retry {n % 5} of job {n:08x} in state waiting #n={n:07d}\n"


@pytest.mark.parametrize("seconds", [4, pytest.param(20, marks=pytest.mark.long)])
def test_a_mad_service_costs_next_to_nothing_and_its_error_comes_with_context(agent, numbered, intake, seconds):
    """5,000 lines a second with the defaults of the throttle; what the sink is sent is compared with what was said."""
    numbered["sink datadog"].update(sequence="batch", wait="2s", urgent_wait="500ms")
    a = agent({**numbered, "throttle": {}})
    client = a.pipe("-s", "mad")
    begin, sent, raw = time.monotonic(), 0, 0
    batch = []
    for text in mad_lines(seconds, 5000):
        batch.append(text)
        if len(batch) < 250:
            continue
        data = "".join(batch).encode()
        client.stdin.write(data)
        client.stdin.flush()
        raw += len(data)
        sent += len(batch)
        batch = []
        time.sleep(max(0, begin + sent / 5000 - time.monotonic()))
    client.communicate("".join(batch).encode(), timeout=60)
    total = int(seconds * 5000)
    status = settle(a, "mad", total)
    books = status["books"]["services"]["mad"]
    assert books["in"]["lines"] == total
    assert books["delivered"]["lines"] + books["held"]["lines"] + books["dropped"]["lines"] == total
    entries = [e for e in intake.entries() if e["service"] == "mad" and not is_own(e)]
    middle = f"#n={total // 2:07d}"
    at = next(i for i, e in enumerate(entries) if middle in e["message"])
    before = [e for e in entries[:at] if e.get("logboom", {}).get("context")]
    assert len(before) > 500, "what led up to it is there, in front of it"
    last = [int(NUMBER.search(e["message"])[1]) for e in entries[at - 20:at]]
    assert last == sorted(last) and last[-1] >= total // 2 - 3
    wire = status["sinks"][0]["wire_bytes"]
    share = wire / raw
    print(f"{total} lines, {raw} bytes; {books['delivered']['lines']} delivered, {len(before)} of them context; "
          f"{wire} bytes on the wire: {100 * share:.2f} %")
    if seconds >= 20:
        assert share <= 0.02
