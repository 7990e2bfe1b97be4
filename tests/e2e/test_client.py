# SPDX-License-Identifier: MIT
"""The thin client alone, against an agent of our own (fake_agent.py).

The story: an app writes numbered lines into a pipe. Whatever happens to the agent meanwhile (absent, late,
killed, killed in mid-buffer, deaf, refusing), the app is never blocked for long and never gets SIGPIPE;
every line arrives once and in order, or is counted; and the client says by its exit code how it went.
"""

import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import BUILD, wait_until
from fake_agent import FakeAgent

CLIENT = BUILD / "logboom"
STALL_S = 5.0  # no write of an app may take longer; a look at the pipe comes every 50 ms, the rest is a busy machine
STDIN, STDOUT, STDERR = range(3)


def line(number):
    return b"line %07d of the app's output, as long as such lines are\n" % number


def numbered(first, last):
    return b"".join(line(n) for n in range(first, last))


@pytest.fixture
def world(runtime):
    """Starts clients and agents on one runtime directory, and ends what is left of them."""
    world = World(runtime)
    yield world
    world.end()


class World:
    def __init__(self, runtime):
        runtime.mkdir()
        self.runtime = runtime
        self.env = {**os.environ, "LOGBOOM_RUNTIME_DIR": str(runtime)}
        self.env.pop("JOURNAL_STREAM", None)
        self.memory = {}
        self.agents, self.clients = [], []

    def agent(self, **plan):
        self.agents.append(FakeAgent(self.runtime, memory=self.memory, **plan))
        return self.agents[-1]

    def client(self, *args, **kwargs):
        kwargs = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        self.clients.append(subprocess.Popen([CLIENT, *map(str, args)], env=self.env, **kwargs))
        return self.clients[-1]

    def ask(self, *args, **kwargs):
        """Run a client to its end: (exit code, stdout, stderr)."""
        return finish(self.client(*args, **kwargs))

    def app(self, *args, **kwargs):
        """`logboom pipe ARGS...` with an App that writes into it."""
        read_end, write_end = os.pipe()
        client = self.client("pipe", *args, stdin=read_end, **kwargs)
        os.close(read_end)
        return App(write_end), client

    @property
    def stream(self):
        return self.agents[-1].stream

    def is_read(self):
        """the agent reads the pipe"""
        return self.memory and all(s.is_read for s in self.memory.values())

    def end(self):
        for client in self.clients:
            if client.poll() is None:
                client.kill()
            client.wait(60)
            for pipe in (client.stdin, client.stdout, client.stderr):
                if pipe:
                    pipe.close()
        faults = [fault for agent in self.agents for fault in agent.faults]
        for agent in self.agents:
            if not agent.is_dead:
                agent.kill()
        assert faults == [], "the client broke the protocol"


class App:
    """The writing end of a pipe. SIGPIPE would be a BrokenPipeError here, as Python ignores the signal."""

    def __init__(self, write_end):
        self.fd = write_end
        self.slowest_s = 0.0
        self.written = bytearray()
        os.set_blocking(write_end, False)

    def write(self, text):
        view = memoryview(text)
        while view:
            began = time.monotonic()
            assert select.select([], [self.fd], [], 10 * STALL_S)[1], "the app is blocked"
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            view = view[os.write(self.fd, view):]
        self.written += text

    def close(self):
        os.close(self.fd)


def finish(client, seconds=60):
    out, err = client.communicate(timeout=seconds)
    return client.returncode, out, err.decode()


def test_the_agent_reads_the_pipe_itself_and_the_client_ends_with_it(world):
    world.agent()
    app, client = world.app("-s", "web@1", "-T", "env=lab", "-T", "site=a:b")
    wait_until(world.is_read)
    app.write(numbered(0, 1000))
    wait_until(lambda: bytes(world.stream.bytes) == app.written)
    app.close()
    assert finish(client) == (0, b"", "")
    stream = world.stream
    assert stream.hellos == [{"kind": STDIN, "service": "web@1", "tags": "env:lab,site:a:b", "source_pid": 0}]
    assert stream.has_ended and stream.drained == 0


