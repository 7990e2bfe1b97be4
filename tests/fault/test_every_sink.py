# SPDX-License-Identifier: MIT
"""What is promised for every sink, in one place: nothing is lost, and twice comes only what had no answer.

The story: lines go to a receiver that is away, dies with half of a body, hangs, is busy, forgets to answer, is locked,
refuses a record or a size; and the agent is killed, stopped, sent elsewhere. It is the same story for each kind of
receiver (support/receivers.py), and where it matters also for one that is not the first sink but a further one beside a
file. What is a sink's own is in the file of that sink.
"""

import contextlib
import re

import pytest

from conftest import wait_until
from delivery import PLACES, SERVICES, Delivery
from lines import line, numbers, receipts, seeded
from receivers import ANSWERS_LOST, BODY_LINES, IN_FLIGHT, LARGE, POISON, RECEIVERS, those_with

TEXT = "read sensor in twelve milliseconds and found it well "


@pytest.fixture
def receivers(runtime, request):
    """Factory: receivers(kind) -> one that is up."""
    with contextlib.ExitStack() as running:
        count = 0

        def make(kind):
            nonlocal count
            home = runtime.parent / f"receiver{count}"
            home.mkdir()
            count += 1
            return running.enter_context(RECEIVERS[kind](home, lambda: request.getfixturevalue("authority")))

        yield make


@pytest.fixture
def delivery(request, agent, receivers, runtime):
    kind, place = request.param
    one = Delivery(agent, receivers(kind), place, runtime.parent)
    one.another = lambda: receivers(kind)
    return one


def to(kinds, places=("first",)):
    return pytest.mark.parametrize("delivery", [(kind, place) for kind in kinds for place in places], indirect=True,
                                   ids=lambda pair: f"{pair[0]}, {pair[1]}")


# --- in good days, and in those that everybody has


@to(RECEIVERS, PLACES)
def test_lines_arrive_once_and_those_of_a_service_in_order(delivery):
    delivery.start()
    for first in range(0, 2000, 500):
        delivery.feed(first, first + 500)
    delivery.settle(2000)
    delivery.prove(2000)
    for service in SERVICES:
        got = numbers(delivery.everything(), service)
        assert got == sorted(got), service
    assert delivery.status()["state"] == "ok" and delivery.status()["failures"] == 0


@to(RECEIVERS, PLACES)
def test_who_is_away_from_the_start_is_found_when_he_comes(delivery):
    delivery.receiver.down()
    delivery.start(is_heard=False)
    delivery.feed(0, 300)
    delivery.wait_state("away")
    delivery.wait_failures(1)
    assert delivery.book()["pending"] == 300
    assert re.search("connect|append", delivery.status()["last_error"], re.I)
    delivery.receiver.up()
    delivery.settle(300)
    delivery.prove(300)
    assert "delivering again" in delivery.agent.log


@to(RECEIVERS, PLACES)
def test_who_goes_and_comes_back_while_lines_come_costs_nothing(delivery):
    delivery.start()
    turns, each = 3, 600
    for turn, first in enumerate(delivery.stream(((n, n + each) for n in range(0, turns * each, each)), TEXT)):
        delivery.wait_delivered(first + 1)
        delivery.receiver.down()
        delivery.feed(turns * each + turn, turns * each + turn + 1)
        delivery.wait_state("away")
        delivery.receiver.up()
    delivery.settle(turns * (each + 1))
    delivery.prove(turns * (each + 1), twice_max=turns * IN_FLIGHT)


@to(those_with("dies"), PLACES)
def test_who_dies_with_half_of_a_body_gets_it_again(delivery):
    delivery.start()
    delivery.feed(0, 100)
    delivery.settle(100)
    for first in 100, 700:
        delivery.receiver.trouble("dies")
        delivery.feed(first, first + 600, TEXT)
        delivery.wait_state("away")
        delivery.receiver.up()
        delivery.settle(first + 600)
    delivery.prove(1300, twice_max=2 * IN_FLIGHT)


@to(those_with("hangs"), PLACES)
def test_who_hangs_is_given_up_in_time_and_costs_nothing(delivery):
    delivery.start(timeout="500ms")
    delivery.feed(0, 100)
    delivery.settle(100)
    delivery.receiver.trouble("hangs")
    delivery.feed(100, 1500, "x" * 1000)  # more than lies between him and us
    delivery.wait_failures(2)
    status = delivery.status()
    assert status["state"] == "away" and re.search("timed out|timeout", status["last_error"], re.I)
    assert delivery.book()["delivered"] < 1500
    delivery.receiver.heal()
    delivery.reload(timeout="20s")
    delivery.settle(1500)
    # The last that was given up may have been so between this count and the next settings.
    delivery.prove(1500, twice_max=(status["failures"] + 1) * IN_FLIGHT)


@to(those_with("busy"), PLACES)
def test_who_is_busy_is_asked_again_and_nothing_comes_twice(delivery):
    delivery.start()
    delivery.feed(0, 100)
    delivery.settle(100)
    delivery.receiver.trouble("busy")
    delivery.feed(100, 400)
    delivery.wait_failures(3)
    assert delivery.status()["state"] == "away"
    assert delivery.book()["pending"] == 300
    delivery.receiver.heal()
    delivery.settle(400)
    delivery.prove(400)
    assert delivery.status()["state"] == "ok"


@to(those_with("slow down"))
def test_who_says_for_how_long_he_is_busy_is_asked_later(delivery):
    delivery.start(retry_max="5s")
    delivery.receiver.trouble("slow down")
    delivery.feed(0, 300)
    delivery.wait_failures(1)
    delivery.receiver.heal()
    delivery.settle(300)
    delivery.prove(300)
    told = [request.at_s for request in delivery.receiver.intake.requests() if request.status == 429]
    asked = [request.at_s for request in delivery.receiver.intake.requests() if request.at_s > told[0]]
    assert min(set(asked) - set(told)) - told[-1] >= 0.99, "no sooner than he said"


