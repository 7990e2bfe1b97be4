# SPDX-License-Identifier: MIT
"""Lines that are too old for the sink, and clocks that step.

The story: the sink was away while the machine slept for a day, and takes nothing that is older than 18 hours. Such a
line is never sent as it is: it gets the time of sending and keeps its own as an attribute, or it is dropped and told.
And whoever sets the clock meanwhile, forward or back, does not move the times of lines that were stamped by a clock
that never steps.
"""

import time

import pytest

from conftest import wait_until
from fakeclock import FakeClock
from fire import NAME, feed, settle
from lines import assert_books_balance, assert_exactly, book, is_own, lines, numbers, prove_ring, receipts

HOUR_S = 3600
NEAR_S = 60


@pytest.fixture
def clock(runtime):
    fake = FakeClock(runtime.parent / "clock")
    fake.set(synced=True)
    return fake


def of_lines(intake):
    return {numbers([e])[0]: e for e in intake.entries() if not is_own(e)}


def away_with(agent, quick, intake, clock, count, **keys):
    """An agent whose sink says 503, and so many lines in it."""
    quick[NAME].update(**keys)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent(quick, env=clock.env)
    feed(a, lines(0, count))
    wait_until(lambda: a.status()["sinks"][0]["failures"] > 0, what="the sink is away")
    return a


def test_a_line_that_slept_too_long_gets_the_time_of_sending_and_keeps_its_own(agent, quick, intake, clock):
    written = time.time()
    a = away_with(agent, quick, intake, clock, 50)
    clock.set(boot_offset_s=20 * HOUR_S)  # suspended for 20 hours: both clocks went on
    feed(a, lines(50, 100))
    intake.plan.set([])
    a.flush()
    settle(a, intake, 100)
    found = of_lines(intake)
    assert set(found) == set(range(100))
    for n, entry in found.items():
        assert abs(entry["timestamp"] / 1000 - time.time() - 20 * HOUR_S) < NEAR_S, "as of now, for the sink"
        if n < 50:
            assert abs(entry["logboom"]["original_ms"] / 1000 - written) < NEAR_S
        else:
            assert "original_ms" not in entry["logboom"]
    prove_ring(intake.everything())
    assert_books_balance(a.status())


def test_a_line_that_slept_too_long_is_dropped_and_told_where_that_is_wanted(agent, quick, intake, clock):
    a = away_with(agent, quick, intake, clock, 50, expired="drop", max_age="2h")
    clock.set(boot_offset_s=3 * HOUR_S)
    feed(a, lines(50, 100))
    intake.plan.set([])
    a.flush()
    wait_until(lambda: sum(e["logboom"]["count"] for e in receipts(intake.entries(), "expired")) == 50,
               what="a receipt tells the fifty")
    settle(a, intake, 50)
    assert_exactly(list(of_lines(intake)), range(50, 100))
    books = book(a)
    assert (books["shed"], books["expired"], books["away"], books["delivered"]) == (50, 50, 0, 50)
    prove_ring(intake.everything())
    assert_books_balance(a.status())


def test_a_line_within_the_window_goes_as_it_is(agent, quick, intake, clock):
    written = time.time()
    a = away_with(agent, quick, intake, clock, 50)
    clock.set(boot_offset_s=17 * HOUR_S)
    intake.plan.set([])
    a.flush()
    settle(a, intake, 50)
    for entry in of_lines(intake).values():
        assert abs(entry["timestamp"] / 1000 - written) < NEAR_S and "original_ms" not in entry["logboom"]


@pytest.mark.parametrize("step_s", [-3 * HOUR_S, 3 * HOUR_S], ids=["back", "forward"])
def test_a_clock_set_by_hand_does_not_move_the_lines_once_it_was_synchronised(agent, quick, intake, clock, step_s):
    a = agent(quick, env=clock.env)
    feed(a, lines(0, 10))
    settle(a, intake, 10)
    clock.set(synced=False)  # as clock_settime() leaves it, which does both at once: nobody may see the step alone
    clock.step(step_s)
    feed(a, lines(10, 20))
    settle(a, intake, 20)
    assert {e["logboom"].get("clock") for e in of_lines(intake).values()} == {"exact"}
    assert all(abs(e["timestamp"] / 1000 - time.time()) < NEAR_S for e in of_lines(intake).values())
    clock.set(synced=True)  # and now somebody vouches for the new time
    feed(a, lines(20, 30))
    settle(a, intake, 30)
    late = [e for n, e in of_lines(intake).items() if n >= 20]
    assert all(abs(e["timestamp"] / 1000 - time.time() - step_s) < NEAR_S for e in late)


def test_a_clock_that_cannot_be_right_gives_no_stamp_but_an_age(agent, quick, intake, clock):
    clock.set(wall_offset_s=-time.time() + 100, synced=False)  # 1970
    a = agent(quick, env=clock.env)
    feed(a, lines(0, 20))
    settle(a, intake, 20)
    for entry in of_lines(intake).values():
        assert "timestamp" not in entry, "the sink takes its own"
        assert entry["logboom"]["clock"] == "unknown" and 0 <= entry["logboom"]["age_ms"] < NEAR_S * 1000
    clock.set(wall_offset_s=0, synced=True)
    feed(a, lines(20, 40))
    settle(a, intake, 40)
    late = [e for n, e in of_lines(intake).items() if n >= 20]
    assert all(abs(e["timestamp"] / 1000 - time.time()) < NEAR_S for e in late)


def test_a_stale_hour_from_the_last_shutdown_is_put_right_when_the_clock_is(agent, quick, intake, clock):
    """fake-hwclock: the clock begins at the time of the last shutdown, which is plausible and wrong."""
    clock.set(wall_offset_s=-HOUR_S, synced=False)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent(quick, env=clock.env)
    feed(a, lines(0, 20))
    wait_until(lambda: a.status()["sinks"][0]["failures"] > 0, what="the sink is away")
    assert a.status()["clock"]["state"] == "unknown"
    clock.set(wall_offset_s=0, synced=True)
    intake.plan.set([])
    a.flush()
    settle(a, intake, 20)
    assert {e["logboom"]["clock"] for e in of_lines(intake).values()} == {"repaired"}
    assert all(abs(e["timestamp"] / 1000 - time.time()) < NEAR_S for e in of_lines(intake).values())
