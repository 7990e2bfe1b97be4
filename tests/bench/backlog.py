# SPDX-License-Identifier: MIT
"""What the backlog holds and what it costs to look through it.

Raw bytes (texts with their line ends) per byte of the file in tmpfs, its header and all that is not filled among
them: lines of the bench corpus, and of a service that says nearly the same again and again ("sensors": one template,
two numbers), put by outage.c until 100 lines a second have filled it. Hours are those of an outage at that rate, from
the first line to the first one that is given up, with ring and backlog as by default.

Search is `logboom tail -g` for a text that is nowhere, -s for a service that is nowhere, over a live agent whose
backlog is full: the first has to unpack it all, the second reads heads. Instructions are not counted, seconds are.
"""

import json
import re
import subprocess
import time

from rig import UNTHROTTLED, Rig, row_of, wait_for

INI = "[agent]\nhostname = h\n[sink d]\ntype = file\npath = /nowhere\n"
RATE = 100


def sensors():
    return "".join(f"INFO:sensors:read sensor {n % 12} of 12 in {n * 7 % 90 + 10} ms, {n % 17} values kept\n"
                   for n in range(20000)).encode()


def corpus(options):
    made = subprocess.run([options.build / "tests" / "support" / "corpus", "--lines", "100000"], check=True,
                          capture_output=True).stdout
    return re.sub(rb" ?#n=\d+", b"", made)


def outage(options, text):
    """{"full": when the first segment went, "away": after 24 h}"""
    with Rig(options.build) as rig:
        ini, lines, run = rig.directory / "o.ini", rig.directory / "lines", rig.directory / "run"
        ini.write_text(INI)
        lines.write_bytes(text)
        run.mkdir(exist_ok=True)
        done = subprocess.run([options.build / "tests" / "trace" / "outage", ini, lines, "24", str(RATE), "100", run, "-q"],
                              capture_output=True, text=True, check=True)
        return {one["when"]: one for one in map(json.loads, done.stderr.splitlines())}


def held(options):
    rows = []
    for name, text, aim in ("bench corpus", corpus(options), ">= 4.8"), ("sensors", sensors(), ""):
        told = outage(options, text)
        ratio = told["away"]["held_bytes"] / told["away"]["file_bytes"]
        rows.append(row_of(f"raw bytes held per tmpfs byte, {name}", [ratio], "{:.2f}", aim,
                           f"{told['away']['held_bytes'] / told['away']['held_lines']:.0f} bytes a line"))
        rows.append(row_of(f"hours of outage at {RATE} lines/s, {name}", [told["full"]["hours"]], "{:.2f}", "",
                           "ring 4M + backlog 16M, until the first line is given up"))
    return rows


def search(options):
    took = {"-g": [], "-s": []}
    with Rig(options.build) as rig:
        rig.write_ini(capture={"max_stall": "60s"}, sink={"url": "http://127.0.0.1:1/"}, **UNTHROTTLED)
        rig.start_agent()
        wait_for(lambda: rig.feed("--bytes", "16M") and rig.status()["backlog"]["shed_segments"] > 0, 120,
                 "the backlog is full")
        lines = rig.status()["backlog"]["lines"]
        for _ in range(options.runs):
            for option, value in ("-g", "nowhere to be found"), ("-s", "nobody"):
                start_s = time.monotonic()
                done = subprocess.run([options.build / "logboom", "tail", option, value], env=rig.env, check=True,
                                      capture_output=True)
                took[option].append(time.monotonic() - start_s)
                assert not done.stdout
    return [row_of("search over a full backlog, text", took["-g"], "{:.2f} s", "", f"{lines} lines unpacked"),
            row_of("search over a full backlog, service", took["-s"], "{:.3f} s", "", "by the heads of segments")]


def backlog(options):
    return "an outage: what RAM holds of it, and how fast that is looked through", held(options) + search(options)
