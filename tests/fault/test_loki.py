# SPDX-License-Identifier: MIT
"""Grafana Loki as the sink, in good days and in bad ones.

The story: a fleet sends to a Loki. Lines arrive with labels, stamps and metadata. Then it is away, slow, too busy,
forgets to answer, is blocked by its operator, or takes only a part of a push and says which: each line has arrived
once, or is named by a receipt.
"""

import re
import time

import pytest

from conftest import API_KEY, ROOMY, Intake, wait_until
from fakeclock import FakeClock
from fire import NAME, errors, feed, heal, prove, reload, settle, sink_of, wait_state
from intake_loki import NO_STREAM, Loki
from lines import assert_books_balance, assert_exactly, book, is_own, line, lines, numbers, prove_ring, receipts

HOUR_S = 3600
TENANT = "fleet-7"
TEXT = "read sensor in twelve milliseconds and found it well " * 2
TROUBLES = {500: "at least 2 live replicas required, could only find 1", 429: "Ingestion rate limit exceeded for user fake"}


@pytest.fixture
def intake():
    with Intake(api_key=API_KEY, dialect=Loki(TENANT)) as server:
        yield server


@pytest.fixture
def loki(quick):
    """Sections for this sink: every record is numbered, pauses are short."""
    quick[NAME].update(type="loki", auth="bearer", tenant=TENANT)
    return {**quick, **ROOMY}


@pytest.fixture
def clock(runtime):
    fake = FakeClock(runtime.parent / "clock")
    fake.set(synced=True)
    return fake


def of_lines(intake):
    return {numbers([e])[0]: e for e in intake.entries() if not is_own(e)}


def sleep_for(intake, clock, hours):
    """The device slept so long, and the world went on."""
    clock.set(boot_offset_s=hours * HOUR_S)
    intake.dialect.now_s = lambda: time.time() + hours * HOUR_S


