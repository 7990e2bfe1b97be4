# SPDX-License-Identifier: MIT
"""kill -9 at any instant.

The story: services write numbered lines, the agent (or agent and client together) is killed and started anew.
Every line is delivered at least once, and was put into the ring exactly once: no number of the agent's own names
two lines, no line has two numbers, none is missing, and the order within a stream is kept. What a killed client
had drained into its own memory is the stated exception, so clients are killed only while the agent reads.
"""

import contextlib
import os
import signal
import threading
import time

import pytest

from conftest import wait_until
from intake import is_exit, is_start
from lines import (assert_books_balance, assert_exactly, book, end, held_pipe, in_order, is_own, line, lines, numbers,
                   prove_ring, receipts, seeded, write_all)

INSTANTS = [10, pytest.param(100, marks=pytest.mark.long)]


@pytest.fixture
def numbered(sink):
    """The sink's sections with every record numbered."""
    sink["sink datadog"].update(sequence="all", wait="50ms", urgent_wait="20ms", retry_min="20ms", retry_max="100ms")
    return sink


def lines_in_all(agent, service=None):
    return book(agent, service)["in"]


def assert_lost_by_client_alone(found, name, expected):
    """
    All lines once, except those that the client had to throw away: where a machine is so busy that no agent comes
    up for seconds, its bounded buffer overflows, and each line of that must be told. Returns how many.
    """
    told = sum(e["logboom"]["count"] for e in receipts([e for e in found if e["service"] == name], "client"))
    got = numbers(found, name)
    lost = set(expected) - set(got)
    assert len(lost) == told, f"{len(lost)} lost, {told} told: {sorted(lost)[:5]}"
    assert_exactly(got, [n for n in expected if n not in lost])
    return told


