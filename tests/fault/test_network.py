# SPDX-License-Identifier: MIT
"""No network at boot.

The story: the agent starts where only `lo` is, and that is down; services log; every try fails, and the pause before
the next is an hour. Then a link comes up and gets an address, or a route. The lines are delivered soon after, not
after the hour: a change of the network ends the pause.
"""

import json
import subprocess
import sys

import pytest

import netns
from conftest import API_KEY, ROOT, wait_until
from fire import NAME, feed, sink_of
from lines import assert_books_balance, assert_exactly, book, lines, numbers, prove_ring

PORT = 8126  # in a network of its own nobody else has it
HERE, THERE, SERVER = "192.0.2.1", "192.0.2.2", "203.0.113.9"


class FarIntake:
    """An intake as a program in a network of its own, or in that of another process; it listens on all addresses."""

    def __init__(self, directory, wrap):
        self.dump = directory / "dump"
        self.process = subprocess.Popen(
            [*wrap, sys.executable, ROOT / "tests" / "support" / "intake.py", "--host", "0.0.0.0", "--port", str(PORT),
             "--print-port", "--api-key", API_KEY, "--dump", self.dump],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout.readline() == f"{PORT}\n".encode()

    def entries(self):
        return [json.loads(text) for text in self.dump.read_text().splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture
def cut_off(agent, quick, runtime):
    """Factory: cut_off(address) -> an agent without any network, whose first tries have failed, and 100 lines in it."""
    reason = netns.reason_not_to()
    if reason:
        pytest.skip(f"no network namespace here (root may): {reason}")

    def make(address):
        quick[NAME].update(url=f"http://{address}:{PORT}/api/v2/logs", retry_min="1h", retry_max="1h", wait="50ms")
        a = agent(quick, wrap=netns.UNSHARE, env={"http_proxy": ""})
        feed(a, lines(0, 100))
        state = wait_until(lambda: (s := sink_of(a))["failures"] and s, what="the first try failed")
        assert state["state"] == "away" and book(a)["pending"] == 100
        return a
    return make


def assert_delivers(a, intake, count):
    wait_until(lambda: book(a)["pending"] == 0, what="the lines are delivered")
    assert_exactly(numbers(prove_ring(intake.entries()).values()), range(count))
    assert_books_balance(a.status())
    assert book(a)["delivered"] == count == book(a)["in"]


def test_an_address_that_comes_late_ends_the_pause(cut_off, runtime):
    a = cut_off(HERE)
    with FarIntake(runtime.parent, netns.inside(a.process.pid)) as intake:
        netns.ip(a.process.pid, "link set lo up")
        netns.ip(a.process.pid, "link add v0 type veth peer name v1")
        netns.ip(a.process.pid, "link set v0 up")
        netns.ip(a.process.pid, "link set v1 up")
        netns.ip(a.process.pid, f"addr add {HERE}/24 dev v0")
        assert_delivers(a, intake, 100)
        feed(a, lines(100, 120))
        assert_delivers(a, intake, 120)


def test_a_route_that_comes_late_ends_the_pause(cut_off, runtime):
    a = cut_off(SERVER)
    here = a.process.pid
    with FarIntake(runtime.parent, netns.UNSHARE) as intake:
        far = intake.process.pid
        netns.ip(here, f"link add v0 type veth peer name v1 netns {far}")
        for command in (f"addr add {THERE}/24 dev v1", "link set v1 up", "link set lo up",
                        f"addr add {SERVER}/32 dev lo"):
            netns.ip(far, command)
        netns.ip(here, "link set lo up")
        netns.ip(here, "link set v0 up")
        before = sink_of(a)["failures"]
        netns.ip(here, f"addr add {HERE}/24 dev v0")
        wait_until(lambda: sink_of(a)["failures"] > before, what="an address is worth a try, and there is no route yet")
        assert book(a)["pending"] == 100
        netns.ip(here, f"route add default via {THERE}")
        assert_delivers(a, intake, 100)


def test_a_link_that_flaps_does_not_make_it_hammer(cut_off):
    """Each change is worth a try, but a hundred of them in a moment are not worth a hundred."""
    a = cut_off(SERVER)
    here = a.process.pid
    netns.ip(here, "link set lo up")
    netns.ip(here, "link add v0 type veth peer name v1")
    netns.ip(here, "link set v0 up")
    batch = "".join(f"addr add 10.{i}.0.1/24 dev v0\naddr del 10.{i}.0.1/24 dev v0\n" for i in range(100))
    subprocess.run(netns.inside(here, "ip", "-batch", "-"), input=batch, text=True, check=True, timeout=60)
    wait_until(lambda: sink_of(a)["failures"] > 1, what="it tried")
    assert sink_of(a)["requests"] <= 30
    assert book(a)["pending"] == 100 and a.process.poll() is None
