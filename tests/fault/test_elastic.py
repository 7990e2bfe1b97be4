# SPDX-License-Identifier: MIT
"""An Elasticsearch as sink: its own bodies, its own answers, and nothing there twice.

The story: lines go to _bulk under ids that are theirs for good. What is lost on the way comes again, and what had
arrived before is answered by 409; a document that the index cannot take is rejected alone; a server that is busy for
some of them gets those again; and what is wrong with key or index costs no line.
"""

import base64

import pytest

from conftest import API_KEY, Intake, wait_until
from fire import NAME, errors, feed, heal, prove, settle, sink_of, wait_state
from intake_elastic import Elastic
from lines import assert_books_balance, assert_exactly, book, is_own, lines, numbers, prove_ranges, prove_ring

NO_ANSWERS = {"a page": "<html>please log in</html>", "nothing": ""}
# A ring that overflows into the backlog, however slow the machine is.
SMALL = {"ring": {"size": "256K"}, "backlog": {"size": "4M", "segment": "64K"}, "capture": {"overload": "wait"}}


@pytest.fixture
def intake():
    with Intake(api_key=API_KEY, dialect=Elastic()) as server:
        yield server


@pytest.fixture
def sink(sink):
    """The section keeps its name, which reload() of fire.py knows."""
    sink[NAME].update(type="elasticsearch", auth="apikey")
    return sink


def ids(intake):
    """Of all that was stored, in the order of arrival."""
    return [key for request in intake.requests() if request.stored and request.ids for key in request.ids]


def prove_once(intake):
    """Nothing was stored twice: the sender gave no record two ids, and the intake keeps each id once."""
    entries = intake.everything()
    assert len(prove_ring(entries)) == len(entries)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_lines_arrive_with_the_ranges_of_each_body(agent, sink, intake, compression):
    sink[NAME]["compression"] = compression
    a = agent(sink)
    feed(a, lines(0, 400, "\\ \" \u20ac \x01"))
    feed(a, lines(400, 500, level="ERROR"))
    a.flush()
    assert_exactly(numbers(intake.entries()), range(500))
    seen = prove_ranges(intake.requests())
    assert sum(map(len, seen.values())) == 500 + 1
    assert {r.encoding for r in intake.requests()} == {"identity" if compression == "none" else compression}
    assert len(set(ids(intake))) == 501
    assert_books_balance(a.status())


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_an_index_is_part_of_the_address_and_auth_is_what_is_wanted(agent, sink, runtime, auth):
    class Shown(Elastic):
        def key_of(self, headers):
            scheme, _, value = headers["authorization"].partition(" ")
            assert scheme == auth.capitalize()
            return base64.b64decode(value).decode() if auth == "basic" else value

    with Intake(api_key=API_KEY, dialect=Shown("logs-boom-test")) as intake:
        sink[NAME].update(url=f"http://127.0.0.1:{intake.port}", index="logs-boom-test", auth=auth)
        a = agent(sink)
        feed(a, lines(0, 10))
        a.flush()
        assert_exactly(numbers(intake.entries()), range(10))


def test_ping(agent, sink, intake):
    a = agent(sink)
    a.flush()
    stored = len(intake.everything())
    done = a.client("ping")
    assert done.returncode == 0 and "HTTP status 200" in done.stdout, done.stderr
    assert len(intake.everything()) == stored, "it changes nothing"
    intake.api_key = "another"
    done = a.client("ping")
    assert done.returncode == 1 and "the key is refused" in done.stderr


@pytest.mark.parametrize("text", NO_ANSWERS)
def test_a_200_that_says_nothing_of_the_records_is_no_delivery(agent, quick, intake, text):
    a = agent(quick)
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    intake.plan.set([{"do": "status", "code": 200, "body": NO_ANSWERS[text], "times": -1}])
    feed(a, lines(100, 300))
    wait_until(lambda: sink_of(a)["failures"] >= 3, what="it was tried three times")
    assert_books_balance(a.status())
    heal(intake)
    settle(a, intake, 300)
    feed(a, lines(300, 320))
    settle(a, intake, 320)
    prove(a, intake, 320)
    prove_once(intake)
    assert sink_of(a)["state"] == "ok"


