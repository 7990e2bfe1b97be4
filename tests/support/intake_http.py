# SPDX-License-Identifier: MIT
"""The intake's side of one connection: requests in, answers out, whole or broken as the plan says."""

import contextlib
import json
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler

from intake_body import BODY_BYTES_MAX, Refused, Request, decode_body
from intake_plan import answer_headers, http_date

WIRE_BYTES_MAX = 16_000_000   # bound of our own on what is read from the wire
ENDLESS_BYTES = 100_000_000   # an answer without end is one of this size
UNANSWERED = ("hang", "lose", "drip", "headers")  # nothing that could hold the sender to the answer
NO_BODY = (204, 304)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "intake"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one packet

    def log_message(self, *args):
        pass

    # --- control

    def do_GET(self):
        if self.path == "/_stats":
            self._answer(200, json.dumps(self.server.stats()))
        elif self.server.dialect.check_key(self.path):
            status = self.server.judge_key(self._key())
            self._answer(status, '{"valid":true}' if status == 200 else '{"errors":["Forbidden"]}')
        else:
            self._answer(404, '{"errors":["Not Found"]}')

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.path == "/_plan":
                self.server.plan.set(json.loads(body))
            elif self.path == "/_policies":
                self.server.policies.set(json.loads(body))
            elif self.path == "/_date":
                self.server.date_offset_s = json.loads(body)
            elif self.path == "/_reset":
                self.server.forget()
            else:
                return self._answer(404, "{}")
        except (ValueError, AttributeError, TypeError) as error:
            return self._answer(400, json.dumps({"errors": [str(error)]}))
        return self._answer(200, "{}")

    # --- logs

    def do_POST(self):
        if self.path.partition("?")[0] != self.server.dialect.path:
            self.close_connection = True
            return self._answer(404, '{"errors":["Not Found"]}')
        head = len(self.raw_requestline) + 2 + sum(len(k) + len(v) + 4 for k, v in self.headers.items())
        request = Request(number=0, at_s=time.monotonic(), header_bytes=head, beside=self.server.enter(),
                          headers={k.lower(): v for k, v in self.headers.items()},
                          encoding=self.headers.get("Content-Encoding", "identity").lower())
        with self._in_work():
            self._log_request(request)

    @contextlib.contextmanager
    def _in_work(self):
        """A request whose peer went away is in work no more, either."""
        self.is_in_work = True
        try:
            yield
        finally:
            self._done_with(None)

    def _done_with(self, request):
        """Before the answer: whoever has it may ask us, or send more, at once."""
        if self.is_in_work:
            self.server.leave()
        self.is_in_work = False
        if request:
            self.server.remember(request)

    def _log_request(self, request):
        step = self.server.plan.next()
        request.step = kind = step["do"]
        if kind in ("reset", "down"):
            length = int(self.headers.get("Content-Length", 0))
            request.wire_bytes = len(self.rfile.read(length // 2))
            self._done_with(request)
            self._reset()
            if kind == "down":
                self.server.down(step.get("seconds"))
            return
        status, text, options = self._take(step, request)
        if kind in ("hang", "slow"):
            self.server.stopping.wait(step.get("seconds", 0))
        if kind not in UNANSWERED:
            request.status = status
        self._done_with(request)
        if kind in ("hang", "lose"):
            self.close_connection = True
        elif kind == "headers":
            self._endless_headers(step)
        elif kind == "flood" and status < 300:
            self._endless_body(status, step)
        elif status:
            self._answer(status, text, answer_headers(options), step.get("seconds", 1) if kind == "drip" else None)

    def _take(self, step, request):
        """Read the body and judge it. Returns status and text to answer with, and what the answer tells besides."""
        try:
            wire = self._read_body()
            request.wire_bytes = len(wire)
            if step["do"] in ("hang", "status", "headers"):
                with contextlib.suppress(Refused):
                    self._look_into(request, wire)
                return step.get("code", 0), step.get("body", '{"errors":["planned"]}'), step
            status, text = self._accept(request, wire)
            return step.get("code", status), text, step
        except Refused as refused:
            request.error = str(refused)
            self.close_connection |= refused.status == 411
            text = refused.options.get("body", json.dumps({"errors": [str(refused)]}))
            return refused.status, text, refused.options

    def _read_body(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise Refused(411, "no Content-Length")
        if int(length) > WIRE_BYTES_MAX:
            self.close_connection = True
            raise Refused(413, f"{length} bytes on the wire")
        wire = self.rfile.read(int(length))
        if len(wire) != int(length):
            self.close_connection = True
            raise Refused(0, "the body is cut")  # the peer is gone: nobody to answer to
        return wire

    def _accept(self, request, wire):
        """Check and store, or raise Refused. What to answer."""
        dialect = self.server.dialect
        status = self.server.judge_key(self._key()) if dialect.needs_key else 200
        if status != 200:
            raise Refused(status, "API key")
        if self.headers.get("Content-Type", "").partition(";")[0].strip() not in dialect.content_types:
            raise Refused(415, f"content-type {self.headers.get('Content-Type')!r}")
        if request.encoding not in dialect.encodings:
            raise Refused(400, f"content-encoding {request.encoding!r}")
        raw = self._look_into(request, wire)
        self.server.policies.judge(request, raw)
        answer = dialect.take(request)
        request.entry_count = len(request.entries) or request.entry_count
        self.server.store(request, raw)
        return answer

    def _key(self):
        return self.server.dialect.key_of({k.lower(): v for k, v in self.headers.items()})

    def _look_into(self, request, wire):
        """Fill in what the body holds, or raise Refused. Returns it decoded."""
        raw = decode_body(request.encoding, wire)
        request.raw_bytes = len(raw)
        if len(raw) > BODY_BYTES_MAX:
            raise Refused(413, f"more than {BODY_BYTES_MAX} bytes")
        if self.server.count_only:
            request.entry_count = self.server.dialect.count(raw)
        else:
            request.raw = raw
            request.entries = self.server.dialect.parse(request, raw)
            request.entry_count = len(request.entries)
        return raw

    # --- answers

    def _head(self, status, headers):
        """Status line and headers; the server's Date is what the test wants it to be, or none."""
        self.send_response_only(status)
        self.send_header("Server", self.version_string())
        if self.server.date_offset_s is not None:
            self.send_header("Date", http_date(self.server.date_offset_s))
        for name, value in headers.items():
            self.send_header(name, value)

    def _answer(self, status, text, extra=None, pause_s=None):
        body = b"" if status in NO_BODY else text if isinstance(text, bytes) else text.encode()
        self._head(status, extra or {})
        if status not in NO_BODY:
            self.send_header("Content-Type", self.server.dialect.content_type_of_answer())
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        if pause_s is not None:
            return self._drip(body, pause_s)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _drip(self, body, pause_s):
        answer = b"".join(self._headers_buffer) + b"\r\n" + body
        self._headers_buffer = []
        for byte in answer:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.stopping.wait(pause_s):
                break

    def _endless_headers(self, step):
        self._head(202, {})
        self.flush_headers()
        self._pour(b"X-More: " + b"m" * 1000 + b"\r\n", step)

    def _endless_body(self, status, step):
        self._head(status, {"Content-Type": "text/plain", "Connection": "close"})
        self.end_headers()
        self._pour(b"more and more and more and more\n" * 32, step)

    def _pour(self, piece, step):
        """Send it again and again, until the peer has enough or so many bytes are sent."""
        self.close_connection = True
        piece *= 64
        left = step.get("bytes", ENDLESS_BYTES)
        while left > 0 and not self.server.stopping.is_set():
            self.wfile.write(piece)
            left -= len(piece)
            self.server.poured(len(piece))
        self.wfile.flush()

    def _reset(self):
        """Make the kernel send RST when the socket is closed."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
