# SPDX-License-Identifier: MIT
"""Answers that somebody must see to: a key that is wrong, an address that is wrong, a server that sends elsewhere.

The story: the sink says 401, 403, 404 or 301. The agent stops asking as it would of a sink that is merely away, says
so at the level error, keeps every line, and asks at once when it is told of new settings.
"""

import time

import pytest

from conftest import API_KEY, Intake, wait_until
from fire import NAME, errors, feed, heal, prove, reload, settle, sink_of, wait_state
from lines import assert_books_balance, assert_exactly, book, lines, numbers

# Pauses that grow to a size at which hammering shows, and a random part of which may be short.
PAUSES = {"retry_min": "1s", "retry_max": "10s"}
REQUESTS_MAX = 6  # a sink that is merely away is asked as often in a third of the time with the pauses of `quick`


@pytest.fixture
def patient(quick):
    """As quick, but with pauses that are not."""
    quick[NAME].update(PAUSES)
    return quick


def assert_paused_loudly(agent, intake, code, pending):
    """The sink is paused, the data kept, the log tells what to look for, and the server is left in peace."""
    state = wait_state(agent, "paused")
    assert str(code) in state["last_error"]
    wait_until(lambda: str(code) in errors(agent), what=f"an error that tells of {code}: {agent.log}")
    assert API_KEY not in agent.log
    time.sleep(0.7)
    assert len(intake.requests()) <= REQUESTS_MAX, "nobody hammers the server"
    books = book(agent)
    assert (books["pending"], books["rejected"], books["shed"], books["dropped"]) == (pending, 0, 0, 0)
    assert_books_balance(agent.status())


@pytest.mark.parametrize("code", [401, 404, 405, 418])
def test_what_only_people_can_mend_pauses_the_sink_and_keeps_the_data(agent, patient, intake, code):
    a = agent(patient)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    intake.forget()
    intake.policies.set([{"code": code}])
    feed(a, lines(50, 150))
    assert_paused_loudly(a, intake, code, 100)
    feed(a, lines(150, 200))
    wait_until(lambda: book(a)["pending"] == 150, what="it still takes lines in")
    heal(intake)
    reload(a)
    settle(a, intake, 200)
    wait_state(a, "ok")
    assert "delivering again" in a.log
    assert_exactly(numbers(intake.entries()), range(50, 200))


def test_a_key_that_is_put_right_delivers_at_the_reload(agent, patient, intake):
    key_file = patient[NAME]["api_key_file"]
    key_file.write_text("f" * 32 + "\n")
    a = agent(patient)
    feed(a, lines(0, 100))
    assert_paused_loudly(a, intake, 403, 100)
    assert "f" * 32 not in a.log
    key_file.write_text(API_KEY + "\n")
    reload(a)
    settle(a, intake, 100)
    prove(a, intake, 100)


def test_a_paused_sink_outlives_a_restart_with_its_data(agent, quick, intake):
    a = agent(quick)
    intake.policies.set([{"code": 403}])
    feed(a, lines(0, 100))
    wait_state(a, "paused")
    a.restart()
    wait_state(a, "paused")
    assert book(a)["pending"] == 100
    a.kill9()
    heal(intake)
    a.start()
    settle(a, intake, 100)
    prove(a, intake, 100)


@pytest.mark.parametrize("code", [301, 307, 308])
def test_a_redirect_is_followed_by_nobody_and_the_key_stays_here(agent, patient, intake, code):
    with Intake() as other:
        intake.policies.set([{"code": code, "location": other.url}])
        a = agent(patient)
        feed(a, lines(0, 100))
        assert_paused_loudly(a, intake, code, 100)
        heal(intake)
        reload(a)
        settle(a, intake, 100)
        prove(a, intake, 100)
        assert other.stats()["connections"] == 0, "nobody called there, so nobody told it the key"


@pytest.mark.parametrize("code", [200, 201, 202, 203, 204, 205])
def test_any_2xx_that_says_done_is_a_delivery(agent, quick, intake, code):
    a = agent(quick)
    intake.plan.set([{"do": "ok", "code": code, "times": -1}])
    for n in range(0, 300, 100):
        feed(a, lines(n, n + 100))
        settle(a, intake, n + 100)
    prove(a, intake, 300)
    assert len(numbers(intake.entries())) == 300 and sink_of(a)["failures"] == 0


@pytest.mark.parametrize("code", [206, 207, 226, 299])
def test_a_2xx_that_nobody_expects_is_no_delivery(agent, quick, intake, code):
    a = agent(quick)
    intake.plan.set([{"do": "status", "code": code, "body": "{}", "times": -1}])
    feed(a, lines(0, 100))
    assert intake.wait_requests(1)
    state = wait_until(lambda: (s := sink_of(a))["failures"] and s, what="it is seen as a failure")
    assert state["state"] in ("away", "paused") and str(code) in state["last_error"]
    assert book(a)["pending"] == 100 and book(a)["delivered"] == 0
    heal(intake)
    reload(a)
    settle(a, intake, 100)
    prove(a, intake, 100)
    assert str(code) in a.log
