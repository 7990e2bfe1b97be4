# SPDX-License-Identifier: MIT
"""syslog.sock: who logs by datagrams needs no pipe.

The story: Python's SysLogHandler, libc's syslog(3), logger(1) and what speaks like Docker send to it. Each datagram is
one record, whatever is in it; who sent it is what the kernel says. Its sender is not held up by a sink that is away, and
what an agent that is killed had not taken from a socket of systemd's is taken by the next one.
"""

import array
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import ROOT, wait_until
from filesink import FileSink, lines_of
from lines import (PYTHON, assert_books_balance, assert_exactly, book, by_number, line, numbers, prove_ring, receipts,
                   seeded, stop_for_a_while)
from netns import UNSHARE, reason_not_to
from test_peers import fd_count, fd_count_at_rest

PROGRAMS = ROOT / "tests" / "support" / "programs"
NOBODY = 65534
ALONE = pytest.mark.skipif(os.getuid() != 0, reason="another user, or a mount, needs root")
SO_SNDBUFFORCE = 32
FEW = 60
QUEUE_LENGTH = "/proc/sys/net/unix/max_dgram_qlen"


@pytest.fixture
def out(runtime):
    return FileSink(runtime)


@contextlib.contextmanager
def sender(path):
    """A socket that is connected there. A send that waits for a minute fails."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(path))
        sock.settimeout(60)
        yield sock


def send(agent, *datagrams):
    """Send them, and wait until they are delivered."""
    with sender(agent.runtime / "syslog.sock") as sock:
        for datagram in datagrams:
            sock.send(datagram)
    agent.flush()


def run(*command, **kwargs):
    return subprocess.run([*map(str, command)], check=True, timeout=60, **kwargs)


# ---- who sends ----


def test_a_python_service_logs_without_a_pipe(agent, out):
    a = agent(out.sections)
    with subprocess.Popen([PYTHON, PROGRAMS / "syslog_service.py", a.runtime / "syslog.sock"]) as service:
        assert service.wait(60) == 0
    a.flush()
    entries = out.entries()
    assert [e["status"] for e in entries] == ["debug", "info", "warning", "error", "critical", "error"]
    assert [e["message"] for e in entries[:2]] == ["this is debug", "this is info"]
    for entry in entries:
        assert entry["service"] == "pumps" and (entry["logboom"]["pid"], entry["logboom"]["uid"]) == (service.pid, os.getuid())
        assert entry["syslog"] == {"appname": "pumps", "procid": str(service.pid), "facility": 19}
    fault = entries[-1]
    assert fault["message"].startswith("valve is stuck\nTraceback (most recent call last):\n")
    assert lines_of(fault) == fault["message"].count("\n") + 1
    assert (fault["error"]["kind"], fault["error"]["message"]) == ("ValueError", "cannot turn by 7")
    assert fault["error"]["stack"].startswith("Traceback") and "in turn" in fault["error"]["stack"]
    assert re.fullmatch("[0-9a-f]{16}", fault["error"]["fingerprint"])


def test_without_a_tag_the_service_is_who_the_kernel_says(agent, out):
    a = agent(out.sections)
    run(PYTHON, PROGRAMS / "syslog_service.py", a.runtime / "syslog.sock", "%(message)s")
    a.flush()
    entries = out.entries()
    unit = re.findall(r"/([^/\n]+)\.service(?=/|$)", open("/proc/self/cgroup").read(), re.M)
    assert {e["service"] for e in entries} <= {unit[-1]} if unit else {"python3", os.path.basename(os.path.realpath(PYTHON))}
    assert len(entries) == 6 and entries[-1]["error"]["kind"] == "ValueError"


LIBC = """
import syslog
syslog.openlog("tank", syslog.LOG_PID, syslog.LOG_LOCAL0)
for level in range(8):
    syslog.syslog(level, f"says {level}")