def test_a_reading_agent_lets_the_client_sleep_and_be_small(world):
    world.agent()
    app, client = world.app()
    wait_until(world.is_read)
    proc = Path(f"/proc/{client.pid}")

    def wake_ups():
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (proc / "status").read_text(), re.M)[1])

    app.write(line(0))
    wait_until(lambda: bytes(world.stream.bytes) == app.written)  # the client was told before that it is read
    wait_until(lambda: (proc / "stat").read_text().rsplit(")", 1)[1].split()[0] == "S")
    before = wake_ups()
    for number in range(1, 30):
        app.write(line(number))
        time.sleep(0.01)  # the claim is about nothing happening, so time must pass
    wait_until(lambda: bytes(world.stream.bytes) == app.written)
    assert wake_ups() == before
    if "libasan" not in (proc / "maps").read_text():
        dirty_kib = int(re.search(r"^Private_Dirty:\s+(\d+)", (proc / "smaps_rollup").read_text(), re.M)[1])
        assert dirty_kib <= 300
    app.close()
    assert finish(client)[0] == 0


def test_what_an_app_writes_while_the_agent_is_dead_comes_once_and_in_order(world):
    first = world.agent()
    app, client = world.app()
    wait_until(world.is_read)
    app.write(numbered(0, 5000))
    first.kill()
    app.write(numbered(5000, 12000))  # more than a pipe holds, less than the buffer does
    world.agent()
    wait_until(world.is_read)
    app.write(numbered(12000, 13000))
    wait_until(lambda: len(world.stream.bytes) == len(app.written))
    app.close()
    assert finish(client)[0] == 0
    stream = world.stream
    assert bytes(stream.bytes) == app.written
    assert len(stream.hellos) >= 2 and stream.drained > 0 and stream.losses == []
    assert app.slowest_s < STALL_S
    assert stream.stamps == sorted(stream.stamps) and 0 < stream.stamps[-1] <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_agents_that_die_in_mid_buffer_get_each_drained_byte_once(world):
    first = world.agent()
    app, client = world.app()
    wait_until(world.is_read)
    first.kill()
    app.write(numbered(0, 10000))
    for die_after in (1, 20001, 150000, 150001, 300000):
        dying = world.agent(die_after=die_after)
        wait_until(lambda: dying.is_dead)
        assert world.stream.drained == die_after
    world.agent()
    wait_until(world.is_read)
    app.close()
    assert finish(client)[0] == 0
    assert bytes(world.stream.bytes) == app.written and world.stream.losses == []


def test_agents_that_come_and_go_at_random_get_every_byte_once(world):
    seed = int(os.environ.get("LB_SEED", time.time_ns() % 10**6))
    print(f"seed {seed} (LB_SEED)")
    chance = random.Random(seed)
    app, client = world.app()
    number = 0
    for _ in range(12):
        taken = world.agents[-1].stream.drained if world.memory else 0
        agent = world.agent(die_after=taken + chance.randrange(200000) if chance.random() < 0.5 else None)
        for _ in range(chance.randrange(1, 20)):
            app.write(numbered(number, number + 50))
            number += 50
            time.sleep(chance.random() * 0.01)  # lets kills fall into every phase
        if not agent.is_dead:
            agent.kill()
        more = chance.randrange(1500)
        app.write(numbered(number, number + more))
        number += more
    world.agent()
    wait_until(world.is_read)
    app.close()
    assert finish(client)[0] == 0
    assert bytes(world.stream.bytes) == app.written and world.stream.losses == []
    assert app.slowest_s < STALL_S


