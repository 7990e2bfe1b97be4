# SPDX-License-Identifier: MIT
"""Several sinks: each gets what is meant for it, and none costs another anything.

The story: a fleet's lines go to a service that is paid by the byte, to a server in the house, and errors to a third
place. One of them hangs, is away for hours, refuses a line, is too slow; the agent is killed. What a primary was given
it gets, each line once; what a secondary lost is in its own books and told to it alone; and the others hear nothing of
all that.
"""

import contextlib
import random
import signal
import time
from pathlib import Path

import pytest

from conftest import ROOMY, Intake, wait_until
from fire import feed, heal
from intake_dialect import Ndjson
from lines import assert_books_balance, assert_exactly, book, by_number, is_own, line, lines, numbers, prove_ring, receipts

QUICK = {"wait": "50ms", "urgent_wait": "20ms", "retry_min": "50ms", "retry_max": "300ms", "clock_wait": "10ms",
         "sequence": "all"}


class House:
    """Intakes by name, and the sections that send to all of them."""

    def __init__(self, running):
        self.running, self.intakes, self.sections = running, {}, {**ROOMY}

    def add(self, name, **more):
        self.intakes[name] = intake = self.running.enter_context(Intake(dialect=Ndjson()))
        self.sections[f"sink {name}"] = {"type": "http", "url": intake.url, **QUICK, **more}
        return intake


@pytest.fixture
def house(runtime):
    with contextlib.ExitStack() as running:
        yield House(running)


def of(agent, name):
    """What status says of a sink."""
    return next(sink for sink in agent.status()["sinks"] if sink["name"] == name)


def wait_given(agent, name, count):
    """Wait until a sink that is not the first has been given so many lines, and has taken them."""
    wait_until(lambda: of(agent, name)["delivered"]["lines"] == count and of(agent, name)["pending"]["lines"] == 0,
               what=lambda: f"{name} has {count} lines: {of(agent, name)}")


def prove(intake, expected):
    """These lines, each once, and its numbers prove that nothing is missing."""
    found = prove_ring(intake.everything())
    assert_exactly(numbers(found.values()), expected)
    assert_exactly(numbers(intake.entries()), expected)


def prove_balance(agent):
    status = agent.status()
    assert_books_balance(status)
    for sink in status["sinks"]:
        if not sink["first"]:
            sums = [sink[key]["lines"] for key in ("pending", "delivered", "shed", "rejected")]
            assert sink["queued"]["lines"] == sum(sums) and min(sums) >= 0, sink


# --- who gets what


def test_each_sink_gets_what_is_meant_for_it(agent, house):
    everything, web, bad = house.add("all"), house.add("web", services="web-*,proxy"), house.add("bad", min_level="error")
    a = agent(house.sections)
    feed(a, lines(0, 100), "web-1")
    feed(a, lines(100, 150), "db")
    feed(a, lines(150, 160, level="ERROR"), "db")
    feed(a, lines(160, 170, level="ERROR"), "proxy")
    wait_until(lambda: book(a)["delivered"] == 170)
    wait_given(a, "web", 110)
    wait_given(a, "bad", 20)
    prove(everything, range(170))
    prove(web, [*range(100), *range(160, 170)])
    prove(bad, range(150, 170))
    prove_balance(a)


def test_the_first_is_the_one_that_takes_all_wherever_it_stands(agent, house):
    part, everything = house.add("part", services="db"), house.add("all")
    a = agent(house.sections)
    assert of(a, "all")["first"] and not of(a, "part")["first"]
    feed(a, lines(0, 10), "web")
    feed(a, lines(10, 20), "db")
    wait_given(a, "part", 10)
    wait_until(lambda: book(a)["delivered"] == 20)
    prove(part, range(10, 20))
    prove(everything, range(20))


