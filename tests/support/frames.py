# SPDX-License-Identifier: MIT
"""A receiver of frames by TCP, TLS or a unix socket (RFC 6587, RFC 5425) that stops reading and hangs up when it is
told to, and takes each connection apart strictly: frames from its first byte on, whole but for the last one.

Who hangs up says so and reads on until the other end has heard it: what its kernel has acknowledged it has read. A
receiver that does less loses lines, and nobody can know.
"""

import contextlib
import json
import re
import select
import socket
import threading
import time

LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
FRAME = re.compile(r"<(\d+)>1 \S+ (\S+) (\S+) \S+ \S+ (-|(?:\[(?:[^\]\\]|\\.)*\])+) (.*)", re.S)
MARK = re.compile(r'\[logboom@32473 json="((?:[^"\\\]]|\\.)*)"\]')


class Frames:
    def __init__(self, certificate=None, path=None):
        """path: of a unix socket"""
        self._context = certificate and certificate.context()
        self._scheme = "tls" if certificate else "tcp"
        self._path = path
        self._changed = threading.Condition()
        self._heard, self._open, self._threads = [], set(), 0
        self._acceptor, self._port = None, 0
        self.is_reading = threading.Event()
        self.is_reading.set()
        self.is_dying = False  # hang up as soon as something comes
        self.up()

    @property
    def address(self):
        return f"unix:{self._path}" if self._path else f"{self._scheme}://127.0.0.1:{self._port}"

    def up(self):
        if self._acceptor:
            return
        listener = self._listen()
        over, self._over = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, args=(listener, over), daemon=True)
        self._acceptor.start()

    def _listen(self):
        if self._path:
            self._path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self._path))
            listener.listen(50)
        else:
            listener = socket.create_server(("127.0.0.1", self._port), backlog=50)
            self._port = listener.getsockname()[1]
        return listener

    def down(self):
        """Hang up, and wait until everybody has heard it."""
        self._hang_up()
        with self._changed:
            assert self._changed.wait_for(lambda: self._threads == 0, 30), "somebody does not hear that we hang up"

    close = down

    def _hang_up(self):
        acceptor, self._acceptor = self._acceptor, None
        if acceptor:
            self._over.close()
            acceptor.join()
        with self._changed:
            for channel in self._open:
                say_goodbye(channel)

    def _accept(self, listener, over):
        """Until it is over. Whoever stands in the queue then is let in: he may have said something already."""
        with listener, over:
            listener.setblocking(False)
            while True:
                ready, _, _ = select.select([listener, over], [], [])
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self._let_in(listener.accept()[0])
                if over in ready:
                    return

    def _let_in(self, connection):
        with self._changed:
            self._threads += 1
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                channel = self._context.wrap_socket(connection, server_side=True) if self._context else connection
                with channel:
                    self._listen_to(channel)
        except OSError:
            pass  # the peer went away, or is somebody whom we do not understand
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def _listen_to(self, channel):
        heard = bytearray()
        with self._changed:
            self._heard.append(heard)
            self._open.add(channel)
            if not self._acceptor:
                say_goodbye(channel)
        try:
            while True:
                self.is_reading.wait()
                piece = channel.recv(65536)
                if not piece:
                    return
                with self._changed:
                    heard += piece
                if self.is_dying:
                    self.is_dying = False
                    self._hang_up()
        finally:
            with self._changed:
                self._open.discard(channel)

    def frames(self):
        """Of each connection its frames; fails where one is torn."""
        with self._changed:
            heard = [bytes(one) for one in self._heard]
        return [list(self._apart(one)) for one in heard]

    @staticmethod
    def _apart(heard):
        at = 0
        while at < len(heard):
            head = re.match(rb"(\d+) ", heard[at:at + 8])
            if not head and len(heard) - at < 8:
                return
            assert head, f"torn at {at}: {heard[at:at + 60]}"
            start, end = at + head.end(), at + head.end() + int(head[1])
            if end > len(heard):
                return
            assert heard[start:start + 1] == b"<", f"torn at {at}: {heard[at:at + 60]}"
            yield heard[start:end]
            at = end

    def everything(self):
        """The records as entries of our own file sink, by the order of connections."""
        return [parsed(frame) for frames in self.frames() for frame in frames]

    def numbers(self):
        return [int(n) for frames in self.frames() for frame in frames for n in re.findall(rb"#n=(\d+)", frame)]

    def wait_numbers(self, count, seconds=60):
        end = time.monotonic() + seconds
        while len(set(self.numbers())) < count:
            assert time.monotonic() < end, f"{len(set(self.numbers()))} of {count} lines"
            time.sleep(0.1)


def say_goodbye(channel):
    """Its end of the connection is closed, under TLS too: what comes is still read."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(channel, socket.SHUT_WR)


def parsed(frame):
    found = FRAME.fullmatch(frame.decode())
    assert found, f"no message of RFC 5424: {frame[:200]}"
    value, host, app, elements, text = found.groups()
    mark = MARK.search(elements)
    return {"message": text, "service": app, "hostname": host, "status": LEVELS[int(value) % 8],
            "logboom": json.loads(re.sub(r"\\(.)", r"\1", mark[1])) if mark else {}}