def test_a_signal_ends_the_reading_of_what_is_no_pipe(world):
    world.agent()
    ours, theirs = socket.socketpair()
    client = world.client("pipe", stdin=theirs)
    theirs.close()
    wait_until(world.is_read)
    ours.send(b"one\n")
    wait_until(lambda: bytes(world.stream.bytes) == b"one\n")
    client.send_signal(signal.SIGTERM)
    assert finish(client)[0] == 0
    wait_until(lambda: world.stream.has_ended)  # the pump ended too
    ours.close()


def test_an_agent_that_is_there_gets_all_though_nobody_waits(world):
    world.agent()
    assert world.ask("pipe", "--wait", "0", stdin=subprocess.DEVNULL)[0] == 0
    app, client = world.app("--wait", "0")
    app.write(numbered(0, 100))
    app.close()
    assert finish(client)[0] == 0


def test_an_agent_that_lost_its_memory_gets_what_was_not_taken(world):
    first = world.agent()
    app, client = world.app()
    wait_until(world.is_read)
    first.kill()
    app.write(numbered(0, 10000))
    dying = world.agent(die_after=200000)
    wait_until(lambda: dying.is_dead)
    lost = bytes(world.stream.bytes)
    world.memory.clear()
    world.agent()
    wait_until(world.is_read)
    app.close()
    assert finish(client)[0] == 0
    kept = bytes(world.stream.bytes)
    assert app.written.endswith(kept) and len(lost) + len(kept) >= len(app.written)


def test_over_the_bound_the_oldest_whole_lines_go_and_are_counted(world):
    first = world.agent()
    app, client = world.app()
    wait_until(world.is_read)
    app.write(numbered(0, 100))
    wait_until(lambda: len(world.stream.bytes) == len(app.written))
    first.kill()
    total = 60000  # 3.4 MiB
    app.write(numbered(100, total))
    world.agent()
    wait_until(world.is_read)
    app.close()
    assert finish(client)[0] == 0
    stream = world.stream
    got = bytes(stream.bytes).splitlines(keepends=True)
    assert stream.lost_lines == total - len(got) > 0
    assert stream.lost_bytes == len(app.written) - len(stream.bytes)
    assert got == [line(n) for n in range(100)] + [line(n) for n in range(100 + stream.lost_lines, total)]
    assert stream.losses[0][0] == len(numbered(0, 100)) and 2**19 < stream.drained <= 2**20
    assert app.slowest_s < STALL_S


def test_without_an_agent_the_lost_lines_are_counted_and_the_exit_is_3(world):
    app, client = world.app("--wait", "300ms")
    app.write(numbered(0, 40000) + b"and one without its end")
    began = time.monotonic()
    app.close()
    code, _, err = finish(client)
    assert code == 3 and " 40001 lines are lost" in err
    assert 0.25 < time.monotonic() - began < 9, "by default it waits for 10 s"
    assert app.slowest_s < STALL_S


def test_an_agent_that_comes_within_the_wait_gets_all_of_it(world):
    app, client = world.app("--wait", "20s")
    app.write(numbered(0, 5000))
    app.close()
    world.agent()
    assert finish(client)[0] == 0
    assert bytes(world.stream.bytes) == app.written and world.stream.has_ended


def test_a_mute_agent_blocks_no_app(world):
    mute = world.agent(mute=True)
    app, client = world.app()
    app.write(numbered(0, 10000))
    assert app.slowest_s < STALL_S
    mute.kill()
    world.agent()
    wait_until(world.is_read)
    app.close()
    assert finish(client)[0] == 0
    assert bytes(world.stream.bytes) == app.written


