# SPDX-License-Identifier: MIT
"""Hostile peers on intake.sock.

The story: whoever may connect sends what he likes: no pipe, half a handshake, garbage, hundreds of connections. It
costs him his own lines; the others' services go on, and the agent leaks nothing.
"""

import array
import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, wait_until
from lines import (PYTHON, assert_exactly, book, end, held_pipe, line, lines, numbers, prove_ring, seeded, write_all)

MAGIC, VERSION = 0x314d4f42, 1
HELLO, WELCOME, REFUSED, DATA, TAKEN, PIPE, READING, END, BYE = range(1, 10)
NOBODY = 65534
ALONE = pytest.mark.skipif(os.getuid() != 0, reason="another user's peer needs root")


def packet(kind, rest=b"", magic=MAGIC, version=VERSION, length=None):
    return struct.pack("=IHHII", magic, version, kind, 16 + len(rest) if length is None else length, 0) + rest


def hello(stream_id=1, service=b"evil", tags=b"", kind=0, pid=0, **kwargs):
    return packet(HELLO, struct.pack("=QIHHII", stream_id, kind, len(service), len(tags), pid, 0) + service + tags, **kwargs)


def data(payload, first=0, lost=(0, 0)):
    return packet(DATA, struct.pack("=QQQQ", first, 0, *lost) + payload)


class Peer:
    """A connection to intake.sock, by hand."""

    def __init__(self, agent):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Before there is a timeout: with one a full queue at the door is an error, and not something to wait for.
        self.sock.connect(str(agent.runtime / "intake.sock"))
        self.sock.settimeout(60)

    def send(self, message, *fds):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if fds:
                self.sock.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
            else:
                self.sock.send(message)
        return self

    def answer(self):
        """(type, text) of the next packet; (None, ...) when the agent hung up."""
        got = b""
        try:
            got = self.sock.recv(65536)
        except ConnectionResetError:  # it hung up before it read all of ours; what it said before lies behind that
            with contextlib.suppress(ConnectionResetError):
                got = self.sock.recv(65536)
        return (struct.unpack_from("=IHH", got)[2], got[16:]) if got else (None, b"")

    def refused(self):
        kind, text = self.answer()
        if kind == WELCOME:
            kind, text = self.answer()
        assert kind == REFUSED, kind
        return text.decode()

    def close(self):
        self.sock.close()


@pytest.fixture
def numbered(sink):
    sink["sink datadog"].update(sequence="all", wait="50ms")
    return sink


