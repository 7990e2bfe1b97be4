# SPDX-License-Identifier: MIT
"""More than the sink takes.

The story: services write as fast as they may while the sink is down, hangs, refuses or is slow. The services are
not held up; what must go goes oldest first, or for want of room; and every line is either delivered or told in a
receipt: by range where it had a number, by count where it had none. The books say the same and always balance.
"""

import json
import os
import signal
import time

import pytest

from conftest import PATIENCE_S, wait_until
from lines import (assert_books_balance, assert_exactly, book, by_number, end, line, lost_numbers, numbers, prove_ring,
                   receipts, seeded)

RING = {"ring": {"size": "512K"}}
WRITE_MAX_US = 15_000_000  # a busy machine may take a process away for long; the sink's 30 s must not show


@pytest.fixture
def numbered(sink):
    sink["sink datadog"].update(sequence="all", wait="50ms", urgent_wait="20ms", retry_min="20ms", retry_max="200ms")
    return sink


def started(agent, sections):
    """An agent whose record of the start is delivered: what follows is about other records."""
    a = agent(sections)
    a.flush()
    return a


def feed(agent, feeder, runtime, *args, service="app", seconds=PATIENCE_S):
    """Run the feeder to its end; its report on how long its writes took."""
    report = runtime.parent / f"report-{service}"
    client = agent.popen("run", "-s", service, "--", feeder, "--report", report, *args)
    while client.poll() is None:
        assert_books_balance(agent.status())
        seconds -= 0.05
        assert seconds > 0
        time.sleep(0.05)
    assert client.returncode == 0
    told = json.loads(report.read_text())
    print(f"{service}: write() took {told['write_us']} us, {told['lines']} lines in {told['seconds']} s")
    return told


def prove_accounts(agent, intake, written):
    """All lines are delivered or in a receipt, each in one of them; and the books agree with both."""
    entries = intake.everything()
    found = prove_ring(entries)
    got = numbers(found.values())
    assert len(set(got)) == len(got) and set(got) <= set(written)
    status = agent.status()
    assert_books_balance(status)
    books = book(agent)
    assert books["pending"] == books["open"] == 0
    told = {reason: sum(e["logboom"]["count"] for e in receipts(entries, reason)) for reason in ("shed", "overload")}
    assert told == {"shed": books["shed"], "overload": books["overload"]}
    assert books["delivered"] == len(got)
    assert len(got) + told["shed"] + told["overload"] == len(written) == books["in"]
    for entry in receipts(entries):
        mark = entry["logboom"]
        assert mark["first_ms"] <= mark["last_ms"] <= entry["timestamp"] + 1000, entry
        assert sum(mark["by"].values()) == mark["count"], mark
        assert entry["status"] == "warning" and str(mark["count"]) in entry["message"]
    return found


def told_all(agent, intake):
    """Flush until every loss is told: a receipt is a record, and leaves after what is before it."""
    def claim():
        agent.flush()
        books = book(agent)
        told = {r: sum(e["logboom"]["count"] for e in receipts(intake.entries(), r)) for r in ("shed", "overload")}
        return told == {"shed": books["shed"], "overload": books["overload"]}
    wait_until(claim, what="all losses are told")


@pytest.mark.parametrize("trouble", ["refused connections", "status 503", "hanging", "reset"])
def test_a_sink_that_is_away_holds_up_nobody_and_every_loss_is_told(agent, numbered, intake, feeder, runtime, trouble):
    a = started(agent, {**numbered, **RING})  # what is cut off on its way is stored, and given up as well
    if trouble == "refused connections":
        intake.down()
    else:
        step = {"status 503": {"do": "status", "code": 503}, "hanging": {"do": "hang", "seconds": 3},
                "reset": {"do": "reset"}}[trouble]
        intake.plan.set([{**step, "times": -1}])
    told = feed(a, feeder, runtime, "--lines", "15000", "--rate", "15000")
    assert told["lines"] == 15000 and told["write_us"]["max"] < WRITE_MAX_US
    assert a.status()["sinks"][0]["state"] == "away"
    assert book(a)["shed"] + book(a)["overload"] > 7500, "the ring holds about 3,000"
    wait_until(lambda: a.status()["ring"]["fill"] < 0.8, what="there is room again, at the cost of the oldest")
    feed(a, feeder, runtime, "--lines", "1", "--first", "15000")
    intake.plan.set([])
    intake.up()
    told_all(a, intake)
    found = prove_accounts(a, intake, range(15001))
    assert book(a)["shed"] > 0 and a.status()["sinks"][0]["state"] == "ok"
    assert {e["service"] for e in receipts(intake.entries()) if e["logboom"]["count"]} == {"app"}
    assert max(numbers(found.values())) == 15000, "the newest is kept"


