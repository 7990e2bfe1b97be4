# SPDX-License-Identifier: MIT
"""Beside logboom: the two log daemons of Debian, on the same corpus, where they are installed.

syslog-ng sends to the same intake with its http(): arrays of 1000 lines, uncompressed, for 3.38 has no codec there.
rsyslog has no HTTP output in Debian 12, so it sends a zlib stream by TCP (omfwd) to a counter of lines of our own.
Both read a unix stream socket with flow control, keep nothing on disk, and run in a directory of their own; a daemon
of the machine is not touched. CPU is the daemon's, or the agent's and its client's; wire is TCP payload both ways.
They do less than logboom: no severity, no numbers, no books, and what waits is lost with the process.
"""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import types
import zlib

from firehose import through_agent
from relay import Relay
from rig import API_KEY, Rig, Row, corpus_size, cpu_s, peak_rss_kb, row_of, say, wait_for

SIZE, QUICK_SIZE = "100M", "50M"
LIMIT_S = 120

SYSLOG_NG = """@version: 3.38
options {{ stats-freq(0); time-reopen(1); }};
source in {{ unix-stream("{top}/in.sock" flags(no-parse) log-msg-size(65536) max-connections(2) log-iw-size(100000)
    log-fetch-limit(1000)); }};
destination out {{ http(
    url("http://127.0.0.1:{port}/api/v2/logs?ddsource=python&service=bench&hostname=bench") method("POST")
    headers("DD-API-KEY: {key}", "Content-Type: application/json")
    body-prefix("[") delimiter(",") body-suffix("]")
    body("$(format-json message=$MESSAGE date=int64($R_UNIXTIME$R_MSEC))")
    batch-lines(1000) batch-bytes(1Mb) batch-timeout(1000) workers(1) log-fifo-size(100000)); }};
log {{ source(in); destination(out); flags(flow-control); }};
"""

RSYSLOG = """global(workDirectory="{top}" maxMessageSize="64k")
module(load="imptcp")
input(type="imptcp" path="{top}/in.sock" supportOctetCountedFraming="off")
template(name="raw" type="string" string="%rawmsg%\\n")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="raw" ziplevel="1"
       compression.mode="stream:always" queue.type="LinkedList" queue.size="100000" queue.fullDelayMark="97000"
       action.resumeRetryCount="-1")
"""


class LineCounter:
    """A TCP server on .port that inflates one zlib stream a connection and counts its lines."""

    def __init__(self):
        self.lines = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._count, args=(connection,), daemon=True).start()

    def _count(self, connection):
        inflate = zlib.decompressobj()
        with connection, contextlib.suppress(OSError):
            while block := connection.recv(1 << 18):
                self.lines += inflate.decompress(block).count(b"\n")


def feed(rig, size):
    """The corpus into the daemon's socket."""
    path = str(rig.directory / "in.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        wait_for(lambda: sock.connect_ex(path) == 0, 10, f"somebody listens at {path}")
        corpus = rig.spawn([rig.support / "corpus", "--bytes", size], stdout=subprocess.PIPE)
        while block := corpus.stdout.read(1 << 16):
            sock.sendall(block)


def one_run(rig, argv, size, lines, arrived, relay):
    """Start the daemon, feed it, wait until all arrived; a dict of figures."""
    daemon = rig.spawn([str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=open(rig.directory / "log", "ab"), cwd=rig.directory)
    feed(rig, size)

    def is_whole():
        if daemon.poll() is not None:
            sys.exit(f"bench: {argv[0]} ended: " + (rig.directory / "log").read_text())
        return arrived() >= lines

    wait_for(is_whole, LIMIT_S, f"all lines came through {argv[0]}")
    return {"cpu_s": cpu_s(daemon.pid), "wire_bytes": relay.both(), "rss_kb": peak_rss_kb(daemon.pid),
            "entries": arrived()}


def syslog_ng(options, size, lines):
    with Rig(options.build, wire=True) as rig:
        rig.start_intake()
        top = rig.directory
        (top / "conf").write_text(SYSLOG_NG.format(top=top, port=rig.relay.port, key=API_KEY))
        return one_run(rig, ["/usr/sbin/syslog-ng", "--foreground", "--no-caps", f"--cfgfile={top}/conf",
                             f"--pidfile={top}/pid", f"--persist-file={top}/persist", f"--control={top}/ctl"],
                       size, lines, lambda: rig.stats()["entries"], rig.relay)


def rsyslog(options, size, lines):
    with Rig(options.build) as rig, contextlib.closing(LineCounter()) as counter:
        with contextlib.closing(Relay(counter.port)) as relay:
            top = rig.directory
            (top / "conf").write_text(RSYSLOG.format(top=top, port=relay.port))
            return one_run(rig, ["/usr/sbin/rsyslogd", "-n", "-f", top / "conf", "-i", top / "pid"], size, lines,
                           lambda: counter.lines, relay)


def logboom(options, size, _):
    return through_agent(types.SimpleNamespace(build=options.build, bytes=size), "zstd")


PEERS = {"logboom, zstd to the intake": (None, logboom),
         "syslog-ng, http() to the intake, uncompressed": ("syslog-ng", syslog_ng),
         "rsyslog, omfwd by TCP, zlib": ("rsyslogd", rsyslog)}


def peers(options):
    size = QUICK_SIZE if options.quick else SIZE
    lines, raw = corpus_size(options.build, "--bytes", size)
    path = os.environ["PATH"] + ":/usr/sbin"
    found = {name: run for name, (program, run) in PEERS.items() if not program or shutil.which(program, path=path)}
    runs = {name: [] for name in found}
    for turn in range(options.runs):
        for name, run in found.items():
            say(f"peers {turn + 1}/{options.runs}: {name}")
            runs[name].append(run(options, size, lines))
    rows = []
    for name in PEERS:
        if name not in found:
            rows.append(Row(f"CPU s/GB, {name}", "not installed",
                            remark="Debian installs only one of the two"))
            continue
        ours = zip(runs[name], runs[next(iter(PEERS))])
        times = statistics.median(theirs["cpu_s"] / mine["cpu_s"] for theirs, mine in ours)
        wire = statistics.median(run["wire_bytes"] / raw for run in runs[name])
        rss = statistics.median(run["rss_kb"] for run in runs[name]) / 1000
        rows.append(row_of(f"CPU s/GB, {name}", [run["cpu_s"] / raw * 1e9 for run in runs[name]], "{:.2f}",
                           remark=f"{times:.2f} times logboom, wire/raw {wire:.4f}, peak RSS {rss:.1f} MB"))
    return f"peers: {raw / 1e6:.0f} MB, healthy sink", rows