def test_each_has_its_own_start_and_nobody_hears_of_anothers_ring(agent, house):
    first, second = house.add("first"), house.add("second")
    a = agent(house.sections)
    feed(a, lines(0, 10))
    wait_given(a, "second", 10)
    wait_until(lambda: book(a)["delivered"] == 10)
    starts = {name: [e for e in intake.everything() if e["logboom"].get("kind") == "start"]
              for name, intake in house.intakes.items()}
    assert [len(found) for found in starts.values()] == [1, 1]
    rings = {name: {e["logboom"]["id"] for e in intake.everything()} for name, intake in house.intakes.items()}
    assert [len(found) for found in rings.values()] == [1, 1] and rings["first"] != rings["second"]
    assert of(a, "second")["queue"]["id"] in rings["second"]
    prove(first, range(10))
    prove(second, range(10))


# --- one in trouble

TROUBLES = {"hangs": {"do": "hang", "seconds": 300}, "503": {"do": "status", "code": 503}, "down": {"do": "down"},
            "401": {"do": "status", "code": 401}}


@pytest.mark.parametrize("primary", ["yes", "no"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_in_trouble_delays_nobody(agent, house, trouble, primary):
    first, ill, well = house.add("first"), house.add("ill", primary=primary, timeout="1s"), house.add("well", primary="no")
    a = agent(house.sections)
    ill.plan.set([{**TROUBLES[trouble], "times": -1}])
    feed(a, lines(0, 1000))
    wait_until(lambda: book(a)["delivered"] == 1000 and book(a)["pending"] == 0)
    wait_given(a, "well", 1000)
    assert of(a, "ill")["delivered"]["lines"] == 0 and of(a, "ill")["pending"]["lines"] == 1000
    assert a.status()["ring"]["used"] == 0, "the ring has let go of them"
    ill.up()
    heal(ill)
    a.client("flush", "-w", "1")  # ends a pause
    if trouble == "401":
        a.reload()
    wait_given(a, "ill", 1000)
    for intake in (first, ill, well):
        prove(intake, range(1000))
    prove_balance(a)


def test_the_first_in_trouble_delays_nobody(agent, house):
    first, other = house.add("first", timeout="1s"), house.add("other")
    a = agent(house.sections)
    first.plan.set([{"do": "hang", "seconds": 300, "times": -1}])
    feed(a, lines(0, 1000))
    wait_given(a, "other", 1000)
    assert book(a)["pending"] == 1000
    heal(first)
    wait_until(lambda: book(a)["delivered"] == 1000)
    prove(first, range(1000))
    prove(other, range(1000))
    assert not receipts(other.everything())


def test_a_primary_that_is_away_longer_than_its_queue_holds_gets_all_from_its_backlog(agent, house):
    first, away = house.add("first"), house.add("away", queue="1M", queue_backlog="8M", timeout="1s")
    a = agent(house.sections)
    away.down()
    for start in range(0, 30000, 1000):
        feed(a, lines(start, start + 1000, "x" * 100))
    wait_until(lambda: book(a)["delivered"] == 30000, 60)
    sink = of(a, "away")
    assert sink["backlog"]["segments"] > 0 and sink["pending"]["lines"] == 30000, sink
    assert a.status()["ring"]["used"] == 0, "the first one's room is free"
    away.up()
    wait_given(a, "away", 30000)
    prove(first, range(30000))
    prove(away, range(30000))
    prove_balance(a)


def test_what_a_secondary_lost_is_its_own_loss(agent, house):
    first, away = house.add("first"), house.add("away", queue="1M", queue_backlog="off", primary="no")
    a = agent(house.sections)
    away.down()
    for start in range(0, 20000, 1000):
        feed(a, lines(start, start + 1000, "x" * 100))
    wait_until(lambda: book(a)["delivered"] == 20000, 60)
    sink = of(a, "away")
    lost = sink["shed"]["lines"] + sink["missed"]["lines"]
    assert lost > 5000 and sink["pending"]["lines"] + lost == 20000, sink
    away.up()
    wait_until(lambda: of(a, "away")["pending"]["lines"] == 0)
    sink = of(a, "away")
    lost = sink["shed"]["lines"] + sink["missed"]["lines"]
    wait_until(lambda: sum(e["logboom"]["count"] for e in receipts(away.entries())) == lost, what="it is told of them")
    assert not receipts(first.everything()), "nobody else hears of them"
    prove(first, range(20000))
    got = numbers(prove_ring(away.everything()).values())
    assert len(got) == 20000 - lost and set(got) <= set(range(20000))
    assert max(got) == 19999, "the newest are kept"
    prove_balance(a)


def test_a_primary_that_is_too_slow_holds_the_pipe_and_loses_nothing(agent, house):
    first, slow = house.add("first"), house.add("slow", queue="1M", concurrency="1")
    house.sections["capture"] = {"overload": "wait"}
    house.sections["ring"] = {"size": "1M"}
    a = agent(house.sections)
    slow.plan.set([{"do": "slow", "seconds": 0.2, "times": -1}])
    feed(a, lines(0, 20000, "x" * 100))
    assert of(a, "slow")["shed"]["lines"] == 0
    heal(slow)
    assert a.client("flush", "-w", "60").returncode == 0
    assert of(a, "slow")["delivered"]["lines"] == 20000, "a flush waits for what it had not been given yet, too"
    prove(first, range(20000))
    prove(slow, range(20000))
    prove_balance(a)


def test_a_secondary_that_is_too_slow_holds_nobody(agent, house):
    first, slow = house.add("first"), house.add("slow", primary="no", queue="1M", queue_backlog="off", concurrency="1")
    house.sections["capture"] = {"overload": "wait"}
    house.sections["ring"] = {"size": "1M"}
    a = agent(house.sections)
    slow.plan.set([{"do": "slow", "seconds": 1, "times": -1}])
    begin = time.monotonic()
    feed(a, lines(0, 20000, "x" * 100))
    wait_until(lambda: book(a)["delivered"] == 20000)
    assert time.monotonic() - begin < 15, "20 bodies, a second each"
    heal(slow)
    wait_until(lambda: of(a, "slow")["pending"]["lines"] == 0)
    prove(first, range(20000))
    sink = of(a, "slow")
    lost = sink["shed"]["lines"] + sink["missed"]["lines"]
    assert lost > 0 and sink["delivered"]["lines"] == 20000 - lost
    wait_until(lambda: sum(e["logboom"]["count"] for e in receipts(slow.entries())) == lost)
    prove_ring(slow.everything(), may_be_both=True)  # what was given up on its way arrived after all
    prove_balance(a)


# --- across the agent's life


def test_kills_copy_nothing_twice_and_skip_nothing(agent, house):
    first, second = house.add("first"), house.add("second", queue="1M", primary="yes")
    part = house.add("part", primary="no", services="app")
    a = agent(house.sections)
    chance = random.Random(11)
    client = a.pipe("-s", "app", "--wait", "60s")
    for start in range(0, 6000, 300):
        client.stdin.write(lines(start, start + 300))
        client.stdin.flush()
        time.sleep(chance.uniform(0.01, 0.2))
        a.kill9()
        a.start()
    client.stdin.close()
    assert client.wait(60) == 0
    wait_until(lambda: of(a, "second")["pending"]["lines"] == 0 and of(a, "part")["pending"]["lines"] == 0
               and book(a)["pending"] == 0)
    for intake in (first, second, part):  # a body may come twice: the agent died before it saw the answer
        wait_until(lambda i=intake: set(numbers(i.entries())) == set(range(6000)))
        assert_exactly(numbers(prove_ring(intake.everything()).values()), range(6000))
    for name in ("second", "part"):
        assert of(a, name)["queued"]["lines"] == 6000 and of(a, name)["missed"]["lines"] == 0
    prove_balance(a)


def test_a_sink_that_comes_later_gets_what_comes_from_then_on(agent, house):
    house.add("first")
    a = agent(house.sections)
    feed(a, lines(0, 100))
    wait_until(lambda: book(a)["delivered"] == 100)
    later = house.add("later")
    a.sections["sink later"] = house.sections["sink later"]
    a.write_ini()
    a.restart()
    feed(a, lines(100, 200))
    wait_given(a, "later", 100)
    prove(later, range(100, 200))


def test_a_sink_that_goes_is_told_of_and_leaves_nothing_behind(agent, house, runtime):
    first, gone = house.add("first"), house.add("gone", queue="64K")
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K"}
    a = agent(house.sections)
    gone.down()
    feed(a, lines(0, 100))
    wait_until(lambda: book(a)["delivered"] == 100)
    feed(a, lines(100, 1000))
    wait_until(lambda: of(a, "gone")["backlog"]["segments"] > 0 and book(a)["delivered"] == 1000)
    del a.sections["sink gone"]
    a.reload()
    assert "sink gone is not configured any more" in a.log
    feed(a, lines(1000, 1100))
    wait_until(lambda: book(a)["delivered"] == 1100)
    assert [sink["name"] for sink in a.status()["sinks"]] == ["first"]
    a.restart()
    assert "not configured any more: 1000 lines in its queue are given up" in a.log and not (Path(runtime) / "sinks" / "gone").exists()
    feed(a, lines(1100, 1200))
    wait_until(lambda: book(a)["delivered"] == 1200)
    prove(first, range(1200))


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_another_order_in_the_file_gives_nobody_what_is_for_another(agent, house, how):
    """Both take all, so the first is the one that stands first; the ring stays with it."""
    one, two = house.add("one"), house.add("two")
    a = agent(house.sections)
    one.down()
    two.down()
    feed(a, lines(0, 100))
    wait_until(lambda: of(a, "two")["pending"]["lines"] == 100)
    a.sections["sink one"] = a.sections.pop("sink one")
    a.write_ini()
    getattr(a, how)()
    assert of(a, "one")["first"] and "sink one stays the first, before two" in a.log
    feed(a, lines(100, 200))
    one.up()
    two.up()
    wait_given(a, "two", 200)
    wait_until(lambda: book(a)["delivered"] == 200)
    prove(one, range(200))
    prove(two, range(200))
    prove_balance(a)


def test_a_reload_does_not_make_another_one_the_first(agent, house):
    one, two = house.add("one"), house.add("two")
    a = agent(house.sections)
    two.down()
    feed(a, lines(0, 100))
    wait_until(lambda: book(a)["delivered"] == 100)
    a.sections["sink one"]["min_level"] = "error"
    a.write_ini()
    a.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload refused" in a.log)
    feed(a, lines(100, 200))
    two.up()
    wait_given(a, "two", 200)
    wait_until(lambda: book(a)["delivered"] == 200)
    prove(one, range(200))
    prove(two, range(200))


# --- what a person asks


def test_a_flush_waits_for_primaries_and_for_no_secondary(agent, house):
    house.add("first", wait="60s")
    other, hangs = house.add("other", wait="60s"), house.add("hangs", primary="no")
    a = agent(house.sections)
    hangs.plan.set([{"do": "hang", "seconds": 300, "times": -1}])
    feed(a, lines(0, 100))
    assert a.client("flush", "-w", "20").returncode == 0
    assert len(numbers(other.entries())) == 100
    other.down()
    feed(a, lines(100, 110))
    assert a.client("flush", "-w", "1").returncode == 1
    assert book(a)["delivered"] == 110


def test_ping_takes_the_name_of_a_sink(agent, house):
    house.add("first")
    other = house.add("other")
    a = agent(house.sections)
    other.down()
    assert a.client("ping").returncode == 0
    assert a.client("ping", "first").returncode == 0
    refused = a.client("ping", "other")
    assert refused.returncode == 1 and "sink other" in refused.stdout
    assert a.client("ping", "nobody").returncode == 1


def test_an_urgent_line_wakes_the_sink_that_takes_errors_only(agent, house):
    house.add("first", wait="60s", urgent_wait="60s")
    bad = house.add("bad", min_level="error", wait="60s", urgent_wait="20ms", primary="no")
    a = agent(house.sections)
    feed(a, lines(0, 10))
    feed(a, line(10, level="ERROR"))
    wait_until(lambda: numbers(bad.entries()) == [10], 10)
    assert book(a)["delivered"] == 0, "the first has all the time in the world"


def test_status_says_of_each_how_it_is(agent, house):
    house.add("first")
    house.add("house", primary="no", services="web-*")
    a = agent(house.sections)
    feed(a, lines(0, 10), "web-1")
    wait_given(a, "house", 10)
    wait_until(lambda: book(a)["delivered"] == 10)
    text = a.client("status").stdout
    assert "sink first (http): ok" in text and "sink house (http, secondary, a part): ok" in text
    assert "10 lines delivered, 0 wait" in text
    assert all(is_own(e) or e["service"] == "web-1" for e in by_number(house.intakes["house"].everything()).values())


# --- none takes all


def test_sinks_may_share_the_lines(agent, house):
    web, rest = house.add("web", services="web-*"), house.add("rest", services="db,cron")
    a = agent(house.sections)
    feed(a, lines(0, 100), "web-1")
    feed(a, lines(100, 150), "db")
    feed(a, lines(150, 160), "nobody")
    wait_given(a, "web", 100)
    wait_given(a, "rest", 50)
    wait_until(lambda: book(a)["delivered"] == 160, what="the ring lets go of what nobody wants, too")
    prove(web, range(100))
    prove(rest, range(100, 150))
    assert [sink["type"] for sink in a.status()["sinks"]] == ["none", "http", "http"]
    assert "no sink takes all" in a.client("status").stdout
    assert a.client("ping").returncode == 0 and a.client("ping", "rest").returncode == 0
    prove_balance(a)


def test_one_that_shares_and_is_away_gets_its_part_when_it_is_back(agent, house):
    web, rest = house.add("web", services="web-*"), house.add("rest", services="db")
    a = agent(house.sections)
    rest.down()
    feed(a, lines(0, 500), "web-1")
    feed(a, lines(500, 900), "db")
    wait_given(a, "web", 500)
    a.kill9()
    a.start()
    assert a.client("flush", "-w", "1").returncode == 1
    rest.up()
    wait_given(a, "rest", 400)
    prove(web, range(500))
    prove(rest, range(500, 900))
    prove_balance(a)


def test_a_reload_does_not_take_from_the_first_what_waits_for_it(agent, house):
    first, other = house.add("first"), house.add("other")
    a = agent(house.sections)
    first.down()
    feed(a, lines(0, 100))
    wait_given(a, "other", 100)
    a.sections["sink first"]["services"] = a.sections["sink other"]["services"] = "app"
    a.reload("that takes a restart")
    first.up()
    wait_until(lambda: book(a)["delivered"] == 100)
    prove(first, range(100))
    prove(other, range(100))


def test_who_follows_a_first_that_went_gets_what_waited_for_it_once(agent, house):
    gone, next_one = house.add("gone"), house.add("next")
    a = agent(house.sections)
    gone.down()
    next_one.down()
    feed(a, lines(0, 100))
    wait_until(lambda: of(a, "next")["pending"]["lines"] == 100)
    del a.sections["sink gone"]
    a.write_ini()
    a.restart()
    assert "sink next keeps its queue, with 100 lines, and is not the first yet; 100 lines that wait for gone" in a.log
    assert [sink["name"] for sink in a.status()["sinks"]] == ["(none)", "next"]
    feed(a, lines(100, 200))
    next_one.up()
    wait_given(a, "next", 200)
    a.restart()
    assert [sink["name"] for sink in a.status()["sinks"]] == ["next"]
    feed(a, lines(200, 300))
    wait_until(lambda: set(range(200, 300)) <= set(numbers(next_one.entries())))
    assert_exactly(numbers(next_one.entries()), range(300))  # the ring's start record tells which numbers went before


def test_a_reload_makes_a_secondary_a_primary_and_back(agent, house):
    first, other = house.add("first"), house.add("other", primary="no")
    a = agent(house.sections)
    other.down()
    feed(a, lines(0, 10))
    assert a.client("flush", "-w", "5").returncode == 0, "nobody waits for a secondary"
    a.sections["sink other"]["primary"] = "yes"
    a.reload()
    assert of(a, "other")["primary"]
    feed(a, lines(10, 20))
    assert a.client("flush", "-w", "1").returncode == 1
    a.sections["sink other"]["primary"] = "no"
    a.reload()
    feed(a, lines(20, 30))
    assert a.client("flush", "-w", "5").returncode == 0
    assert a.status()["ring"]["used"] == 0
    other.up()
    wait_given(a, "other", 30)
    prove(first, range(30))
    prove(other, range(30))