@pytest.mark.parametrize("instants", INSTANTS)
def test_no_line_is_lost_or_queued_twice_when_the_agent_is_killed(agent, numbered, intake, feeder, instants):
    chance = seeded()
    a = agent(numbered)
    each, services = 1500 * instants, ("a", "b", "c")
    clients = [a.popen("run", "-s", name, "--", feeder, "--lines", str(each), "--rate", "4000", "--report", "/dev/null")
               for name in services[:2]]
    clients.append(a.popen("run", "-s", "c", "--", feeder, "--lines", str(each // 40), "--rate", "100", "--line-bytes",
                           "9000", "--report", "/dev/null"))
    for _ in range(instants):
        time.sleep(chance.uniform(0.0, 0.3))
        a.kill9()
        time.sleep(chance.choice([0, 0, 0.02]))
        a.start()
    assert [end(c) for c in clients] == [0] * 3

    def is_told():
        a.flush()  # a receipt is a record, and leaves after what is before it
        return sum(e["logboom"]["count"] for e in receipts(intake.everything(), "client")) == book(a)["client"]

    wait_until(is_told, what="what clients threw away is told")
    prove_ring(intake.everything())
    found = {(e["logboom"]["id"], e["logboom"]["lane"], e["logboom"]["n"]): e for e in intake.entries()}.values()
    thrown = 0
    for name in services:
        thrown += assert_lost_by_client_alone(found, name, range(each // 40 if name == "c" else each))
    status = a.status()
    assert_books_balance(status)
    assert book(a)["in"] == 2 * each + each // 40, "the books outlive their agent"
    assert book(a)["in"] == book(a)["delivered"] + thrown
    assert status["ring"]["holes"] == 0


def reads(agent, pipe_end):
    """Does the agent hold this pipe? From then on its client has nothing of it in its own memory."""
    st = os.fstat(pipe_end)
    fds = f"/proc/{agent.process.pid}/fd"
    for name in os.listdir(fds):
        with contextlib.suppress(FileNotFoundError):
            other = os.stat(f"{fds}/{name}")
            if (other.st_dev, other.st_ino) == (st.st_dev, st.st_ino):
                return True
    return False


class Feed:
    """Numbered lines into a pipe whose ends the test holds, from a thread, in pieces that end anywhere."""

    def __init__(self, fd, count, rate, chance):
        self.fd, self.data, self.rate, self.chance = fd, lines(0, count, "z" * 60), rate, chance
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        at = 0
        while at < len(self.data):
            size = self.chance.choice([1, 100, 1000, 5000, 30000])
            write_all(self.fd, self.data[at:at + size])
            at += size
            time.sleep(size / self.rate)

    def join(self, seconds):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the writer still waits"


@pytest.mark.parametrize("instants", INSTANTS)
def test_client_and_agent_killed_in_the_same_instant_go_on_with_the_same_pipe(agent, numbered, intake, instants):
    chance = seeded()
    a = agent(numbered)
    count = 6000 * instants
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        feed = Feed(write_end, count, 2_500_000, chance)
        for _ in range(instants):
            wait_until(lambda: reads(a, read_end), what="the agent reads")
            time.sleep(chance.uniform(0.0, 0.15))
            for process in client, a.process:  # the other way round the client could begin to drain
                process.send_signal(signal.SIGKILL)
            client.wait()
            a.process.wait()
            a.spawn()  # half a line waits for its client for 5 s from here
            client = a.popen("pipe", "-s", "app", stdin=read_end)
        feed.join(120)
        os.close(write_end)
        assert end(client) == 0
    a.flush()
    found = prove_ring(intake.everything())
    assert_exactly(numbers(found.values()), range(count))
    assert not [e for e in found.values() if e["logboom"].get("cut")]
    # Client after client has its own stream id; the order holds over all of them.
    assert numbers(in_order(found.values())) == list(range(count))


def test_a_fifo_is_read_on_by_whoever_comes_next(agent, numbered, intake, runtime):
    a = agent(numbered)
    fifo = runtime.parent / "fifo"
    os.mkfifo(fifo)
    write_end = os.open(fifo, os.O_RDWR)
    for turn in range(4):
        with open(fifo, "rb") as stdin:
            client = a.popen("pipe", "-s", "app", stdin=stdin)
        write_all(write_end, lines(100 * turn, 100 * turn + 99) + line(100 * turn + 99)[:11])
        wait_until(lambda: lines_in_all(a) >= 100 * turn + 99, what="the lines of this turn are in")
        wait_until(lambda: reads(a, write_end), what="the agent reads")
        client.kill()
        a.kill9()
        client.wait()
        write_all(write_end, line(100 * turn + 99)[11:])
        a.start()
    with open(fifo, "rb") as stdin:
        client = a.popen("pipe", "-s", "app", stdin=stdin)
    os.close(write_end)
    assert end(client) == 0
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values()), range(400))


def service_in_two_parts(agent, feeder, count, rate, report):
    """A service that says 500 lines, and the rest when there is the file that is returned; a report is its last act."""
    go = report.with_name("go")
    first = f"'{feeder}' --lines 500 --report /dev/null"
    rest = f"'{feeder}' --first 500 --lines {count - 500} --rate {rate} --report '{report}'"
    client = agent.popen("run", "-s", "app", "--", "/bin/sh", "-c", f"{first}; while [ ! -e '{go}' ]; do sleep 0.01; done; {rest}")
    wait_until(lambda: lines_in_all(agent) == 500, what="the service is heard")
    return client, go


def test_while_the_agent_is_away_the_client_keeps_what_the_pipe_cannot_hold(agent, numbered, intake, feeder, runtime):
    a, report = agent(numbered), runtime.parent / "report"
    # 7,500 lines of 100 bytes: many times the pipe, and within the client's bound of 1 MiB.
    client, go = service_in_two_parts(a, feeder, 8000, 6000, report)
    a.kill9()
    go.touch()
    wait_until(report.exists, what="the service has written all, agent or not")
    a.start()
    assert end(client) == 0
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values()), range(8000))
    assert not receipts(intake.entries())