def test_a_refusal_is_told_once_and_tried_again(world):
    stern = world.agent(refuse="the pipe is being read\x1b[2J")
    app, client = world.app()
    app.write(numbered(0, 10000))
    wait_until(lambda: stern.hellos_refused > 3)
    stern.kill()
    world.agent()
    wait_until(world.is_read)
    app.close()
    code, _, err = finish(client)
    assert code == 0 and bytes(world.stream.bytes) == app.written
    assert err.count("the pipe is being read?[2J") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_client_and_the_agent_reads_on(world, number):
    world.agent()
    app, client = world.app()
    wait_until(world.is_read)
    client.send_signal(number)
    assert finish(client)[0] == 0
    wait_until(lambda: world.stream.said_bye)
    app.write(numbered(0, 5000))
    app.close()
    wait_until(lambda: world.stream.has_ended)
    assert bytes(world.stream.bytes) == app.written


def test_a_second_signal_without_an_agent_ends_at_once(world):
    app, client = world.app("--wait", "1h")
    app.write(numbered(0, 10))
    wait_until(lambda: b"no agent at" in os.read(client.stderr.fileno(), 4096))
    client.send_signal(signal.SIGTERM)
    client.send_signal(signal.SIGINT)
    wait_until(lambda: client.poll() is not None or client.send_signal(signal.SIGTERM))
    assert client.returncode == 3
    app.close()


def test_tee_copies_byte_for_byte(world):
    world.agent()
    text = numbered(0, 20000) + bytes(range(256)) * 300
    client = world.client("pipe", "--tee", stdin=subprocess.PIPE)
    out, err = client.communicate(text, timeout=60)
    assert (client.returncode, err) == (0, b"")
    assert out == text and bytes(world.stream.bytes) == text


def test_tee_to_a_closed_stdout_goes_on_logging(world):
    world.agent()
    read_end, write_end = os.pipe()
    app, client = world.app("--tee", stdout=write_end)
    os.close(write_end)
    os.close(read_end)
    app.write(numbered(0, 5000))
    app.close()
    assert finish(client)[0] == 0
    assert bytes(world.stream.bytes) == app.written


def test_tee_outlives_a_signal_as_long_as_the_app_writes(world):
    world.agent()
    app, client = world.app("--tee", stdout=subprocess.DEVNULL)
    wait_until(world.is_read)
    client.send_signal(signal.SIGTERM)
    assert client.wait(60) == 0
    app.write(numbered(0, 5000))
    app.close()
    wait_until(lambda: world.stream.has_ended)
    assert bytes(world.stream.bytes) == app.written


@pytest.mark.parametrize("text", [b"", b"no line end", numbered(0, 30000)], ids=["empty", "short", "long"])
def test_a_file_is_read_to_its_end(world, text):
    path = world.runtime / "input"
    path.write_bytes(text)
    world.agent()
    with open(path, "rb") as file:
        assert world.ask("pipe", stdin=file) == (0, b"", "")
    assert bytes(world.stream.bytes) == text and world.stream.has_ended


def test_run_sends_both_outputs_and_names_their_writer(world):
    world.agent()
    script = "echo out; echo err >&2; echo $$"
    assert world.ask("run", "-s", "job", "--", "sh", "-c", script) == (0, b"", "")
    out, = world.agents[-1].streams(STDOUT)
    err, = world.agents[-1].streams(STDERR)
    pid = out.hellos[0]["source_pid"]
    assert bytes(out.bytes) == b"out\n%d\n" % pid and bytes(err.bytes) == b"err\n"
    assert err.hellos[0] == {"kind": STDERR, "service": "job", "tags": "", "source_pid": pid}


@pytest.mark.parametrize("code, command", [
    (0, ["true"]), (7, ["sh", "-c", "exit 7"]), (128 + 9, ["sh", "-c", "kill -9 $$"]),
    (128 + 15, ["sh", "-c", "kill $$"]), (127, ["no-such-command-here"]), (126, ["/dev/null"]), (126, ["/dev"]),
])
def test_run_exits_as_its_command_did(world, code, command):
    world.agent()
    assert world.ask("run", "--", *command)[0] == code


