# SPDX-License-Identifier: MIT
"""An agent that speaks common/proto.h and nothing else, so that the client can be judged alone.

It keeps each stream's bytes in `memory`, which outlives it as tmpfs outlives logboomd: kill() closes all
it has without a word, and another FakeAgent on the same memory goes on. What the client does against
the protocol is noted in `faults`.
"""

import os
import selectors
import socket
import struct
import threading

MAGIC, VERSION = 0x314D4F42, 1
HELLO, WELCOME, REFUSED, DATA, TAKEN, PIPE, READING, END, BYE, EXIT = range(1, 11)
HEAD = struct.Struct("=IHHII")
HELLO_REST = struct.Struct("=QIHHII")
DATA_REST = struct.Struct("=QQQQ")
EXIT_REST = struct.Struct("=QQQQQQQIIIHHH3H")
EXIT_FIELDS = ("exit_id", "stdout_id", "stderr_id", "started_ns", "ended_ns", "cpu_us", "peak_rss_kib", "source_pid", "code",
               "flags", "service_len", "tags_len", "name_len")
DATA_MAX, DATA_WINDOW = 16384, 65536


def packet(kind, body=b""):
    return HEAD.pack(MAGIC, VERSION, kind, HEAD.size + len(body), 0) + body


class Stream:
    """What is known of one stream id."""

    def __init__(self):
        self.hellos = []
        self.bytes = bytearray()   # all of it, in the order of arrival
        self.drained = 0           # how much of it came by DATA
        self.losses = []           # (position in bytes, lines, bytes)
        self.stamps = []
        self.is_read = self.has_ended = self.said_bye = False

    @property
    def lost_lines(self):
        return sum(lines for _, lines, _ in self.losses)

    @property
    def lost_bytes(self):
        return sum(count for _, _, count in self.losses)


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.stream = None
        self.pipe = None


