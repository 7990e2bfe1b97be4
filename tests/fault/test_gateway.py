# SPDX-License-Identifier: MIT
"""nginx before the receiver, of each kind that speaks HTTP, with a server behind it that is slow, or broken.

The story: a customer has one gateway, with TLS, and behind it whatever takes the lines. When that is slow the gateway
says 504 though the body was taken; when it breaks, 502. Neither is the sink's own word, and neither costs a line.
"""

from collections import Counter

import pytest

from conftest import ROOMY, wait_until
from fire import feed, sink_of
from front import Front
from front import program as front_program
from lines import assert_books_balance, assert_exactly, book, lines, numbers
from receivers import RECEIVERS

KINDS = ["datadog", "loki", "otlp", "elasticsearch", "splunk", "http ndjson", "http array"]

pytestmark = pytest.mark.skipif(not front_program(), reason="no nginx (make deps)")


@pytest.fixture(params=KINDS)
def gateway(request, runtime, authority):
    """(receiver, keys of a sink that goes by nginx)"""
    home = runtime.parent / "receiver"
    home.mkdir()
    with RECEIVERS[request.param](home, lambda: authority) as receiver:
        with Front(receiver.intake, authority.issue(), patience="1s") as front:
            yield receiver, {**receiver.keys, "url": front.url, "tls_ca": front.ca}


def start(agent, keys):
    return agent({**ROOMY, "sink there": keys})


def settle(agent, receiver, count):
    wait_until(lambda: set(range(count)) <= set(numbers(receiver.everything())), what=f"{count} lines are there")
    wait_until(lambda: book(agent)["pending"] == 0)
    assert book(agent)["delivered"] == count
    assert_books_balance(agent.status())


def test_a_server_that_breaks_behind_it_costs_nothing(agent, gateway):
    receiver, keys = gateway
    a = start(agent, keys)
    feed(a, lines(0, 100))
    settle(a, receiver, 100)
    receiver.intake.plan.set([{"do": "reset", "times": 2}])
    feed(a, lines(100, 300))
    settle(a, receiver, 300)
    receiver.down()
    feed(a, lines(300, 500))
    wait_until(lambda: "502" in sink_of(a)["last_error"], what="the gateway says so")
    receiver.up()
    settle(a, receiver, 500)
    assert_exactly(numbers(receiver.everything()), range(500))


def test_a_server_that_is_slow_behind_it_may_get_a_body_twice_and_loses_none(agent, gateway):
    receiver, keys = gateway
    a = start(agent, keys)
    receiver.intake.plan.set([{"do": "slow", "seconds": 2, "times": 2}])
    feed(a, lines(0, 300))
    wait_until(lambda: "504" in sink_of(a)["last_error"], what="the gateway says so")
    settle(a, receiver, 300)
    times = Counter(numbers(receiver.everything()))
    assert set(times) == set(range(300)) and max(times.values()) <= 3, times.most_common(3)
