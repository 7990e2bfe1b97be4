# SPDX-License-Identifier: MIT
"""kill -9 at any instant, with several sinks.

The story: lines go to a first sink, to another primary and, some of them, to a secondary; their queues are small, and
one or the other sink is down for a while. The agent dies at a store, or at any instant, over and over. In each queue
each line that it takes is once: no number names two lines, no line has two numbers, none is missing; and the books of
each sink, which outlive their agent, say so.
"""

import contextlib
import time

import pytest

from conftest import wait_until
from lines import assert_exactly, book, end, numbers, prove_ring, receipts, seeded
from test_routing import House, of, prove_balance

SMALL = {"queue": "64K", "queue_backlog": "1M", "timeout": "2s"}
EACH = 150


@pytest.fixture
def house():
    with contextlib.ExitStack() as running:
        made = House(running)
        made.sections["capture"] = {"max_line": "4K", "join_bytes": "4K", "repeat_window": "off", "overload": "wait"}
        made.sections["ring"] = {"size": "256K"}
        made.add("first", wait="5ms")
        made.add("other", wait="5ms", **SMALL)
        made.add("part", wait="5ms", primary="no", services="app", **SMALL)
        yield made


def change_weather(house, chance):
    """Now and then one is down, or comes back."""
    for name in "first", "other", "part":
        kind = chance.random()
        if kind < 0.15:
            house.intakes[name].down()
        elif kind < 0.5:
            house.intakes[name].up()


def run(agent, feeder, service, first, count=EACH, rate=()):
    return agent.popen("run", "-s", service, "--", feeder, "--lines", str(count), "--first", str(first), *rate,
                       "--report", "/dev/null")


def life(a, feeder, service, first, point):
    """A life that ends at a kill point, if there are so many, and one behind it. Was it killed?"""
    a.spawn({"LOGBOOM_KILL_AT": str(point)})
    client = run(a, feeder, service, first)
    try:
        wait_until(lambda: a.process.poll() is not None or client.poll() is not None, what="killed, or done")
        if a.process.poll() is None:
            a.client("flush", "-w", "1s")
        killed = a.process.poll() is not None
        if not killed:
            a.term()
        a.start()
        assert end(client) == 0
    finally:
        client.kill()
    a.stop()
    return killed


def wait_empty(a):
    """Not a line, nor a record of our own, which may be the last that waits in a backlog."""
    def is_empty():
        status = a.status()
        rooms = [status["ring"], *(sink["queue"] for sink in status["sinks"][1:])]
        backlogs = [status["backlog"], *(sink["backlog"] for sink in status["sinks"][1:])]
        return not any(room["used"] for room in rooms) and not any(one and one["segments"] for one in backlogs)

    wait_until(is_empty, 60, what=lambda: f"nothing waits: {a.status()['sinks']}")
    assert book(a)["pending"] == 0 and all(of(a, name)["pending"]["lines"] == 0 for name in ("other", "part"))


def prove_each(a, house, total, of_part):
    """Once in each queue, and delivered; what was on its way at a kill may come twice."""
    for name, expected in ("first", range(total)), ("other", range(total)), ("part", of_part):
        intake = house.intakes[name]
        wait_until(lambda i=intake, e=expected: set(numbers(i.entries())) == set(e), what=f"{name} has all")
        assert_exactly(numbers(prove_ring(intake.everything(), may_be_both=True).values()), expected)
        told = receipts(intake.entries())  # a record of our own may be given up, which is told by its number
        assert not [e for e in told if e["logboom"]["count"] > 0], told
    for name, expected in ("other", total), ("part", len(of_part)):
        sink = of(a, name)
        assert sink["queued"]["lines"] == sink["delivered"]["lines"] == expected, sink
        assert sink["missed"]["lines"] == sink["shed"]["lines"] == sink["rejected"]["lines"] == 0, sink
    prove_balance(a)


@pytest.mark.parametrize("samples", [30, pytest.param(500, marks=pytest.mark.long)])
def test_no_kill_point_copies_a_line_twice_or_skips_one(agent, house, kp_program, feeder, samples):
    chance = seeded()
    a = agent(house.sections, program=kp_program, start=False)
    done, killed, of_part = 0, 0, []
    for _ in range(samples):
        change_weather(house, chance)
        service = chance.choice(["app", "app", "web"])
        point = int(10 ** chance.uniform(0.5, 4.3))
        killed += life(a, feeder, service, done, point)
        if service == "app":
            of_part += range(done, done + EACH)
        done += EACH
    print(f"{killed} of {samples} killed")
    assert killed > samples // 3
    for intake in house.intakes.values():
        intake.up()
    a.start()
    wait_empty(a)
    prove_each(a, house, done, of_part)


@pytest.mark.parametrize("instants", [12, pytest.param(150, marks=pytest.mark.long)])
def test_nor_does_any_instant(agent, house, feeder, instants):
    chance = seeded()
    a = agent(house.sections)
    count = 400 * instants
    clients = [run(a, feeder, "app", 0, count, ("--rate", "1500")), run(a, feeder, "web", count, count, ("--rate", "1500"))]
    for _ in range(instants):
        change_weather(house, chance)
        time.sleep(chance.uniform(0.0, 0.3))
        a.kill9()
        a.start()
    for intake in house.intakes.values():
        intake.up()
    assert [end(c) for c in clients] == [0, 0]
    wait_empty(a)
    prove_each(a, house, 2 * count, list(range(count)))