class FakeAgent:
    """
    refuse      a reason: every HELLO is refused
    mute        connections are accepted, nothing is answered
    die_after   killed once that many drained bytes are committed, in mid-packet, before TAKEN says so
    control     request line -> answer bytes, on control.sock
    at_exit     what EXIT meets: "take", "hang up" (always), "die" (noted, and killed before TAKEN), "mute",
                "refuse: REASON"
    """

    def __init__(self, runtime, memory=None, refuse=None, mute=False, die_after=None, control=None, at_exit="take"):
        self.memory = {} if memory is None else memory
        self.refuse, self.mute, self.die_after = refuse, mute, die_after
        self.control = control or {}
        self.at_exit, self.exits = at_exit, []
        self.requests, self.faults = [], []
        self.hellos_refused = 0
        self.is_dead = False
        self._connections = set()
        self._unanswered = []
        runtime.mkdir(parents=True, exist_ok=True)
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._listeners = [self._listen(runtime / "intake.sock", socket.SOCK_SEQPACKET),
                           self._listen(runtime / "control.sock", socket.SOCK_STREAM)]
        self._selector.register(self._woken, selectors.EVENT_READ, lambda: None)
        self._selector.register(self._listeners[0], selectors.EVENT_READ, self._accept)
        self._selector.register(self._listeners[1], selectors.EVENT_READ, self._answer_control)
        self._is_stopping = False
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    @staticmethod
    def _listen(path, kind):
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.bind(str(path))
        listener.listen(16)
        return listener

    def kill(self):
        """Gone without a word."""
        self._is_stopping = True
        self._wake.send(b"x")
        self._thread.join(10)
        assert not self._thread.is_alive()

    def streams(self, kind=None):
        return [s for s in self.memory.values() if kind is None or s.hellos[-1]["kind"] == kind]

    @property
    def stream(self):
        """The only stream, or None."""
        found = self.streams()
        assert len(found) <= 1, "one stream id, and one only"
        return found[0] if found else None

    def _loop(self):
        while not self._is_stopping:
            for key, _ in self._selector.select():
                if not self._is_stopping:
                    key.data()
        for connection in list(self._connections):
            self._hang_up(connection)
            self._drop_pipe(connection)
        for sock in self._listeners + self._unanswered:
            sock.close()
        self._selector.close()
        self.is_dead = True

    def _accept(self):
        sock, _ = self._listeners[0].accept()
        connection = Connection(sock)
        self._connections.add(connection)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._receive(connection))

    def _hang_up(self, connection):
        if connection.sock is not None:
            self._selector.unregister(connection.sock)
            connection.sock.close()
            connection.sock = None

    def _drop_pipe(self, connection):
        if connection.pipe is not None:
            self._selector.unregister(connection.pipe)
            os.close(connection.pipe)
            connection.pipe = None
            connection.stream.is_read = False

    @staticmethod
    def _send(connection, message):
        try:
            if connection.sock is not None:
                connection.sock.send(message)
        except ConnectionError:
            pass  # it has left; _receive() will be told

    def _receive(self, connection):
        try:
            message, fds, _, _ = socket.recv_fds(connection.sock, 65536, 4)
        except ConnectionError:
            message, fds = b"", []
        if not message:  # it left; the pipe goes on without it
            self._hang_up(connection)
            return
        magic, version, kind, length, reserved = HEAD.unpack_from(message)
        if (magic, version, length, reserved) != (MAGIC, VERSION, len(message), 0):
            self.faults.append(f"head {magic:x} {version} {length} {reserved} of {len(message)} bytes")
        if self.mute:
            return
        {HELLO: self._hello, DATA: self._data, PIPE: self._pipe, BYE: self._bye, EXIT: self._exit}[kind](
            connection, message[HEAD.size:], fds)

    def _hello(self, connection, body, fds):
        for fd in fds:  # only to be looked at
            os.close(fd)
        stream_id, kind, service_len, tags_len, source_pid, _ = HELLO_REST.unpack_from(body)
        rest = body[HELLO_REST.size:]
        if len(rest) != service_len + tags_len or stream_id == 0:
            self.faults.append("hello of a wrong length, or no stream id")
        if self.refuse:
            self.hellos_refused += 1
            self._send(connection, packet(REFUSED, self.refuse.encode()))
            return
        stream = connection.stream = self.memory.setdefault(stream_id, Stream())
        if stream.has_ended:
            self.faults.append("a stream that had ended came back")
        stream.hellos.append({"kind": kind, "service": rest[:service_len].decode(), "source_pid": source_pid,
                              "tags": rest[service_len:].decode()})
        self._send(connection, packet(WELCOME, struct.pack("=Q", stream.drained)))

    def _data(self, connection, body, _):
        stream = connection.stream
        first_byte, boot_ns, lost_lines, lost_bytes = DATA_REST.unpack_from(body)
        payload = body[DATA_REST.size:]
        if first_byte != stream.drained or not 0 < len(payload) <= DATA_MAX or connection.pipe is not None:
            self.faults.append(f"data at {first_byte}, {len(payload)} bytes, with {stream.drained} taken")
        if lost_bytes:
            stream.losses.append((len(stream.bytes), lost_lines, lost_bytes))
        if self.die_after is not None and stream.drained + len(payload) > self.die_after:
            payload = payload[:self.die_after - stream.drained]
            self._is_stopping = True
        stream.stamps.append(boot_ns)
        stream.bytes += payload
        stream.drained += len(payload)
        if not self._is_stopping:
            self._send(connection, packet(TAKEN, struct.pack("=Q", stream.drained)))

    def _pipe(self, connection, _, fds):
        if len(fds) != 1 or connection.stream.is_read:
            self.faults.append(f"{len(fds)} descriptors, or a second reader")
        connection.pipe = fds[0]
        connection.stream.is_read = True
        self._send(connection, packet(READING))
        self._selector.register(connection.pipe, selectors.EVENT_READ, lambda: self._read(connection))

    def _bye(self, connection, *_):
        connection.stream.said_bye = True

    def _exit(self, connection, body, fds):
        fields = EXIT_REST.unpack_from(body)
        told = dict(zip(EXIT_FIELDS, fields))
        rest = body[EXIT_REST.size:]
        parts = {}
        for part in ("service", "tags", "name"):
            length = told.pop(part + "_len")
            parts[part], rest = rest[:length].decode(), rest[length:]
        if rest or fds or connection.stream or told["exit_id"] == 0 or any(fields[len(EXIT_FIELDS):]):
            self.faults.append(f"exit: {len(rest)} bytes too many, {len(fds)} descriptors, or a field is not as it must be")
        streams = [self.memory.get(told[kind]) for kind in ("stdout_id", "stderr_id")]
        self.exits.append({**told, **parts, "after_all_lines": all(s and s.has_ended for s in streams)})
        if self.at_exit == "take":
            self._send(connection, packet(TAKEN, struct.pack("=Q", 1)))
        elif self.at_exit == "hang up":
            self._hang_up(connection)
        elif self.at_exit == "die":
            self._is_stopping = True
        elif self.at_exit.startswith("refuse: "):
            self._send(connection, packet(REFUSED, self.at_exit[len("refuse: "):].encode()))
            self._hang_up(connection)

    def _read(self, connection):
        got = os.read(connection.pipe, 65536)
        connection.stream.bytes += got
        if got:
            return
        self._drop_pipe(connection)
        connection.stream.has_ended = True
        self._send(connection, packet(END))

    def _answer_control(self):
        sock, _ = self._listeners[1].accept()
        line = sock.makefile("rb").readline().decode().rstrip("\n")
        self.requests.append(line)
        answer = self.control.get(line, b"error no such request\n")
        if answer is not None:  # None: never
            sock.sendall(answer)
            sock.close()
        else:
            self._unanswered.append(sock)