def test_what_the_client_must_throw_away_is_told_by_count(agent, numbered, intake, feeder, runtime):
    a, report = agent(numbered), runtime.parent / "report"
    client, go = service_in_two_parts(a, feeder, 40000, 40000, report)
    a.kill9()
    go.touch()
    wait_until(report.exists, what="the service has written all its 4 MB, agent or not")
    a.start()
    assert end(client) == 0
    wait_until(lambda: a.flush() or receipts(intake.entries()), what="a receipt")
    found = prove_ring(intake.everything()).values()
    got = numbers(found)
    assert len(got) == len(set(got)) and set(got) <= set(range(40000)), "no line twice, and none torn"
    told = receipts(intake.entries(), "client")
    assert sum(e["logboom"]["count"] for e in told) == 40000 - len(got) == book(a, "app")["client"] > 0
    assert {e["service"] for e in told} == {"app"}
    missing = sorted(set(range(40000)) - set(got))
    assert missing == list(range(missing[0], missing[-1] + 1)), "the oldest go, in one stretch"
    assert_books_balance(a.status())


@pytest.mark.parametrize("who", ["same client", "new client"])
def test_half_a_line_goes_on_after_a_kill(agent, numbered, intake, who):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, line(1) + line(2)[:13])
        wait_until(lambda: a.status()["books"]["all"]["open"]["bytes"] == 13, what="half a line is staged")
        a.kill9()
        if who == "new client":
            client.kill()
            client.wait()
        a.spawn()  # it waits for a client for 5 s from here
        if who == "new client":
            client = a.popen("pipe", "-s", "app", stdin=read_end)
        wait_until(a._is_ready)
        write_all(write_end, line(2)[13:])
        wait_until(lambda: lines_in_all(a) == 2 and book(a)["open"] == 0, what="the second line is whole")
        os.close(write_end)
        assert end(client) == 0
    a.flush()
    found = prove_ring(intake.everything()).values()
    assert [e["message"].encode() + b"\n" for e in in_order(found) if not is_own(e)] == [line(1), line(2)]
    assert not [e for e in found if e["logboom"].get("cut")]


def test_half_a_line_goes_out_marked_when_nobody_comes_back(agent, numbered, intake):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, line(1) + b"half of #n=2")
        wait_until(lambda: book(a)["open"] == 1, what="half a line is staged")
        client.kill()
        client.wait()
        a.kill9()
        begin = time.monotonic()
        a.start()
        wait_until(lambda: [e for e in intake.entries() if e["message"] == "half of #n=2"])
        assert time.monotonic() - begin > 4.9, "its client had 5 s to come back"
    half = [e for e in intake.entries() if e["message"] == "half of #n=2"]
    assert [e["logboom"].get("cut") for e in half] == [True]
    assert numbers(intake.entries()) == [1, 2]
    status = a.status()
    assert status["staging"]["cut"] == 1
    wait_until(lambda: (s := a.status()["staging"])["free"] == s["size"], what="nothing is left of it")


def test_a_killed_client_is_noticed_and_its_pipe_read_on(agent, numbered, intake):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, line(0))
        wait_until(lambda: lines_in_all(a) == 1)
        client.kill()
        client.wait()
        wait_until(lambda: "without a goodbye" in a.log, what="the agent reports it")
        write_all(write_end, lines(1, 100))
        os.close(write_end)
        wait_until(lambda: a.status()["staging"]["streams"] == 0, what="the stream ended")
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values()), range(100))


def test_a_client_killed_alone_is_replaced_by_one_on_the_same_pipe(agent, numbered, intake):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        for n in range(5):
            client = a.popen("pipe", "-s", "app", stdin=read_end)
            write_all(write_end, line(n)[7:] + line(n + 1)[:7])
            wait_until(lambda: lines_in_all(a) == n + 1 + (book(a)["open"] > 0), what="this part is read")
            wait_until(lambda: reads(a, read_end), what="the agent reads")
            if n < 4:
                client.kill()
                client.wait()
        os.close(write_end)
        assert end(client) == 0, "it hears of the end"
    a.flush()
    found = [e for e in in_order(prove_ring(intake.everything()).values()) if not is_own(e)]
    assert [e["message"] for e in found] == [line(0)[7:-1].decode()] + [line(n)[:-1].decode() for n in range(1, 5)] + ["INFO:ap"]


