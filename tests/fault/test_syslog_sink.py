# SPDX-License-Identifier: MIT
"""A syslog server as the sink: rsyslog, by TCP, TLS and a unix socket.

The story: a site has a syslog server, and wants its devices there. Nobody answers in this protocol: a line counts as
delivered when the other end has acknowledged its bytes. It goes away and comes back; each line arrives, and comes twice
only where the connection broke with it on its way.
"""

import re
import shutil
import signal
from datetime import datetime, timezone

import pytest

from conftest import wait_until
from fire import feed, sink_of, wait_state
from frames import Frames
from lines import assert_books_balance, assert_exactly, book, by_number, line, lines, numbers, prove_ring
from syslogd import Syslogd

KINDS = ["tcp", "tls", "unix"]


@pytest.fixture(params=KINDS)
def server(request, authority):
    if not shutil.which("rsyslogd"):
        pytest.skip("no rsyslog (make deps)")
    with Syslogd(request.param, authority.issue() if request.param == "tls" else None) as running:
        yield running


@pytest.fixture
def sections(server, authority):
    sink = {"type": "syslog", "address": server.address, "wait": "50ms", "urgent_wait": "20ms", "retry_min": "50ms",
            "retry_max": "300ms", "clock_wait": "10ms", "timeout": "5s"}
    if server.kind == "tls":
        sink["tls_ca"] = authority.ca
    return {"agent": {"tags": "env:test,team:sen]sors"}, "sink far": sink}


def arrived(server, count):
    """Wait until so many numbers are there."""
    missing = set()

    def are_there():
        missing.clear()
        missing.update(set(range(count)) - set(numbers(server.entries())))
        return not missing

    wait_until(are_there, what=Missing(missing))


class Missing:
    def __init__(self, numbers_missing):
        self.numbers = numbers_missing

    def __str__(self):
        return f"all lines are at the server; {len(self.numbers)} are not: {sorted(self.numbers)[:5]} ... {sorted(self.numbers)[-5:]}"


def prove(agent, server, count):
    found = prove_ring(server.everything())
    assert_exactly(numbers(found.values()), range(count))
    assert_books_balance(agent.status())
    assert book(agent)["delivered"] == count and book(agent)["pending"] == 0


def test_a_message_is_what_the_server_takes_it_for(agent, sections, server):
    a = agent(sections)
    before = datetime.now(timezone.utc)
    feed(a, line(0, 'with "quotes", a ] and ünïcode', "WARNING"))
    feed(a, b"Traceback (most recent call last):\n  File \"/x.py\", line 1, in f\n    g()\nKeyError: '#n=1'\n")
    arrived(server, 2)
    first, second = [e for e in server.entries() if "kind" not in e["logboom"]]
    assert first["message"].endswith('with "quotes", a ] and ünïcode') and first["service"] == "app"
    assert first["status"] == "warning" and first["hostname"] == "testhost" and first["facility"] == "1"
    assert first["tags"] == {"env": "test", "team": "sen\\]sors"}
    assert first["logboom"]["n"] >= 1 and first["logboom"]["lane"] in ("urgent", "routine")
    assert abs((datetime.fromisoformat(first["time"]) - before).total_seconds()) < 60
    assert second["message"].count("\n") == 3 and second["status"] == "error", "a joined record stays one message"


def test_all_lines_arrive_once_and_in_order(agent, sections, server):
    a = agent(sections)
    feed(a, lines(0, 5000, "of text " * 10))
    a.flush()
    arrived(server, 5000)
    prove(a, server, 5000)
    assert numbers(server.entries()) == list(range(5000))


def test_a_server_that_goes_and_comes_back_costs_nothing(agent, sections, server):
    a = agent(sections)
    feed(a, lines(0, 100))
    a.flush()
    arrived(server, 100)  # what it has acknowledged and not read yet it may lose: nobody else can
    server.down()
    feed(a, lines(100, 300))
    state = wait_state(a, "away")
    assert re.search("connect|closed|refused", state["last_error"].lower()), state
    assert book(a)["pending"] > 0
    server.up()
    a.flush()
    arrived(server, 300)
    prove(a, server, 300)


@pytest.mark.parametrize("server", ["tcp", "unix"], indirect=True)
def test_a_server_that_reads_nothing_is_away_and_loses_nothing(agent, sections, server):
    """Its kernel acknowledges what fits into its buffers: that much may come twice, none is lost."""
    a = agent(sections)
    feed(a, lines(0, 10))
    a.flush()
    arrived(server, 10)
    server.down(signal.SIGSTOP)
    a.sections["sink far"]["timeout"] = "500ms"
    a.reload()
    feed(a, lines(10, 20000, "of text " * 60))
    wait_until(lambda: sink_of(a)["failures"] >= 1, what="it was given up")
    a.sections["sink far"]["timeout"] = "30s"
    server.down(signal.SIGCONT)
    a.reload()
    a.flush()
    arrived(server, 20000)
    assert_exactly(numbers(by_number(server.everything()).values()), range(20000))
    assert_books_balance(a.status())


def test_by_tls_a_frame_is_never_torn_whatever_is_given_up(agent, authority):
    """By a receiver that takes each connection apart: rsyslog does not tell where it finds none."""
    server = Frames(authority.issue())
    a = agent({"sink far": {"type": "syslog", "address": server.address, "wait": "50ms", "retry_min": "50ms",
                            "retry_max": "300ms", "clock_wait": "10ms", "timeout": "500ms", "tls_ca": authority.ca}})
    feed(a, lines(0, 10))
    a.flush()
    server.is_reading.clear()
    feed(a, lines(10, 20000, "of text " * 60))
    wait_until(lambda: sink_of(a)["failures"] >= 2, what="it was given up")
    a.sections["sink far"]["timeout"] = "30s"
    server.is_reading.set()
    a.reload()
    a.flush()
    server.wait_numbers(20000)
    assert len(server.frames()) >= 2
    assert_books_balance(a.status())
    server.close()


def test_ping_tells_whether_it_can_be_reached(agent, sections, server):
    a = agent(sections)
    answer = a.client("ping")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "is there" in answer.stdout and "appended" not in answer.stdout
    server.down()
    assert a.client("ping").returncode != 0


def test_a_server_that_asks_who_we_are_is_shown_a_certificate(agent, authority):
    ours = authority.issue(["DNS:device"])
    with Syslogd("tls", authority.issue(), clients=True) as server:
        sink = {"type": "syslog", "address": server.address, "wait": "50ms", "retry_min": "50ms", "retry_max": "200ms",
                "clock_wait": "10ms", "tls_ca": authority.ca, "tls_cert": ours.chain, "tls_key": ours.key}
        a = agent({"sink far": sink})
        feed(a, lines(0, 20))
        a.flush()
        arrived(server, 20)


def test_a_server_whom_nobody_vouches_for_gets_nothing(agent, authority):
    with Syslogd("tls", authority.issue(["DNS:somebody.else"])) as server:
        a = agent({"sink far": {"type": "syslog", "address": server.address, "wait": "50ms", "retry_min": "50ms",
                                "retry_max": "200ms", "clock_wait": "10ms", "tls_ca": authority.ca}})
        feed(a, lines(0, 5))
        state = wait_state(a, "away")
        assert "certificate" in state["last_error"] or "SSL" in state["last_error"], state
        assert book(a)["pending"] == 5 and not server.messages()
