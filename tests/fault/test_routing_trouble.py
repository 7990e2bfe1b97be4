# SPDX-License-Identifier: MIT
"""Several sinks, and what goes wrong around them.

The story: settings change while bodies are on their way and while a sink hangs, queues get another size, files in RAM
are damaged, an agent stops while a sink has no room. What each was given it gets once, what it did not get is told to
it, and nobody waits for another.
"""

import contextlib
import os
import random
import time
from pathlib import Path

import pytest

from conftest import wait_until
from fire import feed, heal
from lines import assert_exactly, book, line, lines, numbers, prove_ring, receipts
from test_routing import House, of, prove, prove_balance, wait_given


@pytest.fixture
def house():
    with contextlib.ExitStack() as running:
        yield House(running)


HANG = [{"do": "hang", "seconds": 300, "times": -1}]


def lost(agent, name):
    sink = of(agent, name)
    return sink["shed"]["lines"] + sink["missed"]["lines"] + sink["rejected"]["lines"]


# --- settings


def test_a_reload_while_one_hangs_delays_no_other(agent, house):
    first, hangs = house.add("first"), house.add("hangs", primary="no", timeout="20s")
    a = agent(house.sections)
    hangs.plan.set(HANG)
    feed(a, lines(0, 10))
    wait_until(lambda: book(a)["delivered"] == 10)
    wait_until(lambda: of(a, "hangs")["in_flight"] > 0)
    begin = time.monotonic()
    a.hup()
    feed(a, lines(10, 20))
    wait_until(lambda: book(a)["delivered"] == 20)
    assert time.monotonic() - begin < 8, "not until its timeout"
    heal(hangs)
    wait_given(a, "hangs", 20)
    prove(first, range(20))


def test_sinks_that_come_and_go_with_each_reload_while_lines_come(agent, house):
    chance = random.Random(5)
    first = house.add("first")
    for name in "b", "c", "d":
        house.add(name, primary="no" if name == "c" else "yes")
    a = agent(house.sections)
    all_sections = dict(a.sections)
    done = 0
    for _ in range(12):
        feed(a, lines(done, done + 200))
        done += 200
        names = [name for name in ("b", "c", "d") if chance.random() < 0.8]
        a.sections = {key: value for key, value in all_sections.items()
                      if not key.startswith("sink ") or key[5:] in ["first", *chance.sample(names, len(names))]}
        a.reload()
        if chance.random() < 0.3:
            a.restart()
    feed(a, lines(done, done + 200))
    wait_until(lambda: book(a)["delivered"] == done + 200)
    prove(first, range(done + 200))
    for name in "b", "c", "d":
        got = numbers(house.intakes[name].entries())
        assert len(got) == len(set(got)), f"{name} has some twice"
    prove_balance(a)


@pytest.mark.parametrize("change", [{"queue": "2M"}, {"queue": "64K"}, {"queue_backlog": "1M"}, {"queue_backlog": "off"},
                                    {"primary": "no"}, {"services": "app,web"}], ids=str)
def test_what_waits_outlives_another_size_and_another_kind(agent, house, change):
    first, away = house.add("first"), house.add("away", queue="1M", queue_backlog="4M")
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K"}
    a = agent(house.sections)
    away.down()
    for start in range(0, 6000, 1000):
        feed(a, lines(start, start + 1000, "x" * 200))
    wait_until(lambda: book(a)["delivered"] == 6000, 60)
    a.sections["sink away"].update(change)
    a.write_ini()
    a.restart()
    feed(a, lines(6000, 6100))
    away.up()
    wait_until(lambda: of(a, "away")["pending"]["lines"] == 0 and of(a, "away")["delivered"]["lines"] + lost(a, "away") == 6100, 60,
               what=lambda: of(a, "away"))
    if change.get("queue_backlog") != "off":
        assert lost(a, "away") == 0
        prove(away, range(6100))
    wait_until(lambda: sum(e["logboom"]["count"] for e in receipts(away.entries())) == lost(a, "away"))
    prove(first, range(6100))
    prove_balance(a)


# --- requests


def test_a_flush_waits_also_for_what_a_slow_primary_has_no_room_for_yet(agent, house):
    house.add("first")
    slow = house.add("slow", queue="64K", wait="30s", concurrency="1", queue_backlog="off")
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K", "overload": "wait"}
    a = agent(house.sections)
    slow.plan.set([{"do": "slow", "seconds": 0.3, "times": -1}])
    feed(a, lines(0, 1500, "x" * 100))
    assert of(a, "slow")["queue"]["stalled"], "it has no room for all"
    assert a.client("flush", "-w", "30").returncode == 0
    assert len(set(numbers(slow.entries()))) == 1500


@pytest.mark.parametrize("overload", ["wait", "shed"])
@pytest.mark.parametrize("trouble", [HANG, [{"do": "slow", "seconds": 1.0, "times": -1}]], ids=["hangs", "slow"])
def test_a_stop_is_prompt_whatever_a_sink_does(agent, house, trouble, overload):
    house.add("first")
    ill = house.add("ill", queue="64K", queue_backlog="off", timeout="60s")
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K", "overload": overload}
    a = agent(house.sections)
    ill.plan.set(trouble)
    client = a.pipe("-s", "app")
    client.stdin.write(lines(0, 400, "x" * 100))
    client.stdin.flush()
    wait_until(lambda: of(a, "ill")["pending"]["lines"] > 100)
    time.sleep(2.5)
    begin = time.monotonic()
    a.term()
    took = time.monotonic() - begin
    client.kill()
    assert took < 6, took


# --- losses


