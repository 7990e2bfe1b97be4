# SPDX-License-Identifier: MIT
"""A HTTP Event Collector as sink: its own bodies, its own answers.

The story: lines arrive as events; troubles that pass cost nothing; an event that it refuses is found and rejected
alone, though what lies before it was stored already; and a wrong token or index costs no line.
"""

import pytest

from conftest import API_KEY, Intake, wait_until
from fire import NAME, errors, feed, heal, prove, reload, settle, sink_of, wait_state
from intake_splunk import Splunk
from lines import assert_books_balance, assert_exactly, book, is_own, lines, numbers, prove_ranges

TROUBLES = {503: '{"text":"Server is busy","code":9}', 500: '{"text":"Internal server error","code":8}'}


@pytest.fixture
def intake():
    with Intake(api_key=API_KEY, dialect=Splunk()) as server:
        yield server


@pytest.fixture
def sink(sink):
    """The section keeps its name, which reload() of fire.py knows."""
    sink[NAME].update(type="splunk")
    return sink


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
    assert all("x-splunk-request-channel" not in r.headers for r in intake.requests())
    assert_books_balance(a.status())


def test_index_and_source_type_are_those_of_the_settings(agent, sink):
    with Intake(api_key=API_KEY, dialect=Splunk(index="fleet")) as intake:
        sink[NAME].update(url=f"http://127.0.0.1:{intake.port}", index="fleet", source_type="boom:json")
        a = agent(sink)
        feed(a, lines(0, 10))
        a.flush()
        assert_exactly(numbers(intake.entries()), range(10))
        assert {(e["index"], e["sourcetype"], e["host"]) for e in intake.dialect.envelopes} == \
            {("fleet", "boom:json", "testhost")}


def test_ping(agent, sink, intake):
    a = agent(sink)
    a.flush()
    done = a.client("ping")
    assert done.returncode == 0 and "valid" in done.stdout, done.stderr
    intake.api_key = "another"
    done = a.client("ping")
    assert done.returncode == 1 and "the key is refused" in done.stderr


@pytest.mark.parametrize("code", TROUBLES)
def test_a_trouble_of_which_it_speaks_costs_nothing(agent, quick, intake, code):
    a = agent(quick)
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    intake.plan.set([{"do": "status", "code": code, "body": TROUBLES[code], "times": -1}])
    feed(a, lines(100, 300))
    wait_until(lambda: sink_of(a)["failures"] >= 3, what="it was tried three times")
    assert_books_balance(a.status())
    heal(intake)
    settle(a, intake, 300)
    feed(a, lines(300, 320))
    settle(a, intake, 320)
    prove(a, intake, 320)
    assert len(numbers(intake.entries())) == 320, "none twice"
    assert sink_of(a)["state"] == "ok"


def test_a_wrong_index_pauses_and_loses_nothing(agent, quick, intake):
    """It is a 400, as what is wrong with an event is; its code tells them apart."""
    intake.dialect.index = "fleet"
    quick[NAME].update(index="fleat")
    a = agent(quick)
    feed(a, lines(0, 100))
    wait_state(a, "paused")
    assert book(a)["pending"] == 100 and book(a)["rejected"] == 0
    assert "is paused: HTTP status 400: code 7, incorrect index;" in errors(a)
    reload(a, index="fleet")
    settle(a, intake, 100)
    prove(a, intake, 100)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_one_that_is_refused_alone_is_rejected_when_something_else_was_understood(agent, quick, intake, compression):
    """Whether it takes anything at all is asked by an object that is no event."""
    quick[NAME]["compression"] = compression
    intake.dialect.refuses = lambda entry: not is_own(entry)
    a = agent(quick)
    wait_until(lambda: len(intake.everything()) > 0, what="the start is told")
    feed(a, lines(0, 1))
    settle(a, intake, 0, rejected=1)
    prove(a, intake, 1, rejected={0})
    assert any("Event field is required" in r.error for r in intake.requests()), "it was asked"
    assert sink_of(a)["state"] == "ok"
