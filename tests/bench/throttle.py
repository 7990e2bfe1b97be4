# SPDX-License-Identifier: MIT
"""What masking and throttling cost: the corpus as fast as it goes, with and without them.

"all on, all sent" looks at every line for secrets, neighbours, its pattern and its rates, and sends it all the same
(sample = 1/1): the price of the steps alone. "as by default" is a firehose under the default limits: most of it is
held and never encoded, compressed or sent, so a held line is to cost less than a sent one. Instructions are those of
the steps' files below callgrind, helpers of libc with them.
"""

import collections
import re
import statistics
import sys
import time

from instructions import START_LIMIT_S, bills
from rig import UNTHROTTLED, Rig, corpus_size, cpu_s, row_of, say

SENT = {"rate": "1000000/s", "burst": "100000000", "pattern_rate": "1/s", "pattern_burst": "1", "sample": "1/1",
        "floor": "off", "collapse": "30s", "trigger": "off", "context": "off"}
CASES = {
    "off": UNTHROTTLED,
    "redact": {"throttle": UNTHROTTLED["throttle"], "redact": {"builtin": "all"}},
    "all on, all sent": {"throttle": SENT, "redact": {"builtin": "all"}},
    "as by default": {"throttle": {}, "redact": {"builtin": "all"}},
}
STEPS = ("redact", "filter", "pattern", "collapse", "limit", "summary", "pipeline", "severity", "multiline")
LOT = ("--bytes", "8M")


def one_run(options, case):
    with Rig(options.build) as rig:
        rig.start_intake()
        rig.write_ini(capture={"overload": "wait"}, sink={"level": 1}, **CASES[case])
        agent = rig.start_agent()
        before_s, start_s = cpu_s(agent.pid), time.monotonic()
        client_s = rig.feed("--bytes", options.bytes)
        rig.flush()
        books = rig.status()["books"]["all"]
        return {"cpu_s": cpu_s(agent.pid) - before_s + client_s, "wall_s": time.monotonic() - start_s, **{
            key: books[key]["lines"] for key in ("in", "delivered", "held", "dropped")}}


def steps(options):
    """Instructions per line of each step with all of them on."""
    lines, _ = corpus_size(options.build, *LOT)
    with Rig(options.build) as rig:
        rig.start_intake()
        rig.write_ini(capture={"overload": "wait"}, **CASES["all on, all sent"])
        out = rig.directory / "callgrind.out"
        rig.start_agent(["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=no",
                         f"--callgrind-out-file={out}"], seconds=START_LIMIT_S, env=rig.env)
        rig.feed(*LOT)
        rig.flush(120)
        if rig.end(rig.agent, 60):
            sys.exit("bench: logboomd below valgrind: " + (rig.directory / "log").read_text())
        bill = collections.Counter()
        for (file, _), cost in bills(out, by_file=True).items():
            match = re.search(r"agent/shape/([a-z]+)", file)
            if match:
                bill[match[1]] += cost
        return {step: bill[step] / lines for step in STEPS}


def throttle(options):
    lines, size = corpus_size(options.build, "--bytes", options.bytes)
    runs = {case: [] for case in CASES}
    for turn in range(options.runs):
        for case in CASES:
            say(f"throttle {turn + 1}/{options.runs}: {case}")
            runs[case].append(one_run(options, case))
            if runs[case][-1]["in"] != lines:
                sys.exit(f"bench: {case}: {lines} lines in, {runs[case][-1]['in']} accounted for")
    rows = []
    for case, some in runs.items():
        def share(key, some=some):
            return statistics.median(run[key] for run in some) / lines

        rows.append(row_of(f"CPU s/GB, {case}", [run["cpu_s"] / size * 1e9 for run in some], "{:.2f}",
                           remark=f"{100 * share('delivered'):.1f} % sent, {100 * share('held'):.1f} % held, "
                                  f"{100 * share('dropped'):.1f} % dropped"))
    for case in list(CASES)[1:]:
        more = [(run["cpu_s"] - off["cpu_s"]) / size * 1e9 for run, off in zip(runs[case], runs["off"])]
        aim = "<= 1.5" if case == "all on, all sent" else "< 0" if case == "as by default" else ""
        rows.append(row_of(f"more than off, {case}", more, "{:+.2f}", aim))
    say("throttle: instructions")
    for step, cost in steps(options).items():
        rows.append(row_of(f"instructions a line, {step}", [cost], "{:.0f}"))
    return f"throttle: {size / 1e6:.0f} MB, {lines} lines", rows
