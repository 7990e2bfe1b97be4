# SPDX-License-Identifier: MIT
"""Instructions per line, by room: the figure to guard, for it hardly depends on what else the machine does.

The real agent runs below callgrind and is fed the corpus twice, a little and a lot, each time with a fresh start
and an orderly end; the difference is what the lines cost, without start and stop. Once as fast as it goes, and once
at 100 lines/s, where each line is a turn of its own and pays for all of it. A function belongs to the room of
its source file, and what it calls in libc (memcpy, memchr) or in a header that is all code (xxhash) is on its bill.
valgrind sees user space only: what the kernel does (splice, send, page faults) is not in here, and the threads take
turns, so how many lines one turn finds differs a little from life.
"""

import collections
import re
import shutil
import sys

from callgrind import Profile
from rig import ROOT, Rig, Row, corpus_size, row_of, say

START_LIMIT_S = 60
LITTLE, LOT = ("--bytes", "2M"), ("--bytes", "20M")
QUICK_LOT = ("--bytes", "10M")
SLOW = ("--rate", "100", "--lines")
SLOW_LITTLE, SLOW_LOT = (*SLOW, "100"), (*SLOW, "500")
NAMED_FUNCTIONS = 3  # the dearest of each room are told

# The first row that fits a function's "object file" names its room.
ROOMS = [(name, re.compile(pattern)) for name, pattern in (
    ("capture", r" agent/capture/"),
    ("shape", r" agent/shape/"),
    ("store", r" agent/store/"),
    ("encode", r" agent/ship/(encode|body)\.| common/json\."),
    ("compress (libzstd, libz)", r"libzstd|libz\.| agent/ship/compress\."),
    ("ship, the rest", r" agent/ship/"),
    ("libcurl and TLS", r"libcurl|libssl|libcrypto|libnghttp2"),
    ("common, the rest", r" common/"),
    ("control, logboomd", r" agent/"),
)]
FAST_SIDE = 3  # the first of them
REST = "the rest"
HELPER = re.compile(r"/libc\.so|ld-linux|vgpreload| /usr/include/")


def where(function):
    return f"{function.object} {function.file.removeprefix(f'{ROOT}/').removeprefix('./')}"


def is_helper(function):
    return function.name == "(below main)" or HELPER.search(where(function))


def room_of(function):
    return next((name for name, pattern in ROOMS if pattern.search(where(function))), REST)


def bills(path, by_file=False):
    """(room, function) -> instructions; or (file, function). A helper called by nobody we know of keeps its own."""
    profile = Profile(path)
    bill = collections.Counter()
    place = where if by_file else room_of
    for function, cost in profile.own.items():
        bill[(REST, "helpers") if is_helper(function) else (place(function), function.name)] += cost
    for (caller, callee), cost in profile.calls.items():
        if is_helper(callee) and not is_helper(caller):
            bill[REST, "helpers"] -= cost
            bill[place(caller), caller.name] += cost
    return bill


def profiled(options, corpus):
    """One life of the agent with so much of the corpus: its lines, and what bills() says."""
    lines, _ = corpus_size(options.build, *corpus)
    with Rig(options.build) as rig:
        rig.start_intake()
        rig.write_ini(capture={"overload": "wait"})
        out = rig.directory / "callgrind.out"
        rig.start_agent(["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=no",
                         f"--callgrind-out-file={out}"], seconds=START_LIMIT_S,
                        env=rig.env)
        rig.feed(*corpus)
        rig.flush(120)
        delivered = rig.status()["books"]["all"]["delivered"]["lines"]
        if delivered != lines:
            sys.exit(f"bench: {lines} lines in, {delivered} delivered below valgrind")
        if rig.end(rig.agent, 60):
            sys.exit("bench: logboomd below valgrind: " + (rig.directory / "log").read_text())
        return lines, bills(out)


def per_line(options, little, lot):
    """(room, function) -> instructions per line, and those of a start and a stop."""
    (few_lines, few), (many_lines, many) = profiled(options, little), profiled(options, lot)
    slope = {key: (many[key] - few[key]) / (many_lines - few_lines) for key in many.keys() | few.keys()}
    return slope, sum(few.values()) - sum(slope.values()) * few_lines


def instructions(options):
    title = "instructions per line (callgrind: user space only)"
    if not shutil.which("valgrind"):
        return title, [Row("all rooms", "not measured", remark="valgrind is not installed")]
    runs = []
    for turn in range(options.runs):
        say(f"instructions {turn + 1}/{options.runs}")
        runs.append(per_line(options, LITTLE, QUICK_LOT if options.quick else LOT))
    rows = []
    for room in [name for name, _ in ROOMS] + [REST]:
        functions = collections.Counter({name: n for (r, name), n in runs[0][0].items() if r == room})
        dearest = [f"{name} {n:.0f}" for name, n in functions.most_common(NAMED_FUNCTIONS)
                   if n >= 1 and not name.startswith("0x")]
        rows.append(row_of(room, [sum(n for (r, _), n in slope.items() if r == room) for slope, _ in runs], "{:.0f}",
                           remark=", ".join(dearest)))
    rows.append(row_of("all", [sum(slope.values()) for slope, _ in runs], "{:.0f}"))
    rows.append(row_of("start and stop, millions", [rest / 1e6 for _, rest in runs], "{:.1f}"))
    say("instructions: slow")
    slow, _ = per_line(options, SLOW_LITTLE, SLOW_LOT)
    for room in [name for name, _ in ROOMS][:FAST_SIDE]:
        rows.append(row_of(f"{room}, a line a turn", [sum(n for (r, _), n in slow.items() if r == room)], "{:.0f}"))
    rows.append(row_of("all, a line a turn", [sum(slow.values())], "{:.0f}"))
    return title, rows