def test_run_starts_at_once_without_an_agent_and_counts_what_is_lost(world):
    mark = world.runtime / "mark"
    client = world.client("run", "sh", "-c", f"echo one; echo two >&2; touch {mark}; exit 5")
    wait_until(mark.exists, 9, "it runs before anybody would give up waiting for an agent")
    # A signal after the command's end cuts the wait for an agent short.
    wait_until(lambda: client.poll() is not None or client.send_signal(signal.SIGTERM))
    code, _, err = finish(client)
    assert code in (5, 128 + 15)  # the signal may have been quicker than the exit
    assert code != 5 or "2 lines are lost" in err


def test_run_passes_signals_on(world):
    world.agent()
    ready = world.runtime / "ready"
    script = f"trap 'exit 41' USR1; trap 'exit 42' TERM; touch {ready}; while :; do sleep 0.01; done"
    for number, code in ((signal.SIGUSR1, 41), (signal.SIGTERM, 42)):
        client = world.client("run", "sh", "-c", script)
        wait_until(ready.exists)
        client.send_signal(number)
        assert finish(client)[0] == code
        ready.unlink()


def test_run_leaves_the_signals_of_its_command_alone(world):
    world.agent()
    script = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []), int(signal.getsignal(signal.SIGTERM)))"
    assert world.ask("run", "--", sys.executable, "-c", script)[0] == 0
    assert bytes(world.agents[-1].streams(STDOUT)[0].bytes) == b"set() 0\n"
    script = "grep -E 'SigBlk|SigIgn' /proc/self/status"
    assert world.ask("run", "--", "sh", "-c", script)[0] == 0
    masks = [bytes(s.bytes) for s in world.agents[-1].streams(STDOUT)][-1]
    ours = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True).stdout  # what these tests were given
    assert re.findall(rb"[0-9a-f]{16}", masks) == re.findall(rb"[0-9a-f]{16}", ours)


def test_run_does_not_wait_for_children_of_its_command(world):
    world.agent()
    hold = world.runtime / "hold"
    hold.touch()
    script = f"(while [ -e {hold} ]; do sleep 0.05; done; echo late) & echo early"
    assert world.ask("run", "--", "sh", "-c", script, stdout=subprocess.DEVNULL)[0] == 0  # the child is there still
    out, = world.agents[-1].streams(STDOUT)
    wait_until(lambda: out.said_bye)
    hold.unlink()
    wait_until(lambda: out.has_ended)
    assert bytes(out.bytes) == b"early\nlate\n"


def test_run_survives_a_restart_of_the_agent(world):
    first = world.agent()
    go = world.runtime / "go"
    script = f"seq 1 1000; while [ ! -e {go} ]; do sleep 0.01; done; seq 1001 20000; seq 1 500 >&2"
    client = world.client("run", "sh", "-c", script)
    wait_until(lambda: len(world.memory) == 2 and world.is_read())
    first.kill()
    go.touch()
    world.agent()
    assert finish(client)[0] == 0
    texts = {s.hellos[-1]["kind"]: bytes(s.bytes) for s in world.memory.values()}
    assert texts[STDOUT].split() == [b"%d" % n for n in range(1, 20001)]
    assert texts[STDERR].split() == [b"%d" % n for n in range(1, 501)]


def test_questions_are_put_and_answers_shown(world):
    agent = world.agent(control={
        "status json": b'ok\n{"a": 1}\n', "status text": b"ok\nall is well\n", "flush 2000": b"ok\n",
        "flush 500": b"error 12 lines left\n", "ping": b"ok\nresolved\nanswered 202\n",
        "ping out": b"error refused\nresolved\n", "flush 10000": b""})
    assert world.ask("status", "--json") == (0, b'{"a": 1}\n', "")
    assert world.ask("status") == (0, b"all is well\n", "")
    assert world.ask("flush", "-w", "2") == (0, b"", "")
    assert world.ask("flush", "-w", "500ms") == (1, b"", "logboom: 12 lines left\n")
    assert world.ask("ping") == (0, b"resolved\nanswered 202\n", "")
    assert world.ask("ping", "out") == (1, b"resolved\n", "logboom: refused\n")
    assert world.ask("flush")[0] == 3  # closed without an answer
    assert agent.requests == ["status json", "status text", "flush 2000", "flush 500", "ping", "ping out",
                              "flush 10000"]


