# SPDX-License-Identifier: MIT
"""Troubles that pass: the sink is away for a while, then takes everything.

The story: lines arrive; then the intake is down, hangs, is slow, breaks off, answers 5xx, 408 or 429, or answers in a
way that never ends; more lines are written meanwhile. When it is well again all of them arrive, in books that
balance, and a user finds in log and status what was wrong.
"""

import pytest

from conftest import wait_until
from fire import NAME, feed, heal, heal_with, prove, reload, resident_kib, settle, sink_of, wait_state
from lines import assert_books_balance, assert_exactly, book, end, line, lines, numbers, prove_ring

AGAIN = "delivering again"
GROWTH_KIB_MAX = 16 * 1024  # far below the 100 MB that an endless answer offers
TROUBLES = {
    "reset": ({"do": "reset"}, ("reset", "send", "recv", "broken")),
    "500": ({"do": "status", "code": 500}, ("500",)),
    "502": ({"do": "status", "code": 502, "body": "<html>bad gateway</html>"}, ("502",)),
    "504": ({"do": "status", "code": 504, "body": ""}, ("504",)),
    "408": ({"do": "status", "code": 408}, ("408",)),
    "endless headers": ({"do": "headers"}, ("header", "head", "large", "long")),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_that_passes_costs_nothing(agent, quick, intake, trouble):
    step, words = TROUBLES[trouble]
    a = agent(quick)
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    before_kib = resident_kib(a)
    intake.plan.set([{**step, "times": -1}])
    feed(a, lines(100, 300))
    state = wait_until(lambda: (s := sink_of(a))["failures"] >= 3 and s, what="it was tried three times")
    assert state["state"] == "away"
    assert any(word in state["last_error"].lower() for word in words), state["last_error"]
    assert any(word in a.log.lower() for word in words)
    assert book(a)["pending"] == 200 and book(a)["delivered"] == 100
    assert_books_balance(a.status())
    heal(intake)
    settle(a, intake, 300)
    assert AGAIN in a.log
    feed(a, lines(300, 320))
    settle(a, intake, 320)
    prove(a, intake, 320)
    assert sink_of(a)["state"] == "ok"
    assert intake.stats()["poured_bytes"] < 60_000_000, "it does not listen to the end"
    assert resident_kib(a) < before_kib + GROWTH_KIB_MAX


def test_an_answer_that_never_comes_whole_repeats_only_what_it_was_for(agent, quick, intake):
    a = agent(quick)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    reload(a, timeout="400ms")
    intake.plan.set([{"do": "drip", "seconds": 1, "times": -1}])
    feed(a, lines(50, 250))
    wait_until(lambda: [r.step for r in intake.requests()].count("drip") >= 3, what="it comes again")
    heal_with(a, intake, timeout="30s")
    settle(a, intake, 250)
    feed(a, lines(250, 260))
    settle(a, intake, 260)
    prove(a, intake, 260)
    assert len(numbers(intake.entries())) > 260, "what was stored without an answer came again"


def test_an_answer_without_end_counts_by_its_status(agent, quick, intake):
    a = agent(quick)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    before_kib = resident_kib(a)
    intake.plan.set([{"do": "flood", "times": 3}])
    for n in range(50, 200, 50):
        feed(a, lines(n, n + 50))
        settle(a, intake, n + 50)
    prove(a, intake, 200)
    assert len(numbers(intake.entries())) == 200
    assert 0 < intake.stats()["poured_bytes"] < 60_000_000
    assert resident_kib(a) < before_kib + GROWTH_KIB_MAX


def test_a_slow_answer_is_waited_for(agent, quick, intake):
    a = agent(quick)
    intake.plan.set([{"do": "slow", "seconds": 0.5, "times": 3}])
    for n in range(0, 300, 100):
        feed(a, lines(n, n + 100))
    settle(a, intake, 300)
    prove(a, intake, 300)
    assert sink_of(a)["failures"] == 0


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("after", [1, {"date_in_s": 2}])
def test_retry_after_is_the_least_pause(agent, quick, intake, code, after):
    quick[NAME].update(retry_max="5s", concurrency="1")
    a = agent(quick)
    intake.plan.set([{"do": "status", "code": code, "retry_after": after}])
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    all_of_them = intake.requests()
    at = next(i for i, request in enumerate(all_of_them) if request.status == code)
    first, second = all_of_them[at:at + 2]
    # A date has whole seconds: of the two that it tells one may be gone.
    assert second.at_s - first.at_s >= 0.99, "no sooner than it was told to"
    prove(a, intake, 100)


@pytest.mark.parametrize("after", [0, -7, "soon", "", "1e9", "99999999999999999999", 86400, {"date_in_s": -3600},
                                   {"date_in_s": 86400}, "Thu, 32 Foo 2026 99:99:99 GMT", "5 5", "\t"])
def test_a_retry_after_that_says_nothing_or_too_much_does_not_stop_it(agent, quick, intake, after):
    """Nonsense and the past are no floor, and more than retry_max is retry_max."""
    a = agent(quick)
    intake.plan.set([{"do": "status", "code": 429, "retry_after": after, "times": 2}])
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    prove(a, intake, 100)


def test_while_it_fails_one_small_body_asks(agent, quick, intake):
    quick[NAME].update(concurrency="4", body_lines="100", body_bytes="64K", wait="20ms")
    a = agent(quick)
    feed(a, lines(0, 10))
    settle(a, intake, 10)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    feed(a, lines(10, 4010, "x" * 200))
    wait_until(lambda: sink_of(a)["failures"] >= 8, what="it asks again and again")
    failed = len(intake.requests())
    asked = intake.requests()[-3:]
    assert {r.beside for r in asked} == {0}, "one at a time"
    intake.plan.set([])
    settle(a, intake, 4010)
    prove(a, intake, 4010)
    back = sorted((r for r in intake.requests()[failed:] if r.stored), key=lambda r: r.at_s)
    full = max(r.raw_bytes for r in back)
    assert back[0].beside == 0 and back[0].raw_bytes <= full / 2, "a small one asks, alone"
    assert max(r.raw_bytes for r in asked) <= full / 2, "and so did those before it"


def test_after_a_failure_one_body_is_in_flight_then_two_then_four(agent, quick, intake):
    """Bodies of one service are sent one after the other; these are of so many that none shares one with its next."""
    services, rounds = 60, 6
    quick[NAME].update(concurrency="4", body_lines="10", wait="20ms")
    a = agent(quick)
    feed(a, lines(0, 10))
    settle(a, intake, 10)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    clients = [a.pipe("-s", f"s{i}") for i in range(services)]
    for n in range(10, 10 + services * rounds, services):
        for i, client in enumerate(clients):
            client.stdin.write(line(n + i))
            client.stdin.flush()
        wait_until(lambda: book(a)["in"] == n + services, what="a line of each service is in")
    for client in clients:
        client.stdin.close()
    assert [end(client) for client in clients] == [0] * services
    wait_until(lambda: sink_of(a)["failures"] >= 4, what="it asks again and again")
    failed = len(intake.requests())
    intake.plan.set([{"do": "slow", "seconds": 0.3, "times": -1}])  # long enough for four to be there together
    wait_until(lambda: book(a)["pending"] == 0, what="all is delivered")
    assert_exactly(numbers(prove_ring(intake.everything()).values()), range(10 + services * rounds))
    assert_books_balance(a.status())
    back = sorted((r for r in intake.requests()[failed:] if r.stored), key=lambda r: r.at_s)
    assert back[0].beside == 0
    assert max(r.beside for r in back[1:3]) <= 1, "then two"
    assert max(r.beside for r in back[3:6]) <= 3
    assert max(r.beside for r in back) == 3, "and four in the end"


def test_a_long_time_of_all_kinds_of_trouble(agent, quick, intake):
    a = agent(quick)
    kinds = [{"do": "status", "code": 503}, {"do": "reset"}, {"do": "lose"}, {"do": "status", "code": 429},
             {"do": "hang", "seconds": 0.3}, {"do": "ok"}, {"do": "headers", "bytes": 2_000_000},
             {"do": "down", "seconds": 0.2}, {"do": "ok"}, {"do": "flood", "bytes": 1_000_000}, {"do": "slow", "seconds": 0.2}]
    intake.plan.set(kinds * 2)
    for n in range(0, 1000, 50):
        feed(a, lines(n, n + 50))
        assert_books_balance(a.status())
    settle(a, intake, 1000)
    wait_state(a, "ok")
    prove(a, intake, 1000)
