# SPDX-License-Identifier: MIT
"""Bodies that the sink will not take as they are: too large, too many, with one bad record, in the wrong encoding.

The story: 413 makes the agent send less at a time, and remember it; 400 makes it look for the record that is to blame,
which alone is given up, with a receipt; 415 makes it pack differently. What is not proved to be bad is kept.
"""

import math

import pytest

from conftest import wait_until
from fire import NAME, feed, heal, prove, reload, settle, sink_of
from lines import assert_books_balance, book, line, lines, numbers

POISON = "strychnine"
# Where every body is refused nothing tells a bad record from a bad mood: a few may be given up to find out.
REJECTED_WITHOUT_PROOF_MAX = 8


def statuses(intake):
    return [request.status for request in intake.requests()]


def poisoned(count, bad):
    """Numbered lines of which those are bad."""
    return b"".join(line(n, POISON if n in bad else "") for n in range(count))


# --- 413


def test_413_by_bytes_splits_and_is_learnt(agent, quick, intake):
    a = agent(quick)
    intake.policies.set([{"code": 413, "raw_bytes_over": 50_000}])
    feed(a, lines(0, 600, "x" * 200))
    settle(a, intake, 600)
    first = statuses(intake).count(413)
    # 600 lines are 250 KB: halved three times at most, by two bodies that were in flight before anything was known.
    assert 1 <= first <= 20
    feed(a, lines(600, 1800, "x" * 200))
    settle(a, intake, 1800)
    prove(a, intake, 1800)
    assert statuses(intake).count(413) == first, "it has learnt how much is taken"
    assert max(r.raw_bytes for r in intake.requests() if r.stored) > 10_000, "and not to send crumbs"
    assert book(a)["rejected"] == 0


@pytest.mark.parametrize("code", [413, 400])
def test_too_many_entries_are_halved_until_they_fit(agent, quick, intake, code):
    a = agent(quick)
    intake.policies.set([{"code": code, "entries_over": 50}])
    feed(a, lines(0, 500))
    settle(a, intake, 500)
    refused = statuses(intake).count(code)
    assert 1 <= refused <= 40
    feed(a, lines(500, 1000))
    settle(a, intake, 1000)
    if code == 413:
        assert statuses(intake).count(413) == refused, "it has learnt how many are taken"
    prove(a, intake, 1000)


def test_the_limit_of_bytes_and_that_of_entries_hold_together(agent, quick, intake):
    a = agent(quick)
    intake.policies.set([{"code": 413, "entries_over": 64}, {"code": 413, "raw_bytes_over": 30_000}])
    feed(a, lines(0, 500) + lines(500, 700, "y" * 2000) + lines(700, 1000))
    settle(a, intake, 1000)
    prove(a, intake, 1000)


def test_one_record_that_is_too_large_alone_is_rejected_and_told(agent, quick, intake):
    a = agent(quick)
    intake.policies.set([{"code": 413, "raw_bytes_over": 20_000}])
    feed(a, lines(0, 60) + line(60, "z" * 40_000) + lines(61, 120))
    settle(a, intake, 119, rejected=1)
    feed(a, lines(120, 140))
    settle(a, intake, 139, rejected=1)
    prove(a, intake, 140, rejected=[60])
    assert "413" in a.log and "reject" in a.log


# --- 400


def find_poison(a, intake, code, bad, count=500):
    """Lines of which those are bad, none of them the first, to a sink that has taken the first."""
    feed(a, lines(0, 1))
    settle(a, intake, 1)
    intake.policies.set([{"code": code, "marker": POISON}])
    feed(a, poisoned(count, bad)[len(line(0)):])
    settle(a, intake, count - len(bad), rejected=len(bad))
    asked = len(intake.requests()) - 1
    assert asked <= 2 * len(bad) * (math.ceil(math.log2(count)) + 2) + 10, "the search is logarithmic"
    prove(a, intake, count, rejected=bad)
    assert str(code) in a.log and "reject" in a.log
    assert POISON not in a.log, "what is in a record is nobody's business"


@pytest.mark.parametrize("at", [1, 2, 250, 499])
def test_one_poison_record_is_found_and_it_alone_is_rejected(agent, quick, intake, at):
    find_poison(agent(quick), intake, 400, [at])


@pytest.mark.parametrize("code", [406, 422])
def test_406_and_422_mean_the_same(agent, quick, intake, code):
    find_poison(agent(quick), intake, code, [123])


@pytest.mark.parametrize("bad", [[100, 101], [1, 499], [10, 200, 201, 333, 498], list(range(50, 500, 50)),
                                 pytest.param(list(range(1, 500, 12)), id="more than there are rows for losses")])
def test_several_poison_records_are_found_and_they_alone_are_rejected(agent, quick, intake, bad):
    find_poison(agent(quick), intake, 400, bad)


def test_poison_in_the_first_body_of_all_is_found_too(agent, quick, intake):
    """Nothing is known yet: the encoding may be to blame, or the record."""
    a = agent(quick)
    intake.policies.set([{"code": 400, "marker": POISON}])
    feed(a, poisoned(300, [77]))
    settle(a, intake, 299, rejected=1)
    prove(a, intake, 300, rejected=[77])


