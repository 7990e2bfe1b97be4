# SPDX-License-Identifier: MIT
"""What the sections of the bench share: a private place to run the agent in, the readings of /proc, and the rows.

A section is a function of (options) that returns rows. It says nothing about good or bad: a row names what it
aims at, and who reads it judges. Everything a section starts ends with its Rig, whatever happens.
"""

import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from relay import Relay

ROOT = Path(__file__).resolve().parents[2]
BASE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")  # of Debian's ca-certificates
# All sections but that of the throttle are about lines that are sent, as they were written.
UNTHROTTLED = {"throttle": {"rate": "off", "pattern_rate": "off", "floor_rate": "off", "collapse": "off"},
               "redact": {"builtin": "off"}}
API_KEY = "0123456789abcdef0123456789abcdef"

# What one figure is called, its value, how far the runs lay apart, what the project aims at, and what else to know.
Row = collections.namedtuple("Row", "name value spread aim remark", defaults=("", "", ""))


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def row_of(name, values, form="{:.1f}", aim="", remark=""):
    """The row of a figure that was measured several times: the median, and the least and the most."""
    spread = f"{form.format(min(values))}..{form.format(max(values))}" if len(values) > 1 else "one run"
    return Row(name, form.format(statistics.median(values)), spread, aim, remark)


def wait_for(claim, seconds, what):
    """Poll until claim() is true, and return what it said. The bench ends where that takes too long."""
    end = time.monotonic() + seconds
    while not (value := claim()):
        if time.monotonic() > end:
            sys.exit(f"bench: not within {seconds} s: {what}")
        time.sleep(0.02)
    return value


# --- what the kernel knows of a process

def threads(pid):
    return list(Path(f"/proc/{pid}/task").iterdir())


def cpu_s(pid):
    """CPU seconds that the threads of a process have had so far, by the scheduler's nanoseconds."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in threads(pid)) / 1e9


def status_of(path, *keys):
    """The sum of numeric fields of a /proc status file."""
    total = 0
    for line in (Path(path) / "status").read_text().splitlines():
        key, _, rest = line.partition(":")
        if key in keys:
            total += int(rest.split()[0])
    return total


def peak_rss_kb(pid):
    return status_of(f"/proc/{pid}", "VmHWM")


def wakeups(pid):
    """How often the threads of a process left the CPU so far, of themselves or not: each time they had woken up."""
    return sum(status_of(task, "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches") for task in threads(pid))


def written_bytes(pid):
    """Bytes that a process has made dirty on file systems with a disk below them."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


