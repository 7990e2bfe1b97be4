#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A log intake on loopback, shaped like Datadog's, that remembers what it got and fails on request.

In a test:

    with Intake() as intake:
        ... send to intake.url ...
        intake.wait_entries(100, seconds=10)
        assert [e["message"] for e in intake.entries()] == expected

As a program:

    intake.py --port 0 --print-port [--count-only] [--dump FILE] [--plan JSON] [--tls]

It is strict where the real one may be lenient, because it judges our sender: one zstd or gzip stream a
body with nothing after it, UTF-8, JSON without NaN, duplicate keys or lone surrogates, every entry an
object whose `message` is a string.

Control: GET /_stats, PUT /_plan (a list of steps, see Plan), PUT /_reset.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import zstandard

BODY_BYTES_MAX = 5_000_000   # uncompressed, one request
WIRE_BYTES_MAX = 16_000_000  # bound of our own on what is read from the wire
ENTRIES_MAX = 1000
FOREVER = -1


class Refused(Exception):
    """The request breaks a rule; carries the status to answer with (0: none)."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Plan:
    """What to do with the next log requests. A list of steps, each a dict; when it is used up all is well.

    Each step has "do" and may have "times" (1 when absent, -1 for ever):
        {"do": "ok"}                            answer as usual
        {"do": "status", "code": 503}           answer so; "retry_after": SECONDS, "body": TEXT may follow
        {"do": "hang", "seconds": 5}            read it all, say nothing for that long, close
        {"do": "slow", "seconds": 5}            as usual, but answer that much later
        {"do": "reset"}                         read half of the body, then RST
        {"do": "lose"}                          store it, then close without an answer
        {"do": "down", "seconds": 5}            RST, and listen no more for that long (absent: until up())
    """

    KINDS = ("ok", "status", "hang", "slow", "reset", "lose", "down")

    def __init__(self, *steps):
        self._lock = threading.Lock()
        self._steps = []
        self.set(steps)

    def set(self, steps):
        checked = []
        for step in steps:
            if step.get("do") not in self.KINDS:
                raise ValueError(f"no such step: {step!r}")
            if step["do"] == "status" and "code" not in step:
                raise ValueError(f"a status step needs a code: {step!r}")
            checked.append([step.get("times", 1), dict(step)])
        with self._lock:
            self._steps = checked

    def next(self):
        """The step for this request."""
        with self._lock:
            while self._steps and self._steps[0][0] == 0:
                self._steps.pop(0)
            if not self._steps:
                return {"do": "ok"}
            if self._steps[0][0] != FOREVER:
                self._steps[0][0] -= 1
            return self._steps[0][1]


@dataclass
class Request:
    """One POST of logs, as it arrived and as it was answered."""

    number: int
    at_s: float           # time.monotonic() when its head had been read
    headers: dict         # names in lower case
    encoding: str         # identity, gzip or zstd
    header_bytes: int     # request line and headers on the wire
    wire_bytes: int = 0   # body on the wire
    raw_bytes: int = 0    # body decoded
    raw: bytes = b""      # kept unless counting only
    entries: list = field(default_factory=list)
    entry_count: int = 0
    status: int = 0       # 0: no answer was sent
    stored: bool = False
    step: str = "ok"
    error: str = ""       # why it was refused


def _no_constants(name):
    raise ValueError(f"{name} is not JSON")


def _no_duplicates(pairs):
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError(f"duplicate key in {[k for k, _ in pairs]}")
    return keys


def decode_body(encoding, wire):
    """The uncompressed body; Refused where it is not exactly one whole stream."""
    if encoding == "identity":
        return wire
    if encoding == "gzip":
        stream = zlib.decompressobj(31)
        limit = (BODY_BYTES_MAX + 1,)
    elif encoding == "zstd":
        stream = zstandard.ZstdDecompressor().decompressobj()
        limit = ()
    else:
        raise Refused(400, f"content-encoding {encoding!r}")
    try:
        raw = stream.decompress(wire, *limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Refused(400, f"{encoding}: {error}") from None
    if len(raw) <= BODY_BYTES_MAX:
        if not stream.eof:
            raise Refused(400, f"{encoding}: the stream is cut")
        if stream.unused_data:
            raise Refused(400, f"{encoding}: {len(stream.unused_data)} bytes after the stream")
    return raw


def parse_entries(raw):
    """The entries of a body; Refused where one breaks a rule."""
    try:
        text = raw.decode("utf-8")
        entries = json.loads(text, parse_constant=_no_constants, object_pairs_hook=_no_duplicates)
        if "\\ud" in text.lower():
            json.dumps(entries, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
    except ValueError as error:
        raise Refused(400, f"body: {error}") from None
    if entries == {}:
        return []  # what Datadog's own agent sends to see whether anybody is there
    if not isinstance(entries, list):
        raise Refused(400, "the body is not an array")
    if len(entries) > ENTRIES_MAX:
        raise Refused(413, f"{len(entries)} entries")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("message"), str):
            raise Refused(400, f"entry {index} is no object with a message")
    return entries


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "intake"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one packet

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == "/_stats":
            self._answer(200, json.dumps(self.server.stats()))
        elif self.path == "/api/v1/validate":
            status = self.server.judge_key(self.headers.get("DD-API-KEY"))
            self._answer(status, '{"valid":true}' if status == 200 else '{"errors":["Forbidden"]}')
        else:
            self._answer(404, '{"errors":["Not Found"]}')

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.path == "/_plan":
                self.server.plan.set(json.loads(body))
            elif self.path == "/_reset":
                self.server.forget()
            else:
                return self._answer(404, "{}")
        except (ValueError, AttributeError) as error:
            return self._answer(400, json.dumps({"errors": [str(error)]}))
        return self._answer(200, "{}")

    def do_POST(self):
        head = len(self.raw_requestline) + 2 + sum(len(k) + len(v) + 4 for k, v in self.headers.items())
        request = Request(number=0, at_s=time.monotonic(), header_bytes=head,
                          headers={k.lower(): v for k, v in self.headers.items()},
                          encoding=self.headers.get("Content-Encoding", "identity").lower())
        if self.path.partition("?")[0] != "/api/v2/logs":
            self.close_connection = True
            return self._answer(404, '{"errors":["Not Found"]}')
        step = self.server.plan.next()
        request.step = kind = step["do"]
        if kind in ("reset", "down"):
            length = int(self.headers.get("Content-Length", 0))
            request.wire_bytes = len(self.rfile.read(length // 2))
            self.server.remember(request)
            self._reset()
            if kind == "down":
                self.server.down(step.get("seconds"))
            return
        status, text = self._take(step, request)
        if kind in ("hang", "slow"):
            self.server.stopping.wait(step.get("seconds", 0))
        if kind in ("hang", "lose"):
            self.close_connection = True
        else:
            request.status = status
        # Before the answer: whoever has it may ask us at once what we got.
        self.server.remember(request)
        if request.status:
            self._answer(status, text, {"Retry-After": str(step["retry_after"])} if "retry_after" in step else {})

    def _take(self, step, request):
        """Read the body and judge it. Returns the status and the text to answer with."""
        try:
            wire = self._read_body()
            request.wire_bytes = len(wire)
            if step["do"] in ("hang", "status"):
                return step.get("code", 0), step.get("body", '{"errors":["planned"]}')
            self._accept(request, wire)
            return 202, "{}"
        except Refused as refused:
            request.error = str(refused)
            self.close_connection |= refused.status == 411
            return refused.status, json.dumps({"errors": [str(refused)]})

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
        """Check and store, or raise Refused."""
        status = self.server.judge_key(self.headers.get("DD-API-KEY"))
        if status != 200:
            raise Refused(status, "API key")
        if self.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise Refused(415, f"content-type {self.headers.get('Content-Type')!r}")
        raw = decode_body(request.encoding, wire)
        request.raw_bytes = len(raw)
        if len(raw) > BODY_BYTES_MAX:
            raise Refused(413, f"more than {BODY_BYTES_MAX} bytes")
        if self.server.count_only:
            # Unescaped quotes cannot stand inside a string, and only our entries begin with one of these keys.
            request.entry_count = raw.count(b'{"message":') + raw.count(b'{"logboom":')
        else:
            request.raw = raw
            request.entries = parse_entries(raw)
            request.entry_count = len(request.entries)
        self.server.store(request, raw)

    def _answer(self, status, text, extra=None):
        body = text.encode()
        self.send_response(status)
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _reset(self):
        """Make the kernel send RST when the socket is closed."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class Intake:
    """The server. Every method may be called from any thread."""

    def __init__(self, port=0, plan=(), api_key=None, tls=False, count_only=False, dump=None,
                 names=("IP:127.0.0.1", "DNS:localhost")):
        """
        api_key  the one key that is right; None: any that is not empty
        tls      serve HTTPS with a certificate of our own; its path is then .ca
        names    whom that certificate is for
        dump     path: every stored entry is appended to it, one JSON object a line (counting: whole bodies)
        """
        self.plan = Plan(*plan)
        self.api_key = api_key
        self.count_only = count_only
        self.port = port
        self.ca = None
        self.stopping = threading.Event()
        self._names = names
        self._want_tls = tls
        self._tls = None
        self._dir = None
        self._dump = open(dump, "ab") if dump else None
        self._changed = threading.Condition()
        self._requests = []
        self._entries = []
        self._stats = {}
        self._connections = set()
        self._listener = None
        self._timer = None
        self.forget()

    # --- life cycle

    def start(self):
        if self._want_tls:
            self._make_certificate()
        self.up()
        return self

    def stop(self):
        self.stopping.set()
        if self._timer:
            self._timer.cancel()
        self.down()
        if self._dump:
            self._dump.close()
        if self._dir:
            shutil.rmtree(self._dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    @property
    def url(self):
        scheme = "https" if self._want_tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/api/v2/logs"

    def up(self):
        """Listen (again), on the same port as before."""
        with self._changed:
            if self._listener or (self.stopping.is_set()):
                return
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(128)
            self.port = listener.getsockname()[1]
            self._listener = listener
        threading.Thread(target=self._accept_loop, args=(listener,), daemon=True).start()

    def down(self, seconds=None):
        """Refuse connections and reset those there are; seconds: then up() again."""
        with self._changed:
            listener, self._listener = self._listener, None
            connections = list(self._connections)
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
        if seconds is not None:
            self._timer = threading.Timer(seconds, self.up)
            self._timer.daemon = True
            self._timer.start()

    # --- what came in

    def requests(self):
        """Every log request so far, in the order they were done with."""
        with self._changed:
            return list(self._requests)

    def entries(self):
        """Every stored entry, in the order of arrival (duplicates too). Empty when counting only."""
        with self._changed:
            return list(self._entries)

    def stats(self):
        with self._changed:
            return json.loads(json.dumps(self._stats))

    def wait_entries(self, count, seconds=10):
        """Wait until so many entries are stored. Returns whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stats["entries"] >= count, seconds)

    def wait_requests(self, count, seconds=10):
        """Wait until so many log requests were done with, however they ended. Returns whether they were."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stats["requests"] >= count, seconds)

    def forget(self):
        """Start from nothing, as to what came in; the plan stays."""
        with self._changed:
            self._requests, self._entries = [], []
            self._stats = {"requests": 0, "stored": 0, "entries": 0, "raw_bytes": 0, "wire_bytes": 0,
                           "header_bytes": 0, "connections": 0, "by_status": {}, "by_encoding": {}}

    # --- for the handler

    def judge_key(self, key):
        if not key:
            return 401
        return 200 if self.api_key in (None, key) else 403

    def store(self, request, raw):
        with self._changed:
            request.stored = True
            self._entries += request.entries
            stats = self._stats
            stats["stored"] += 1
            stats["entries"] += request.entry_count
            stats["raw_bytes"] += request.raw_bytes
            if self._dump:
                if self.count_only:
                    self._dump.write(raw + b"\n")
                for entry in request.entries:
                    self._dump.write(json.dumps(entry).encode() + b"\n")
                self._dump.flush()
            self._changed.notify_all()

    def remember(self, request):
        with self._changed:
            stats = self._stats
            stats["requests"] += 1
            stats["wire_bytes"] += request.wire_bytes
            stats["header_bytes"] += request.header_bytes
            status = str(request.status or "none")
            stats["by_status"][status] = stats["by_status"].get(status, 0) + 1
            stats["by_encoding"][request.encoding] = stats["by_encoding"].get(request.encoding, 0) + 1
            request.number = stats["requests"]
            if not self.count_only:
                self._requests.append(request)
            self._changed.notify_all()

    # --- within

    def _make_certificate(self):
        self._dir = tempfile.mkdtemp(prefix="intake-")
        key, self.ca = os.path.join(self._dir, "key.pem"), os.path.join(self._dir, "ca.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "3650", "-subj", "/CN=intake for tests", "-keyout", key,
                        "-addext", "subjectAltName=" + ",".join(self._names), "-out", self.ca],
                       check=True, stderr=subprocess.DEVNULL)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.ca, key)

    def _accept_loop(self, listener):
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection, address):
        with self._changed:
            if not self._listener:
                connection.close()
                return
            self._connections.add(connection)
            self._stats["connections"] += 1
        channel = connection
        try:
            if self._tls:
                channel = self._tls.wrap_socket(connection, server_side=True)
                with self._changed:
                    self._connections.discard(connection)
                    self._connections.add(channel)
            _Handler(channel, address, self)
        except OSError:
            pass  # the peer went away, or down() was called: both are daily bread here
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._connections.discard(channel)
            channel.close()


def main():
    parser = argparse.ArgumentParser(description="A Datadog-shaped log intake on loopback, for tests.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--print-port", action="store_true", help="print the port on a line of its own")
    parser.add_argument("--count-only", action="store_true", help="do not look into bodies, only count (cheap)")
    parser.add_argument("--dump", metavar="FILE", help="append every stored entry, one JSON object a line")
    parser.add_argument("--plan", default="[]", help="steps, as for PUT /_plan")
    parser.add_argument("--api-key", help="the one key that is right (default: any)")
    parser.add_argument("--tls", action="store_true", help="HTTPS; with --print-port the second line is the CA file")
    args = parser.parse_args()

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    intake = Intake(port=args.port, plan=json.loads(args.plan), api_key=args.api_key, tls=args.tls,
                    count_only=args.count_only, dump=args.dump)
    with intake:
        if args.print_port:
            print(intake.port, *([intake.ca] if intake.ca else []), sep="\n", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    print(json.dumps(intake.stats()), file=sys.stderr)


if __name__ == "__main__":
    main()
