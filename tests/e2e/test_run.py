# SPDX-License-Identifier: MIT
"""`logboom run` as a parent: signals, job control, exit codes, orphans, the terminal.

The story: somebody puts `logboom run --` in front of a command that worked without it. Nothing that the command, its
own parent or its terminal can see may change, whether we are PID 1, a subreaper or a job of a shell.
"""

import ctypes
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from conftest import wait_until
from test_client import CLIENT, STDERR, STDOUT, finish, world  # noqa: F401  (a fixture)

PASSED_ON = ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2")


def state_of(pid):
    """R, S, T, Z ... | "" there is no such process"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return ""


def children_of(pid):
    """{pid: state} of its children, zombies too."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid:
            found[int(stat.parent.name)] = state
    return found


def command_of(client):
    """The pid of the command, once there is one."""
    return wait_until(lambda: next(iter(children_of(client.pid)), None), what="the command runs")


@pytest.mark.parametrize("name", PASSED_ON)
def test_each_signal_reaches_the_command_once_and_its_answer_is_ours(world, name):
    world.agent()
    number = getattr(signal, "SIG" + name)
    ready = world.runtime / "ready"
    script = f"""
import signal, sys, time
count = 0
def on(number, _):
    global count
    count += 1
signal.signal({int(number)}, on)
open({str(ready)!r}, "w").close()
while not count:
    time.sleep(0.01)
time.sleep(0.2)
sys.exit(40 + count)
"""
    client = world.client("run", "-s", "job", sys.executable, "-c", script)
    wait_until(ready.exists)
    client.send_signal(number)
    assert finish(client) == (41, b"", "")


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_signal_that_ends_the_command_is_128_and_its_number(world, name):
    agent = world.agent()
    number = getattr(signal, "SIG" + name)
    client = world.client("run", "sleep", "60", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    wait_until(lambda: world.is_read())
    client.send_signal(number)
    assert finish(client)[0] == 128 + number
    assert (agent.exits[0]["code"], agent.exits[0]["flags"] & 1) == (number, 1)


def test_stop_and_continue_reach_both(world):
    world.agent()
    client = world.client("run", sys.executable, "-c", "import time; time.sleep(60)")
    command = command_of(client)
    wait_until(lambda: world.is_read())
    for _ in range(3):
        client.send_signal(signal.SIGTSTP)
        wait_until(lambda: state_of(client.pid) == "T", what="the client stops")
        client.send_signal(signal.SIGCONT)
        wait_until(lambda: state_of(client.pid) == "S" and state_of(command) == "S", what="both go on")
    client.terminate()
    assert finish(client)[0] == 128 + signal.SIGTERM


def test_a_command_sees_stop_and_continue_itself(world):
    world.agent()
    ready = world.runtime / "ready"
    script = f"""
import signal, sys
for number in (signal.SIGTSTP, signal.SIGCONT):
    signal.signal(number, lambda n, _: print(n, flush=True))
open({str(ready)!r}, "w").close()
while True:
    signal.pause()
"""
    client = world.client("run", sys.executable, "-c", script)
    wait_until(ready.exists)
    client.send_signal(signal.SIGTSTP)
    wait_until(lambda: state_of(client.pid) == "T")
    # The kernel takes a stop back that is not delivered yet when a process is told to go on.
    wait_until(lambda: b"%d\n" % signal.SIGTSTP in [bytes(s.bytes) for s in world.memory.values()])
    client.send_signal(signal.SIGCONT)
    expected = b"%d\n%d\n" % (signal.SIGTSTP, signal.SIGCONT)
    wait_until(lambda: expected in [bytes(s.bytes) for s in world.memory.values()])
    client.terminate()
    assert finish(client)[0] == 128 + signal.SIGTERM


def test_who_ignores_stop_is_not_stopped(world):
    world.agent()
    client = world.client("run", "sleep", "60", preexec_fn=lambda: signal.signal(signal.SIGTSTP, signal.SIG_IGN))
    wait_until(lambda: world.is_read())
    client.send_signal(signal.SIGTSTP)
    client.send_signal(signal.SIGUSR1)
    assert finish(client)[0] == 128 + signal.SIGUSR1


class Terminal:
    """A pty with a process in a session of its own."""

    def __init__(self, world, *argv):
        self.text = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(str(argv[0]), [str(a) for a in argv], {**world.env, "PS1": "$ ", "TERM": "dumb"})

    def type(self, text):
        os.write(self.fd, text)

    def wait_for(self, pattern):
        def has():
            while select.select([self.fd], [], [], 0)[0]:
                try:
                    self.text += os.read(self.fd, 65536)
                except OSError:  # everybody has closed it
                    break
            return re.search(pattern, self.text)

        found = wait_until(has, what=f"{pattern!r} on the terminal")
        self.text = self.text[found.end():]
        return found

    def close(self):
        """Hang up. Returns the exit code, or None where it had to be killed."""
        status = wait_until(lambda: os.waitpid(self.pid, os.WNOHANG)[1:] if self._has_ended() else None)
        os.close(self.fd)
        return status

    def _has_ended(self):
        return state_of(self.pid) in ("Z", "")


@pytest.fixture
def shell(world):
    """An interactive bash on a terminal."""
    world.agent()
    terminal = Terminal(world, "bash", "--norc", "--noprofile", "-i")
    terminal.wait_for(rb"\$ ")
    yield terminal
    terminal.type(b"\nkill -9 %1 2>/dev/null; exit\n")
    terminal.close()


def test_job_control_of_a_shell_works(shell, world):
    shell.type(f"{CLIENT} run -s job -- sh -c 'echo $$ >{world.runtime}/pid; exec sleep 60'\n".encode())
    wait_until(lambda: world.memory and world.is_read())
    written = world.runtime / "pid"
    pid = int(wait_until(lambda: written.exists() and written.read_text()))
    for _ in range(2):
        shell.type(b"\x1a")
        shell.wait_for(rb"Stopped")
        wait_until(lambda: state_of(pid) == "T")
        shell.type(b"fg\n")
        wait_until(lambda: state_of(pid) == "S")
    shell.type(b"\x1a")
    shell.wait_for(rb"Stopped")
    shell.type(b"bg\n")
    wait_until(lambda: state_of(pid) == "S")
    shell.type(b"fg\n")
    wait_until(lambda: os.tcgetpgrp(shell.fd) == os.getpgid(pid))
    shell.type(b"\x03")
    shell.wait_for(rb"\$ ")
    shell.type(b"echo code=$?.\n")
    shell.wait_for(rb"code=130\.")
    assert state_of(pid) == ""


def test_a_job_is_stopped_by_its_client(shell, world):
    shell.type(f"{CLIENT} run -s job -- sh -c 'echo $PPID $$ >{world.runtime}/pid; exec sleep 60' &\n".encode())
    wait_until(lambda: world.memory and world.is_read())
    client, command = map(int, (world.runtime / "pid").read_text().split())
    for _ in range(3):
        os.kill(client, signal.SIGTSTP)
        wait_until(lambda: state_of(client) == "T" and state_of(command) == "T", what="both stop")
        os.kill(client, signal.SIGCONT)
        wait_until(lambda: state_of(client) == "S" and state_of(command) == "S", what="both go on")
    os.kill(client, signal.SIGTERM)
    wait_until(lambda: state_of(command) == "")


def test_a_signal_typed_at_the_terminal_comes_once(shell, world):
    script = "import signal,sys,time; n=[]; signal.signal(2,lambda *_: n.append(1)); open(sys.argv[1],\"w\").close()\n" \
             "while not n: time.sleep(.01)\ntime.sleep(.3); sys.exit(40+len(n))"
    path = world.runtime / "script.py"
    path.write_text(script)
    shell.type(f"{CLIENT} run -- {sys.executable} {path} {world.runtime}/ready\n".encode())
    wait_until((world.runtime / "ready").exists)
    shell.type(b"\x03")
    shell.wait_for(rb"\$ ")
    shell.type(b"echo code=$?.\n")
    shell.wait_for(rb"code=41\.")


def test_the_terminal_on_standard_input_is_the_commands(world):
    world.agent()
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    script = "import sys; print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stdin.readline().strip(), flush=True)"
    client = world.client("run", sys.executable, "-c", script, stdin=slave)
    os.write(master, b"typed\n")
    assert finish(client)[0] == 0
    assert bytes(world.agents[-1].streams(STDOUT)[0].bytes) == b"True False typed\n"
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("code, command", [
    (0, ["true"]), (3, ["sh", "-c", "exit 3"]), (255, ["sh", "-c", "exit 255"]), (127, ["no-such-command-here"]),
    (127, ["/no/such/path"]), (126, ["/dev/null"]), (126, ["/"]), (128 + 6, ["sh", "-c", "kill -ABRT $$"]),
    (128 + 9, ["sh", "-c", "kill -KILL $$"]), (128 + 34, ["sh", "-c", "kill -34 $$"]),
])
@pytest.mark.parametrize("has_agent", [True, False])
def test_exit_codes_are_those_of_a_shell_agent_or_not(world, has_agent, code, command):
    if has_agent:
        world.agent()
    client = world.client("run", *command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    # Without an agent a signal ends the wait for one; it must not be quicker than the command.
    if not has_agent:
        wait_until(lambda: client.poll() is not None or has_ended_below(client))
        client.terminate()
    assert finish(client)[0] == code


def has_ended_below(client):
    """the command was started, and is no more"""
    proc = Path(f"/proc/{client.pid}")
    try:
        # Its arguments are there last when a program begins; before, the name is that of whoever started it.
        has_begun = (proc / "cmdline").read_bytes().startswith(bytes(CLIENT))
        return has_begun and (proc / "comm").read_text() != "logboom\n" and not children_of(client.pid)
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_client_goes_by_the_name_of_a_command_that_is_no_more(world):
    """An agent that comes late asks /proc for the command, finds the client, and calls the service by its name."""
    client = world.client("run", "--", "sh", "-c", "echo late")
    wait_until(lambda: has_ended_below(client))
    assert Path(f"/proc/{client.pid}/comm").read_text() == "sh\n"
    agent = world.agent()
    assert finish(client)[0] == 0
    assert bytes(agent.streams(STDOUT)[0].bytes) == b"late\n" and agent.exits[0]["name"] == "sh"


def test_the_command_stays_in_proc_until_the_agent_greets(world):
    world.agent(mute=True)
    client = world.client("run", "true")
    looks = []

    def is_reaped():
        looks.append((time.monotonic(), list(children_of(client.pid).values())))
        return has_ended_below(client)

    wait_until(is_reaped)
    assert client.poll() is None, "no zombie is kept longer than the agent can need it"
    gap = max((after[0] - before[0] for before, after in zip(looks, looks[1:])), default=1)
    assert ["Z"] in [states for _, states in looks] or gap > 0.3, "for half a second it is there"
    client.terminate()
    assert finish(client)[0] == 0


ORPHANS = """
import os, sys, time
for n in range(20):
    if os.fork() == 0:
        if os.fork() == 0:       # the grandchild: its parent goes at once, so it comes to whoever reaps
            while not os.path.exists(seen):
                time.sleep(0.02)
            os._exit(n)
        os._exit(0)
    os.wait()
"""


def reaped(world, client_pid, command):
    """Wait until the 20 orphans came to the client and went, while its command lives."""
    wait_until(lambda: len(children_of(client_pid)) == 21, what="each orphan came to it")
    (world.runtime / "seen").touch()
    wait_until(lambda: (world.runtime / "done").exists() and list(children_of(client_pid)) == [command], what="they are reaped")


@pytest.mark.parametrize("has_agent", [True, False])
def test_a_subreaper_reaps_what_comes_to_it(world, has_agent):
    if has_agent:
        world.agent()
    script = f"seen = {str(world.runtime / 'seen')!r}\n" + ORPHANS + f"open({str(world.runtime / 'done')!r}, 'w').close()\ntime.sleep(60)"
    libc = ctypes.CDLL(None)
    client = world.client("run", sys.executable, "-c", script, preexec_fn=lambda: libc.prctl(36, 1, 0, 0, 0))
    command = command_of(client)
    reaped(world, client.pid, command)
    os.kill(command, signal.SIGTERM)
    if not has_agent:
        wait_until(lambda: has_ended_below(client))
        client.terminate()
    assert finish(client)[0] == 128 + signal.SIGTERM


def namespace(*command):
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("not root, or no unshare: no PID namespace")
    return ["unshare", "--pid", "--fork", "--mount-proc", *map(str, command)]


def test_pid_1_reaps_all_and_exits_as_its_command_did(world):
    world.agent()
    script = f"seen = {str(world.runtime / 'seen')!r}\n" + ORPHANS + f"open({str(world.runtime / 'done')!r}, 'w').close()\ntime.sleep(60)"
    outer = subprocess.Popen(namespace(CLIENT, "run", "-s", "box", "--", sys.executable, "-c", script), env=world.env,
                             stderr=subprocess.PIPE)
    world.clients.append(outer)
    client = command_of(outer)
    command = wait_until(lambda: next(iter(children_of(client)), None))
    reaped(world, client, command)
    os.kill(client, signal.SIGTERM)  # as `docker stop` does: from outside
    assert outer.wait(60) == 128 + signal.SIGTERM


def test_pid_1_does_not_take_an_orphans_code_for_its_commands(world):
    world.agent()
    pid = world.runtime / "pid"
    script = (f"(sh -c 'echo $$ >{pid}; exit 9' &); until [ -s {pid} ]; do sleep 0.02; done; "
              f"while [ -e /proc/$(cat {pid}) ]; do sleep 0.02; done; exit 4")  # a zombie would still be there
    done = subprocess.run(namespace(CLIENT, "run", "--", "sh", "-c", script), env=world.env, timeout=60)
    assert done.returncode == 4


def test_pid_1_passes_signals_of_its_own_children_on(world):
    world.agent()
    script = "trap 'exit 44' USR1; kill -USR1 1; while :; do sleep 0.05; done"
    done = subprocess.run(namespace(CLIENT, "run", "--", "sh", "-c", script), env=world.env, timeout=60)
    assert done.returncode == 44


def test_no_zombie_while_a_grandchild_holds_the_pipe(world):
    world.agent()
    hold = world.runtime / "hold"
    hold.touch()
    client = world.client("run", "sh", "-c", f"(while [ -e {hold} ]; do sleep 0.05; done) & exit 6",
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(world.memory) == 2 and world.is_read())
    seen = []
    wait_until(lambda: seen.append(children_of(client.pid)) or not seen[-1])
    is_there = client.poll() is None
    assert is_there or len(seen) < 20, "reaped when the agent has greeted, a second before the client's own end"
    assert client.wait(60) == 6
    hold.unlink()


def test_a_descriptor_and_a_setting_of_ours_are_not_inherited(world):
    world.agent()
    script = "ls /proc/self/fd | wc -l; sed -n 's/^Sig[BI].*://p' /proc/self/status"
    plain = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                           check=True).stdout
    assert world.ask("run", "sh", "-c", script)[0] == 0
    assert bytes(world.agents[-1].streams(STDOUT)[0].bytes) == plain
    assert bytes(world.agents[-1].streams(STDERR)[0].bytes) == b""
