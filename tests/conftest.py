# SPDX-License-Identifier: MIT
"""What tests/e2e and tests/fault share: a private runtime directory, an intake, agents, and the client.

Nothing here sleeps for correctness: waits poll a claim and have a ceiling, which is far above what the slowest
machine needs, since it costs nothing where the claim comes true. A test that cannot run is skipped, and where CI is
set a skip is a failure.
"""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from front import Front  # noqa: E402
from front import program as front_program  # noqa: E402
from intake import Intake  # noqa: E402
from intake_tls import Authority  # noqa: E402

BUILD = Path(os.environ.get("LB_BUILD", ROOT / "build")).resolve()
BUILD_KP = Path(os.environ.get("LB_BUILD_KP", BUILD / "kp")).resolve()
SUPPORT = BUILD / "tests" / "support"
# Most tests are about every line that was written: the throttle is their subject only where they say so.
UNTHROTTLED = {"rate": "off", "pattern_rate": "off", "floor_rate": "off", "collapse": "off",
               "pressure": "no"}
# Of a test that is about each line and not about room: whatever the machine does meanwhile, nothing is given up.
ROOMY = {"ring": {"size": "32M"}}
API_KEY = "0123456789abcdef0123456789abcdef"
PATIENCE_S = 60  # for what comes at once, unless the machine has much else to do

# Who is run in the background, or by nohup, ignores some of these, and what we start would inherit that, unlike a
# handler that does nothing.
for _number in signal.SIGINT, signal.SIGQUIT, signal.SIGHUP:
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


@functools.cache
def is_sanitized():
    """Is it a build whose memory is a sanitizer's as well: shadows, and what was freed?"""
    program = (BUILD / "logboomd").read_bytes()
    return any(mark in program for mark in (b"__asan_init", b"__tsan_init"))