class Rig:
    """A directory in RAM, and in it an intake, an agent and its clients.

    tls    the intake speaks TLS, with a CA that the agent trusts beside those of the system, as it has to in life:
           reading them costs CPU and RAM
    wire   the agent reaches the intake through a relay that counts the bytes (.relay)
    """

    def __init__(self, build, tls=False, wire=False):
        self.build = build
        self.support = build / "tests" / "support"
        self.directory = Path(tempfile.mkdtemp(prefix="logboom-bench-", dir=BASE))
        self.runtime = self.directory / "run"
        self.ini = self.directory / "logboom.ini"
        self.env = {**os.environ, "LOGBOOM_RUNTIME_DIR": str(self.runtime)}
        self.agent = self.intake = self.relay = self.ca = None
        self.port = 1  # nobody listens there
        self._tls, self._wire = tls, wire
        self._started = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for process in reversed(self._started):
            self.end(process)
        if self.relay:
            self.relay.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def spawn(self, argv, **kwargs):
        """Start a program that ends with the rig at the latest."""
        process = subprocess.Popen(argv, **{"env": self.env, **kwargs})
        self._started.append(process)
        return process

    def end(self, process, seconds=30):
        """Ask a process to stop and wait until it is gone. Returns its exit status."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    # --- the intake

    def start_intake(self, plan=()):
        """Start it, counting only. What it is to do with the requests: `plan`, as in tests/support/intake.py."""
        argv = [ROOT / "tests/support/intake.py", "--print-port", "--count-only", "--plan", json.dumps(plan)]
        self.intake = self.spawn(argv + (["--tls"] if self._tls else []), stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.intake.stdout.readline())
        if self._tls:
            self.ca = self.directory / "ca.pem"
            own = Path(self.intake.stdout.readline().strip())
            self.ca.write_text("".join(file.read_text() for file in (SYSTEM_CA, own) if file.exists()))
        if self._wire:
            self.relay = Relay(self.port)

    def stats(self):
        """What the intake has counted so far; only where it speaks plain HTTP."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stats", timeout=10) as answer:
            return json.load(answer)

    # --- the agent

    def write_ini(self, directory=None, **sections):
        """Write its configuration and key. sections: capture={"overload": "wait"}, sink={"level": 1} ..."""
        directory = directory or self.directory
        key = directory / "api_key"
        key.write_text(API_KEY + "\n")
        key.chmod(0o600)
        scheme, port = "https" if self._tls else "http", self.relay.port if self.relay else self.port
        sink = {"type": "datadog", "url": f"{scheme}://127.0.0.1:{port}/api/v2/logs", "api_key_file": key}
        sink.update({"tls_ca": self.ca} if self.ca else {}, **sections.pop("sink", {}))
        sections = {"agent": {"hostname": "bench", "runtime_dir": self.runtime, "stop_timeout": "1s"},
                    "spool": {"enabled": "no"}, **UNTHROTTLED,
                    **sections, "sink datadog": sink}
        self.ini = directory / "logboom.ini"
        self.ini.write_text("".join(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()) + "\n"
                                    for name, keys in sections.items()))

    def start_agent(self, prefix=(), seconds=10, **kwargs):
        """Start logboomd (below a program like valgrind, where prefix says so) and wait until it answers."""
        self.spawn_agent(prefix, **kwargs)
        wait_for(self.is_ready, seconds, "logboomd is ready")
        return self.agent

    def spawn_agent(self, prefix=(), **kwargs):
        with open(self.directory / "log", "ab") as log:
            self.agent = self.spawn([*prefix, self.build / "logboomd", "-c", self.ini], stdin=subprocess.DEVNULL,
                                    stderr=log, **kwargs)

    def is_ready(self):
        if self.agent.poll() is not None:
            sys.exit("bench: logboomd ended: " + (self.directory / "log").read_text())
        return (self.runtime / "control.sock").exists() and self.client("status").returncode == 0

    # --- clients

    def client(self, *args, **kwargs):
        """Run one `logboom ARGS...` to its end."""
        return subprocess.run([self.build / "logboom", *args], env=self.env, stdout=subprocess.PIPE, text=True,
                              **{"stderr": subprocess.DEVNULL, **kwargs})

    def status(self):
        return json.loads(self.client("status", "--json").stdout)

    def flush(self, seconds=60):
        """Ship all there is now; the bench ends where that does not work."""
        if self.client("flush", "-w", f"{seconds}s", stderr=None).returncode:
            sys.exit("bench: flush did not deliver: " + (self.directory / "log").read_text())

    def idle_pipe(self):
        """A client whose app is silent: write to its .stdin. Returns when the agent reads the pipe."""
        before = self.status()["staging"]["streams"]
        client = self.spawn([self.build / "logboom", "pipe", "-s", "bench"], stdin=subprocess.PIPE)
        wait_for(lambda: self.status()["staging"]["streams"] > before, 10, "the agent reads the client's pipe")
        return client

    def feed(self, *corpus_options, **kwargs):
        """The corpus through `logboom pipe`, until all of it is taken. Returns the client's CPU seconds."""
        corpus = self.spawn([self.support / "corpus", *map(str, corpus_options)], stdout=subprocess.PIPE)
        client = self.spawn([self.build / "logboom", "pipe", "-s", "bench"], stdin=corpus.stdout, **kwargs)
        corpus.stdout.close()
        _, code, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(code)
        if client.returncode:
            sys.exit(f"bench: logboom pipe ended with {client.returncode}")
        corpus.wait()
        return usage.ru_utime + usage.ru_stime


def corpus_size(build, *options):
    """Lines and bytes of the corpus that these options make."""
    corpus = subprocess.Popen([build / "tests/support/corpus", *map(str, options)], stdout=subprocess.PIPE)
    lines = total = 0
    while block := corpus.stdout.read(1 << 20):
        lines += block.count(b"\n")
        total += len(block)
    corpus.wait()
    return lines, total
