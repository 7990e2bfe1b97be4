#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A log intake on loopback, shaped like Datadog's, that remembers what it got and fails on request.

In a test:

    with Intake() as intake:
        ... send to intake.url ...
        intake.wait_entries(100, seconds=10)
        assert [e["message"] for e in intake.entries()] == expected

As a program:

    intake.py --port 0 --print-port [--count-only] [--dump FILE] [--plan JSON] [--policies JSON] [--tls]

What it takes: intake_body.py. How it fails: intake_plan.py. How it answers: intake_http.py.

Control: GET /_stats, PUT /_plan (a list of steps, see Plan), PUT /_policies (see Policies), PUT /_date (seconds that
the Date header is ahead, null: none), PUT /_reset.
"""

import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources

import argparse  # noqa: E402
import contextlib  # noqa: E402
import json  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import threading  # noqa: E402

from intake_dialect import Dialect  # noqa: E402
from intake_http import Handler  # noqa: E402
from intake_plan import Plan, Policies  # noqa: E402
from intake_tls import Authority  # noqa: E402


def is_start(entry):
    """Is this the record by which an agent tells that it started?"""
    return entry.get("logboom", {}).get("kind") == "start"


def is_exit(entry):
    """Is this logboom's own record of how a command ended?"""
    return entry.get("logboom", {}).get("kind") == "exit"


class Intake:
    """The server. Every method may be called from any thread."""

    def __init__(self, port=0, plan=(), policies=(), api_key=None, tls=False, count_only=False, dump=None,
                 names=("IP:127.0.0.1", "DNS:localhost"), host="127.0.0.1", dialect=None):
        """
        dialect  what it speaks (intake_dialect.py); None: Datadog's
        api_key  the one key that is right; None: any that is not empty
        tls      serve HTTPS with a certificate of our own, or with this one (Certificate); .ca is who vouches for it
        names    whom a certificate of our own is for
        dump     path: every stored entry is appended to it, one JSON object a line (counting: whole bodies)
        host     the IPv4 address to listen on
        """
        self.plan = Plan(*plan)
        self.policies = Policies(*policies)
        self.api_key = api_key
        self.dialect = dialect or Dialect()
        self.count_only = count_only
        self.port = port
        self.ca = None
        self.date_offset_s = 0  # of the Date header, from now; None: no such header
        self.stopping = threading.Event()
        self._host = host
        self._names = names
        self._want_tls = tls
        self._tls = None
        self._authority = None
        self._in_work = 0
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
        if self._want_tls is True:
            self._authority = Authority()
            self.use_certificate(self._authority.issue(self._names))
        elif self._want_tls:
            self.use_certificate(self._want_tls)
        self.up()
        return self

    def stop(self):
        self.stopping.set()
        if self._timer:
            self._timer.cancel()
        self.down()
        if self._dump:
            self._dump.close()
        if self._authority:
            self._authority.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    @property
    def url(self):
        scheme = "https" if self._want_tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}{self.dialect.path}"

    def use_certificate(self, certificate):
        """Show this one from the next connection on."""
        self.ca = certificate.ca
        self._tls = certificate.context()

    def up(self):
        """Listen (again), on the same port as before."""
        with self._changed:
            if self._listener or (self.stopping.is_set()):
                return
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self.port))
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

    def everything(self):
        """Every stored entry, in the order of arrival (duplicates too). Empty when counting only."""
        with self._changed:
            return list(self._entries)

    def entries(self):
        """The same without the records by which an agent tells that it started, or that a command ended."""
        return [entry for entry in self.everything() if not is_start(entry) and not is_exit(entry)]

    def stats(self):
        with self._changed:
            return json.loads(json.dumps(self._stats))

    def wait_entries(self, count, seconds=60):
        """Wait until so many entries are stored, records of starts and ends not counted. Returns whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stats["entries"] - self._starts >= count, seconds)

    def wait_requests(self, count, seconds=60):
        """Wait until so many log requests were done with, however they ended. Returns whether they were."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stats["requests"] >= count, seconds)

    def forget(self):
        """Start from nothing, as to what came in; the plan stays."""
        with self._changed:
            self._requests, self._entries, self._starts = [], [], 0
            self._stats = {"requests": 0, "stored": 0, "entries": 0, "raw_bytes": 0, "wire_bytes": 0,
                           "header_bytes": 0, "connections": 0, "poured_bytes": 0, "by_status": {}, "by_encoding": {}}

    # --- for the handler

    def judge_key(self, key):
        if not key:
            return 401
        return 200 if self.api_key in (None, key) else 403

    def enter(self):
        """A log request begins. Returns how many others are in work."""
        with self._changed:
            self._in_work += 1
            return self._in_work - 1

    def leave(self):
        with self._changed:
            self._in_work -= 1

    def poured(self, count):
        """So many bytes of an answer without end were taken."""
        with self._changed:
            self._stats["poured_bytes"] += count

    def store(self, request, raw):
        with self._changed:
            request.stored = True
            self._entries += request.entries
            self._starts += sum(is_start(entry) or is_exit(entry) for entry in request.entries)
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
            Handler(channel, address, self)
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
    parser.add_argument("--policies", default="[]", help="what is always refused, as for PUT /_policies")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--api-key", help="the one key that is right (default: any)")
    parser.add_argument("--tls", action="store_true", help="HTTPS; with --print-port the second line is the CA file")
    args = parser.parse_args()

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    intake = Intake(port=args.port, plan=json.loads(args.plan), policies=json.loads(args.policies),
                    api_key=args.api_key, tls=args.tls, count_only=args.count_only, dump=args.dump, host=args.host)
    with intake:
        if args.print_port:
            print(intake.port, *([intake.ca] if intake.ca else []), sep="\n", flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    print(json.dumps(intake.stats()), file=sys.stderr)


if __name__ == "__main__":
    main()