def test_lines_arrive_with_labels_stamps_and_metadata(agent, loki, intake):
    loki[NAME].update(labels="fleet:north,9th-floor:yes", sequence="batch")
    a = agent({**loki, "agent": {"hostname": "dev1", "tags": "rack:r7"}, "service app": {"tags": "team:boats"}})
    before_ns = time.time_ns() - 1_000_000_000
    feed(a, line(0) + line(1, level="WARNING") + line(2, "\u20ac \\ \" \x01"))
    feed(a, line(3), service="other")
    settle(a, intake, 4)
    found = of_lines(intake)
    assert_exactly(list(found), range(4))
    for n, entry in found.items():
        level, service = "warning" if n == 1 else "info", "other" if n == 3 else "app"
        assert entry["labels"] == {"host": "dev1", "service": service, "level": level, "fleet": "north",
                                   "_9th_floor": "yes"}
        assert before_ns < entry["stamp_ns"] < time.time_ns() + 1_000_000_000
        assert entry["metadata"] == {"rack": "r7"} | ({"team": "boats"} if service == "app" else {})
        assert entry["ddsource"]
    assert found[2]["message"].endswith("\u20ac \\ \" \x01")
    assert len({e["stamp_ns"] for e in intake.everything()}) == len(intake.everything())
    for request in intake.requests():
        mark = request.entries[0]["logboom"]
        assert sum(mark[lane][1] - mark[lane][0] + 1 for lane in ("urgent", "routine") if lane in mark) == \
            len(request.entries)
        assert request.headers["x-scope-orgid"] == TENANT and request.encoding == "gzip"
        assert request.headers["authorization"] == f"Bearer {API_KEY}"
    assert_books_balance(a.status())


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_many_lines_arrive_each_once_and_in_order(agent, loki, intake, compression):
    loki[NAME]["compression"] = compression
    a = agent(loki)
    feed(a, lines(0, 5000))
    settle(a, intake, 5000)
    prove(a, intake, 5000)
    assert {r.encoding for r in intake.requests()} == {"identity" if compression == "none" else "gzip"}
    stamps = [e["stamp_ns"] // 10000 for _, e in sorted(of_lines(intake).items())]
    assert stamps == sorted(stamps), "Loki shows them in the order in which they were written"


@pytest.mark.parametrize("empty", [(422, NO_STREAM), (204, "")], ids=["since 3.2", "before 3.2"])
def test_ping_finds_it_well_and_delivers_nothing(agent, loki, intake, empty):
    intake.dialect.empty = empty
    a = agent(loki)
    a.flush()
    before = len(intake.everything())
    done = a.client("ping")
    assert done.returncode == 0 and "accepted" in done.stdout, done
    assert len(intake.everything()) == before and not intake.requests()[-1].stored


def test_ping_tells_a_tenant_that_is_missing(agent, loki, intake):
    del loki[NAME]["tenant"]
    done = agent(loki).client("ping")
    assert done.returncode == 1 and "401" in done.stderr, done


@pytest.mark.parametrize("code", TROUBLES)
def test_a_trouble_of_which_it_speaks_costs_nothing(agent, loki, intake, code):
    a = agent(loki)
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    intake.plan.set([{"do": "status", "code": code, "body": TROUBLES[code], "times": -1}])
    feed(a, lines(100, 300))
    state = wait_until(lambda: (s := sink_of(a))["failures"] >= 3 and s, what="it was tried three times")
    assert state["state"] == "away" and str(code) in state["last_error"]
    heal(intake)
    settle(a, intake, 300)
    prove(a, intake, 300)
    assert not intake.dialect.answers, "nothing was refused"


def test_what_comes_again_has_the_stamp_that_it_had(agent, loki, intake):
    a = agent(loki)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    intake.plan.set([{"do": "lose", "times": 3}])
    feed(a, lines(50, 250))
    settle(a, intake, 250)
    prove(a, intake, 250)
    again = [r for r in intake.requests() if r.step == "lose"]
    stamps = {}
    for entry in intake.everything():
        mark = entry["logboom"]
        stamps.setdefault((mark["lane"], mark["n"]), set()).add(entry["stamp_ns"])
    assert again and all(len(seen) == 1 for seen in stamps.values())


def test_ingestion_that_the_operator_blocked_pauses_it_and_nothing_is_lost(agent, loki, intake):
    a = agent(loki)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    intake.plan.set([{"do": "status", "code": 260, "body": "ingestion blocked for user fake", "times": -1}])
    feed(a, lines(50, 150))
    state = wait_state(a, "paused")
    assert "260" in state["last_error"] and "260" in errors(a)
    assert book(a)["pending"] == 100 and book(a)["rejected"] == 0
    heal(intake)
    reload(a)
    settle(a, intake, 150)
    prove(a, intake, 150)


@pytest.mark.parametrize("text", [
    "stream '{}' includes structured metadata, but this feature is disallowed. Please see `limits_config.",
    "entry for stream '{}' has 3 label names; limit 2"])
def test_a_loki_that_is_set_to_take_none_of_our_lines_pauses_it_and_is_heard(agent, loki, intake, text):
    a = agent(loki)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    intake.policies.set([{"code": 400, "body": text + "\n"}])
    feed(a, lines(50, 150))
    state = wait_state(a, "paused")
    assert text in state["last_error"] and text in errors(a)
    assert book(a)["pending"] == 100 and book(a)["rejected"] == 0
    heal(intake)
    reload(a)
    settle(a, intake, 150)
    prove(a, intake, 150)


def test_a_tenant_that_is_wrong_pauses_it(agent, loki, intake):
    loki[NAME].update(tenant="other")
    a = agent(loki)
    feed(a, lines(0, 100))
    state = wait_state(a, "paused")
    assert "401" in state["last_error"]
    assert book(a)["pending"] == 100
    assert API_KEY not in a.log
    reload(a, tenant=TENANT)
    settle(a, intake, 100)
    prove(a, intake, 100)


# --- a push that is taken but for some


def test_what_is_too_old_for_it_is_rejected_and_told_and_nothing_else(agent, loki, intake, clock):
    intake.dialect.max_age_s = HOUR_S
    a = agent(loki, env=clock.env)
    feed(a, lines(0, 20))
    settle(a, intake, 20)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    feed(a, lines(20, 70))
    wait_until(lambda: book(a)["pending"] == 50, what="they wait")
    sleep_for(intake, clock, 2)
    feed(a, lines(70, 120))
    heal(intake)
    settle(a, intake, 70, rejected=50)
    prove(a, intake, 120, rejected=range(20, 70))
    assert intake.dialect.answers and "too old" in intake.dialect.answers[0][0]
    assert "took a body but for some records: HTTP status 400: entry for stream '{" in a.log


def test_what_is_too_far_behind_its_stream_is_rejected_and_told_and_nothing_else(agent, loki, intake):
    a = agent(loki)
    feed(a, lines(0, 20))
    settle(a, intake, 20)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    feed(a, lines(20, 70))
    wait_until(lambda: book(a)["pending"] == 50, what="they wait")
    time.sleep(0.1)
    # Somebody else sends to the same stream, and is ahead of us.
    edge_ns = time.time_ns()
    name = next(key for key in intake.dialect.streams if '"app"' in key and '"info"' in key)
    intake.dialect.streams[name][0] = edge_ns + HOUR_S * 1_000_000_000
    time.sleep(1.2)  # Loki tells times by the second
    feed(a, lines(70, 120))
    heal(intake)
    settle(a, intake, 70, rejected=50)
    prove(a, intake, 120, rejected=range(20, 70))
    texts = [text for text, _ in intake.dialect.answers]
    assert texts and all("too far behind" in text for text in texts)
    ignored = [int(re.search(r"total ignored: (\d+)", text)[1]) for text in texts]
    assert sum(ignored) == 50, "it was never sent again whole"


def test_a_line_that_was_restamped_and_arrived_is_not_told_as_refused_for_its_own_time(agent, loki, intake, clock):
    """0 to 20 are older than max_age and get the time of sending; 20 to 40 are not, and are too old for this Loki."""
    intake.dialect.max_age_s = HOUR_S
    loki[NAME]["max_age"] = "3h"
    a = agent(loki, env=clock.env)
    feed(a, lines(0, 1, level="WARNING"))
    settle(a, intake, 1)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    for first, hours in (0, 2.5), (20, 5), (40, 5):
        feed(a, lines(first, first + 20))
        wait_until(lambda: book(a)["pending"] == first + 20, what="they wait")  # noqa: B023
        sleep_for(intake, clock, hours)
    heal(intake)
    settle(a, intake, 41, rejected=20)
    found = prove_ring(intake.everything())
    told = numbers([e for e in found.values() if e["status"] == "info"])
    assert_exactly(told, [*range(20), *range(40, 60)])
    assert_books_balance(a.status())


# --- a long outage


@pytest.mark.parametrize("hours", [0.25, 2])
def test_a_backlog_comes_in_streams_of_its_own_where_it_is_too_old_for_the_live_ones(agent, loki, intake, clock,
                                                                                     hours):
    a = agent({**loki, "ring": {"size": "256K"}, "backlog": {"size": "4M", "segment": "64K"}}, env=clock.env)
    feed(a, lines(0, 100, TEXT))
    settle(a, intake, 100)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    feed(a, lines(100, 6000, TEXT))
    wait_until(lambda: a.status()["backlog"]["lines"] > 3000 and book(a)["pending"] == 5900, what="the backlog fills")
    sleep_for(intake, clock, hours)
    feed(a, lines(6000, 6100, TEXT))
    heal(intake)
    settle(a, intake, 6100)
    prove(a, intake, 6100)
    assert not intake.dialect.answers, "nothing was refused"
    replayed = {n for n, entry in of_lines(intake).items() if "replay" in entry["labels"]}
    if hours < 1:
        assert not replayed
    else:
        assert len(replayed) > 3000 and not replayed & set(range(6000, 6100))
    assert not receipts(intake.everything())


def test_an_outage_of_a_week_is_restamped_into_the_live_stream_and_shuts_nothing_out(agent, loki, intake, clock):
    a = agent({**loki, "ring": {"size": "256K"}, "backlog": {"size": "4M", "segment": "64K"}}, env=clock.env)
    feed(a, lines(0, 100, TEXT))
    settle(a, intake, 100)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    feed(a, lines(100, 4000, TEXT))
    wait_until(lambda: a.status()["backlog"]["lines"] > 1000 and book(a)["pending"] == 3900, what="the backlog fills")
    sleep_for(intake, clock, 5 * 24)
    feed(a, lines(4000, 6000, TEXT))
    wait_until(lambda: book(a)["pending"] == 5900, what="and goes on")
    sleep_for(intake, clock, 7 * 24)
    heal(intake)
    settle(a, intake, 5900 + 100)
    prove(a, intake, 6000)
    assert not intake.dialect.answers, "nothing was refused"
    prove_ring(intake.everything())
    for n, entry in of_lines(intake).items():
        assert ("original_ms" in entry["logboom"]) == (100 <= n < 4000)
        assert "replay" not in entry["labels"] or n >= 4000