def fd_count(agent):
    """Descriptors of the agent, without its connections to the sink: it keeps as many as bodies were in flight."""
    proc = Path(f"/proc/{agent.process.pid}")
    rows = (proc / "net" / "tcp").read_text().splitlines()[1:] + (proc / "net" / "tcp6").read_text().splitlines()[1:]
    to_sink = {f"socket:[{row.split()[9]}]" for row in rows}
    count = 0
    for fd in os.listdir(proc / "fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(proc / "fd" / fd) not in to_sink
    return count


def fd_count_at_rest(agent):
    """The same when nobody asks: a question may be closed later than it is answered."""
    agent.flush()
    counts = []
    wait_until(lambda: counts.append(fd_count(agent)) or (len(counts) > 5 and len(set(counts[-5:])) == 1))
    return counts[-1]


def assert_serves(agent, intake, count=100):
    """An honest service gets through."""
    client = agent.pipe("-s", "honest")
    client.communicate(lines(0, count), timeout=60)
    assert client.returncode == 0
    agent.flush()
    assert_exactly(numbers(intake.entries(), "honest"), range(count))


def hand_over(agent, read_end, **kwargs):
    peer = Peer(agent).send(hello(**kwargs))
    assert peer.answer()[0] == WELCOME
    peer.send(packet(PIPE), read_end)
    return peer


@pytest.mark.parametrize("what", ["file", "socket", "write end", "directory", "path only", "nothing", "epoll"])
def test_what_is_no_read_end_of_a_pipe_is_refused(agent, numbered, intake, runtime, what):
    a = agent(numbered)
    before = fd_count_at_rest(a)
    with held_pipe() as (_, write_end), open("/dev/null", "rb") as null, socket.socket() as sock:
        fifo = runtime.parent / "fifo"
        os.mkfifo(fifo)
        path_only = os.open(fifo, os.O_PATH)
        directory = os.open(runtime, os.O_RDONLY)
        fds = {"file": [null.fileno()], "socket": [sock.fileno()], "write end": [write_end], "directory": [directory],
               "path only": [path_only], "nothing": [], "epoll": [path_only]}[what]
        peer = Peer(a).send(hello(), *fds)
        peer.send(packet(PIPE), *fds)
        assert "not the read end of a pipe" in peer.refused()
        assert peer.answer()[0] is None
        os.close(path_only)
        os.close(directory)
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")
    assert_serves(a, intake)
    assert a.status()["refused"] == 1


@pytest.mark.parametrize("name", [b"a b", b"x" * 129, b"new\nline", b"\xff", b"a\x00b", b"quote\"", b"sla\\sh"])
def test_an_illegal_service_name_is_refused(agent, numbered, intake, name):
    a = agent(numbered)
    assert "illegal service name" in Peer(a).send(hello(service=name)).refused()
    assert_serves(a, intake)


def test_illegal_greetings_are_refused(agent, numbered, intake):
    a = agent(numbered)
    rest = struct.pack("=QIHHII", 1, 0, 4, 0, 0, 0) + b"evil"
    for message in (hello(stream_id=0), hello(kind=99), hello(tags=b"no colon"), hello(tags=b'k:"v"'), hello() + b"more",
                    packet(HELLO, rest[:10]), packet(HELLO, rest[:-1]), packet(HELLO, struct.pack("=QIHHII", 1, 0, 65535, 65535, 0, 0)),
                    hello(magic=1), hello(version=2), hello(length=5), packet(77), b"x", b"GET / HTTP/1.1\r\n\r\n", packet(PIPE),
                    data(b"early\n")):
        peer = Peer(a).send(message)
        assert peer.answer()[0] == REFUSED, message
        peer.close()
    assert_serves(a, intake)
    assert set(a.status()["books"]["services"]) == {"honest", "logboom"}


def test_malformed_data_is_refused(agent, numbered, intake):
    a = agent(numbered)
    for message in packet(DATA, b"short"), data(b"", first=1), data(b"x" * 16385), data(b"gap\n", first=10**18), hello(), \
            data(b"x\n", lost=(5, 4)), data(b"x\n", lost=(1, 1 << 63)):
        peer = Peer(a).send(hello())
        assert peer.answer()[0] == WELCOME
        if message == data(b"gap\n", first=10**18):
            peer.send(data(b"known\n"))
            assert peer.answer()[0] == TAKEN
        peer.send(message)
        kind, _ = peer.answer()
        assert kind in (REFUSED, TAKEN, None), message
        peer.close()
    assert_serves(a, intake)
    assert book(a, "evil")["client"] == 0


def test_half_a_handshake_is_hung_up_on(agent, numbered, intake):
    a = agent(numbered)
    begin = time.monotonic()
    silent, greeted = Peer(a), Peer(a).send(hello())
    assert greeted.answer()[0] == WELCOME
    assert "too long" in silent.refused() and "too long" in greeted.refused()
    assert 4.5 < time.monotonic() - begin < 30
    assert_serves(a, intake)


def test_random_packets_do_no_harm(agent, numbered, intake):
    chance = seeded()
    a = agent(numbered)
    before = fd_count_at_rest(a)
    with held_pipe() as (read_end, write_end):
        for _ in range(400):
            peer = Peer(a)
            for _ in range(chance.randrange(1, 6)):
                message = bytearray(chance.choice([hello(chance.randrange(1, 5)), data(b"line\n" * chance.randrange(100)),
                                                   packet(PIPE), packet(BYE), hello(tags=b"a:b")]))
                for _ in range(chance.choice([0, 0, 1, 4])):
                    message[chance.randrange(len(message))] = chance.randrange(256)
                message = message[:chance.choice([len(message), len(message), chance.randrange(1, len(message) + 1)])]
                peer.send(bytes(message), *[chance.choice([read_end, write_end])] * chance.choice([0, 0, 1, 3]))
            peer.close()
        os.close(write_end)
        wait_until(lambda: fd_count(a) <= before, what="all descriptors are closed again")
    assert_serves(a, intake)


@pytest.mark.parametrize("how", ["with the pipe", "with the greeting", "a packet too long", "an empty packet", "with data"])
def test_no_descriptor_leaks(agent, numbered, intake, how):
    a = agent(numbered)
    before = fd_count_at_rest(a)
    for turn in range(20):
        with held_pipe() as (read_end, write_end), open("/dev/null", "rb") as null:
            extra = [null.fileno()] * 30
            peer = Peer(a)
            if how == "with the pipe":
                assert peer.send(hello(100 + turn)).answer()[0] == WELCOME
                assert peer.send(packet(PIPE), read_end, *extra).answer()[0] == READING
            elif how == "with the greeting":
                peer.send(hello(100 + turn), read_end, *extra)
                assert peer.answer()[0] == WELCOME
            elif how == "a packet too long":
                peer.send(b"x" * 40000, read_end, *extra)
            elif how == "an empty packet":
                peer.send(b"", read_end, *extra)
            else:
                assert peer.send(hello(100 + turn)).answer()[0] == WELCOME
                assert peer.send(data(b"line\n"), read_end, *extra).answer()[0] == TAKEN
            os.close(write_end)
            peer.close()
    wait_until(lambda: fd_count(a) <= before, what="no more descriptors than before")
    assert_serves(a, intake)


def test_a_pipe_that_is_read_already_is_refused(agent, numbered, intake):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        first = hand_over(a, read_end, stream_id=5)
        assert first.answer()[0] == READING
        assert "read already" in hand_over(a, read_end, stream_id=6).refused()
        assert "read already" in hand_over(a, read_end, stream_id=7, service=b"other").refused()
        write_all(write_end, lines(0, 50))
        wait_until(lambda: book(a)["in"] == 50)
        os.close(write_end)
        assert first.answer()[0] == END
    a.flush()
    assert_exactly(numbers(intake.entries(), "evil"), range(50))


def test_a_stream_id_of_another_user_is_not_his(agent, numbered, intake):
    a = agent(numbered)
    if os.getuid() != 0:
        pytest.skip("needs root")
    with held_pipe() as (read_end, write_end):
        owner = hand_over(a, read_end, stream_id=42, service=b"owner")
        assert owner.answer()[0] == READING
        os.chmod(a.runtime.parent, 0o755)
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            thief = Peer(a).send(hello(42))
            assert thief.answer()[0] == WELCOME
            thief.send(data(b"stolen #n=999\n"))
            assert thief.answer()[0] == TAKEN
        finally:
            os.seteuid(0)
            os.setegid(0)
        write_all(write_end, lines(0, 50))
        os.close(write_end)
        assert owner.answer()[0] == END
    a.flush()
    assert_exactly(numbers(intake.entries(), "owner"), range(50))
    assert [(e["service"], e["logboom"]["uid"]) for e in intake.entries() if "999" in e["message"]] == [("evil", NOBODY)]


@ALONE
def test_nobody_speaks_for_a_process_of_another_user(agent, numbered, intake):
    a = agent(numbered)
    a.runtime.parent.chmod(0o755)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        peer = Peer(a).send(hello(service=b"", pid=a.process.pid))
        assert peer.answer()[0] == WELCOME
        peer.send(data(b"who am I? #n=1\n"))
        assert peer.answer()[0] == TAKEN
    finally:
        os.seteuid(0)
        os.setegid(0)
    a.flush()
    entry, = intake.entries()
    assert entry["logboom"]["pid"] == os.getpid() and entry["service"] != "logboomd"


def test_a_peer_that_makes_its_pipe_blocking_blocks_nobody(agent, numbered, intake):
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        peer = hand_over(a, read_end)
        assert peer.answer()[0] == READING
        for _ in range(30):
            fcntl.fcntl(read_end, fcntl.F_SETFL, 0)
            os.write(write_end, b"x")
        assert_serves(a, intake)
        os.write(write_end, b"\n")
        os.close(write_end)
        assert peer.answer()[0] == END
    a.flush()
    assert [e["message"] for e in intake.entries() if e["service"] == "evil"] == ["x" * 30]


CROWD = """
import array, os, socket, struct, sys, time
sys.path[:0] = sys.argv[2].split(":")
from test_peers import BYE, HELLO, PIPE, hello, packet
path, wants_pipes, socks, keep = sys.argv[1], sys.argv[3], [], []
for i in range(300):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(60)
    try:
        s.connect(path)
        if wants_pipes != "no":
            s.send(hello(1000 + i))
            s.recv(4096)
            r, w = os.pipe()
            s.sendmsg([packet(PIPE)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [r]))])
            os.close(r)
            keep.append(w)
            s.recv(4096)
            if wants_pipes == "bye":
                s.send(packet(BYE))
        socks.append(s)
    except OSError:
        pass
print("ready", flush=True)
time.sleep(60)
"""


@ALONE
@pytest.mark.parametrize("pipes", ["no", "yes", "bye"])
def test_three_hundred_connections_of_one_user_leave_room_for_others(agent, numbered, intake, runtime, pipes):
    a = agent(numbered)
    runtime.parent.chmod(0o755)
    modules = ":".join(str(ROOT / "tests" / name) for name in ("e2e", "support", ""))
    crowd = subprocess.Popen(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", PYTHON, "-c", CROWD,
                              a.runtime / "intake.sock", modules, pipes],
                             stdout=subprocess.PIPE, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        assert crowd.stdout.readline() == b"ready\n"
        clients = [a.pipe("-s", "honest") for _ in range(20)]
        for n, client in enumerate(clients):
            client.communicate(line(n), timeout=60)
        assert [c.returncode for c in clients] == [0] * 20
        a.flush()
        assert_exactly(numbers(intake.entries(), "honest"), range(20))
        assert a.status()["staging"]["streams"] <= 129, "half of 256, and no more"
    finally:
        crowd.kill()
        crowd.wait()
    wait_until(lambda: a.status()["staging"]["streams"] == 0, what="all is given back")


def test_one_line_without_end_from_many_streams_leaves_room_for_others(agent, numbered, intake):
    a = agent({**numbered, "capture": {"staging": "512K"}})
    with contextlib.ExitStack() as stack:
        floods = []
        for i in range(12):
            read_end, write_end = stack.enter_context(held_pipe())
            client = a.popen("pipe", "-s", f"flood{i}", stdin=read_end)
            floods.append((client, write_end))
            os.write(write_end, b"f" * 50000)
        wait_until(lambda: book(a)["in"] >= 12, what="each has begun")
        assert_serves(a, intake)
        for client, write_end in floods:
            os.close(write_end)
            assert end(client) == 0
    a.flush()
    found = prove_ring(intake.everything()).values()
    flood = [e for e in found if e["service"].startswith("flood")]
    total = sum(s["queued"]["bytes"] for name, s in a.status()["books"]["services"].items() if name.startswith("flood"))
    assert total == 12 * 50000 and all(set(e["message"]) == {"f"} for e in flood)