def test_the_oldest_go_first_whatever_their_service(agent, numbered, intake, feeder, runtime):
    a = started(agent, {**numbered, **RING})
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    feed(a, feeder, runtime, "--lines", "1000", service="early")
    for first in range(1000, 7000, 500):  # a part at a time: there is room for each, so that none is dropped for want of it
        feed(a, feeder, runtime, "--lines", "500", "--first", str(first), service="late")
        wait_until(lambda: a.status()["ring"]["fill"] < 0.8, what="there is room again, at the cost of the oldest")
    assert book(a)["overload"] == 0
    intake.plan.set([])
    told_all(a, intake)
    found = prove_accounts(a, intake, range(7000))
    assert not numbers(found.values(), "early")
    late = sorted(numbers(found.values(), "late"))
    told = receipts(intake.entries(), "shed")
    by_service = {e["service"]: sum(r["logboom"]["count"] for r in told if r["service"] == e["service"]) for e in told}
    assert by_service["early"] == 1000 and by_service.get("logboom", 0) == 0
    assert late == list(range(late[0], 7000))


def test_urgent_and_routine_losses_are_told_by_level(agent, numbered, intake, runtime):
    a = started(agent, {**numbered, **RING})
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    client = a.pipe("-s", "app")
    levels = ["INFO", "ERROR", "DEBUG", "WARNING"]
    for n in range(0, 12000, 100):
        client.stdin.write(b"".join(line(i, "x" * 80, levels[i % 4]) for i in range(n, n + 100)))
        client.stdin.flush()
        time.sleep(0.003)
    client.communicate(timeout=60)
    intake.plan.set([])
    told_all(a, intake)
    found = prove_accounts(a, intake, range(12000))
    assert {lane for _, lane in lost_numbers(intake.entries())} == {"urgent", "routine"}
    by = {}
    for entry in receipts(intake.entries()):
        for level, count in entry["logboom"]["by"].items():
            by[level] = by.get(level, 0) + count
    got = numbers(found.values())
    lost = set(range(12000)) - set(got)
    assert by == {level: sum(n % 4 == i for n in lost) for i, level in enumerate(["info", "error", "debug", "warning"])}


def test_a_slow_sink_that_answers_drops_nothing(agent, numbered, intake, feeder, runtime):
    a = agent({**numbered, **RING})
    client = a.pipe("-s", "first")
    client.communicate(line(20000), timeout=60)
    a.flush()  # it has answered once: that it is there is known
    intake.plan.set([{"do": "slow", "seconds": 0.25, "times": -1}])
    told = feed(a, feeder, runtime, "--lines", "10000")
    assert told["seconds"] > 0.5, "it was read more slowly"
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values()), [*range(10000), 20000])
    assert (book(a)["dropped"], book(a)["shed"]) == (0, 0)
    assert not receipts(intake.entries())


@pytest.mark.parametrize("trouble", [{"do": "slow", "seconds": 0.3}, {"do": "status", "code": 503}])
def test_overload_wait_drops_nothing(agent, numbered, intake, feeder, runtime, trouble):
    a = started(agent, {**numbered, **RING, "service batch": {"overload": "wait"}})
    intake.plan.set([{**trouble, "times": 6}])
    feed(a, feeder, runtime, "--lines", "15000", service="batch")
    a.flush()
    told_all(a, intake)
    prove_accounts(a, intake, range(15000))
    assert book(a)["dropped"] == 0


