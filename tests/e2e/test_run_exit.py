# SPDX-License-Identifier: MIT
"""How a command ended is told to the agent: one EXIT packet, after the last lines, answered once.

The story: a service ends, of its own will or not. Whoever reads its log sees behind its last line how it ended and
what it cost; whatever the agent does meanwhile, that is told once, and nobody waits long for it.
"""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import wait_until
from test_client import STDERR, STDOUT, finish, world  # noqa: F401  (a fixture)
from test_run import has_ended_below

SIGNALLED, CORE, OOM = 1, 2, 4
PATIENCE_S = 8  # the client's own with an agent that is silent is 10 s: whoever ends before has not used it up
SAID = "how the command ended is not recorded: "


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def sleeps_of(client):
    """How often it went to sleep: it does after each look."""
    status = Path(f"/proc/{client.pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])


def seconds_of(world, *args):
    began = time.monotonic()
    answer = world.ask("run", *args)
    return time.monotonic() - began, answer


def test_every_field_is_what_it_says(world):
    agent = world.agent()
    began = boot_ns()
    assert world.ask("run", "-s", "job@1", "-T", "env=lab", "-T", "a=b:c", "--", "sh", "-c", "echo $$; echo e >&2; exit 3") \
        == (3, b"", "")
    (out,), (err,) = agent.streams(STDOUT), agent.streams(STDERR)
    told, = agent.exits
    assert {key: told[key] for key in ("code", "flags", "service", "tags", "name")} == \
        {"code": 3, "flags": 0, "service": "job@1", "tags": "env:lab,a:b:c", "name": "sh"}
    assert (world.memory[told["stdout_id"]], world.memory[told["stderr_id"]]) == (out, err)
    assert told["source_pid"] == int(out.bytes) == out.hellos[0]["source_pid"]
    assert began < told["started_ns"] < told["ended_ns"] < boot_ns()
    assert told["after_all_lines"], "the record comes behind the last line"


def test_without_a_name_the_agent_is_left_to_derive_it(world):
    agent = world.agent()
    assert world.ask("run", "/bin/true")[0] == 0
    assert (agent.exits[0]["service"], agent.exits[0]["tags"], agent.exits[0]["name"]) == ("", "", "true")


@pytest.mark.parametrize("script, code, flags", [
    ("exit 0", 0, 0), ("exit 255", 255, 0), ("kill -TERM $$", 15, SIGNALLED), ("kill -KILL $$", 9, SIGNALLED),
    ("kill -40 $$", 40, SIGNALLED), ("sh -c 'kill -KILL $$'; exit 137", 137, 0),
])
def test_a_code_or_a_signal(world, script, code, flags):
    agent = world.agent()
    world.ask("run", "sh", "-c", script)
    assert (agent.exits[0]["code"], agent.exits[0]["flags"]) == (code, flags)


@pytest.mark.parametrize("may_dump", [True, False])
def test_a_core_is_told_where_there_is_one(world, may_dump):
    agent = world.agent()
    if may_dump and resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 and os.geteuid() != 0:
        pytest.skip("ulimit -c does not permit cores")
    with open("/proc/sys/kernel/core_pattern") as pattern:
        if may_dump and pattern.read().startswith("|"):
            pytest.skip("cores go to a program")
    limit = 1 << 30 if may_dump else 0
    world.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":disable_coredump=0"  # else it lowers the limit again
    client = world.client("run", "sh", "-c", "kill -SEGV $$", cwd=world.runtime,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (limit, limit)))
    assert finish(client)[0] == 128 + signal.SIGSEGV
    assert (agent.exits[0]["code"], agent.exits[0]["flags"]) == (signal.SIGSEGV, SIGNALLED | (CORE if may_dump else 0))


def test_cost_and_time_are_plausible_and_those_of_children_count(world):
    agent = world.agent()
    work = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nx = b'x' * (64 << 20)"
    script = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {work!r}]); time.sleep(0.2)"
    began = time.monotonic()
    assert world.ask("run", sys.executable, "-c", script)[0] == 0
    wall = time.monotonic() - began
    told, = agent.exits
    assert 0.5 <= (told["ended_ns"] - told["started_ns"]) / 1e9 <= wall
    assert 0.3 <= told["cpu_us"] / 1e6 <= wall + 0.1
    assert 64 << 10 <= told["peak_rss_kib"] <= 256 << 10


def test_ids_are_not_used_twice(world):
    agent = world.agent()
    for _ in range(5):
        world.ask("run", "true")
    assert len({told["exit_id"] for told in agent.exits}) == 5


def test_an_agent_that_dies_before_it_answers_is_told_again_under_the_same_id(world):
    first = world.agent(at_exit="die")
    client = world.client("run", "-s", "job", "sh", "-c", "echo x; exit 8")
    wait_until(lambda: first.is_dead)
    second = world.agent()
    assert finish(client) == (8, b"", "")
    assert len(first.exits) == len(second.exits) == 1 and first.exits[0] == second.exits[0]