def test_what_is_dropped_for_all_is_told_to_all(agent, house):
    """Nobody answers, and there is no room: of what is dropped before the ring each sink has a receipt."""
    away = {"queue": "64K", "queue_backlog": "off", "timeout": "1s"}
    intakes = [house.add("first", timeout="1s"), house.add("other", **away), house.add("part", primary="no", **away)]
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K", "max_stall": "100ms"}
    house.sections["ring"] = {"size": "256K"}
    house.sections["backlog"] = {"size": "off"}
    house.sections["spool"] = {"wear_budget": "off"}
    a = agent(house.sections)
    for intake in intakes:
        intake.down()
    for start in range(0, 6000, 500):
        feed(a, lines(start, start + 500, "x" * 100))
    for intake in intakes:
        intake.up()
    feed(a, lines(6000, 6100))

    def is_told():
        a.client("flush", "-w", "2")
        return all(len(numbers(prove_ring(i.everything()).values())) + sum(e["logboom"]["count"] for e in receipts(i.entries())) == 6100
                   for i in intakes)

    wait_until(is_told, 30, what=lambda: [(len(numbers(i.entries())), [(e["logboom"]["reason"], e["logboom"]["count"]) for e in receipts(i.entries())])
                                          for i in intakes])
    prove_balance(a)


def test_more_services_than_there_are_books(agent, house):
    first, away = house.add("first"), house.add("away", primary="no", queue="64K", queue_backlog="off")
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K"}
    a = agent(house.sections)
    away.down()
    for n in range(300):
        feed(a, line(n) + lines(1000 + 5 * n, 1005 + 5 * n, "y" * 100), f"s{n}")
    wait_until(lambda: book(a)["delivered"] == 1800)
    assert lost(a, "away") > 0
    away.up()
    wait_until(lambda: of(a, "away")["pending"]["lines"] == 0)
    wait_until(lambda: sum(e["logboom"]["count"] for e in receipts(away.entries())) == lost(a, "away"),
               what=lambda: (lost(a, "away"), sum(e["logboom"]["count"] for e in receipts(away.entries()))))
    assert len(numbers(away.entries())) == 1800 - lost(a, "away")
    prove_balance(a)


# --- files


def flip(path):
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data), len(data) // 7):
        data[at] ^= 0x55
    with open(path, "r+b") as file:
        file.write(data)


def cut(path):
    os.truncate(path, 5000)


def clear(path):
    path.write_bytes(b"")


DAMAGES = [flip, cut, clear]


@pytest.mark.parametrize("name", ["ring", "state", "backlog"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_file_of_one_costs_the_others_nothing(agent, house, runtime, damage, name):
    first, ill = house.add("first"), house.add("ill", queue="64K")
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K"}
    a = agent(house.sections)
    ill.down()
    feed(a, lines(0, 1000, "x" * 100))
    wait_until(lambda: book(a)["delivered"] == 1000)
    a.stop()
    damage(Path(runtime) / "sinks" / "ill" / name)
    a.start()
    feed(a, lines(1000, 1100))
    ill.up()
    wait_until(lambda: book(a)["delivered"] == 1100)
    wait_until(lambda: set(range(1000, 1100)) <= set(numbers(ill.entries())))
    prove(first, range(1100))


def test_a_store_that_cannot_be_opened_is_told_of_by_name(agent, house, runtime):
    house.add("first")
    house.add("ill")
    a = agent(house.sections)
    a.stop()
    store = Path(runtime) / "sinks" / "ill"
    store.rename(store.with_name("elsewhere"))
    store.symlink_to("elsewhere")
    a.spawn()
    assert a.process.wait(10) == 1
    assert "sink ill: its queue cannot be opened" in a.log


# --- a link that is paid for


def test_a_link_that_changes_each_moment_loses_nothing(agent, house):
    one, two = house.add("one", when="unmetered"), house.add("two", when="urgent-only", primary="no")
    house.sections["backlog"] = {"size": "4M"}
    house.sections["network"] = {"metered": "no"}
    a = agent(house.sections)
    for turn in range(8):
        feed(a, lines(turn * 300, turn * 300 + 290))
        feed(a, lines(turn * 300 + 290, turn * 300 + 300, level="ERROR"))
        a.sections["network"]["metered"] = "no" if turn % 2 else "yes"
        a.reload()
    wait_given(a, "two", 2400)
    wait_until(lambda: book(a)["delivered"] == 2400)
    prove(one, range(2400))
    prove(two, range(2400))
    prove_balance(a)


def test_what_is_urgent_goes_over_a_metered_link_also_while_another_holds_the_ring(agent, house):
    one = house.add("one", when="urgent-only")
    slow = house.add("slow", queue="64K", queue_backlog="off", concurrency="1")
    house.sections["capture"] = {"max_line": "4K", "join_bytes": "4K", "overload": "wait"}
    house.sections["backlog"] = {"size": "4M"}
    house.sections["network"] = {"metered": "yes"}
    a = agent(house.sections)
    slow.plan.set([{"do": "slow", "seconds": 1.5, "times": -1}])
    feed(a, lines(0, 1000, "x" * 100))
    assert of(a, "slow")["queue"]["stalled"]
    feed(a, lines(1000, 1010, level="ERROR"))
    wait_until(lambda: set(range(1000, 1010)) <= set(numbers(one.entries())), 5)
    begin, cpu = time.monotonic(), a.cpu_seconds() if hasattr(a, "cpu_seconds") else None
    heal(slow)
    wait_given(a, "slow", 1010)
    assert_exactly(numbers(slow.entries()), range(1010))
