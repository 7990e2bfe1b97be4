# SPDX-License-Identifier: MIT
"""Firehose: the corpus as fast as it goes through `logboom pipe` into an intake on loopback that only counts.

CPU is that of the agent and its client, exact; the corpus, the intake and the relay run on the same machine and are
not counted, so MB/s is a lower bound. The floor is a plain loop (floor.c: read a pipe, frame, the agent's own
encoder, zstd -1 of the same bodies, no network, no second thread). Each round runs every case once, and ratios are
taken within a round: what else the machine does meets them alike.
"""

import fcntl
import json
import statistics
import subprocess
import sys
import time

from rig import Rig, corpus_size, cpu_s, peak_rss_kb, row_of, say


def through_agent(options, compression, tls=False):
    """One run through the agent; a dict of figures."""
    with Rig(options.build, tls=tls, wire=True) as rig:
        rig.start_intake()
        rig.write_ini(capture={"overload": "wait"}, sink={"compression": compression, "level": 1})
        agent = rig.start_agent()
        before_s, start_s = cpu_s(agent.pid), time.monotonic()
        client_s = rig.feed("--bytes", options.bytes)
        rig.flush()
        wall_s, agent_s = time.monotonic() - start_s, cpu_s(agent.pid) - before_s
        state = rig.status()
        books = state["books"]["all"]
        return {"wall_s": wall_s, "cpu_s": agent_s + client_s, "entries": books["delivered"]["lines"],
                "requests": state["sinks"][0]["delivered_bodies"], "body_bytes": state["sinks"][0]["raw_bytes"],
                "wire_bytes": rig.relay.both(), "rss_kb": peak_rss_kb(agent.pid),
                "counted": books["delivered"]["lines"] if tls else rig.stats()["entries"]}


def through_floor(options):
    """One run of the plain loop."""
    with Rig(options.build) as rig:
        rig.write_ini()
        corpus = rig.spawn([rig.support / "corpus", "--bytes", options.bytes], stdout=subprocess.PIPE)
        fcntl.fcntl(corpus.stdout, fcntl.F_SETPIPE_SZ, 256 * 1024)
        start_s = time.monotonic()
        done = subprocess.run([options.build / "tests/bench/floor", rig.ini], stdin=corpus.stdout,
                              stdout=subprocess.PIPE, text=True, check=True)
        corpus.stdout.close()
        return {"wall_s": time.monotonic() - start_s, "rss_kb": 0, **json.loads(done.stdout)}


CASES = {"floor": through_floor,
         "zstd": lambda o: through_agent(o, "zstd"),
         "zstd, TLS": lambda o: through_agent(o, "zstd", tls=True),
         "gzip": lambda o: through_agent(o, "gzip"),
         "no compression": lambda o: through_agent(o, "none")}
QUICK = ("floor", "zstd", "zstd, TLS")


def check_whole(name, run, lines):
    """A figure for lines that never arrived would be a lie. (The intake counts our own records too.)"""
    if run["entries"] != lines or run.get("counted", lines) < lines:
        sys.exit(f"bench: {name}: {lines} lines in, {run['entries']} delivered, {run['counted']} counted")


def firehose(options):
    lines, size = corpus_size(options.build, "--bytes", options.bytes)
    names = list(QUICK if options.quick else CASES)
    runs = {name: [] for name in names}
    for turn in range(options.runs):
        for name in names:
            say(f"firehose {turn + 1}/{options.runs}: {name}")
            runs[name].append(CASES[name](options))
            check_whole(name, runs[name][-1], lines)
    rows = []
    for name in names:
        def middle(key, name=name):
            return statistics.median(run[key] for run in runs[name])

        remark = f"{size / 1e6 / middle('wall_s'):.0f} MB/s, {middle('requests'):.0f} bodies, body/raw " \
                 f"{middle('body_bytes') / size:.3f}"
        remark += f", peak RSS {middle('rss_kb') / 1000:.1f} MB" if middle("rss_kb") else ""
        rows.append(row_of(f"CPU s/GB, {name}", [run["cpu_s"] / size * 1e9 for run in runs[name]], "{:.2f}",
                           remark=remark))
    for name in names[1:]:
        ratios = [run["cpu_s"] / floor["cpu_s"] for run, floor in zip(runs[name], runs["floor"])]
        rows.append(row_of(f"times the floor, {name}", ratios, "{:.2f}"))
    for name in names:
        where = "the squeezed bodies alone" if name == "floor" else "TCP payload both ways, counted by a relay"
        rows.append(row_of(f"wire/raw, {name}", [run["wire_bytes"] / size for run in runs[name]], "{:.4f}",
                           remark=where))
    return f"firehose: {size / 1e6:.0f} MB, {lines} lines, {size / lines:.0f} B/line", rows
