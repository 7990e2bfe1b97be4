# SPDX-License-Identifier: MIT
"""What a line costs by sink: the agent's processor time, and bytes on the wire for a byte of log.

The corpus goes through the real agent to a receiver in this process that only counts (mqtt: to mosquitto), each sink as
it is by default (packed as it says, bodies of 256 KiB), `http` in the three ways there are of packing. Processor time is
that of all of the agent, user and system, from the first line to the last answer; of runs the median. The wire has heads,
and no TLS.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading

from rig import ROOT, UNTHROTTLED, Rig, corpus_size, row_of, say, wait_for

sys.path.insert(0, str(ROOT / "tests" / "support"))

from intake import Intake  # noqa: E402
from intake_dialect import Dialect, Ndjson  # noqa: E402
from intake_elastic import Elastic  # noqa: E402
from intake_loki import Loki  # noqa: E402
from intake_otlp import Otlp  # noqa: E402
from intake_splunk import Splunk  # noqa: E402

CORPUS, QUICK = ("--bytes", "40M"), ("--bytes", "10M")
# What each speaks, and the answer by which it has taken all.
HTTP = {"datadog": (Dialect, (202, "{}")), "loki": (Loki, (204, "")), "otlp": (Otlp, (200, b"")),
        "elasticsearch": (Elastic, (200, '{"errors":false}')), "splunk": (Splunk, (200, '{"text":"Success","code":0}')),
        "http": (Ndjson, (200, ""))}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Mosquitto:
    """A broker that nobody reads along at."""

    PROGRAM = "/usr/sbin/mosquitto"

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._config = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self._config.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
        self._config.flush()
        self._process = subprocess.Popen([self.PROGRAM, "-c", self._config.name], stderr=subprocess.DEVNULL)
        self.address = f"mqtt://127.0.0.1:{port}"
        wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), 10, "mosquitto listens")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.terminate()
        self._process.wait(10)
        self._config.close()


class Drain:
    """Takes whatever comes by TCP."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    @staticmethod
    def _read(connection):
        while connection.recv(1 << 18):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.close()


def cpu_s(pid):
    words = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) * TICK_S


def measured(options, sink, corpus, size):
    """(microseconds of processor time a line, bytes on the wire for a byte of log) of one life of the agent."""
    lines, raw = size
    with Rig(options.build) as rig:
        # A receiver in Python is slower than the agent: nothing is to give way to that.
        rig.write_ini(capture={"overload": "wait"}, throttle={**UNTHROTTLED["throttle"], "pressure": "no"}, sink=sink)
        agent = rig.start_agent()
        before_s = cpu_s(agent.pid)
        rig.feed(*corpus)
        wait_for(lambda: rig.status()["books"]["all"]["in"]["lines"] == lines, 60, "the agent has read all of it")
        rig.flush(300)
        spent_s = cpu_s(agent.pid) - before_s
        told = rig.status()
        if told["books"]["all"]["delivered"]["lines"] != lines:
            sys.exit(f"bench: {sink['type']}: {lines} lines in, {told['books']['all']}")
        rig.end(agent)
    return spent_s / lines * 1e6, told["sinks"][0]["wire_bytes"] / raw


def rows_of(options, name, sink, corpus, size):
    say(f"sinks: {name}")
    found = [measured(options, sink, corpus, size) for _ in range(options.runs)]
    return [row_of(f"{name}, processor us a line", [cost for cost, _ in found], "{:.2f}"),
            row_of(f"{name}, wire / raw", [wire for _, wire in found], "{:.3f}")]


def sinks(options):
    corpus, rows = QUICK if options.quick else CORPUS, []
    size = corpus_size(options.build, *corpus)
    for kind, (dialect, answer) in HTTP.items():
        for packing in ["zstd", "gzip", "none"] if kind == "http" else ["zstd", "gzip"] if kind == "otlp" else [None]:
            speaks = dialect()
            speaks.needs_key, speaks.take, speaks.count = False, lambda request, said=answer: said, lambda raw: 0
            with Intake(count_only=True, dialect=speaks) as intake:
                sink = {"type": kind, "url": intake.url, **({"compression": packing} if packing else {})}
                rows += rows_of(options, f"{kind} {packing or ''}".strip(), sink, corpus, size)
    with Drain() as drain:
        rows += rows_of(options, "syslog tcp", {"type": "syslog", "address": drain.address}, corpus, size)
    with Mosquitto() as broker:
        sink = {"type": "mqtt", "address": broker.address, "client_id": "bench"}
        rows += rows_of(options, "mqtt", sink, corpus, size)
    for packing in "none", "zstd":
        path = f"/dev/shm/logboom-bench-lines-{os.getpid()}"
        sink = {"type": "file", "path": path, "compression": packing, "rotate": "1G"}
        try:
            rows += rows_of(options, f"file {packing}", sink, corpus, size)
        finally:
            os.unlink(path)
    return "what a line costs, by sink", rows
