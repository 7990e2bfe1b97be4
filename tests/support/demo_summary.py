#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The words of `make demo`.

    demo_summary.py progress STATUS STATS_URL                                  one line, over the last one
    demo_summary.py final    STATUS STATS_URL AGENT_IO CLIENT_IO ENTRIES       the summary

STATUS is what `logboom status --json` said; the *_IO files are /proc/PID/io (the clients' with the pid before
each line); ENTRIES is what the intake stored, one JSON object a line. What was delivered is told by the intake,
not by the agent that would like it to be so.
"""

import json
import sys
import urllib.request
from collections import Counter


def dig(value, *path, default=0):
    """value[path[0]][path[1]]..., or the default where something is missing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return default if value is None else value


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except ValueError:
        return {}


def written_bytes(path):
    """Bytes that reached a block device, over every process in the file. None: the kernel did not tell."""
    total = None
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.replace(":", " ").split()
            total = (total or 0) + {"write_bytes": 1, "cancelled_write_bytes": -1}.get(words[-2], 0) * int(words[-1])
    return total


def size(count):
    """1234567 -> 1.2 MB"""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000


def progress(status, stats):
    lines = dig(status, "books", "all", "in", "lines")
    text = f"  {lines} lines taken, {stats['entries']} delivered in {stats['stored']} requests"
    end = "" if sys.stdout.isatty() else "\n"
    print(("\r" if not end else "") + text, end=end, flush=True)


def final(status, stats, agent_io, client_io, entries_path):
    taken = dig(status, "books", "all", "in")
    with open(entries_path, encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    ours = [e for e in entries if "kind" in e.get("logboom", {})]
    lines = sum(e["message"].count("\n") + 1 for e in entries if "kind" not in e.get("logboom", {}))
    counted = dig(status, "books", "all", "dropped_by", "repeat", "lines")
    held = dig(status, "books", "all", "held", "lines")
    quiet = sum(dig(status, "books", "all", "dropped_by", reason, "lines")
                for reason in ("filter", "collapse", "sample", "limit"))
    levels = Counter(e.get("status", "?") for e in entries)
    disk = [written_bytes(agent_io), written_bytes(client_io)]
    disk = None if None in disk else sum(disk)
    wire = stats["wire_bytes"]
    rows = [
        ("lines in", f"{dig(taken, 'lines')}  ({size(dig(taken, 'bytes'))})"),
        ("delivered", f"{lines}" + (f"  and {len(ours)} of logboom's own" if ours else "")),
        ("counted", f"{counted} in errors that were told already"),
        ("held back", f"{held} that wait for an error, {quiet} of too many alike, all counted"),
        ("by severity", ", ".join(f"{count} {level}" for level, count in levels.most_common())),
        ("requests", f"{stats['stored']}"),
        ("bodies", f"{size(stats['raw_bytes'])} of JSON"),
        ("on the wire", f"{size(wire)} in {'/'.join(sorted(stats['by_encoding'])) or '-'}"
                        f" (and {size(stats['header_bytes'])} of headers)"),
        ("ratio", f"{stats['raw_bytes'] / wire:.1f} to 1" if wire else "-"),
        ("written to disk", "not told by this kernel" if disk is None else f"{size(disk)} by logboomd and logboom"),
    ]
    print("\n")
    for name, text in rows:
        print(f"  {name:>16}   {text}")
    print()
    lost = dig(taken, "lines") - lines - counted - held - quiet
    if lost or disk or not lines:
        print(f"  That is not as it should be: {lost} lines are missing, {disk or 0} bytes went to disk.")
        sys.exit(1)


if __name__ == "__main__":
    with urllib.request.urlopen(sys.argv[3], timeout=5) as answer:
        answered = json.load(answer)
    {"progress": progress, "final": final}[sys.argv[1]](read_json(sys.argv[2]), answered, *sys.argv[4:])