def test_poison_that_comes_again_and_again_costs_only_itself(agent, quick, intake):
    a = agent(quick)
    intake.policies.set([{"code": 400, "marker": POISON}])
    bad = [50, 150, 250, 350]
    data = poisoned(400, bad).splitlines(keepends=True)
    for n in range(0, 400, 100):
        feed(a, b"".join(data[n:n + 100]))
        settle(a, intake, n + 99 - n // 100, rejected=n // 100 + 1)
    prove(a, intake, 400, rejected=bad)


def test_a_reject_is_told_once_though_the_agent_is_started_anew(agent, quick, intake):
    a = agent(quick)
    intake.policies.set([{"code": 400, "marker": POISON}])
    feed(a, poisoned(100, [42]))
    settle(a, intake, 99, rejected=1)
    a.restart()
    feed(a, lines(100, 120))
    settle(a, intake, 119, rejected=1)
    prove(a, intake, 120, rejected=[42])


def test_where_everything_is_refused_the_data_is_kept(agent, quick, intake):
    # Who is healed in the middle of a search may take what is next for the poison: it is to pause until the reload.
    quick[NAME].update(retry_min="10s", retry_max="30s")
    a = agent(quick)
    feed(a, lines(0, 20))
    settle(a, intake, 20)
    intake.policies.set([{"code": 400}])
    feed(a, lines(20, 320))
    wait_until(lambda: sink_of(a)["state"] == "paused", what="it has understood")
    for n in range(320, 520, 50):  # more does not make it give up more
        feed(a, lines(n, n + 50))
    wait_until(lambda: book(a)["in"] == 520)
    assert book(a)["rejected"] <= REJECTED_WITHOUT_PROOF_MAX
    assert book(a)["pending"] >= 500 - REJECTED_WITHOUT_PROOF_MAX
    assert_books_balance(a.status())
    assert "it refuses everything" in a.log and "400" in a.log
    given_up = book(a)["rejected"]
    heal(intake)
    reload(a)
    settle(a, intake, 520 - given_up, rejected=given_up)
    missing = sorted(set(range(520)) - set(numbers(intake.entries())))
    prove(a, intake, 520, rejected=missing)


# --- encodings


@pytest.mark.parametrize("code", [415, 400])
def test_a_sink_that_does_not_know_zstd_gets_gzip_from_then_on(agent, quick, intake, code):
    intake.policies.set([{"code": code, "encodings": ["zstd"]}])
    a = agent(quick)
    for n in range(0, 500, 100):
        feed(a, lines(n, n + 100))
        settle(a, intake, n + 100)
    prove(a, intake, 500)
    asked = [request.encoding for request in intake.requests()]
    assert set(asked) == {"zstd", "gzip"} and asked.count("zstd") <= 2, "no more than were in flight at first"
    assert set(asked[asked.index("gzip") + 1:]) == {"gzip"}
    assert "gzip" in a.log and book(a)["rejected"] == 0


def test_a_new_agent_tries_zstd_anew(agent, quick, intake):
    intake.policies.set([{"code": 415, "encodings": ["zstd"]}])
    a = agent(quick)
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    heal(intake)
    a.restart()
    feed(a, lines(100, 200))
    settle(a, intake, 200)
    prove(a, intake, 200)
    assert intake.requests()[-1].encoding == "zstd"


def test_once_zstd_was_taken_a_400_is_about_the_record(agent, quick, intake):
    a = agent(quick)
    feed(a, lines(0, 10))
    settle(a, intake, 10)
    intake.policies.set([{"code": 400, "marker": POISON}])
    feed(a, b"".join(line(n, POISON if n == 60 else "") for n in range(10, 110)))
    settle(a, intake, 109, rejected=1)
    prove(a, intake, 110, rejected=[60])
    assert {request.encoding for request in intake.requests()} == {"zstd"}


def test_where_no_encoding_is_taken_the_data_is_kept(agent, quick, intake):
    a = agent(quick)
    intake.policies.set([{"code": 415}])
    feed(a, lines(0, 100))
    wait_until(lambda: sink_of(a)["state"] == "paused", what="it is paused")
    assert book(a)["pending"] == 100 and "415" in a.log
    heal(intake)
    reload(a)
    settle(a, intake, 100)
    prove(a, intake, 100)


def test_the_encoding_that_was_asked_for_is_not_changed_where_it_is_taken(agent, quick, intake):
    quick[NAME]["compression"] = "gzip"
    a = agent(quick)
    feed(a, lines(0, 1))
    settle(a, intake, 1)
    intake.policies.set([{"code": 400, "marker": POISON}])
    feed(a, poisoned(100, [3])[len(line(0)):])
    settle(a, intake, 99, rejected=1)
    prove(a, intake, 100, rejected=[3])
    assert {request.encoding for request in intake.requests()} == {"gzip"}
