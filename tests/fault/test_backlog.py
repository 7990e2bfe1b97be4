# SPDX-License-Identifier: MIT
"""The backlog: an outage that the ring alone could not hold.

The story: the link is gone for longer than the ring has room. What is oldest goes to the backlog, packed, and comes
back when the sink does: each line once, in the books and at the sink, whoever was killed meanwhile.
"""

import time

import pytest

from conftest import wait_until
from fire import NAME, feed, prove, told
from lines import (assert_books_balance, assert_exactly, book, is_own, line, lines, lost_numbers, numbers, prove_ring,
                   receipts, seeded)

TEXT = "read sensor in twelve milliseconds and found it well " * 2
SMALL = {"ring": {"size": "256K"}, "backlog": {"size": "4M", "segment": "64K"}}


def backlog(agent):
    return agent.status()["backlog"]


def away(intake):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])


def back(intake):
    intake.plan.set([])


def arrived(agent, count):
    wait_until(lambda: book(agent)["delivered"] >= count and book(agent)["pending"] == 0,
               what=f"{count} lines are delivered")


def outage(agent, intake, first, last):
    """Lines while the sink is away; some of them are in the backlog then."""
    away(intake)
    feed(agent, lines(first, last, TEXT))
    wait_until(lambda: backlog(agent)["segments"] > 0)


def test_an_outage_that_the_backlog_holds_loses_nothing(agent, quick, intake):
    a = agent({**quick, **SMALL})
    feed(a, lines(0, 100, TEXT))
    arrived(a, 100)
    outage(a, intake, 100, 20_000)
    seen = wait_until(lambda: book(a)["in"] == 20_000 and backlog(a))
    assert seen["lines"] > 15_000 and seen["bytes"] > 5 * seen["used"], seen
    assert seen["oldest_s"] > 0 and 0 < seen["fill"] < 1
    assert a.status()["ring"]["used"] <= 256 * 1024
    assert_books_balance(a.status())
    back(intake)
    arrived(a, 20_000)
    prove(a, intake, 20_000)
    assert backlog(a)["segments"] == backlog(a)["used"] == backlog(a)["lines"] == 0
    assert not receipts(intake.everything())


def test_status_tells_how_long_an_outage_may_last(agent, quick, intake):
    a = agent({**quick, **SMALL})
    away(intake)
    client = a.pipe("-s", "app")
    sent = [0]

    def claim():
        client.stdin.write(lines(sent[0], sent[0] + 50, TEXT))
        client.stdin.flush()
        sent[0] += 50
        time.sleep(0.05)
        return (a.status()["hours_left"] or 0) > 0 and sent[0] > 2000

    wait_until(claim)
    hours = a.status()["hours_left"]
    assert 0 < hours < 2, "some 1000 lines a second into a few megabytes"
    assert "room for an outage of" in a.client("status").stdout
    client.stdin.close()
    client.wait(60)


def test_live_records_go_before_the_backlog(agent, quick, intake):
    quick[NAME].update(body_lines=200)
    a = agent({**quick, **SMALL})
    outage(a, intake, 0, 10_000)
    intake.plan.set([{"do": "slow", "seconds": 0.02, "times": -1}])
    wait_until(lambda: book(a)["delivered"] > 500)
    feed(a, line(10_000, TEXT))
    arrived(a, 10_001)
    order = numbers([e for r in intake.requests() for e in r.entries if r.stored])
    assert order.index(10_000) < len(order) - 100, "it did not wait for all that was there before it"
    prove_ring(intake.everything())


def test_what_is_urgent_is_given_up_last_and_all_that_goes_is_told(agent, quick, intake):
    a = agent({**quick, "ring": {"size": "256K"}, "backlog": {"size": "256K", "segment": "64K"}})
    away(intake)
    chance = seeded()
    errors, count = set(), 40_000
    data = []
    for n in range(count):
        if n % 100 == 0:
            errors.add(n)
        data.append(line(n, f"{TEXT}{chance.random()}", "ERROR" if n % 100 == 0 else "INFO"))
    for first in range(0, count, 250):  # at a pace that the slow side keeps up with: nothing is to be dropped at the door
        feed(a, b"".join(data[first:first + 250]))
        wait_until(lambda: book(a)["in"] == first + 250)
    assert book(a)["shed"] > 0 and book(a)["overload"] == 0
    assert backlog(a)["shed_segments"] > 0
    back(intake)
    wait_until(lambda: book(a)["pending"] == 0 and told(intake, "shed") == book(a)["shed"])
    found = prove_ring(intake.everything())
    got = set(numbers(found.values()))
    assert errors <= got, f"{len(errors - got)} errors were given up"
    assert len(got) + book(a)["shed"] == count
    assert max(got) == count - 1, "the newest are there"
    gone = [n for n in range(count) if n not in got]
    assert max(gone) < min(n for n in got if n not in errors and n > max(gone)), "the oldest went first"
    assert_books_balance(a.status())