def test_what_the_index_cannot_take_is_rejected_alone_and_without_another_request(agent, quick, intake):
    quick[NAME].update(wait="1s")
    poison = {3, 40, 41, 99}
    intake.dialect.refuses = lambda entry: not is_own(entry) and numbers([entry])[0] in poison
    a = agent(quick)
    feed(a, lines(0, 100))
    settle(a, intake, 96, rejected=4)
    prove(a, intake, 100, rejected=poison)
    prove_once(intake)
    sent = [key for request in intake.requests() for key in request.ids or ()]
    assert len(sent) == len(set(sent)), "each was sent once"
    assert "HTTP status 200: 400 mapper_parsing_exception" in a.log
    assert sink_of(a)["state"] == "ok"


def test_more_than_can_be_told_are_found_by_halves(agent, quick, intake):
    """Bodies of 300 that are refused in full, and a good line behind them."""
    quick[NAME].update(wait="1s")
    intake.dialect.refuses = lambda entry: not is_own(entry) and numbers([entry])[0] < 300
    a = agent(quick)
    feed(a, lines(0, 310))
    settle(a, intake, 10, rejected=300)
    prove(a, intake, 310, rejected=range(300))
    prove_once(intake)


def test_those_it_is_too_busy_for_come_again(agent, quick, intake):
    intake.dialect.is_busy_for = lambda entry: not is_own(entry) and numbers([entry])[0] % 7 == 0
    a = agent(quick)
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    prove(a, intake, 100)
    prove_once(intake)
    assert sink_of(a)["failures"] > 0


@pytest.mark.parametrize("fault", [(403, "security_exception"), (404, "index_not_found_exception"),
                                   (400, "index_closed_exception")], ids=lambda fault: fault[1])
def test_what_is_told_by_record_but_is_no_records_fault_pauses_and_loses_nothing(agent, quick, intake, fault):
    intake.dialect.fault_of = lambda entry: fault
    a = agent(quick)
    feed(a, lines(0, 100))
    wait_state(a, "paused")
    assert book(a)["rejected"] == 0 and "is paused: HTTP status 200: %d %s;" % fault in errors(a)
    intake.dialect.fault_of = lambda entry: None
    settle(a, intake, 100)
    prove(a, intake, 100)
    prove_once(intake)


def test_after_a_kill_what_had_arrived_is_not_stored_again(agent, quick, intake):
    a = agent(quick)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    intake.plan.set([{"do": "lose", "times": -1}])
    feed(a, lines(50, 150))
    wait_until(lambda: len(numbers(intake.entries())) == 150, what="all are stored, and no answer came")
    a.kill9()
    heal(intake)
    a.start()
    settle(a, intake, 150)
    entries = intake.everything()
    assert_exactly(numbers(entries), range(150))
    assert len(prove_ring(entries)) == len(entries)


def test_what_went_through_the_backlog_has_the_ids_that_it_had_before(agent, quick, intake):
    """Stored without an answer, moved to the backlog meanwhile, and sent again from there: 409, and none is twice."""
    a = agent({**quick, **SMALL})
    intake.plan.set([{"do": "lose", "times": -1}])
    feed(a, lines(0, 10_000, "x" * 100))
    wait_until(lambda: a.status()["backlog"]["segments"] > 0 and book(a)["in"] == 10_000)
    stored = wait_until(lambda: len(numbers(intake.entries())), what="something was stored without an answer")
    heal(intake)
    settle(a, intake, 10_000)
    prove(a, intake, 10_000)
    prove_once(intake)


def test_what_is_refused_of_the_backlog_is_rejected_alone(agent, quick, intake):
    poison = {n for n in range(10_000) if n % 997 == 0}
    a = agent({**quick, **SMALL})
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    feed(a, lines(0, 10_000, "x" * 100))
    wait_until(lambda: a.status()["backlog"]["segments"] > 0 and book(a)["in"] == 10_000)
    intake.dialect.refuses = lambda entry: not is_own(entry) and numbers([entry])[0] in poison
    heal(intake)
    settle(a, intake, 10_000 - len(poison), rejected=len(poison))
    prove(a, intake, 10_000, rejected=poison)
    prove_once(intake)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_body_that_is_refused_as_a_whole_is_halved_and_the_last_half_waits_for_an_answer(agent, quick, intake,
                                                                                           compression):
    """What stands before the server refuses it. Whether it takes anything at all is asked by a body of no record."""
    quick[NAME]["compression"] = compression
    intake.policies.set([{"code": 400, "marker": "#n=0000000 "}])
    a = agent(quick)
    wait_until(lambda: book(a)["own"] > 0 and len(intake.everything()) > 0)
    feed(a, lines(0, 1))
    settle(a, intake, 0, rejected=1)
    prove(a, intake, 1, rejected={0})
    assert any(r.stored and not r.entries for r in intake.requests()), "it was asked"
    assert sink_of(a)["state"] == "ok"