# --- kill points: the N-th store since the start of the process is the last one


def killed_at(a, point, feeder, first, count):
    """One small life of an agent that dies at a kill point, then of one that does not. Was it killed?"""
    a.spawn({"LOGBOOM_KILL_AT": str(point)})
    client = a.popen("run", "-s", "app", "--", feeder, "--lines", str(count), "--first", str(first), "--report", "/dev/null")
    try:
        wait_until(lambda: a.process.poll() is not None or client.poll() is not None, what="killed, or done")
        if a.process.poll() is None:
            a.client("flush", "-w", "5s")
        killed = a.process.poll() is not None
        if not killed:
            a.term()
        a.start()
        assert end(client) == 0
    finally:
        client.kill()
    a.flush()
    return killed and a.process.poll() is None


@pytest.mark.parametrize("samples", [40, pytest.param(600, marks=pytest.mark.long)])
def test_no_kill_point_loses_or_doubles_a_line(agent, numbered, intake, kp_program, feeder, samples):
    chance = seeded()
    numbered["sink datadog"].update(wait="5ms", compression="none")
    numbered["capture"] = {"repeat_window": "off"}  # each end is told whole
    a = agent(numbered, program=kp_program, start=False)
    top, done = 50, 0
    while killed_at(a, top, feeder, done, 150):  # how many are there?
        a.stop()
        top, done = top * 2, done + 150
        assert top < 1 << 20
    a.stop()
    done += 150
    killed = 0
    for _ in range(samples):
        point = chance.randrange(1, top) if chance.random() < 0.7 else chance.randrange(1, 400)
        killed += killed_at(a, point, feeder, done, 150)
        done += 150
        a.stop()
    print(f"{killed} of {samples} killed at one of the first {top} points")
    assert killed > samples // 3
    found = prove_ring(intake.everything()).values()
    assert_exactly([n for n in numbers(found)], range(done))
    assert not [e for e in found if e["logboom"].get("cut") or is_own(e) and not is_start(e) and not is_exit(e)]
    assert len([e for e in found if is_exit(e)]) == done // 150, "each end is told once"
    a.start()
    assert book(a)["delivered"] == book(a)["in"] == done


@pytest.mark.parametrize("samples", [12, pytest.param(200, marks=pytest.mark.long)])
def test_no_kill_point_loses_or_doubles_what_a_client_had_drained(agent, numbered, intake, kp_program, feeder, samples):
    """While no agent runs a client drains its pipe; the agent that takes that buffer dies at a kill point, twice."""
    chance = seeded()
    numbered["sink datadog"].update(compression="none")
    numbered["capture"] = {"repeat_window": "off"}  # each end is told whole
    a = agent(numbered, program=kp_program, start=False)
    done, killed = 0, 0
    for _ in range(samples):
        client = a.popen("run", "-s", "app", "--", feeder, "--lines", "3000", "--first", str(done), "--rate", "20000",
                         "--report", "/dev/null")
        time.sleep(chance.uniform(0.06, 0.2))
        for _ in range(2):
            a.spawn({"LOGBOOM_KILL_AT": str(chance.randrange(100, chance.choice([2500, 12000])))})
            wait_until(lambda: a.process.poll() is not None or client.poll() is not None, what="killed, or done")
            killed += a.process.poll() is not None
            a.stop()
        a.start()
        assert end(client) == 0
        done += 3000
        a.flush()
        a.stop()
    print(f"killed {killed} times")
    assert killed > samples // 2
    found = prove_ring(intake.everything()).values()
    assert_exactly(numbers(found), range(done))
    assert not [e for e in found if e["logboom"].get("cut") or is_own(e) and not is_start(e) and not is_exit(e)]
    assert len([e for e in found if is_exit(e)]) == samples, "each end is told once"
