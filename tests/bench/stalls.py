# SPDX-License-Identifier: MIT
"""How long an app's write() takes while its sink is healthy, hanging or dead, with the settings as they come.

tests/support/feeder.c writes lines of 100 bytes, one write() each, and times every one. On one agent for each state
of the sink: 1 000 lines/s while the ring has room, then a firehose that fills it, then 1 000 lines/s again. Healthy
answers at once; hanging takes a request and never answers; dead refuses connections. The control is the same feeder
into a pipe that `cat` reads: what is slow there is the machine. The longest write() is the longest of all runs and
not their median, since it is the one that an app remembers.
"""

import json
import subprocess
import sys

from rig import Rig, Row, say

SINKS = {"healthy": [], "hanging": [{"do": "hang", "seconds": 3600, "times": -1}], "dead": None}
WAYS = ("pipe", "run")
PHASES = (("1 000/s", 1000), ("firehose", 0), ("1 000/s after it", 1000))
PHASE_S, QUICK_PHASE_S = 3, 2
LONGEST_MS = 50


def report_of(text, code):
    if code:
        sys.exit(f"bench: the feeder ended with {code}: {text}")
    return json.loads(text)


def feeder(rig, rate, seconds):
    return [str(rig.support / "feeder"), "--seconds", str(seconds), *(["--rate", str(rate)] if rate else []),
            "--report", str(rig.directory / "report")]


def into(rig, reader, rate, seconds):
    """The feeder's report, with its stdout read by a program."""
    source = rig.spawn(feeder(rig, rate, seconds), stdout=subprocess.PIPE)
    sink = rig.spawn(reader, stdin=source.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    source.stdout.close()
    code = source.wait(seconds + 60)
    sink.wait(60)
    return report_of((rig.directory / "report").read_text(), code)


def into_pipe(rig, rate, seconds):
    return into(rig, [rig.build / "logboom", "pipe", "-s", "bench"], rate, seconds)


def below_run(rig, rate, seconds):
    """The same as a child of `logboom run`."""
    done = subprocess.run([rig.build / "logboom", "run", "-s", "bench", "--", *feeder(rig, rate, seconds)], env=rig.env,
                          stderr=subprocess.DEVNULL, timeout=seconds + 60)
    return report_of((rig.directory / "report").read_text(), done.returncode)


def one_life(options, sink, way, seconds):
    """All phases on one agent: phase -> report."""
    with Rig(options.build) as rig:
        if SINKS[sink] is not None:
            rig.start_intake(SINKS[sink])
        rig.write_ini()
        rig.start_agent()
        run = below_run if way == "run" else into_pipe
        reports = {}
        for phase, rate in PHASES:
            before = given_up(rig)
            reports[phase] = run(rig, rate, seconds)
            reports[phase]["given_up"] = given_up(rig) - before
        return reports


def given_up(rig):
    """Lines that found no room, or made room for newer ones."""
    books = rig.status()["books"]["all"]
    return books["dropped"]["lines"] + books["shed"]["lines"]


def control(options, seconds):
    with Rig(options.build) as rig:
        return {phase: into(rig, ["cat"], rate, seconds) for phase, rate in PHASES}


def row(name, reports, aim):
    longest = max(report["write_us"]["max"] for report in reports) / 1000
    late = sorted(report["write_us"]["p999"] for report in reports)
    rate = sum(report["lines"] for report in reports) / sum(report["seconds"] for report in reports)
    lines, lost = (sum(report.get(key, 0) for report in reports) for key in ("lines", "given_up"))
    spread = f"longest of {len(reports)}" if len(reports) > 1 else "one run"
    return Row(name, f"{longest:.1f}", spread, aim, f"p99.9 {late[len(late) // 2]:.0f} us, {rate:.0f} lines/s, "
               f"{lines} writes" + (f"; {lost} lines given up meanwhile" if lost else ""))


def stalls(options):
    seconds = QUICK_PHASE_S if options.quick else PHASE_S
    runs = {}
    for sink in SINKS:
        for way in WAYS[:1] if options.quick else WAYS:
            for turn in range(options.runs):
                say(f"stalls {turn + 1}/{options.runs}: {sink}, logboom {way}")
                for phase, report in one_life(options, sink, way, seconds).items():
                    runs.setdefault(f"{sink}, {way}, {phase}", []).append(report)
    rows = [row(name, reports, f"<= {LONGEST_MS}") for name, reports in runs.items()]
    controls = {}
    for turn in range(options.runs):
        say(f"stalls {turn + 1}/{options.runs}: control")
        for phase, report in control(options, seconds).items():
            controls.setdefault(f"control, cat, {phase}", []).append(report)
    rows += [row(name, reports, "") for name, reports in controls.items()]
    return f"the app's longest write(), ms; {seconds} s a run", rows