def wait_until(claim, seconds=PATIENCE_S, what=None):
    """Poll until claim() is true, and return what it returned. Fails after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = claim()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds} s: {what or getattr(claim, '__doc__', None) or claim}")
        time.sleep(0.01)


def ini_text(sections):
    """{"agent": {"hostname": "h"}, "sink out": {...}} as INI."""
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
        lines.append("")
    return "\n".join(lines)


class Agent:
    """One logboomd and its configuration; may be killed and started again on the same directory."""

    def __init__(self, runtime, sections, program=None, env=None, wrap=()):
        """wrap: a command that execs what follows it, so that the agent keeps its pid (unshare -n)."""
        self.wrap = list(wrap)
        self.runtime = Path(runtime)
        self.program = program or BUILD / "logboomd"
        self.ini = self.runtime.parent / "logboom.ini"
        self.log_path = self.runtime.parent / "logboomd.log"
        self.env = {**os.environ, "LOGBOOM_RUNTIME_DIR": str(self.runtime), **(env or {})}
        self.process = None
        self.sections = {"agent": {}}
        for section, keys in sections.items():
            self.sections.setdefault(section, {}).update(keys)
        self.sections.setdefault("throttle", UNTHROTTLED)
        # It comes by a beat of the device's own: in a test that is not about it, at any moment.
        self.sections.setdefault("heartbeat", {"interval": "off"})
        # No test writes to the machine's own disk unless that is what it is about.
        self.sections.setdefault("spool", {"enabled": "no"})
        # Nor is any but those of wear about who writes to the disks of the machine that tests run on.
        self.sections.setdefault("wear", {"sample": "off"})
        # A test that chooses the ring's size is about what becomes of what finds no room in it.
        if "ring" in self.sections:
            self.sections.setdefault("backlog", {"size": "off"})
        self.sections["agent"].setdefault("runtime_dir", str(self.runtime))
        self.sections["agent"].setdefault("hostname", "testhost")
        self.write_ini()

    def write_ini(self):
        self.ini.write_text(ini_text(self.sections))

    @property
    def log(self):
        """What it wrote to stderr, over all its starts."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, seconds=PATIENCE_S, env=None):
        """Start it and wait until it answers."""
        self.spawn(env)
        wait_until(self._is_ready, seconds, "logboomd is ready")
        return self

    def spawn(self, env=None):
        """Start it and do not wait."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.wrap, self.program, "-c", self.ini], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**self.env, **(env or {})})
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            pytest.fail(f"logboomd ended with {self.process.returncode} before it was ready")
        # A socket file outlives a killed agent; only an answer counts.
        with contextlib.suppress(OSError):
            return self.ask("status json").startswith(b"ok\n")
        return False

    def kill9(self):
        """Kill it at once, and wait until it is gone."""
        self.process.kill()
        return self.process.wait()

    def term(self, seconds=PATIENCE_S):
        """Ask it to stop. Returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def reload(self, text="configuration reloaded"):
        """Its configuration as it is now, and SIGHUP; waits until the log says this. Asks again where it is told to."""
        before, hint = self.log.count(text), "ask again when it is done"
        hints = self.log.count(hint)
        self.write_ini()
        self.hup()

        def is_done():
            nonlocal hints
            if self.log.count(hint) > hints:
                hints += 1
                self.hup()
            return self.log.count(text) > before

        wait_until(is_done, what=f"the log says {text!r}")

    def restart(self, seconds=PATIENCE_S):
        """Stop it in good order and start it anew."""
        assert self.term() == 0
        return self.start(seconds)

    def client(self, *args, seconds=PATIENCE_S, **kwargs):
        """Run one `logboom` to its end; CompletedProcess with text."""
        return subprocess.run([self.program.parent / "logboom", *map(str, args)], env=self.env, text=True,
                              capture_output=True, timeout=seconds, **kwargs)

    def popen(self, *args, **kwargs):
        """Start `logboom ARGS...` and return it; the caller waits for it."""
        return subprocess.Popen([self.program.parent / "logboom", *map(str, args)], env=self.env, **kwargs)

    def pipe(self, *args, **kwargs):
        """Start `logboom pipe ARGS...`; write to its .stdin."""
        return self.popen("pipe", *args, stdin=subprocess.PIPE, **kwargs)

    def run(self, *command, service=None, **kwargs):
        """Run `logboom run [-s SERVICE] -- COMMAND...` to its end."""
        return self.client("run", *(["-s", service] if service else []), "--", *command, **kwargs)

    def ask(self, request):
        """What control.sock answers to a line. Who asks again and again need not start a client each time."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{self.env['LOGBOOM_RUNTIME_DIR']}/control.sock")
            sock.settimeout(PATIENCE_S)  # not before: where many knock, one with a timeout is turned away
            sock.sendall(request.encode() + b"\n")
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def status(self):
        """What `logboom status --json` prints, as a dict."""
        verdict, _, text = self.ask("status json").partition(b"\n")
        assert verdict == b"ok", verdict
        return json.loads(text)

    def flush(self, seconds=PATIENCE_S):
        """Ship all there is now."""
        answer = self.client("flush", "-w", f"{seconds}s", seconds=seconds + 20)
        assert answer.returncode == 0, answer.stderr

    def stop(self):
        """End of the test: stop it, whatever its state."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def runtime():
    """A private directory on tmpfs, for a runtime directory `run` and what goes with it."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no /dev/shm")
    path = Path(tempfile.mkdtemp(prefix="logboom-test-", dir="/dev/shm"))
    yield path / "run"
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def intake():
    with Intake(api_key=API_KEY) as server:
        yield server


@pytest.fixture(scope="session")
def known_keys():
    """Every key that this build knows, from its own sample."""
    if not (BUILD / "logboomd").exists():
        pytest.fail(f"{BUILD}/logboomd is not built")
    sample = subprocess.run([BUILD / "logboomd", "--help-config"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^#?(\w+) =", sample, re.M))


@pytest.fixture
def sink(intake, runtime, known_keys):
    """Sections that send to `intake` quickly: agent({**sink, "ring": {...}})."""
    key = runtime.parent / "api_key"
    key.write_text(API_KEY + "\n")
    key.chmod(0o600)
    # The machine that runs tests may be one whose clock nobody disciplines: that is not what most tests are about.
    clock = {"clock_wait": "10ms"} if "clock_wait" in known_keys else {}
    return {"sink datadog": {"type": "datadog", "url": intake.url, "api_key_file": key, "wait": "200ms",
                             "urgent_wait": "100ms", "retry_min": "100ms", "retry_max": "500ms", **clock}}


@pytest.fixture
def quick(sink):
    """The sink's sections with every record numbered and short pauses: for tests in which much goes wrong."""
    sink["sink datadog"].update(sequence="all", wait="100ms", urgent_wait="50ms", retry_min="50ms", retry_max="300ms",
                                timeout="30s")
    return sink


@pytest.fixture
def authority():
    """A CA of our own."""
    with Authority() as ca:
        yield ca


@pytest.fixture
def front(intake, authority):
    """Factory: front(protocols=..., http2=..., intake=...) -> a running nginx before an intake."""
    if not front_program():
        pytest.skip("no nginx (make deps)")
    with contextlib.ExitStack() as running:
        yield lambda intake=intake, **kwargs: running.enter_context(Front(intake, authority.issue(), **kwargs))


@pytest.fixture
def agent(runtime, request):
    """Factory: agent(sections, program, env, start=True, wrap) -> Agent. Their log is shown when a test fails."""
    made = request.node.agents = []

    def make(sections, program=None, env=None, start=True, wrap=()):
        made.append(Agent(runtime, sections, program, env, wrap))
        return made[-1].start() if start else made[-1]

    if not (BUILD / "logboomd").exists():
        pytest.fail(f"{BUILD}/logboomd is not built")
    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="session")
def kp_program():
    """A logboomd with kill points (LB_KILLPOINTS)."""
    program = BUILD_KP / "logboomd"
    if not program.exists():
        pytest.fail(f"{program} is not built (make kp)")
    return program


@pytest.fixture(scope="session")
def feeder():
    """Path of the feeder (tests/support/feeder.c)."""
    return SUPPORT / "feeder"


@pytest.fixture(scope="session")
def corpus():
    """Path of the corpus generator (tests/support/corpus.c)."""
    return SUPPORT / "corpus"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    agents = getattr(item, "agents", None)
    if report.failed and agents:
        report.sections.append(("logboomd's own log", agents[-1].log))


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and session.exitstatus == 0:
        reporter.write_line("\nskipped tests are failures where CI is set", red=True)
        session.exitstatus = 1