def test_a_service_that_waits_loses_nothing_to_a_sink_that_is_away(agent, numbered, intake, feeder, runtime):
    """The ring fills with what must not be shed; another service's lines are dropped at once meanwhile, and told."""
    a = started(agent, {**numbered, **RING, "service batch": {"overload": "wait"}})
    intake.plan.set([{"do": "status", "code": 503, "times": 100000}])
    batch = a.popen("run", "-s", "batch", "--", feeder, "--lines", "15000", "--report", runtime.parent / "batch")
    wait_until(lambda: a.status()["ring"]["fill"] > 0.9, what="the ring is full of lines that wait")
    feed(a, feeder, runtime, "--lines", "3000", service="other")
    assert book(a, "other")["dropped"] > 0
    assert book(a, "batch")["shed"] == book(a, "batch")["dropped"] == 0
    assert batch.poll() is None, "the app waits"
    intake.plan.set([])
    assert end(batch) == 0
    a.flush()
    told_all(a, intake)
    assert_exactly(numbers(by_number(intake.entries()).values(), "batch"), range(15000))
    assert_books_balance(a.status())


def test_a_firehose_does_not_starve_a_quiet_service(agent, numbered, intake, feeder, runtime):
    a = agent({**numbered, "service quiet": {"overload": "wait"}})  # whoever waits longest, the quiet one is not dropped
    pour = f"exec '{feeder}' --lines 1000000000 --rate 20000 2>/dev/null"
    floods = [a.popen("run", "-s", f"flood{i}", "--", "/bin/sh", "-c", pour) for i in range(2)]
    wait_until(lambda: min(book(a, "flood0")["in"], book(a, "flood1")["in"]) > 0, what="they pour")
    quiet = a.pipe("-s", "quiet")
    for n in range(25):
        quiet.stdin.write(line(n))
        quiet.stdin.flush()
        wait_until(lambda: book(a, "quiet")["queued"] == n + 1, 20, "the quiet line is in the ring, though they pour on")
    assert [f.poll() for f in floods] == [None, None]
    quiet.communicate(timeout=60)
    for flood in floods:
        flood.terminate()
        end(flood)
    a.flush()
    assert_exactly(numbers(by_number(intake.entries()).values(), "quiet"), range(25))
    assert_books_balance(a.status())


def test_the_books_go_on_over_restarts_while_the_sink_is_away(agent, numbered, intake, feeder, runtime):
    a = started(agent, {**numbered, **RING})
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    for turn in range(3):
        feed(a, feeder, runtime, "--lines", "4000", "--first", str(4000 * turn), "--rate", "10000")
        if turn == 1:
            a.kill9()
            a.start()
        else:
            a.restart()
        assert_books_balance(a.status())
        wait_until(lambda: book(a)["in"] == 4000 * (turn + 1), what="what was staged is counted")
    intake.plan.set([])
    told_all(a, intake)
    prove_accounts(a, intake, range(12000))


@pytest.mark.parametrize("samples", [15, pytest.param(200, marks=pytest.mark.long)])
def test_no_kill_point_loses_a_receipt_or_tells_it_twice(agent, numbered, intake, feeder, kp_program, runtime, samples):
    """The sink is away while the ring overflows; the agent dies at a kill point, also while it tells the losses."""
    chance = seeded()
    a = agent({**numbered, "ring": {"size": "256K"}}, program=kp_program, start=False)
    done, killed = 0, 0
    for _ in range(samples):
        intake.plan.set([{"do": "status", "code": 503, "times": chance.choice([3, 10, 1000])}])
        a.spawn({"LOGBOOM_KILL_AT": str(chance.randrange(1, 30000))})
        client = a.popen("run", "-s", "app", "--", feeder, "--lines", "3000", "--first", str(done), "--rate", "20000",
                         "--report", "/dev/null")
        wait_until(lambda: a.process.poll() is not None or client.poll() is not None, what="killed, or fed")
        intake.plan.set([])
        if a.process.poll() is None:
            a.client("flush", "-w", "2s")
        if a.process.poll() is None:
            a.process.send_signal(signal.SIGTERM)
        killed += a.process.wait(60) == -signal.SIGKILL
        a.start()
        assert end(client) == 0
        done += 3000
        told_all(a, intake)
        a.stop()
    print(f"{killed} of {samples} were killed")
    a.start()
    prove_accounts(a, intake, range(done))
    assert killed > 0 and os.path.exists(runtime / "ring")
