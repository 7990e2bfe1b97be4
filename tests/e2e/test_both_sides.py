# SPDX-License-Identifier: MIT
"""Both sides at once, and everybody asks.

The story: three services write as fast as they may or at a steady pace, others come and go, and all the while somebody
looks at status, follows the tail, flushes, pings and reloads, and the sink goes away, refuses and comes back. Every line arrives
or is told by a receipt. Under ThreadSanitizer (make tsan) this is what shows whether both sides touch a thing at once.
"""

import contextlib
import itertools
import os
import subprocess
import threading
from collections import Counter

import pytest

from conftest import ini_text, wait_until
from lines import (assert_books_balance, assert_exactly, book, end, lost_numbers, numbers, prove_ring,
                   receipts)

SERVICES = {"steady": ["--rate", "4000", "--lines", "16000"], "fast": ["--lines", "60000"],
            "rare": ["--rate", "50", "--lines", "200"]}


@pytest.fixture
def busy(agent, quick):
    return agent({**quick, "ring": {"size": "1M"}, "capture": {"max_stall": "5ms"}})


class Askers:
    """Threads that ask the agent again and again until they are told to stop; what went wrong in them is told then."""

    def __init__(self, *questions):
        self.is_over, self.faults, self.asked = threading.Event(), [], [0] * len(questions)
        self.threads = [threading.Thread(target=self.ask, args=(i, ask)) for i, ask in enumerate(questions)]

    def ask(self, i, question):
        while not self.is_over.is_set():
            try:
                question()
                self.asked[i] += 1
            except BaseException as fault:  # a failed pytest assertion is no Exception
                self.faults.append(fault)
                return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise self.faults[0]


def reload_with_another_wait(agent):
    """SIGHUP with something new. The log says so, but not each time: it holds back what comes too often."""
    sink = agent.sections["sink datadog"]
    sink["wait"] = "80ms" if sink["wait"] == "100ms" else "100ms"
    agent.ini.with_suffix(".new").write_text(ini_text(agent.sections))
    os.replace(agent.ini.with_suffix(".new"), agent.ini)
    agent.hup()
    agent.status()


def come_and_go(agent, feeder, visits=itertools.count()):
    """As long as there are guests, there is something to ship, and more than the ring holds while nobody takes it."""
    guest = ["--lines", "250", "--first", str(250 * next(visits)), "--report", "/dev/null"]
    assert agent.run(feeder, *guest, service="guest").returncode == 0


def wait_for_step(intake, step):
    wait_until(lambda: step in [request.step for request in intake.requests()], what=step)


def wait_for_refusal(agent, intake, code):
    """It meets what is refused. While the ring is full what is written is dropped, so it is written again."""
    def is_met():
        assert agent.run("/bin/echo", f"POISON #n={code}", service="poison").returncode == 0
        return intake.stats()["by_status"].get(str(code))
    wait_until(is_met, what=f"a {code}")


def flush_a_little(agent):
    assert agent.client("flush", "-w", "200ms").returncode in (0, 1)


def test_firehose_questions_reloads_and_a_sink_that_comes_and_goes(busy, intake, feeder, runtime):
    a = busy
    follower = a.popen("tail", "-f", "-n", "5", "--json", stdout=subprocess.DEVNULL)
    try:
        with Askers(lambda: assert_books_balance(a.status()), lambda: a.client("tail", "-n", "20").check_returncode(),
                    lambda: flush_a_little(a), lambda: a.client("ping"), lambda: come_and_go(a, feeder),
                    lambda: reload_with_another_wait(a)) as askers:
            feeders = [a.popen("run", "-s", name, "--", feeder, *how, "--report", "/dev/null")
                       for name, how in SERVICES.items()]
            for trouble in ({"do": "status", "code": 503, "times": 9}, {"do": "reset", "times": 5},
                            {"do": "hang", "seconds": 0.5, "times": 2}):
                intake.plan.set([trouble])
                wait_for_step(intake, trouble["do"])
            for refusal in ({"code": 413, "raw_bytes_over": 30_000}, {"code": 415, "encodings": ["zstd"]},
                            {"code": 400, "marker": "POISON"}):
                intake.policies.set([refusal])
                wait_for_refusal(a, intake, refusal["code"])
            wait_until(lambda: book(a, "poison")["pending"] == 0, what="the poison is found, or was shed")
            intake.plan.set([{"do": "status", "code": 503, "times": -1}])
            wait_until(lambda: a.status()["sinks"][0]["state"] == "away", what="the sink is away")
            intake.policies.set([])
            wait_until(lambda: book(a)["dropped"] + book(a)["shed"] > 0, what="there was no room for all")
            intake.plan.set([])
            assert [end(client) for client in feeders] == [0] * len(feeders)
            wait_until(lambda: all(askers.asked), what="each has asked")
        assert "configuration reloaded" in a.log
    finally:
        follower.terminate()
        follower.wait(60)
    a.flush()
    prove_all(a, intake)
    assert a.term() == 0


def prove_all(agent, intake):
    """Each line is delivered, or told as lost by a receipt of its service; the books say the same."""
    entries = intake.everything()
    # An intake that is held up for 2 s is away, and what it has in hand may be given up while it stores it.
    found = prove_ring(entries, may_be_both=True)
    lost = lost_numbers(entries)
    both = Counter(e["service"] for (ring, lane, n), e in found.items() if n in lost[(ring, lane)])
    found = found.values()
    for name, how in SERVICES.items():
        count = int(how[how.index("--lines") + 1])
        got = numbers(found, name)
        assert_exactly(got, set(got))
        told = sum(e["logboom"]["count"] for e in receipts(entries) if e["service"] == name)
        books = book(agent, name)
        assert books["in"] == count and books["delivered"] == len(got) - both[name]
        assert count - len(got) + both[name] == told == books["dropped"] + books["shed"] and books["rejected"] == 0
    assert_books_balance(agent.status())


def test_kills_and_starts_while_everybody_asks(agent, quick, intake, feeder):
    a = agent(quick)  # its ring has room for all
    with contextlib.ExitStack() as stack:
        feeders = [a.popen("run", "-s", f"s{i}", "--", feeder, "--rate", "2000", "--lines", "8000", "--report", "/dev/null")
                   for i in range(2)]
        askers = stack.enter_context(Askers(lambda: a.client("status", "--json"), lambda: a.client("tail", "-n", "9"),
                                            lambda: a.client("flush", "-w", "100ms"), lambda: a.client("ping")))
        for turn in range(4):
            seen = len(intake.requests())
            wait_until(lambda: len(intake.requests()) > seen + 3, what="it ships")
            if turn % 2:
                a.kill9()
                a.start()
            else:
                a.restart()
        assert [end(client) for client in feeders] == [0, 0]
        wait_until(lambda: all(askers.asked), what="each has asked")
    a.flush()
    found = prove_ring(intake.everything()).values()
    for i in range(2):
        assert_exactly(numbers(found, f"s{i}"), range(8000))
    assert_books_balance(a.status())
    assert a.term() == 0