syslog.closelog()
syslog.openlog("plain")
syslog.syslog(syslog.LOG_ERR, "a\\nb")
"""
LEVELS = "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"


@ALONE
def test_what_libc_sends_to_dev_log_is_understood(agent, out, runtime):
    """/dev/log is ours in a mount namespace alone."""
    a = agent(out.sections)
    dev = runtime.parent / "dev"
    dev.mkdir()
    script = (f"mount -t tmpfs none {dev} && mkdir {dev}/lb && mount --bind {runtime} {dev}/lb && "
              f"ln -s lb/syslog.sock {dev}/log && mount --move {dev} /dev && exec {PYTHON} -c '{LIBC}'")
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    if "permi" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    a.flush()
    *eight, plain = out.entries()
    assert [(e["message"], e["status"]) for e in eight] == [(f"says {n}", LEVELS[n]) for n in range(8)]
    for entry in eight:
        assert entry["service"] == "tank" and entry["syslog"]["facility"] == 16
        assert entry["syslog"]["procid"] == str(entry["logboom"]["pid"])
    assert (plain["service"], plain["message"], plain["status"], lines_of(plain)) == ("plain", "a\nb", "error", 2)


@pytest.mark.parametrize("form, head", [
    ([], {}), (["--rfc3164"], {"hostname": socket.gethostname().split(".")[0]}),
    (["--rfc5424=notq", "--msgid", "M1", "--sd-id", "pump@32473", "--sd-param", 'litres="12"'],
     {"hostname": socket.gethostname(), "msgid": "M1", "structured_data": {"pump@32473": {"litres": "12"}}}),
])
def test_what_logger_sends_is_understood(agent, out, form, head):
    a = agent(out.sections)
    run("logger", "-u", a.runtime / "syslog.sock", "-d", "--id=77", "-t", "backup", "-p", "local1.crit", *form, "disk is", "gone")
    a.flush()
    entry, = out.entries()
    assert (entry["message"], entry["status"], entry["service"]) == ("disk is gone", "critical", "backup")
    assert entry["syslog"] == {"appname": "backup", "procid": "77", "facility": 17, **head}


def test_lines_of_a_container_bear_its_tag(agent, out):
    """Docker's driver on a unix socket: RFC 3164 without a host, stdout as info, stderr as error."""
    a = agent(out.sections)
    send(a, b"<30>Nov 23 05:00:00 3f2a9c[812]: GET / 200", b"<27>Nov 23 05:00:00 shop/web:1.2[812]: WARNING:root:low on ink",
         b"<30>1 2026-11-23T05:00:00.000001Z host 3f2a9c 812 3f2a9c - ready")
    found = [(e["service"], e["message"], e["status"]) for e in out.entries()]
    assert found == [("3f2a9c", "GET / 200", "info"), ("shop/web:1.2", "WARNING:root:low on ink", "error"),
                     ("3f2a9c", "ready", "info")]
    assert {e["syslog"]["procid"] for e in out.entries()} == {"812"}


@ALONE
def test_pid_and_user_are_the_kernels_word(agent, out, runtime):
    a = agent(out.sections)
    runtime.parent.chmod(0o755)
    script = (f"import socket, os; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
              f"s.sendto(b'<14>sshd[1]: I am root', {str(runtime / 'syslog.sock')!r}); print(os.getpid())")
    done = run("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", PYTHON, "-c", script, stdout=subprocess.PIPE)
    a.flush()
    entry, = out.entries()
    assert (entry["logboom"]["pid"], entry["logboom"]["uid"]) == (int(done.stdout), NOBODY)
    assert entry["syslog"]["procid"] == "1" and entry["message"] == "I am root"


# ---- what is sent ----


def test_a_datagram_is_one_record_whatever_is_in_it(agent, out):
    a = agent(out.sections)
    cases = [(b"<11>app: one\ntwo\n\nthree", "one\ntwo\n\nthree", "error"), (b"", "", "info"), (b"<14>", "", "info"),
             (b"plain text", "plain text", "info"), (b"<14>app: with NUL behind\0", "with NUL behind", "info"),
             (b"<13>app: a\0b", "a\0b", "notice"), (b"\n", "\n", None), (b"<12>app: line end\n", "line end", "warning"),
             (b"\0", None, None), (b"<14>app: caf\xe9 \xff\xfe", "caf\ufffd \ufffd\ufffd", "info")]
    send(a, *[datagram for datagram, *_ in cases])
    entries = out.entries()
    assert len(entries) == len(cases)
    for entry, (datagram, message, status) in zip(entries, cases):
        assert "cut" not in entry["logboom"]
        assert message in (None, entry["message"], entry["message"] + "\n"), datagram
        assert status in (None, entry["status"]), datagram
        assert lines_of(entry) == entry["message"].count("\n") + 1, datagram


