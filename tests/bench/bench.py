#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What logboom costs on this machine: `make bench`, about ten minutes; `make bench ARGS=--quick`, about 90 s.

    bench.py BUILD [--quick] [--only SECTION[,SECTION...]] [--bytes 500M] [--runs 3]

One table at the end. A figure is the median of its runs, and the spread is their least and their most, for a machine
that does other things too is the rule; what few runs cannot tell (the longest write()) says over what it was taken.
"aim" is what the project wants. Nothing here passes or fails on time: only lines that got lost end it with an error.
How each figure is taken stands on top of its module.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree is no place for it

from backlog import backlog  # noqa: E402
from card import card  # noqa: E402
from firehose import firehose  # noqa: E402
from further import further  # noqa: E402
from instructions import instructions  # noqa: E402
from looks import looks  # noqa: E402
from memory import memory  # noqa: E402
from peers import peers  # noqa: E402
from plan import plan  # noqa: E402
from quiet import idle, trickle  # noqa: E402
from rig import say  # noqa: E402
from sinks import sinks  # noqa: E402
from stalls import stalls  # noqa: E402
from startup import startup  # noqa: E402
from throttle import throttle  # noqa: E402

SECTIONS = {"firehose": firehose, "instructions": instructions, "throttle": throttle, "trickle": trickle,
            "backlog": backlog, "idle": idle, "stalls": stalls, "startup": startup, "memory": memory, "card": card,
            "peers": peers, "plan": plan, "looks": looks, "sinks": sinks, "further": further}
SLOW = ("trickle", "idle")  # minutes each: left out by --quick


def table(results):
    """The figures of all sections, as one text."""
    rows = [row for _, found in results for row in found]
    widths = [max([len(row[column]) for row in rows] + [6]) for column in range(4)]
    lines = []
    for title, found in results:
        lines += ["", title]
        for row in found:
            cells = [row.name.ljust(widths[0]), row.value.rjust(widths[1]), row.spread.ljust(widths[2]),
                     row.aim.ljust(widths[3]), row.remark]
            lines.append(("  " + "  ".join(cells)).rstrip())
    head = ["figure".ljust(widths[0]), "median".rjust(widths[1]), "spread".ljust(widths[2]), "aim".ljust(widths[3])]
    return "\n".join(["  " + "  ".join(head) + "  remark", *lines])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda path: Path(path).resolve())
    parser.add_argument("--quick", action="store_true", help="one run each, without what takes minutes")
    parser.add_argument("--only", default=None, help="these sections: " + " ".join(SECTIONS))
    parser.add_argument("--bytes", default="500M", help="of the corpus, for the firehose")
    parser.add_argument("--runs", type=int, default=None, help="of what is repeated (3)")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 3)
    default = [name for name in SECTIONS if not (options.quick and name in SLOW)]
    options.only = options.only.split(",") if options.only else default
    for name in options.only:
        if name not in SECTIONS:
            parser.error(f"no section '{name}'; there are: {' '.join(SECTIONS)}")
    return options


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: told to stop"))  # what was started ends with us
    options = arguments()
    start_s = time.monotonic()
    results = []
    for name in options.only:
        say(name)
        results.append(SECTIONS[name](options))
    uname = os.uname()
    load = os.getloadavg()
    print(f"\n{os.cpu_count()} CPUs {uname.machine}, Linux {uname.release}, load {load[0]:.1f} {load[1]:.1f} "
          f"{load[2]:.1f}, {time.monotonic() - start_s:.0f} s\n")
    print(table(results))
    left_out = [name for name in SECTIONS if name not in options.only]
    if left_out:
        print(f"\nnot run: {' '.join(left_out)}")


if __name__ == "__main__":
    main()
