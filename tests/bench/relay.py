# SPDX-License-Identifier: MIT
"""A relay on loopback that counts what passes: the bytes of TCP payload, each way.

Between an agent and its intake that is everything a data bill knows of but the headers of IP and TCP: request
lines, headers, bodies, TLS records and handshakes. It looks at nothing and holds nothing back.
"""

import contextlib
import socket
import threading


class Relay:
    """Listens on .port, passes on to `port`. Counters may be read at any time.

    up, down     bytes towards the intake, and back
    connections  how many there were
    """

    def __init__(self, port):
        self.up = self.down = self.connections = 0
        self._to = port
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def both(self):
        with self._lock:
            return self.up + self.down

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            rest = list(self._open)
        for one in rest:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()  # nobody there: our peer is told so
                continue
            with self._lock:
                self.connections += 1
                self._open |= {near, far}
            pair = [near, far]
            for one in pair:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=pair, daemon=True).start()

    def _serve(self, near, far):
        """One direction runs in a thread of its own; both sockets are closed when both directions have ended."""
        back = threading.Thread(target=self._pass, args=(far, near, "down"), daemon=True)
        back.start()
        self._pass(near, far, "up")
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()

    def _pass(self, source, target, direction):
        with contextlib.suppress(OSError):
            while block := source.recv(1 << 18):
                with self._lock:
                    setattr(self, direction, getattr(self, direction) + len(block))
                target.sendall(block)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