def test_garbage_is_one_record_each_and_harms_nobody(agent, out):
    chance, count = seeded(), 2000
    a = agent(out.sections)
    heads = [b"", b"<", b"<14>", b"<14>1 ", b"<14>1 2026-11-23T05:00:00Z h a p m ", b"<14>1 - - - - - [", b"<14>Nov 23 05:00:00 "]
    garbage = [chance.choice(heads) + chance.randbytes(chance.choice([0, 1, 10, 100, 2000])) for _ in range(count)]
    with sender(a.runtime / "syslog.sock") as sock:
        for datagram in garbage:
            sock.send(datagram)
        sock.send(b"<14>last: one")
    a.flush()
    entries = out.entries()
    assert len(entries) == count + 1
    assert (entries[-1]["service"], entries[-1]["message"]) == ("last", "one")
    assert_books_balance(a.status())


@pytest.mark.parametrize("text", ["x" * 199990, "tür zu, " * 22000, "\U0001f6f6\n" * 40000], ids=["ascii", "two bytes", "lines"])
def test_a_datagram_that_is_too_long_is_several_records_and_none_of_it_is_lost(agent, out, text):
    a = agent(out.sections)
    with sender(a.runtime / "syslog.sock") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sock.send(b"<11>big[1]: " + text.encode())
        sock.send(b"<14>small: after it")
    a.flush()
    *big, small = out.entries()
    is_whole = "".join(e["message"] for e in big).rstrip("\n") == text.rstrip("\n")
    assert len(big) > 2 and is_whole
    for entry in big:
        assert entry["logboom"]["cut"] and entry["service"] == "big" and entry["status"] == "error"
        assert entry["syslog"] == {"appname": "big", "procid": "1", "facility": 1}
    assert small["message"] == "after it" and "cut" not in small["logboom"]


def test_one_longer_than_what_is_kept_for_it_is_cut_and_says_so(agent, out):
    a = agent(out.sections)
    with sender(a.runtime / "syslog.sock") as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE if os.getuid() == 0 else socket.SO_SNDBUF, 4 << 20)
        with contextlib.suppress(OSError):  # without root the kernel allows no such thing
            sock.send(b"<14>big: " + b"y" * 1000000)
        sock.send(b"<14>small: after it")
    a.flush()
    *big, small = out.entries()
    assert all(e["logboom"]["cut"] and set(e["message"]) == {"y"} for e in big)
    assert small["message"] == "after it"