def test_an_agent_that_does_not_answer_is_given_up(world):
    world.agent(control={"flush 0": None})
    code, _, err = world.ask("flush", "-w", "0")
    assert code == 3 and "did not answer in time" in err


@pytest.mark.parametrize("args", [["status"], ["flush"], ["ping"]])
def test_without_an_agent_a_question_names_the_socket_and_what_to_do(world, args):
    code, _, err = world.ask(*args)
    assert code == 3
    assert str(world.runtime / "control.sock") in err and "No such file" in err and "LOGBOOM_RUNTIME_DIR" in err


@pytest.mark.parametrize("args", [
    [], ["nonsense"], ["pipe", "--nonsense"], ["pipe", "-s", "two words"], ["pipe", "-s", ""], ["pipe", "extra"],
    ["pipe", "-T", "novalue"], ["pipe", "-T", "=v"], ["pipe", "-T", "k=a,b"], ["pipe", "-T", "k=a b"],
    ["pipe", "-T", "k=" + 400 * "v"], ["pipe", "--wait", "soon"], ["run"], ["run", "--"], ["run", "-s", "a b", "true"],
    ["status", "x"], ["flush", "-w", "x"], ["flush", "--context"], ["flush", "-s", "web"], ["flush", "--context", "-s", "a b"], ["ping", "a", "b"], ["ping", "a b"],
    ["ping", ""], ["check", "a", "b"], ["tail", "-n", "x"], ["tail", "-p", "loud"], ["tail", "-s", "a b"],
    ["tail", "--since", "never"], ["tail", "extra"], ["tail", "--nonsense"],
])
def test_wrong_usage_is_exit_2_and_said(world, args):
    code, out, err = world.ask(*args)
    assert (code, out) == (2, b"") and "--help" in err


def test_help_and_version_are_for_reading(world):
    assert re.fullmatch(rb"logboom \d+\.\d+\.\d+\n", world.ask("-V")[1])
    code, out, err = world.ask("--help")
    names = re.findall(r"^  (\w+) ", out.decode(), re.M)
    assert (code, err) == (0, "") and {"pipe", "run", "tail", "status", "flush", "ping", "check"} <= set(names)
    for name in set(names) - {"logboom"}:
        code, out, err = world.ask(name, "--help")
        assert (code, err) == (0, "") and f"logboom {name}".encode() in out


def test_offline_commands_find_the_daemon_beside_the_client_then_in_path(world):
    world.clients.clear()
    for where in ("beside", "path"):
        (world.runtime / where).mkdir()
        daemon = world.runtime / where / "logboomd"
        daemon.write_text(f'#!/bin/sh\necho {where} "$@"\nexit 2\n')
        daemon.chmod(0o755)
    client = world.runtime / "beside" / "logboom"
    shutil.copy(CLIENT, client)
    env = {**world.env, "PATH": f"{world.runtime / 'path'}:{os.environ['PATH']}"}

    def run(*args):
        done = subprocess.run([client, *args], env=env, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    assert run("check", "some.ini") == (2, "beside --offline-check some.ini\n")
    assert run("check") == (2, "beside --offline-check\n")
    tail = ["-f", "-n", "5", "-s", "web", "-p", "warning", "-g", "two words", "--since", "10m", "--held", "--json"]
    assert run("tail", *tail) == (2, "beside --offline-tail " + " ".join(tail) + "\n")
    (world.runtime / "beside" / "logboomd").unlink()
    assert run("check", "some.ini") == (2, "path --offline-check some.ini\n")
