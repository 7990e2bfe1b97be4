# SPDX-License-Identifier: MIT
"""The spool: what RAM cannot keep.

The story: the link is gone for longer than RAM has room, or the device is switched off. What is dear, and what there is
a budget for, lies on the card, and is shipped when there is somebody to ship it to: with the time at which it
happened, once, but where the card was not told in time to forget.
"""

import shutil
import signal
import subprocess
import time

import pytest

from conftest import BUILD, Intake, wait_until
from fire import NAME, feed
from intake_dialect import Ndjson
from lines import assert_books_balance, assert_exactly, book, is_own, line, lines, numbers, prove_ring, seeded
from loopdisk import LoopDisk

TEXT = "the pump does not answer, and nobody knows for how long " * 2


@pytest.fixture
def card():
    with LoopDisk(96) as disk:
        yield disk


def settings(card, **keys):
    return {"ring": {"size": "256K"}, "backlog": {"size": "512K", "segment": "64K"},
            "spool": {"path": card.path / "spool.db", "wear_budget": "200M/day", "free_floor": "1%", **keys}}


def spool(agent):
    return agent.status()["spool"]


def away(intake):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])


def back(intake):
    intake.plan.set([])


def arrived(agent, count):
    wait_until(lambda: book(agent)["delivered"] >= count and book(agent)["pending"] == 0, 120,
               what=f"{count} lines are delivered")


def noisy(first, last, level="ERROR"):
    """Lines that hardly pack."""
    chance = seeded()
    return b"".join(line(n, "%0200x" % chance.getrandbits(800), level) for n in range(first, last))


def feed_until(agent, claim, first=0, level="ERROR", seconds=60):
    """Lines at a pace that a card can follow, until something is so; how many there were."""
    end, n = time.monotonic() + seconds, first
    while not claim():
        assert time.monotonic() < end, spool(agent)
        feed(agent, noisy(n, n + 200, level))
        n += 200
    return n


def reboot(agent):
    """RAM is gone."""
    agent.kill9()
    shutil.rmtree(agent.runtime)
    agent.start()


def test_steady_state_and_an_outage_that_ram_holds_write_nothing(agent, quick, intake, card):
    a = agent({**quick, **settings(card, persist="off")})
    before = card.settled()
    feed(a, lines(0, 1000, TEXT))
    arrived(a, 1000)
    away(intake)
    feed(a, lines(1000, 3000, TEXT))
    wait_until(lambda: a.status()["backlog"]["segments"] > 0)
    back(intake)
    arrived(a, 3000)
    a.stop()
    assert card.settled() == before
    assert not (card.path / "spool.db").exists()


def test_what_ram_cannot_hold_is_spooled_and_comes_back(agent, quick, intake, card):
    a = agent({**quick, **settings(card, routine="yes", persist="off")})
    away(intake)
    count = feed_until(a, lambda: spool(a)["written_rows"] > 3)
    assert spool(a)["state"] == "on" and spool(a)["lines"] > 0
    back(intake)
    wait_until(lambda: book(a)["pending"] == 0, 120)
    assert spool(a)["brought_back"] > 0
    wait_until(lambda: spool(a)["rows"] == 0)
    found = prove_ring(intake.everything())
    got = numbers(found.values())
    assert len(got) + book(a)["shed"] == count
    assert_books_balance(a.status())


def test_after_a_reboot_what_was_spooled_is_shipped_with_its_own_time(agent, quick, intake, card):
    a = agent({**quick, **settings(card, routine="yes", persist="off")})
    away(intake)
    feed_until(a, lambda: spool(a)["written_rows"] >= 2)
    spooled, ring = spool(a)["lines"], a.status()["ring"]["id"]
    told_ms = time.time() * 1000
    time.sleep(1.5)
    back(intake)
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    reboot(a)
    back(intake)
    wait_until(lambda: spool(a)["earlier"]["delivered"] >= spooled and spool(a)["rows"] == 0, 60)
    entries = [e for e in intake.everything() if not is_own(e)]
    got = numbers(entries)
    assert len(set(got)) == len(got) == spooled
    assert all(e["timestamp"] < told_ms + 100 for e in entries), "the time at which it happened"
    assert_books_balance(a.status())
    assert book(a)["in"] == 0, "they are in no book of this boot"
    start = max((e for e in intake.everything() if e.get("logboom", {}).get("kind") == "start"),
                key=lambda e: e["timestamp"])["logboom"]
    assert start["stop"] == "unknown" and start["last"]["id"] == ring, start
    assert start["last"]["urgent"] > 0, "as far as the spool knew when it wrote"


def test_a_dear_record_that_the_sink_does_not_take_is_copied_and_survives_a_power_cut(agent, quick, intake, card):
    a = agent({**quick, **settings(card, persist_after="200ms", persist_interval="1s")})
    away(intake)
    feed(a, line(1, "all is lost", "CRITICAL") + lines(2, 50, TEXT))
    wait_until(lambda: spool(a)["copied_rows"] == 1)
    reboot(a)
    back(intake)
    wait_until(lambda: numbers(e for e in intake.entries() if not is_own(e)) == [1])