def test_a_body_that_was_moved_and_is_answered_late_is_delivered_once(agent, quick, intake):
    quick[NAME].update(timeout="60s", concurrency=1)
    a = agent({**quick, **SMALL, "capture": {"max_stall": "60s"}})  # until it is known to be away
    intake.plan.set([{"do": "slow", "seconds": 6, "times": 1}])
    feed(a, lines(0, 50, TEXT))
    wait_until(lambda: a.status()["sinks"][0]["in_flight"] == 1)
    feed(a, lines(50, 8000, TEXT))  # over the high-water mark: after 2 s without an answer it is away
    wait_until(lambda: backlog(a)["segments"] > 0)
    arrived(a, 8000)
    prove(a, intake, 8000)


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.long)])
def test_kills_while_ring_and_backlog_move_lose_nothing(agent, quick, intake, feeder, kills):
    chance = seeded()
    quick[NAME].update(body_lines=100, concurrency=2)
    a = agent({**quick, "ring": {"size": "512K"}, "backlog": {"size": "64M", "segment": "64K"},
               "capture": {"overload": "wait"}})
    count = 6000 * kills
    client = a.popen("run", "-s", "app", "--", feeder, "--lines", str(count), "--rate", "12000", "--report",
                     "/dev/null")
    is_away, was_used = False, 0
    for _ in range(kills):
        is_away = not is_away
        (away if is_away else back)(intake)
        time.sleep(chance.uniform(0.1, 0.8))
        was_used += backlog(a)["segments"] > 0
        a.kill9()
        a.start()
        assert_books_balance(a.status())
    back(intake)
    client.wait(120)
    arrived(a, count)
    assert was_used > 0
    found = prove_ring(intake.everything())
    assert_exactly(numbers(found.values()), range(count))
    assert not lost_numbers(intake.everything())
    assert_books_balance(a.status())
    assert book(a)["queued"] == book(a)["delivered"] == count
    starts = len([e for e in found.values() if is_own(e) and e["logboom"]["kind"] == "start"])
    assert 0 < starts <= kills + 1, "a start that finds the ring full is told by no record"


def test_flush_waits_for_the_backlog_too(agent, quick, intake):
    a = agent({**quick, **SMALL, "capture": {"overload": "wait"}})  # the slow side may lag behind
    outage(a, intake, 0, 5000)
    assert a.client("flush", "-w", "1", check=False).returncode == 1
    back(intake)
    assert a.client("flush", "-w", "60").returncode == 0
    assert book(a)["delivered"] == 5000


def test_a_clean_stop_leaves_the_backlog_for_the_next_start(agent, quick, intake):
    a = agent({**quick, **SMALL})
    outage(a, intake, 0, 5000)
    a.stop()
    a.start()
    assert backlog(a)["segments"] > 0
    back(intake)
    arrived(a, 5000)
    prove(a, intake, 5000)


def test_a_backlog_of_another_size_takes_over_what_the_old_one_holds(agent, quick, intake):
    a = agent({**quick, **SMALL})
    outage(a, intake, 0, 20_000)
    wait_until(lambda: book(a)["in"] == 20_000)
    held = backlog(a)["lines"]
    a.sections["backlog"]["size"] = "2M"
    a.write_ini()
    a.kill9()
    a.start()
    assert backlog(a)["size"] == 2 << 20 and backlog(a)["lines"] >= held > 10_000
    back(intake)
    arrived(a, 20_000)
    prove(a, intake, 20_000)
    assert_books_balance(a.status())


def test_no_backlog_means_that_the_ring_sheds(agent, quick, intake):
    a = agent({**quick, "ring": {"size": "256K"}, "backlog": {"size": "off"}})
    assert backlog(a) is None
    away(intake)
    feed(a, lines(0, 5000, TEXT))
    wait_until(lambda: book(a)["shed"] > 0)
    back(intake)
    wait_until(lambda: book(a)["pending"] == 0 and told(intake, "shed") == book(a)["shed"])
    prove_ring(intake.everything())


# --- search


def shown(agent, *args):
    return agent.client("tail", "-n", "1000000", *args).stdout.splitlines()


def test_tail_shows_ring_and_backlog_together_each_line_once(agent, quick, intake):
    a = agent({**quick, **SMALL})
    outage(a, intake, 0, 8000)
    feed(a, lines(8000, 8050, "as the last", "ERROR"))
    wait_until(lambda: book(a)["in"] == 8050)
    got = [int(one.split("#n=")[1][:7]) for one in shown(a, "-s", "app")]
    assert got == list(range(8050)), "in the order of time"
    back(intake)
    arrived(a, 8050)
    prove_ring(intake.everything())


def test_search_finds_what_is_in_the_backlog_by_service_level_text_and_age(agent, quick, intake):
    a = agent({**quick, **SMALL})
    away(intake)
    feed(a, lines(0, 4000, TEXT), "web")
    feed(a, lines(0, 50, "needle", "ERROR"), "db")
    feed(a, lines(4000, 8000, TEXT), "web")
    wait_until(lambda: book(a)["in"] == 8050 and backlog(a)["urgent"] > 0)
    assert len(shown(a, "-s", "db")) == 50
    assert len(shown(a, "-p", "error")) == 50
    assert len(shown(a, "-g", "#n=0001234")) == 1
    assert len(shown(a, "-s", "web", "-g", "needle")) == 0
    assert len(shown(a, "--since", "1h", "-s", "web")) == 8000
    time.sleep(1.1)
    assert len(shown(a, "--since", "1s")) == 0
    assert len(shown(a, "-s", "db", "--json")) == 50


def test_tail_while_the_backlog_drains_shows_no_line_twice(agent, quick, intake):
    a = agent({**quick, **SMALL})
    outage(a, intake, 0, 8000)
    back(intake)
    looks = 0
    while book(a)["pending"] > 0 or looks < 3:
        got = [one for one in shown(a, "-s", "app")]
        assert len(got) == len(set(got))
        looks += 1
    arrived(a, 8000)


def test_plan_looks_into_the_backlog_too(agent, quick, intake):
    a = agent({**quick, **SMALL})
    outage(a, intake, 0, 8000)
    wait_until(lambda: book(a)["in"] == 8000)
    told = a.client("plan", "-c", a.ini, "--ring").stdout
    assert "8,000" in told or "8000" in told, told