def test_an_agent_that_is_restarted_often_is_told_in_the_end(world):
    client = world.client("run", "-s", "job", "sh", "-c", "exit 8")
    told = []
    for at_exit in ("die", "die", "die", "die", "take"):
        agent = world.agent(at_exit=at_exit)
        wait_until(lambda: agent.exits)
        told += agent.exits
        if at_exit == "die":
            wait_until(lambda: agent.is_dead)
            (world.runtime / "intake.sock").unlink()
            before = sleeps_of(client)
            wait_until(lambda: sleeps_of(client) > before + 1, what="the client has looked, and nobody was there")
    assert finish(client)[0] == 8
    assert len({t["exit_id"] for t in told}) == 1


def test_a_refusal_is_final_and_told_in_the_agents_log_alone(world):
    agent = world.agent(at_exit="refuse: no such thing")
    seconds, answer = seconds_of(world, "sh", "-c", "exit 2")
    assert answer == (2, b"", "")
    assert len(agent.exits) == 1 and seconds < PATIENCE_S


def test_an_agent_that_hangs_up_on_it_three_times_does_not_know_it(world):
    agent = world.agent(at_exit="hang up")
    seconds, answer = seconds_of(world, "sh", "-c", "exit 2")
    assert answer == (2, b"", f"logboom: {SAID}the agent hangs up on it\n")
    assert len(agent.exits) == 3 and len({told["exit_id"] for told in agent.exits}) == 1
    assert seconds < PATIENCE_S


@pytest.mark.long
def test_patience_with_a_silent_agent_is_10_seconds_in_all(world):
    world.agent(at_exit="mute")
    seconds, answer = seconds_of(world, "sh", "-c", "exit 2")
    assert answer == (2, b"", f"logboom: {SAID}the agent has not answered\n")
    assert 9.5 < seconds < 13


def test_a_signal_ends_the_wait_for_an_answer(world):
    agent = world.agent(at_exit="mute")
    client = world.client("run", "sh", "-c", "exit 2")
    wait_until(lambda: agent.exits)
    client.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert finish(client)[0] == 2
    assert time.monotonic() - began < PATIENCE_S and len(agent.exits) == 1


def test_without_an_agent_it_is_said_that_nobody_knows(world):
    client = world.client("run", "sh", "-c", "echo lost; exit 5")
    wait_until(lambda: has_ended_below(client))
    client.terminate()  # which ends the wait for an agent
    code, _, err = finish(client)
    assert code == 5 and "1 lines are lost" in err and SAID + "No such file or directory" in err


@pytest.mark.long
def test_streams_that_nobody_takes_do_not_keep_the_report(world):
    agent = world.agent(refuse="no free stream")
    code, _, err = world.ask("run", "sh", "-c", "echo lost; exit 5")
    assert code == 5 and "1 lines are lost" in err and SAID not in err
    assert len(agent.exits) == 1 and not agent.exits[0]["after_all_lines"]


def test_an_agent_that_comes_late_is_told(world):
    client = world.client("run", "sh", "-c", "echo late; exit 5")
    wait_until(lambda: b"no agent at" in os.read(client.stderr.fileno(), 4096))
    agent = world.agent()
    assert finish(client)[0] == 5
    assert agent.exits[0]["code"] == 5 and agent.exits[0]["after_all_lines"]


def test_where_grandchildren_hold_the_pipe_it_is_told_after_the_grace(world):
    agent = world.agent()
    hold = world.runtime / "hold"
    hold.touch()
    script = f"(while [ -e {hold} ]; do sleep 0.05; done; echo late) & exit 6"
    seconds, answer = seconds_of(world, "sh", "-c", script)
    finished_ns = boot_ns()
    assert answer[0] == 6 and seconds > 0.9, "the grandchild has the pipe still"
    told, = agent.exits
    assert told["code"] == 6 and (finished_ns - told["ended_ns"]) / 1e9 > 0.9, "the end is that of the command, not of the wait"
    hold.unlink()
    wait_until(lambda: all(s.has_ended for s in agent.streams(STDOUT)))


def test_a_command_that_never_ran_is_not_reported(world):
    agent = world.agent()
    assert world.ask("run", "no-such-command-here")[0] == 127
    assert agent.exits == []


def test_a_kill_of_no_oom_is_no_oom(world):
    agent = world.agent()
    client = world.client("run", "sleep", "60", stdout=subprocess.DEVNULL)
    wait_until(world.is_read)
    pid = agent.streams(STDOUT)[0].hellos[0]["source_pid"]
    os.kill(pid, signal.SIGKILL)
    assert finish(client)[0] == 137
    assert (agent.exits[0]["code"], agent.exits[0]["flags"] & ~OOM) == (9, SIGNALLED)
