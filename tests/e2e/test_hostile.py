# SPDX-License-Identifier: MIT
"""Hostile peers and servers in numbers.

The story: somebody may have a thousand streams, hand over hundreds of descriptors or such as are no pipes, change the
flags of a pipe that the agent reads, stop in the middle of a handshake, be killed at any point of it; and a server may
answer byte by byte for as long as it is let. Afterwards an honest service is served, the agent has the descriptors that
it had, its memory is below the ceiling that it states, and the books balance.
"""

import array
import contextlib
import fcntl
import os
import pty
import resource
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import is_sanitized, wait_until
from lines import (assert_books_balance, assert_exactly, book, held_pipe, line, lines, numbers, prove_ring, stop_for_a_while,
                   write_all)
from test_peers import (ALONE, END, NOBODY, PIPE, READING, REFUSED, TAKEN, WELCOME, Peer, assert_serves, data, hand_over,
                        fd_count, fd_count_at_rest, hello, packet)

STREAMS = 1000
HANDSHAKE_S = 5  # who has not said by then what he wants is hung up on
SCM_MAX_FD = 253  # the kernel sends no more in one message
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def numbered(sink):
    sink["sink datadog"].update(sequence="all", wait="50ms")
    return sink


@pytest.fixture
def many_descriptors():
    """This process may hold both ends of a thousand pipes, and their connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4 * STREAMS:
        pytest.skip(f"{hard} descriptors are too few (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4 * STREAMS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def another_user():
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def settled(agent):
    """It has read and shipped, and all is closed again: how many descriptors the agent has from here on."""
    agent.run("/bin/echo", "#n=0", service="first")
    agent.flush()
    wait_until(lambda: agent.status()["staging"]["streams"] == 0)
    return fd_count_at_rest(agent)


def assert_unharmed(agent, intake, before):
    """What is to be true after any of this."""
    wait_until(lambda: fd_count(agent) <= before, what="as many descriptors as before")
    assert agent.status()["staging"]["streams"] == 0
    assert_serves(agent, intake)
    status = agent.status()
    assert_books_balance(status)
    assert status["staging"]["free"] == status["staging"]["size"], "nothing is left in staging"
    assert status["ring"]["holes"] == 0
    assert agent.process.poll() is None


def anonymous_bytes(agent):
    """Memory of the agent that is in no file."""
    text = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(text.split("RssAnon:")[1].split()[0]) * 1024


def assert_below_ceiling(agent):
    if is_sanitized():
        return  # shadow memory is not the agent's
    memory = agent.status()["memory"]
    files = sum(memory["parts"].get(name, 0) for name in ("ring", "staging", "state"))
    assert anonymous_bytes(agent) <= memory["ceiling"] - files, memory


# ---- descriptors ----


def strange_descriptors(stack, agent):
    """{name: descriptor} of what is no read end of a pipe."""
    def kept(fd):
        stack.callback(os.close, fd)
        return fd

    def opened(path, flags):
        return kept(os.open(path, flags))

    def connected(name, kind):
        sock = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
        sock.connect(str(agent.runtime / name))
        return sock.fileno()

    folder = agent.runtime.parent
    (folder / "file").write_bytes(lines(0, 10))
    os.mkfifo(folder / "fifo")
    pipe_read, pipe_write = os.pipe()
    kept(pipe_read)
    opened(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    master, slave = pty.openpty()
    pair = socket.socketpair()
    for one in pair:
        stack.enter_context(one)
    poll = select.epoll()
    stack.callback(poll.close)
    return {
        "file": opened(folder / "file", os.O_RDONLY), "directory": opened(folder, os.O_RDONLY),
        "memfd": kept(os.memfd_create("lines")), "eventfd": kept(os.eventfd(1)), "epoll": poll.fileno(),
        "zero": opened("/dev/zero", os.O_RDONLY), "full": opened("/dev/full", os.O_RDWR),
        "null": opened("/dev/null", os.O_RDONLY), "pty": kept(master), "tty": kept(slave),
        "write end": kept(pipe_write), "fifo to write": opened(folder / "fifo", os.O_WRONLY | os.O_NONBLOCK),
        "path of a fifo": opened(folder / "fifo", os.O_PATH), "socket pair": pair[0].fileno(),
        "tcp": stack.enter_context(socket.socket()).fileno(),
        "intake.sock itself": connected("intake.sock", socket.SOCK_SEQPACKET),
        "control.sock": connected("control.sock", socket.SOCK_STREAM),
    }


def test_every_kind_of_descriptor_that_is_no_pipe_is_refused(agent, numbered, intake):
    a = agent(numbered)
    before = settled(a)
    with contextlib.ExitStack() as stack:
        strange = strange_descriptors(stack, a)
        for name, fd in strange.items():
            peer = hand_over(a, fd)
            assert "not the read end of a pipe" in peer.refused(), name
            assert peer.answer()[0] is None
            peer.close()
        assert a.status()["refused"] == len(strange)
    assert_unharmed(a, intake, before)
    assert set(a.status()["books"]["services"]) == {"first", "honest", "logboom"}


def test_the_peer_s_own_connection_handed_over_is_no_loop(agent, numbered, intake):
    a = agent(numbered)
    before = settled(a)
    peers = [Peer(a) for _ in range(20)]
    for peer, other in zip(peers, peers[1:] + peers[:1]):
        peer.send(hello(), other.sock.fileno(), peer.sock.fileno())
        assert peer.answer()[0] == WELCOME
        peer.send(packet(PIPE), other.sock.fileno())
        assert "not the read end of a pipe" in peer.refused()
    for peer in peers:
        peer.close()
    assert_unharmed(a, intake, before)


@pytest.mark.parametrize("where", ["greeting", "pipe", "data", "garbage", "after the end"])
def test_descriptors_by_the_hundred_are_all_closed(agent, numbered, intake, where):
    a = agent(numbered)
    before = settled(a)
    with open("/dev/null", "rb") as null:
        for turn in range(20):
            with held_pipe() as (read_end, write_end):
                fds = [read_end] + [null.fileno()] * (SCM_MAX_FD - 1)
                peer = Peer(a)
                if where == "greeting":
                    peer.send(hello(100 + turn), *fds)
                    assert peer.answer()[0] == WELCOME
                elif where == "garbage":
                    peer.send(os.urandom(100), *fds)
                    assert peer.answer()[0] == REFUSED
                else:
                    assert peer.send(hello(100 + turn)).answer()[0] == WELCOME
                if where == "data":
                    assert peer.send(data(line(turn)), *fds).answer()[0] == TAKEN
                elif where not in ("greeting", "garbage"):
                    assert peer.send(packet(PIPE), *fds).answer()[0] == READING
                if where == "after the end":
                    peer.send(packet(PIPE), *fds)
                os.close(write_end)
                peer.close()
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")
    if where != "data":  # a stream that was only drained is remembered for a minute
        assert_unharmed(a, intake, before)
    else:
        assert_serves(a, intake)
        assert_exactly(numbers(intake.entries(), "evil"), range(20))


def test_descriptors_that_lie_in_a_socket_unread_are_closed_with_it(agent, numbered, intake):
    a = agent(numbered)
    before = settled(a)
    with open("/dev/null", "rb") as null:
        peers = [Peer(a) for _ in range(30)]
        stop_for_a_while(a.process)
        try:
            for peer in peers:
                peer.sock.setblocking(False)
                with contextlib.suppress(BlockingIOError, OSError):
                    for _ in range(20):
                        peer.sock.sendmsg([hello()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                                       array.array("i", [null.fileno()] * SCM_MAX_FD))])
        finally:
            a.process.send_signal(signal.SIGCONT)
        for peer in peers[::2]:
            peer.close()
        for peer in peers[1::2]:
            peer.sock.settimeout(60)
            assert peer.answer()[0] == WELCOME
            assert peer.answer()[0] == REFUSED, "a second greeting is out of turn"
            peer.close()
    assert_unharmed(a, intake, before)


# ---- a pipe whose flags change ----

def flip_flags(fd, is_over):
    """Blocking, not blocking, asynchronous, direct: whatever F_SETFL takes."""
    while not is_over.is_set():
        for flags in (0, os.O_NONBLOCK, os.O_DIRECT, 0, os.O_NONBLOCK | os.O_DIRECT):
            with contextlib.suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_SETFL, flags)


@pytest.mark.parametrize("then", ["nothing", "slowly", "bursts"])
def test_a_pipe_whose_flags_change_all_the_time_makes_nobody_wait(agent, numbered, intake, then):
    a = agent({**numbered, "capture": {"overload": "wait"}})
    before = settled(a)
    is_over = threading.Event()
    with held_pipe() as (read_end, write_end):
        peer = hand_over(a, read_end)
        assert peer.answer()[0] == READING
        flipper = threading.Thread(target=flip_flags, args=(read_end, is_over))
        flipper.start()
        try:
            count = {"nothing": 0, "slowly": 60, "bursts": 20000}[then]
            if then == "slowly":
                for n in range(count):
                    os.write(write_end, line(n))
                    wait_until(lambda: book(a, "evil")["in"] >= n + 1, what="line by line")
            elif then == "bursts":
                for n in range(0, count, 1000):
                    write_all(write_end, lines(n, n + 1000))
            assert_serves(a, intake)
            assert a.client("ping").returncode == 0
        finally:
            is_over.set()
            flipper.join()
        os.close(write_end)
        assert peer.answer()[0] == END
        peer.close()
    wait_until(lambda: book(a, "evil")["in"] == count)
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values(), "evil"), range(count))
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")
    assert_books_balance(a.status())


# ---- half a handshake ----

def test_a_crowd_that_stops_in_mid_handshake_costs_only_its_own_slots(agent, numbered, intake):
    a = agent(numbered)
    before = settled(a)
    begin = time.monotonic()
    crowd = [Peer(a) for _ in range(200)]
    for n, peer in enumerate(crowd):
        if n % 2:
            peer.send(hello(1000 + n))
            assert peer.answer()[0] == WELCOME
    assert_serves(a, intake)
    hanging = fd_count(a) - before
    is_late = time.monotonic() - begin > HANDSHAKE_S - 0.5  # a machine that is so slow proves nothing
    assert hanging >= 200 or is_late, "they hang there still, and the honest one did not wait for them"
    assert all("too long" in peer.refused() for peer in crowd)
    for peer in crowd:
        peer.close()
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")
    assert a.status()["refused"] == 200
    assert_books_balance(a.status())


# ---- a thousand streams ----

def open_streams(agent, count, stack):
    """[(peer, write end)] of the streams that were let in, and why the others were not."""
    streams, reasons = [], []
    for n in range(count):
        read_end, write_end = stack.enter_context(held_pipe())
        peer = Peer(agent)
        stack.callback(peer.close)
        peer.send(hello(5000 + n))
        kind, text = peer.answer()
        if kind == WELCOME:
            kind, text = peer.send(packet(PIPE), read_end).answer()
        os.close(read_end)
        if kind == READING:
            streams.append((peer, write_end))
        else:
            assert kind == REFUSED, (n, kind)
            reasons.append(text.decode())
    return streams, reasons


def test_a_thousand_streams_at_a_time_all_arrive_within_the_stated_memory(agent, numbered, intake, many_descriptors):
    a = agent({**numbered, "capture": {"max_streams": STREAMS + 20, "overload": "wait"}})
    before = settled(a)
    with contextlib.ExitStack() as stack:
        streams, reasons = open_streams(a, STREAMS, stack)
        assert len(streams) == STREAMS, reasons[:1]
        assert a.status()["staging"]["streams"] == STREAMS
        for turn in range(5):
            for n, (_, write_end) in enumerate(streams):
                os.write(write_end, line(turn * STREAMS + n))
        wait_until(lambda: book(a, "evil")["in"] == 5 * STREAMS)
        assert_below_ceiling(a)
        assert_serves(a, intake)
        for n, (_, write_end) in enumerate(streams):  # more begun lines than chunks: some go out early, in pieces
            os.write(write_end, b"begun %d " % n)
        wait_until(lambda: book(a, "evil")["in"] >= 6 * STREAMS, what="all that was begun is read")
        for n, (_, write_end) in enumerate(streams):
            os.write(write_end, b"ended %d\n" % n)
            os.close(write_end)
        assert all(peer.answer()[0] == END for peer, _ in streams)
        assert_below_ceiling(a)
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")
    a.flush()
    found = [e for e in prove_ring(intake.everything()).values() if e["service"] == "evil"]
    rest = sorted(e["message"] for e in found if "#n=" not in e["message"])
    assert_exactly(numbers([e for e in found if "#n=" in e["message"]]), range(5 * STREAMS))
    known = set(rest)
    whole = [text for n in range(STREAMS) for text in ([f"begun {n} ended {n}"] if f"begun {n} ended {n}" in known
                                                       else [f"begun {n} ", f"ended {n}"])]
    assert rest == sorted(whole) and STREAMS < len(rest) < 2 * STREAMS, "some in pieces, and nothing twice"
    assert_books_balance(a.status())
    assert_below_ceiling(a)


def test_a_thousand_streams_where_64_are_allowed_are_told_why_and_the_64_work(agent, numbered, intake, many_descriptors):
    a = agent({**numbered, "capture": {"max_streams": 64}})
    before = settled(a)
    with contextlib.ExitStack() as stack:
        streams, reasons = open_streams(a, STREAMS, stack)
        assert len(streams) == 64 and len(reasons) == STREAMS - 64
        assert all("max_streams" in reason for reason in reasons), set(reasons)
        for n, (_, write_end) in enumerate(streams):
            os.write(write_end, line(n))
            os.close(write_end)
        assert all(peer.answer()[0] == END for peer, _ in streams)
        assert_below_ceiling(a)
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values(), "evil"), range(64))
    assert a.status()["refused"] == STREAMS - 64
    assert_unharmed(a, intake, before)


@ALONE
def test_a_thousand_streams_of_another_user_get_half_of_what_there_is(agent, numbered, intake, many_descriptors):
    a = agent({**numbered, "capture": {"max_streams": 64}})
    before = settled(a)
    a.runtime.parent.chmod(0o755)
    with contextlib.ExitStack() as stack:
        with another_user():
            streams, reasons = open_streams(a, STREAMS, stack)
        assert len(streams) == 32 and all("share" in reason for reason in reasons), set(reasons)
        assert_serves(a, intake)
        for n, (_, write_end) in enumerate(streams):
            os.write(write_end, line(n))
            os.close(write_end)
        assert all(peer.answer()[0] == END for peer, _ in streams)
    a.flush()
    found = [e for e in prove_ring(intake.everything()).values() if e["service"] == "evil"]
    assert_exactly(numbers(found), range(32))
    assert {e["logboom"]["uid"] for e in found} == {NOBODY}
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")
    assert_books_balance(a.status())


def test_a_client_that_is_refused_before_it_was_heard_says_why(agent, numbered, runtime):
    a = agent(numbered, start=False)
    runtime.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door, open(runtime.parent / "said", "w+b") as said:
        door.bind(str(runtime / "intake.sock"))
        door.listen()
        client = a.popen("pipe", "-s", "late", "--wait", "1s", stdin=subprocess.PIPE, stderr=said)

        def turn_away():
            with door.accept()[0] as sock:
                select.select([sock], [], [])  # its greeting stays unread: that resets the connection
                client.send_signal(signal.SIGSTOP)
                sock.send(packet(REFUSED, b"no free stream"))
            client.send_signal(signal.SIGCONT)
            return b"no free stream" in os.pread(said.fileno(), 65536, 0)

        wait_until(turn_away, what="it says why it was refused")
    client.communicate(timeout=60)
    assert client.returncode == 3


# ---- killed in each phase ----

def come_so_far(agent, phase, stream_id):
    """A client on its way, in a process of its own that is about to be killed."""
    peer = Peer(agent)
    if phase == "connected":
        return
    peer.send(hello(stream_id))
    if phase == "greeting":
        return
    assert peer.answer()[0] == WELCOME
    read_end, write_end = os.pipe()
    if phase == "draining":
        peer.send(data(line(stream_id) + b"rest #n=%07d" % (stream_id + 100)))
        assert peer.answer()[0] == TAKEN
        return
    peer.send(packet(PIPE), read_end)
    if phase == "handing over":
        return
    assert peer.answer()[0] == READING
    os.write(write_end, line(stream_id) + b"rest #n=%07d" % (stream_id + 100))


@pytest.mark.parametrize("phase", ["connected", "greeting", "draining", "handing over", "reading"])
def test_a_client_that_is_killed_in_mid_phase_costs_what_it_had_not_said(agent, numbered, intake, phase):
    a = agent(numbered)
    before = settled(a)
    for n in range(1, 11):
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(told)
                come_so_far(a, phase, n)
                os.write(tell, b"x")
                signal.pause()
            finally:
                os._exit(1)
        os.close(tell)
        assert os.read(told, 1) == b"x", "it came so far"
        os.close(told)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    expected = {"draining": 20, "reading": 20}.get(phase, 0)
    wait_until(lambda: book(a, "evil")["queued"] == expected and fd_count(a) <= before, what="all is taken, and given back")
    assert_serves(a, intake)
    assert_exactly(numbers(prove_ring(intake.everything()).values(), "evil"),
                   [*range(1, 11), *range(101, 111)] if expected else [])
    assert_books_balance(a.status())


# ---- servers ----

def slow_side_ticks(agent):
    """CPU time of the agent's threads but the first one, which is the fast side, in clock ticks."""
    tasks = Path(f"/proc/{agent.process.pid}/task")
    used = 0
    for task in tasks.iterdir():
        if task.name != str(agent.process.pid):
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            used += int(fields[11]) + int(fields[12])
    return used


@pytest.mark.parametrize("trouble", [{"do": "drip", "seconds": 0.001}, {"do": "headers", "bytes": 100_000_000},
                                     {"do": "flood"}], ids=lambda step: step["do"])
def test_an_answer_without_end_costs_the_slow_side_little_time_and_memory(agent, numbered, intake, trouble):
    numbered["sink datadog"].update(timeout="2s", retry_min="50ms", retry_max="300ms")
    a = agent(numbered)
    before = settled(a)
    ticks = slow_side_ticks(a)
    intake.plan.set([{**trouble, "times": 3}])
    assert a.client("pipe", "-s", "app", input=lines(1, 201).decode()).returncode == 0
    wait_until(lambda: book(a)["pending"] == 0 and [r.step for r in intake.requests()].count(trouble["do"]) >= 1)
    a.flush()
    assert (slow_side_ticks(a) - ticks) / TICKS < 2, "it does not listen as long as there is something to hear"
    assert_below_ceiling(a)
    assert_exactly(set(numbers(intake.entries(), "app")), range(1, 201))
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")
    assert_books_balance(a.status())
