# SPDX-License-Identifier: MIT
"""A web proxy on loopback that remembers what passes it: CONNECT for https, absolute addresses for http."""

import contextlib
import http.client
import select
import socket
import threading
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "te", "upgrade",
              "proxy-authorization"}
PIECE_BYTES = 65536


@dataclass
class Passed:
    """One request to the proxy."""

    method: str
    target: str      # "host:port" of CONNECT, else the absolute address
    headers: dict    # names in lower case
    bytes_up: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *args):
        pass

    def _begin(self):
        """Note it. None where the proxy refuses; the answer is sent then."""
        passed = Passed(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
        self.server.proxy.note(passed)
        if not self.server.proxy.refuse:
            return passed
        self.close_connection = True
        self._say(self.server.proxy.refuse, b"")
        return None

    def _say(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def do_CONNECT(self):
        passed = self._begin()
        if not passed:
            return
        self.close_connection = True
        host, _, port = self.path.rpartition(":")
        try:
            upstream = socket.create_connection(self.server.proxy.to or (host, int(port)), 10)
        except OSError:
            return self._say(502, b"")
        with upstream:
            self.send_response_only(200, "Connection established")
            self.end_headers()
            self.wfile.flush()
            self._relay(upstream, passed)

    def _relay(self, upstream, passed):
        """Until one side ends."""
        other = {self.connection: upstream, upstream: self.connection}
        while True:
            for source in select.select(list(other), [], [])[0]:
                data = source.recv(PIECE_BYTES)
                if not data:
                    return
                if source is self.connection:
                    passed.bytes_up += len(data)
                other[source].sendall(data)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        passed = self._begin()
        if not passed:
            return
        passed.bytes_up = len(body)
        url = urllib.parse.urlsplit(self.path)
        if url.scheme != "http":
            return self._say(400, b"not an absolute address")
        upstream = http.client.HTTPConnection(url.netloc, timeout=60)
        try:
            upstream.request("POST", url.path, body,
                             {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP})
            answer = upstream.getresponse()
            text = answer.read()
            keep = [(k, v) for k, v in answer.getheaders()
                    if k.lower() not in HOP_BY_HOP | {"content-length", "date", "server"}]
            self._say(answer.status, text, keep)
        except (OSError, http.client.HTTPException):
            self._say(502, b"")
        finally:
            upstream.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a peer that goes away is daily bread here


class Proxy:
    """with Proxy() as proxy: ... proxy.url ...; refuse: a status that it answers everything with; to: (host, port) that
    every tunnel leads to, whatever its name."""

    def __init__(self, refuse=0, to=None):
        self.refuse = refuse
        self.to = to
        self._lock = threading.Lock()
        self._passed = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def note(self, passed):
        with self._lock:
            self._passed.append(passed)

    def passed(self, method=None):
        """What came, in order; of one method, or all."""
        with self._lock:
            return [one for one in self._passed if method in (None, one.method)]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