def test_a_copy_is_not_shipped_twice_while_ram_is_there(agent, quick, intake, card):
    a = agent({**quick, **settings(card, persist_after="200ms", persist_interval="1s")})
    away(intake)
    feed(a, line(1, "all is lost", "CRITICAL"))
    wait_until(lambda: spool(a)["copied_rows"] == 1)
    a.kill9()
    a.start()
    back(intake)
    arrived(a, 1)
    time.sleep(2)
    assert numbers(e for e in intake.everything() if not is_own(e)) == [1]


@pytest.mark.parametrize("how", ["at_once", "with_sigterm_behind", "with_bodies_on_their_way"])
def test_a_restart_writes_nothing_and_a_system_that_goes_down_spools_urgent_first(agent, quick, intake, card, how):
    """with_sigterm_behind: the agent did not run between the unit's SIGPWR and systemd's SIGTERM, and sees both.
    with_bodies_on_their_way: nobody will be there to hear whether the sink has them."""
    a = agent({**quick, **settings(card, persist="off"), "backlog": {"size": "4M"}})
    away(intake)
    feed(a, b"".join(line(n, TEXT, "ERROR" if n % 10 == 0 else "INFO") for n in range(3000)))
    wait_until(lambda: book(a)["in"] == 3000)
    before = card.settled()
    assert a.term() == 0
    assert card.settled() == before
    if how == "with_bodies_on_their_way":
        intake.plan.set([{"do": "hang", "seconds": 60, "times": -1}])
    a.start()
    if how == "with_bodies_on_their_way":
        wait_until(lambda: a.status()["sinks"][0]["in_flight"] > 0)
    is_slow = how == "with_sigterm_behind"
    for number in [signal.SIGSTOP, signal.SIGPWR, signal.SIGTERM, signal.SIGCONT] if is_slow else [signal.SIGPWR]:
        a.process.send_signal(number)
    assert a.process.wait(60) == 0
    written = card.settled() - before
    assert written > 0
    shutil.rmtree(a.runtime)
    back(intake)
    a.start()
    wait_until(lambda: spool(a)["state"] == "on")
    assert spool(a)["budget"]["spent"] > written / 2, "the ledger outlives the reboot, and the last transaction is in it"
    wait_until(lambda: spool(a)["earlier"]["delivered"] == 3000, 60)
    assert_exactly(numbers(e for e in intake.everything() if not is_own(e)), range(3000))


@pytest.mark.parametrize("other", ["hangs", "down", "well"])
def test_beside_another_sink_that_is_ill_what_is_for_the_first_is_spooled_in_time(agent, quick, intake, card, other):
    """The spool is the first one's. What waits for another goes with the power, and costs the first nothing."""
    with Intake(dialect=Ndjson()) as beside:
        a = agent({**quick, **settings(card, persist="off"), "backlog": {"size": "4M"},
                   "sink beside": {"type": "http", "url": beside.url, "wait": "50ms", "clock_wait": "10ms"}})
        away(intake)
        if other == "hangs":
            beside.plan.set([{"do": "hang", "seconds": 300, "times": -1}])
        if other == "down":
            beside.down()
        feed(a, lines(0, 1000, TEXT))
        if other == "well":
            wait_until(lambda: len(numbers(beside.entries())) == 1000)
        begin = time.monotonic()
        a.process.send_signal(signal.SIGPWR)
        assert a.process.wait(60) == 0
        assert time.monotonic() - begin < 30, "a system that goes down does not wait for ever"
        shutil.rmtree(a.runtime)
        back(intake)
        beside.plan.set([])
        beside.up()
        a.start()
        wait_until(lambda: spool(a)["earlier"]["delivered"] == 1000, 60)
        assert_exactly(numbers(e for e in intake.everything() if not is_own(e)), range(1000))
        feed(a, lines(1000, 1010))
        wait_until(lambda: set(range(1000, 1010)) <= set(numbers(beside.entries())))


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.long)])
def test_kills_with_ring_backlog_and_spool_moving_lose_nothing(agent, quick, intake, card, feeder, kills):
    chance = seeded()
    quick[NAME].update(body_lines=200)
    a = agent({**quick, **settings(card, routine="yes", persist="off"), "capture": {"overload": "wait"},
               "ring": {"size": "512K"}})
    count = 5000 * kills
    client = a.popen("run", "-s", "app", "--", feeder, "--lines", str(count), "--rate", "8000", "--report", "/dev/null")
    is_away = False
    for _ in range(kills):
        is_away = not is_away
        (away if is_away else back)(intake)
        time.sleep(chance.uniform(0.3, 1.2))
        a.kill9()
        a.start()
        assert_books_balance(a.status())
    back(intake)
    client.wait(120)
    arrived(a, count)
    found = prove_ring(intake.everything())
    assert_exactly(numbers(found.values()), range(count))
    assert_books_balance(a.status())


