# SPDX-License-Identifier: MIT
"""A receiver of frames by TLS (RFC 5425) that stops reading when it is told to, and takes each connection apart strictly:
frames from its first byte on, whole but for the last one."""

import re
import socket
import threading
import time


class Frames:
    def __init__(self, certificate):
        self._context = certificate.context()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(50)
        self.address = f"tls://127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_reading = threading.Event()
        self.is_reading.set()
        self._lock, self._heard = threading.Lock(), []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        heard = bytearray()
        with self._lock:
            self._heard.append(heard)
        try:
            with self._context.wrap_socket(connection, server_side=True) as secure:
                while True:
                    self.is_reading.wait()
                    piece = secure.recv(65536)
                    if not piece:
                        return
                    with self._lock:
                        heard += piece
        except OSError:
            return

    def frames(self):
        """Of each connection its frames; fails where one is torn."""
        with self._lock:
            return [list(self._apart(bytes(heard))) for heard in self._heard]

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

    def numbers(self):
        return [int(n) for frames in self.frames() for frame in frames for n in re.findall(rb"#n=(\d+)", frame)]

    def wait_numbers(self, count, seconds=60):
        end = time.monotonic() + seconds
        while len(set(self.numbers())) < count:
            assert time.monotonic() < end, f"{len(set(self.numbers()))} of {count} lines"
            time.sleep(0.1)
