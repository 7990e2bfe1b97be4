# SPDX-License-Identifier: MIT
"""A link that is paid for by the byte.

The story: a device has a cable by day and a modem by night. Over the modem one sink gets what is urgent and another
nothing at all; what waits does so in RAM, and all of it goes when the cable is back. A sink that says nothing of this
gets all, always.
"""

import contextlib
import hashlib

import pytest

from conftest import ROOMY, wait_until
from fire import feed, sink_of
from lines import assert_books_balance, assert_exactly, book, line, lines, numbers, prove_ring, receipts
from test_routing import House, of, prove, wait_given

ROOM = {**ROOMY, "backlog": {"size": "4M"}}


@pytest.fixture
def house():
    with contextlib.ExitStack() as running:
        made = House(running)
        made.sections.update(ROOM)
        yield made


def set_metered(agent, is_metered):
    agent.sections["network"]["metered"] = "yes" if is_metered else "no"
    agent.reload()


def start(agent, house, is_metered=True):
    return agent({**house.sections, "network": {"metered": "yes" if is_metered else "no"}})


def test_nothing_goes_over_a_metered_link_where_the_sink_says_so(agent, house):
    only = house.add("only", when="unmetered")
    a = start(agent, house)
    feed(a, lines(0, 500))
    feed(a, lines(500, 510, level="ERROR"))
    wait_until(lambda: book(a)["pending"] == 510)
    assert sink_of(a)["state"] == "metered" and not only.requests()
    assert a.client("flush", "-w", "1").returncode == 1
    assert not only.requests(), "also not when somebody asks"
    set_metered(a, False)
    wait_until(lambda: book(a)["delivered"] == 510)
    assert sink_of(a)["state"] == "ok"
    prove(only, range(510))
    assert_books_balance(a.status())


def test_only_what_is_urgent_goes_where_the_sink_says_so(agent, house):
    only = house.add("only", when="urgent-only")
    a = start(agent, house)
    feed(a, lines(0, 300))
    feed(a, lines(300, 303, level="ERROR"))
    feed(a, lines(303, 400))
    wait_until(lambda: sorted(numbers(only.entries())) == [300, 301, 302])
    assert book(a)["pending"] == 397 and sink_of(a)["state"] == "metered"
    feed(a, line(400, level="CRITICAL"))
    wait_until(lambda: sorted(numbers(only.entries())) == [300, 301, 302, 400])
    set_metered(a, False)
    wait_until(lambda: book(a)["delivered"] == 401)
    prove(only, range(401))
    assert_books_balance(a.status())


def test_an_urgent_line_survives_a_sink_that_is_away_meanwhile(agent, house):
    only = house.add("only", when="urgent-only")
    a = start(agent, house)
    only.down()
    feed(a, lines(0, 100))
    feed(a, lines(100, 105, level="ERROR"))
    wait_until(lambda: a.status()["backlog"]["segments"] > 0)
    only.up()
    wait_until(lambda: sorted(numbers(only.entries())) == list(range(100, 105)))
    a.kill9()
    a.start()
    assert book(a)["pending"] == 100
    set_metered(a, False)
    wait_until(lambda: book(a)["delivered"] == 105)
    assert_exactly(numbers(prove_ring(only.everything()).values()), range(105))


def test_each_sink_has_its_own_rule(agent, house):
    first, urgent, none = house.add("first"), house.add("urgent", when="urgent-only"), house.add("none", when="unmetered")
    a = start(agent, house)
    feed(a, lines(0, 200))
    feed(a, lines(200, 210, level="ERROR"))
    wait_until(lambda: book(a)["delivered"] == 210)
    wait_until(lambda: sorted(numbers(urgent.entries())) == list(range(200, 210)))
    assert of(a, "none")["pending"]["lines"] == 210 and of(a, "urgent")["pending"]["lines"] == 200
    assert [sink["state"] for sink in a.status()["sinks"]] == ["ok", "metered", "metered"]
    set_metered(a, False)
    wait_given(a, "urgent", 210)
    wait_given(a, "none", 210)
    for intake in (first, urgent, none):
        prove(intake, range(210))


def test_what_has_no_room_while_the_link_is_metered_is_told(agent, house):
    house.add("first")
    none = house.add("none", when="unmetered", queue="1M", queue_backlog="1M", primary="no")
    a = start(agent, house)
    for begin in range(0, 60000, 2000):
        feed(a, b"".join(line(n, hashlib.sha512(b"%d" % n).hexdigest()) for n in range(begin, begin + 2000)))
    wait_until(lambda: book(a)["delivered"] == 60000, 60)
    assert of(a, "none")["shed"]["lines"] > 0 and not none.requests()
    set_metered(a, False)
    wait_until(lambda: of(a, "none")["pending"]["lines"] == 0)
    sink = of(a, "none")
    assert sink["delivered"]["lines"] + sink["shed"]["lines"] + sink["missed"]["lines"] == 60000
    wait_until(lambda: sum(e["logboom"]["count"] for e in receipts(none.entries())) == 60000 - sink["delivered"]["lines"])
    prove_ring(none.everything())