def test_a_place_in_ram_is_refused_and_the_agent_lives(agent, quick, intake, runtime):
    runtime.parent.mkdir(exist_ok=True)
    a = agent({**quick, "spool": {"path": runtime.parent / "spool.db"}})
    wait_until(lambda: spool(a)["state"] == "refused")
    assert "RAM" in spool(a)["why"]
    feed(a, lines(0, 10))
    arrived(a, 10)


def test_a_budget_that_is_spent_stops_the_spool_and_is_said_once(agent, quick, intake, card):
    a = agent({**quick, **settings(card, routine="yes", persist="off", wear_budget="1M/day")})
    before = card.settled()
    away(intake)
    feed_until(a, lambda: book(a)["shed"] > 0 and "wear_budget" in spool(a)["why"])
    assert card.settled() - before < (1 << 20) + (700 << 10), "the budget and one transaction"
    assert a.log.count("wear_budget") == 1
    back(intake)
    wait_until(lambda: book(a)["pending"] == 0 or spool(a)["rows"] > 0)


def test_a_card_that_fails_costs_the_spool_and_nothing_else(agent, quick, intake, card):
    a = agent({**quick, **settings(card, routine="yes", persist="off")})
    away(intake)
    count = feed_until(a, lambda: spool(a)["written_rows"] > 0)
    card.pull_out()
    feed_until(a, lambda: spool(a)["state"] == "off", count)
    back(intake)
    wait_until(lambda: book(a)["delivered"] > 1000)
    assert a.process.poll() is None


@pytest.mark.waits
def test_a_card_without_room_costs_the_spool_and_nothing_else_and_is_used_when_there_is_room(agent, quick, intake, card):
    """Somebody else fills the file system to its last block while an outage goes on."""
    a = agent({**quick, **settings(card, routine="yes", persist="off", free_floor="off")})
    away(intake)
    count = feed_until(a, lambda: spool(a)["written_rows"] > 0)
    filler = card.path / "filler"
    with filler.open("wb") as file:
        with pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(1 << 16))
                file.flush()
    count = feed_until(a, lambda: spool(a)["state"] == "off" and book(a)["shed"] > 0, count)
    assert "full" in spool(a)["why"] or "space" in spool(a)["why"].lower(), spool(a)
    assert a.log.count("the spool is off") == 1
    written = spool(a)["written_rows"]
    filler.unlink()
    count = feed_until(a, lambda: spool(a)["written_rows"] > written, count, seconds=120)
    assert spool(a)["state"] == "on" and "works again" in a.log
    back(intake)
    wait_until(lambda: book(a)["pending"] == 0 and spool(a)["rows"] == 0, 120)
    assert len(numbers(prove_ring(intake.everything()).values())) + book(a)["shed"] == count
    assert_books_balance(a.status())


def test_a_services_bad_end_is_dear_and_survives_a_power_cut(agent, quick, intake, card):
    a = agent({**quick, **settings(card, persist_after="200ms", persist_interval="1s")})
    away(intake)
    assert a.run("/bin/sh", "-c", "echo '#n=1'; exit 3", service="app").returncode == 3
    wait_until(lambda: spool(a)["copied_rows"] == 1)
    reboot(a)
    back(intake)
    ends = wait_until(lambda: [e for e in intake.everything() if e.get("logboom", {}).get("kind") == "exit"])
    assert ends[0]["service"] == "app" and ends[0]["logboom"]["code"] == 3


@pytest.mark.parametrize("rate", [100, 1000])
def test_lines_that_are_shipped_or_fit_into_ram_cost_the_card_nothing(agent, quick, intake, card, feeder, rate):
    a = agent({**quick, **settings(card), "backlog": {"size": "16M"}})
    before = card.settled()

    def run(seconds):
        client = a.popen("run", "-s", f"s{rate}", "--", feeder, "--lines", str(rate * seconds), "--rate", str(rate),
                         "--report", "/dev/null")
        assert client.wait(60) == 0

    run(3)
    away(intake)
    run(3)
    back(intake)
    arrived(a, 6 * rate)
    assert card.settled() == before


def test_filling_and_draining_writes_little_more_than_what_is_spooled(tmp_path, card):
    """Batches of 256 KiB come and go; counted by the disk, with what ext4 adds, after it was unmounted in earnest."""
    writer = BUILD / "tests" / "trace" / "spool_writer"
    rounds, keep, batch = 48, 8, 256 * 1024
    before = card.settled()
    told = subprocess.run([writer, "write", card.path / "spool.db", str(rounds), str(batch), str(keep)],
                          input="\n" * rounds, capture_output=True, text=True, check=True).stdout
    assert told.count("ack ") == rounds
    spooled = rounds * batch
    written = card.settled() - before
    print(f"{written / spooled:.3f} bytes on the card for one that is spooled, fill and drain")
    assert written <= 1.25 * spooled