# --- the one thing by which a line comes twice


@to(those_with("loses answers"), PLACES)
def test_an_answer_that_is_lost_repeats_once_what_it_was_for(delivery):
    delivery.start()
    delivery.feed(0, 100)
    delivery.settle(100)
    delivery.receiver.trouble("loses answers")
    delivery.feed(100, 400)
    delivery.settle(400)
    delivery.prove(400)
    assert len(delivery.receiver.unanswered()) > 0
    if delivery.receiver.knows_again:
        assert delivery.repeated() == 0
    else:
        assert 0 < delivery.repeated() <= ANSWERS_LOST * IN_FLIGHT


# --- refusals


@to(those_with("forbids"), PLACES)
def test_who_forbids_it_pauses_it_until_a_reload_and_loses_nothing(delivery):
    delivery.start(retry_min="10s", retry_max="30s")  # nobody comes back by himself
    delivery.feed(0, 100)
    delivery.settle(100)
    delivery.receiver.trouble("forbids")
    delivery.feed(100, 200)
    delivery.wait_state("paused")
    delivery.feed(200, 300)
    delivery.wait_pending(200)
    assert delivery.book()["lost"] == 0
    assert "is paused" in delivery.agent.log
    delivery.receiver.heal()
    delivery.reload()
    delivery.settle(300)
    delivery.prove(300)


@to(those_with("poison"), PLACES)
def test_a_record_that_is_refused_is_found_rejected_alone_and_told(delivery):
    delivery.start()
    delivery.feed(0, 40)
    delivery.settle(40)
    delivery.receiver.trouble("poison")
    bad = {77, 78, 130}
    delivery.feed_bytes(b"".join(line(n, POISON if n in bad else "") for n in range(40, 240)))
    delivery.settle(240 - len(bad), rejected=len(bad))
    delivery.prove(240, rejected=bad)
    assert {entry["logboom"]["reason"] for entry in receipts(delivery.everything())} == {"rejected"}
    assert POISON not in delivery.agent.log


@to(those_with("too large"))
def test_a_body_that_is_too_large_is_sent_in_parts(delivery):
    delivery.start()
    delivery.receiver.trouble("too large")
    delivery.feed(0, 8 * BODY_LINES)
    delivery.settle(8 * BODY_LINES)
    delivery.prove(8 * BODY_LINES)
    assert LARGE < BODY_LINES and delivery.status()["failures"] > 0


# --- the agent's own life


@to(RECEIVERS, PLACES)
def test_kills_amid_the_traffic_lose_nothing(delivery):
    delivery.start()
    kills, each = 4, 600
    for first in delivery.stream(((n, n + each) for n in range(0, kills * each, each)), TEXT):
        wait_until(lambda: len(delivery.arrived()) > first, what="some of them have arrived")  # noqa: B023
        delivery.agent.kill9()
        delivery.agent.start()
        delivery.prove_balance()
    delivery.settle(kills * each)
    delivery.prove(kills * each, twice_max=kills * IN_FLIGHT)


@to(RECEIVERS, PLACES)
def test_what_waits_outlives_a_restart_a_stop_and_a_kill(delivery):
    delivery.start()
    delivery.receiver.down()
    delivery.feed(0, 100)
    delivery.wait_state("away")
    delivery.agent.restart()
    delivery.feed(100, 200)
    assert delivery.agent.term() == 0
    delivery.agent.start()
    delivery.feed(200, 300)
    delivery.agent.kill9()
    delivery.agent.start()
    delivery.wait_pending(300)
    delivery.receiver.up()
    delivery.settle(300)
    delivery.prove(300)


@to(RECEIVERS, PLACES)
def test_away_for_longer_than_there_is_room_for_is_told_to_the_line(delivery):
    small = {"ring": {"size": "256K"}, "backlog": {"size": "256K", "segment": "64K"}} if delivery.is_first else {}
    delivery.start(small, **({} if delivery.is_first else {"queue": "256K", "queue_backlog": "256K"}))
    delivery.receiver.down()
    chance, count = seeded(), 6000
    delivery.feed(0, 1)
    delivery.wait_state("away")
    delivery.feed_bytes(b"".join(line(n, chance.randbytes(100).hex()) for n in range(1, count)))
    wait_until(lambda: (b := delivery.book())["lost"] > 0 and b["pending"] + b["lost"] == count, what="some are lost")
    delivery.receiver.up()
    wait_until(lambda: (b := delivery.book())["pending"] == 0 and delivery.told() == b["lost"], what="it is told")
    lost = delivery.book()["lost"]
    delivery.settle(count - lost)
    got = numbers(delivery.prove_once(twice_max=0).values())
    assert len(set(got)) == len(got) == count - lost and max(got) == count - 1, "the newest are kept"
    delivery.prove_balance()
    delivery.prove_the_other(count)


@to(RECEIVERS, PLACES)
def test_a_reload_to_another_address_takes_along_what_waits(delivery):
    other = delivery.another()
    delivery.start()
    delivery.feed(0, 200)
    delivery.settle(200)
    for first in delivery.stream([(200, 600), (600, 1000)], TEXT):
        delivery.wait_delivered(first + 1)
        delivery.move_to(other if first == 200 else delivery.receiver)
    delivery.receiver.down()
    delivery.feed(1000, 1200)
    delivery.wait_state("away")
    delivery.move_to(other)
    delivery.settle(1200)
    assert set(numbers(other.everything())) >= set(range(1000, 1200))
    delivery.prove(1200, twice_max=3 * IN_FLIGHT)
