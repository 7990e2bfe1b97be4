# SPDX-License-Identifier: MIT
"""A clock that is wrong, and that nobody has set yet.

The story: a board without a battery boots years in the past (or with a nonsense date in the future). Certificates
look as if they were of another time; that says nothing about the sink, so the agent waits for the clock and does not
count it as a failure: when the clock is right the lines leave at once, with the times at which they were written.
Where nobody sets the clock, the Date of a server whose certificate was verified tells roughly what time it is.
"""

import time

import pytest

from conftest import API_KEY, Intake, wait_until
from fakeclock import FakeClock
from fire import NAME, feed, prove, settle, sink_of
from lines import assert_books_balance, book, is_own, lines, numbers

YEAR_S, HOUR_S = 365 * 86400, 3600


@pytest.fixture
def clock(runtime):
    """Factory: clock(offset_s, synced, uptime_s=None) -> FakeClock; uptime_s: how long the machine has been up."""
    def make(offset_s, synced, uptime_s=None):
        fake = FakeClock(runtime.parent / "clock")
        younger_s = 0 if uptime_s is None else uptime_s - time.clock_gettime(time.CLOCK_BOOTTIME)
        fake.set(boot_offset_s=younger_s, wall_offset_s=offset_s - younger_s, synced=synced)
        fake.true_offset_s = -younger_s
        return fake
    return make


def set_right(clock):
    """Somebody has set it, as timesyncd would. The offset first: who sees it synchronised must see it right."""
    clock.set(wall_offset_s=clock.true_offset_s)
    clock.set(synced=True)


def stamps_are_right(entries, within_s=60):
    """Each entry was stamped within so many seconds of now."""
    return all(abs(entry["timestamp"] / 1000 - time.time()) < within_s for entry in entries)


def of_lines(intake, first, last):
    """The entries of the lines [first, last)."""
    return [entry for entry in intake.entries() if not is_own(entry) and first <= numbers([entry])[0] < last]


def trust_of(intake, first, last):
    """How far their sender trusts the times of the lines [first, last)."""
    return {entry["logboom"].get("clock", "exact") for entry in of_lines(intake, first, last)}


@pytest.mark.parametrize("offset_s, words", [(-5 * YEAR_S, "not yet valid"), (20 * YEAR_S, "expired")])
def test_a_certificate_of_another_time_waits_for_the_clock_and_burns_no_backoff(agent, quick, authority, clock,
                                                                                offset_s, words):
    ours = clock(offset_s, False)
    with Intake(api_key=API_KEY, tls=authority.issue()) as server:
        quick[NAME].update(url=server.url, tls_ca=server.ca, retry_min="1h", retry_max="1h", clock_wait="200ms")
        a = agent(quick, start=False)
        a.start(env=ours.env)
        feed(a, lines(0, 100))
        wait_until(lambda: words in sink_of(a)["last_error"].lower() and "clock" in a.log.lower(),
                   what="status says what, and the log that the clock is to blame")
        assert server.stats()["requests"] == 0
        assert book(a)["pending"] == 100
        assert_books_balance(a.status())
        set_right(ours)
        feed(a, lines(100, 110))
        settle(a, server, 110)
        prove(a, server, 110)
        assert stamps_are_right(of_lines(server, 0, 110)), "what was written before the clock was set bears the right time"
        assert trust_of(server, 0, 100) == {"repaired"}


@pytest.mark.parametrize("begin_s, end_s, words", [(-20, -10, "expired"), (10, 20, "not yet valid")])
def test_with_a_clock_that_is_right_a_bad_certificate_is_a_failure_like_any(agent, quick, authority, clock,
                                                                            begin_s, end_s, words):
    with Intake(api_key=API_KEY, tls=authority.issue(begin_s=begin_s * 86400, end_s=end_s * 86400)) as server:
        quick[NAME].update(url=server.url, tls_ca=server.ca)
        a = agent(quick, start=False)
        a.start(env=clock(0, True).env)
        feed(a, lines(0, 100))
        state = wait_until(lambda: (s := sink_of(a))["failures"] >= 2 and s, what="it is tried again")
        assert words in state["last_error"].lower() and book(a)["pending"] == 100
        server.use_certificate(authority.issue())
        settle(a, server, 100)
        prove(a, server, 100)


def test_routine_lines_wait_for_the_clock_and_leave_when_it_is_right(agent, quick, intake, clock):
    ours = clock(-5 * YEAR_S, False, uptime_s=20)
    quick[NAME].update(clock_wait="1h")
    a = agent(quick, start=False)
    a.start(env=ours.env)
    feed(a, lines(0, 100))
    wait_until(lambda: book(a)["pending"] == 100)
    time.sleep(0.5)
    assert numbers(intake.entries()) == [], "five times `wait`, and they wait"
    set_right(ours)
    feed(a, lines(100, 110))
    settle(a, intake, 110)
    prove(a, intake, 110)
    assert stamps_are_right(of_lines(intake, 0, 110))


def test_nobody_waits_for_the_clock_longer_than_clock_wait(agent, quick, intake, clock):
    """It counts from the machine's start: a restart of the agent does not begin it anew."""
    quick[NAME].update(clock_wait="21s")
    a = agent(quick, start=False)
    a.start(env=clock(-5 * YEAR_S, False, uptime_s=19).env)
    feed(a, lines(0, 100))
    settle(a, intake, 100)
    prove(a, intake, 100)
    assert trust_of(intake, 0, 100) == {"unknown"}


def test_an_urgent_line_does_not_wait_for_the_clock_and_takes_along_what_is_before_it(agent, quick, intake, clock):
    quick[NAME].update(clock_wait="1h")
    a = agent(quick, start=False)
    a.start(env=clock(-5 * YEAR_S, False, uptime_s=20).env)
    feed(a, lines(0, 5) + lines(5, 6, level="ERROR"))
    settle(a, intake, 6)
    assert sorted(numbers(intake.entries())) == list(range(6))
    assert trust_of(intake, 0, 6) == {"unknown"}


@pytest.mark.parametrize("tls, date_offset_s, believed", [
    (True, 0, True), (False, 0, False), (True, None, False), (True, -30 * YEAR_S, False)])
def test_the_date_of_a_verified_server_bounds_the_time_and_no_other(agent, quick, authority, clock,
                                                                    tls, date_offset_s, believed):
    with Intake(api_key=API_KEY, tls=authority.issue() if tls else False) as server:
        server.date_offset_s = date_offset_s
        quick[NAME].update(url=server.url, clock_wait="100ms", **({"tls_ca": server.ca} if tls else {}))
        a = agent(quick, start=False)
        a.start(env=clock(-6 * HOUR_S, False).env)
        feed(a, lines(0, 50))
        settle(a, server, 50)
        # Its own record of the start may have brought the Date home already.
        assert trust_of(server, 0, 50) <= {"unknown", "bounded"}
        feed(a, lines(50, 100))
        settle(a, server, 100)
        prove(a, server, 100)
        assert trust_of(server, 50, 100) == {"bounded" if believed else "unknown"}
        assert stamps_are_right(of_lines(server, 50, 100)) is believed
