# SPDX-License-Identifier: MIT
"""What it costs to look who wears the card.

One look is the processor time of the wear thread from its start to its end, as status tells it, over this machine's
own processes and as many sleepers beside them as a device has; of the looks of a run the median. Its share of one
processor is for the default, a look a minute. Aim: under 0.1 %.
"""

import statistics
import subprocess
import time

from rig import Rig, row_of, wait_for

SLEEPERS, DEFAULT_S = 150, 60


def looks(options):
    costs, seen = [], 0
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(SLEEPERS)]
    try:
        with Rig(options.build) as rig:
            rig.start_intake([])
            rig.write_ini(wear={"sample": "1s"})
            agent = rig.start_agent()
            wait_for(lambda: rig.status()["wear"]["state"] == "on", 30, "the first look")
            for _ in range(3 if options.quick else 10):
                time.sleep(1)
                told = rig.status()["wear"]
                costs.append(told["cost_ms"])
                seen = told["processes"]["seen"]
            rig.end(agent)
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
    cost = statistics.median(costs)
    return "who wears the card: what it costs to look", [
        row_of("one look at disks and processes, ms", costs, "{:.2f}", "", f"{seen} processes"),
        row_of("of one processor, at a look a minute, %", [cost / 1000 / DEFAULT_S * 100], "{:.4f}", "< 0.1", "")]
