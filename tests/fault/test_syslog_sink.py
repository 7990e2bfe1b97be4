# SPDX-License-Identifier: MIT
"""A syslog server as the sink: rsyslog and syslog-ng, by TCP, TLS and a unix socket.

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
from lines import assert_books_balance, assert_exactly, book, by_number, line, lines, numbers, prove_ring, receipts
from syslogd import SERVERS


def receivers(*kinds):
    """Each server by each of these ways that it has, as parameters."""
    return [f"{name}-{kind}" for name, server in SERVERS.items() for kind in kinds if kind in server.KINDS]


def class_of(name):
    if not SERVERS[name].program():
        pytest.skip(f"no {name} (make deps apart)")
    return SERVERS[name]


@pytest.fixture(params=receivers("tcp", "tls", "unix", "dgram"))
def server(request, authority):
    name, kind = request.param.rsplit("-", 1)
    with class_of(name)(kind, authority.issue() if kind == "tls" else None) as running:
        yield running


@pytest.fixture(params=SERVERS)
def server_class(request):
    return class_of(request.param)


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
    assert first["tags"] == {"env": "test", "team": "sen]sors"}
    assert first["logboom"]["n"] >= 1 and first["logboom"]["lane"] in ("urgent", "routine")
    assert abs((datetime.fromisoformat(first["time"]) - before).total_seconds()) < 60
    assert first["logboom"]["pid"] == int(first["pid"]), first
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
    assert re.search("connect|closed|refused|no such file", state["last_error"].lower()), state
    assert book(a)["pending"] > 0
    server.up()
    a.flush()
    arrived(server, 300)
    prove(a, server, 300)


def test_a_server_that_is_killed_meanwhile_loses_only_what_it_had(agent, sections, server):
    """What it had acknowledged and not written went with it; all else arrives, twice only what was on its way."""
    a = agent(sections)
    with a.pipe("-s", "app") as client:
        for first in range(0, 20000, 500):
            client.stdin.write(lines(first, first + 500, "of text " * 10))
            client.stdin.flush()
            if first == 5000:
                wait_until(lambda: book(a)["delivered"] > 2000 and server.messages(), what="it writes")
                server.down(signal.SIGKILL)
        client.stdin.close()
    wait_state(a, "away")
    had = book(a)["delivered"]
    server.up()
    a.flush()
    found = set(numbers(server.entries()))
    wait_until(lambda: found.update(numbers(server.entries())) or set(range(had, 20000)) <= found, what="the rest is there")
    assert 0 < had < 20000 and book(a)["delivered"] == 20000 and book(a)["pending"] == 0
    assert_books_balance(a.status())


@pytest.mark.parametrize("server", receivers("tcp", "unix", "dgram"), indirect=True)
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


@pytest.mark.parametrize("server", receivers("unix", "dgram"), indirect=True)
def test_what_lay_in_the_queue_of_one_that_was_killed_is_sent_again(agent, sections, server):
    """On the same machine what was taken into the queue is not delivered: only what was read is."""
    a = agent(sections)
    feed(a, lines(0, 10))
    a.flush()
    arrived(server, 10)
    server.down(signal.SIGSTOP)
    feed(a, lines(10, 15))
    wait_state(a, "away")
    assert book(a)["delivered"] == 10 and book(a)["pending"] == 5
    server.down(signal.SIGKILL)
    wait_until(lambda: sink_of(a)["failures"] >= 1, what="it is seen to be gone")
    server.up()
    a.flush()
    arrived(server, 15)
    prove(a, server, 15)


@pytest.mark.parametrize("server", receivers("dgram"), indirect=True)
def test_a_full_queue_is_waited_for(agent, sections, server):
    a = agent(sections)
    feed(a, lines(0, 10))
    a.flush()
    arrived(server, 10)
    server.down(signal.SIGSTOP)
    feed(a, lines(10, 3000, "of text " * 10))  # more than a queue holds
    wait_state(a, "away")
    server.down(signal.SIGCONT)
    a.flush()
    arrived(server, 3000)
    prove(a, server, 3000)
    assert numbers(server.entries()) == list(range(3000)), "none came twice"


def test_a_message_that_no_datagram_takes_is_rejected_and_told(agent, tmp_path):
    """The kernel's limit is above our longest message unless somebody lowered it: here its answer is made up."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    with class_of("rsyslog")("dgram") as server:
        a = agent({"sink far": {"type": "syslog", "address": server.address, "wait": "50ms", "clock_wait": "10ms"}},
                  env={"ASAN_OPTIONS": "detect_leaks=0"},  # nobody else can trace it then
                  wrap=["strace", "-D", "-f", "-qqq", "-e", "trace=sendto", "-e", "inject=sendto:error=EMSGSIZE:when=9",
                        "-o", tmp_path / "trace"])
        feed(a, lines(0, 100))
        a.flush()
        wait_until(lambda: book(a)["pending"] == 0 and receipts(server.everything(), "rejected"), what="it was told")
        told, = receipts(server.everything(), "rejected")
        found = numbers(server.entries(), "app")
        assert len(found) == 99 and len(set(found)) == 99, "the others arrive, each once"
        assert told["logboom"]["count"] == 1 and book(a)["rejected"] == 1 and book(a)["delivered"] == 99
        assert_books_balance(a.status())


def test_a_socket_of_the_other_kind_is_said_to_be_that(agent):
    with class_of("rsyslog")("unix") as server:
        a = agent({"sink far": {"type": "syslog", "address": server.address.replace("unix:", "unix-dgram:")}})
        answer = a.client("ping")
        assert answer.returncode == 1 and "Protocol wrong type for socket" in answer.stdout + answer.stderr


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


def test_a_server_that_asks_who_we_are_is_shown_a_certificate(agent, authority, server_class):
    ours = authority.issue(["DNS:device"])
    with server_class("tls", authority.issue(), clients=True) as server:
        sink = {"type": "syslog", "address": server.address, "wait": "50ms", "retry_min": "50ms", "retry_max": "200ms",
                "clock_wait": "10ms", "tls_ca": authority.ca, "tls_cert": ours.chain, "tls_key": ours.key}
        a = agent({"sink far": sink})
        feed(a, lines(0, 20))
        a.flush()
        arrived(server, 20)


def test_a_server_whom_nobody_vouches_for_gets_nothing(agent, authority, server_class):
    with server_class("tls", authority.issue(["DNS:somebody.else"])) as server:
        a = agent({"sink far": {"type": "syslog", "address": server.address, "wait": "50ms", "retry_min": "50ms",
                                "retry_max": "200ms", "clock_wait": "10ms", "tls_ca": authority.ca}})
        feed(a, lines(0, 5))
        state = wait_state(a, "away")
        assert "certificate" in state["last_error"] or "SSL" in state["last_error"], state
        assert book(a)["pending"] == 5 and not server.messages()