def test_descriptors_that_come_along_are_closed(agent, out):
    a = agent(out.sections)
    before = fd_count_at_rest(a)
    with sender(a.runtime / "syslog.sock") as sock, open("/dev/null", "rb") as null:
        for n in range(1, 101):
            fds = array.array("i", [null.fileno()] * (n % 100 + 1))
            sock.sendmsg([b"<14>evil: take these"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    a.flush()
    assert len(out.entries("evil")) == 100
    wait_until(lambda: fd_count(a) <= before, what="as many descriptors as before")


# ---- an agent that goes away ----


def start_with(agent, sock, program=None, env=None):
    """Start it as systemd starts a unit that has a socket: we keep that socket whatever becomes of the agent."""
    with open(agent.log_path, "ab") as log:
        agent.process = subprocess.Popen([PYTHON, PROGRAMS / "pass_socket.py", str(sock.fileno()), program or agent.program,
                                          "-c", agent.ini], pass_fds=[sock.fileno()], stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, env={**agent.env, **(env or {})})


@pytest.fixture
def passed(runtime):
    """A bound socket that outlives agents, and its path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        path = runtime.parent / "passed.sock"
        sock.bind(str(path))
        yield sock, path


def send_numbered(path, numbers_sent, until, pause=0.0005):
    """Send numbered datagrams until that event; a full queue holds us up."""
    with sender(path) as sock:
        n = 0
        while not until.is_set():
            sock.send(b"<14>app: " + line(n).rstrip(b"\n"))
            n += 1
            numbers_sent[0] = n
            time.sleep(pause)


def prove_once(entries, count):
    """Each of so many was queued once; the file may hold a record twice, under the same number."""
    found = prove_ring(entries)
    assert_exactly(numbers(found.values(), "app"), range(count))
    assert not [e for e in found.values() if e["logboom"].get("cut")]


def test_what_waits_in_systemds_socket_when_the_agent_is_killed_comes_once(agent, out, passed):
    chance, sent, until = seeded(), [0], threading.Event()
    sock, path = passed
    a = agent(out.sections, start=False)
    start_with(a, sock)
    thread = threading.Thread(target=send_numbered, args=(path, sent, until))
    thread.start()
    try:
        for _ in range(10):
            time.sleep(chance.uniform(0.01, 0.2))
            a.kill9()
            time.sleep(chance.choice([0, 0.05]))  # what is sent now waits in the socket
            start_with(a, sock)
        wait_until(lambda: sent[0] > 500, what="the last one takes the rest")
    finally:
        until.set()
        thread.join()
    wait_until(a._is_ready, what="the last one is ready")
    a.flush()
    prove_once(out.everything(), sent[0])
    assert book(a, "app")["in"] == sent[0]


def send_some(path, first):
    """Send a few, as many as find room; the number that comes next."""
    with sender(path) as to, contextlib.suppress(BlockingIOError):
        to.setblocking(False)
        for n in range(first, first + FEW):
            to.send(b"<14>app: " + line(n).rstrip(b"\n"))
            first = n + 1
    return first


@pytest.mark.parametrize("samples", [30, pytest.param(500, marks=pytest.mark.long)])
def test_no_kill_point_loses_or_doubles_a_datagram(agent, out, passed, kp_program, samples):
    """Whether it dies with a datagram in its hands, or in the recovery of one: the next one has it once."""
    chance, killed, done = seeded(), 0, 0
    sock, path = passed
    a = agent(out.sections, start=False)
    for _ in range(samples):
        done = send_some(path, done)
        # As many deaths near the start, where it recovers, as far behind it.
        start_with(a, sock, kp_program, {"LOGBOOM_KILL_AT": str(int(2 ** chance.uniform(3, 11)))})
        wait_until(lambda: a.process.poll() is not None or taken_by(a) == done, what="killed, or all is taken")
        killed += a.process.poll() is not None
        a.kill9()
    start_with(a, sock)
    wait_until(a._is_ready, what="ready")
    a.flush()
    print(f"{killed} of {samples} killed at a store")
    assert killed > samples // 4
    prove_once(out.everything(), done)


def taken_by(agent):
    """Lines of `app` so far; None where the agent does not answer (any more)."""
    answer = agent.client("status", "--json")
    if answer.returncode != 0:
        return None
    return json.loads(answer.stdout)["books"]["services"].get("app", {"in": {"lines": 0}})["in"]["lines"]


def test_an_agent_that_is_told_to_stop_takes_what_is_queued(agent, out):
    a = agent(out.sections)
    stop_for_a_while(a.process)
    with sender(a.runtime / "syslog.sock") as sock:
        for n in range(10):
            sock.send(b"<14>app: " + line(n).rstrip(b"\n"))
    a.process.send_signal(signal.SIGTERM)
    a.process.send_signal(signal.SIGCONT)
    assert a.process.wait(60) == 0
    assert_exactly(numbers(out.entries(), "app"), range(10))


# ---- a sink that goes away, a queue that is full ----

SEND_MAX_S = 15.0  # a busy machine may take a process away for long; max_stall is 25 ms


def test_a_sink_that_is_away_holds_up_no_sender_and_every_drop_is_told(agent, sink, intake, runtime):
    sink["sink datadog"].update(sequence="all", wait="50ms", urgent_wait="20ms", retry_min="20ms", retry_max="200ms")
    a, count, longest = agent({**sink, "ring": {"size": "512K"}}), 12000, 0
    a.flush()
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    with sender(a.runtime / "syslog.sock") as sock:
        for n in range(count):
            begin = time.monotonic()
            sock.send(b"<14>app: " + line(n, "x" * 60).rstrip(b"\n"))
            longest = max(longest, time.monotonic() - begin)
    assert longest < SEND_MAX_S
    wait_until(lambda: book(a, "app")["in"] == count, what="all are taken")
    intake.plan.set([])

    def is_told():
        a.flush()
        told = sum(e["logboom"]["count"] for e in receipts(intake.everything()))
        return told == book(a)["shed"] + book(a)["overload"]
    wait_until(is_told, what="all losses are told")
    found = by_number(intake.everything())
    got = numbers(found.values(), "app")
    told = sum(e["logboom"]["count"] for e in receipts(intake.everything()))
    print(f"longest send() {longest * 1000:.1f} ms; {len(got)} delivered, {told} told")
    assert told > 0 and len(set(got)) == len(got) and len(got) + told == count
    assert_books_balance(a.status())


def test_syslog_off_makes_no_socket_and_removes_that_of_before(agent, out):
    a = agent({**out.sections, "capture": {"syslog": "no"}})
    assert not (a.runtime / "syslog.sock").exists()
    a.sections["capture"]["syslog"] = "yes"
    a.write_ini()
    a.restart()
    send(a, b"<14>app: here")
    a.sections["capture"]["syslog"] = "no"
    a.write_ini()
    a.restart()
    assert not (a.runtime / "syslog.sock").exists()
    assert [e["message"] for e in out.entries()] == ["here"]


def inside_network_of(agent, *command):
    return subprocess.run(["nsenter", "-t", str(agent.process.pid), "-n", "--", *command], capture_output=True, text=True,
                          timeout=60).stdout


def queued_at_a_stopped(agent):
    """How many datagrams its socket takes before senders wait. Each sender has a bound of its own, so there are many."""
    stop_for_a_while(agent.process)
    count = 0
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                sock = stack.enter_context(sender(agent.runtime / "syslog.sock"))
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    for _ in range(100):
                        sock.send(b"<14>app: x")
                        count += 1
    finally:
        agent.process.send_signal(signal.SIGCONT)
    return count


@pytest.fixture
def network():
    """A network namespace has a queue length of its own: the machine's stays as it is."""
    if reason := reason_not_to():
        pytest.skip(reason)
    with open(QUEUE_LENGTH) as machines:
        before = machines.read()
    yield [*UNSHARE, "--"]
    with open(QUEUE_LENGTH) as machines:
        assert machines.read() == before


def test_the_queue_is_made_longer_where_that_is_allowed(agent, out, network):
    a = agent(out.sections, wrap=network)
    if not os.access(QUEUE_LENGTH, os.W_OK):
        pytest.skip("/proc/sys cannot be written here")
    assert inside_network_of(a, "cat", QUEUE_LENGTH) == "512\n"
    assert 512 <= queued_at_a_stopped(a) <= 513
    assert "max_dgram_qlen" not in a.log


@ALONE
def test_where_it_is_not_allowed_that_is_said(agent, out, runtime, network):
    runtime.parent.chmod(0o755)
    os.chown(runtime.parent, NOBODY, NOBODY)
    ordinary = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--bounding-set=-all"]
    a = agent(out.sections, wrap=[*network, *ordinary])
    length = int(inside_network_of(a, "cat", QUEUE_LENGTH))
    assert length < 512, "a new namespace has the kernel's own"
    assert f"only {length} datagrams can queue" in a.log
    assert length <= queued_at_a_stopped(a) <= length + 1
    send(a, b"<14>app: through")
    assert "through" in [e["message"] for e in out.entries()]
