# SPDX-License-Identifier: MIT
"""What a plan of a log costs, against the agent that is fed the same log.

Instructions per line are those of callgrind, as in instructions.py: the little is subtracted from the lot, so start,
end, and the first stretch, which is measured whole, are not in it. The agent's settings keep all lines, as the plan
of this log does: "throttle and masks off", and the defaults with limits that are asked and never reached. CPU seconds
are user time of the plan, and of the agent alone, without the client that feeds it.
"""

import os
import shutil
import subprocess

from callgrind import Profile
from instructions import START_LIMIT_S
from rig import Rig, Row, corpus_size, cpu_s, peak_rss_kb, row_of, say

LITTLE, LOT = ("--bytes", "20M"), ("--bytes", "60M")
AIM = "<= 1.2"
FAR = {"rate": "1000000/s", "burst": "100000000", "pattern_rate": "1000000/s", "pattern_burst": "100000000"}
SETTINGS = {"throttle and masks off": {}, "defaults": {"throttle": FAR, "redact": {}}}


def instructions_of(path):
    return sum(Profile(path).own.values())


def user_s(pid):
    """CPU seconds of a process in user mode so far, by ticks of the kernel."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")


def plan_of(rig, options, prefix=()):
    """A plan of so much of the corpus: CPU seconds as os.wait4() says, and the most memory it had, in KiB."""
    process = rig.spawn([*prefix, rig.build / "logboomd", "--offline-plan", "-c", rig.ini, "--json"],
                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    rig.spawn([rig.support / "corpus", *options], stdout=process.stdin).wait()
    peak_kb = peak_rss_kb(process.pid)  # what is still in the pipe is no more than the rest was
    process.stdin.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage, peak_kb


def below_callgrind(rig, name):
    out = rig.directory / name
    return out, ["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=no", f"--callgrind-out-file={out}"]


def counted(options, sections, corpus):
    """Instructions of a plan and of an agent for so much of the corpus."""
    with Rig(options.build) as rig:
        rig.start_intake()
        rig.write_ini(capture={"overload": "wait"}, **sections)
        plan_out, prefix = below_callgrind(rig, "plan.out")
        plan_of(rig, corpus, prefix)
        agent_out, prefix = below_callgrind(rig, "agent.out")
        rig.start_agent(prefix, seconds=START_LIMIT_S, env=rig.env)
        rig.feed(*corpus)
        rig.flush(120)
        rig.end(rig.agent, 60)
        return instructions_of(plan_out), instructions_of(agent_out)


def ratio_of_instructions(options, name, sections):
    say(f"plan: instructions, {name}")
    (few_lines, _), (many_lines, _) = (corpus_size(options.build, *corpus) for corpus in (LITTLE, LOT))
    few, many = counted(options, sections, LITTLE), counted(options, sections, LOT)
    plan, agent = ((after - before) / (many_lines - few_lines) for before, after in zip(few, many))
    return row_of(f"instructions a line, {name}", [plan / agent], "{:.2f} x", AIM,
                  f"plan {plan:.0f}, agent {agent:.0f}; callgrind")


def ratio_of_time(options, name, sections):
    """Also the most memory of the plan: of a small log and of a large one."""
    ratios, remark, peaks = [], "", []
    for turn in range(options.runs):
        say(f"plan: CPU, {name} {turn + 1}/{options.runs}")
        with Rig(options.build) as rig:
            rig.start_intake()
            rig.write_ini(capture={"overload": "wait"}, **sections)
            (_, little_kb), (usage, lot_kb) = plan_of(rig, LITTLE), plan_of(rig, ("--bytes", options.bytes))
            rig.start_agent()
            before = user_s(rig.agent.pid)
            rig.feed("--bytes", options.bytes)
            rig.flush(120)
            agent_s, all_s = user_s(rig.agent.pid) - before, cpu_s(rig.agent.pid)
            ratios.append(usage.ru_utime / agent_s)
            peaks.append((little_kb, lot_kb))
            remark = f"plan {usage.ru_utime:.2f} s, agent {agent_s:.2f} s; the kernel's: {usage.ru_stime:.2f} s, " \
                     f"{all_s - agent_s:.2f} s"
    return [row_of(f"user time, {name}", ratios, "{:.2f} x", AIM, remark),
            row_of(f"peak RSS, {name}, KiB", [peak for _, peak in peaks], "{:.0f}", "",
                   f"of {LITTLE[1]}: {peaks[-1][0]}")]


def plan(options):
    title = f"logboom plan of a log, against the agent fed the same ({options.bytes})"
    rows = []
    for name, sections in SETTINGS.items():
        if shutil.which("valgrind"):
            rows.append(ratio_of_instructions(options, name, sections))
        else:
            rows.append(Row(f"instructions a line, {name}", "not measured", remark="valgrind is not installed"))
        rows += ratio_of_time(options, name, sections)
    return title, rows
