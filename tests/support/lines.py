# SPDX-License-Identifier: MIT
"""Numbered lines, and what the tests prove with them.

Every line that a test writes carries `#n=NUMBER`. What arrived is compared with what was written as exact
sets; the agent's own numbers (ring id, lane, n) prove the same from the receiver's side.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path

NUMBER = re.compile(r"#n=(\d+)")
PYTHON = "/usr/bin/python3"


def line(number, text="", level="INFO"):
    """One numbered line as bytes, LF included."""
    return f"{level}:app:line #n={number:07d} {text}\n".encode()


def lines(first, last, text="", level="INFO"):
    """The lines [first, last) in one piece."""
    return b"".join(line(n, text, level) for n in range(first, last))


def is_own(entry):
    """Is this a record of logboom's own?"""
    return "kind" in entry.get("logboom", {})


def numbers(entries, service=None):
    """The numbers in the lines of a service (of all), in the order of arrival."""
    found = []
    for entry in entries:
        if is_own(entry) or service not in (None, entry["service"]):
            continue
        mark = NUMBER.search(entry["message"])
        assert mark, f"torn: {entry}"
        found.append(int(mark[1]))
    return found


def receipts(entries, reason=None):
    """The receipts among the entries, each once: a body that came twice is told by their numbers."""
    seen = {}
    for entry in entries:
        mark = entry.get("logboom", {})
        if mark.get("kind") == "receipt" and reason in (None, mark["reason"]):
            seen[(mark["id"], mark["lane"], mark["n"])] = entry
    return list(seen.values())


def by_number(entries):
    """{(ring, lane, n): entry} of entries sent with sequence = all. One number never names two lines."""
    found = {}
    for entry in entries:
        mark = entry["logboom"]
        key = mark["id"], mark["lane"], mark["n"]
        before = found.setdefault(key, entry)
        assert before["message"] == entry["message"] and before["service"] == entry["service"], \
            f"{key} names two lines: {before} and {entry}"
    return found


def in_order(entries):
    """Entries of one lane by their numbers: two bodies in flight may arrive in any order."""
    return [entry for _, entry in sorted(by_number(entries).items())]


def lost_numbers(entries):
    """{(ring, lane): numbers told as lost}. Receipts of one stretch share its range."""
    lost = defaultdict(set)
    for entry in receipts(entries):
        for lane, (first, last) in entry["logboom"]["range"].items():
            lost[(entry["logboom"]["id"], lane)].update(range(first, last + 1))
    return lost


def prove_ring(entries, may_be_both=False):
    """Each line was queued once: no number names two lines, no line has two numbers, no number is missing but
    those that a receipt tells, and the lines of a stream are in order. Returns the entries by number.
    may_be_both: the sink may have stored what it was too slow to answer, so that it was given up."""
    found = by_number(entries)
    count = Counter((e["service"], e["message"]) for e in found.values() if not is_own(e))
    twice = [key for key, times in count.items() if times > 1]
    assert not twice, f"queued twice: {sorted(twice)[:5]} and {max(0, len(twice) - 5)} more"

    lost = lost_numbers(entries)
    lanes = defaultdict(set)
    for ring, lane, n in found:
        lanes[(ring, lane)].add(n)
    for key, seen in lanes.items():
        missing = set(range(1, max(seen) + 1)) - seen - lost[key]
        assert not missing, f"{key}: no line and no receipt for {sorted(missing)[:5]} ({len(missing)})"
        both = seen & lost[key]
        assert may_be_both or not both, f"{key}: delivered and told as lost: {sorted(both)[:5]} ({len(both)})"
    prove_order(found)
    return found


def prove_order(found):
    """The lines of one stream have rising numbers in each lane."""
    streams = defaultdict(list)
    for (ring, lane, n), entry in sorted(found.items()):
        if "stream" in entry["logboom"] and (mark := NUMBER.search(entry["message"])):
            streams[(ring, lane, entry["logboom"]["stream"])].append(int(mark[1]))
    for key, got in streams.items():
        wrong = [(a, b) for a, b in zip(got, got[1:]) if a >= b]
        assert not wrong, f"stream {key}: out of order at {wrong[:5]}"


def prove_ranges(requests):
    """Each body of sequence = batch tells a range per lane and holds as many records; together they are gapless."""
    seen = {}
    for request in requests:
        mark = request.entries[0]["logboom"]
        ranges = {lane: mark[lane] for lane in ("urgent", "routine") if lane in mark}
        assert sum(last - first + 1 for first, last in ranges.values()) == len(request.entries)
        assert all("id" not in entry.get("logboom", {}) for entry in request.entries[1:])
        for lane, (first, last) in ranges.items():
            told = seen.setdefault((mark["id"], lane), set())
            new = set(range(first, last + 1))
            assert not told & new, f"{lane}: told twice: {sorted(told & new)[:5]}"
            told |= new
    for key, told in seen.items():
        assert told == set(range(1, max(told) + 1)), key
    return seen


def assert_exactly(got, expected, seed=None):
    """Both hold the same numbers, each once."""
    count, want = Counter(got), set(expected)
    lost = sorted(want - set(count))
    alien = sorted(set(count) - want)
    twice = sorted(n for n, times in count.items() if times > 1)
    assert not lost and not alien and not twice, \
        f"seed {seed}: {len(lost)} lost {lost[:5]}, {len(twice)} twice {twice[:5]}, {len(alien)} alien {alien[:5]}"


def assert_books_balance(status):
    """in = open + queued + held + dropped, queued = pending + delivered + shed + rejected, and the sums."""
    books = status["books"]
    for name, book in {**books["services"], "all": books["all"]}.items():
        for unit in "lines", "bytes":
            word = {key: value[unit] for key, value in book.items() if not key.endswith("_by") and key != "quota"}
            assert word["in"] == word["open"] + word["queued"] + word["held"] + word["dropped"], (name, unit, book)
            assert word["queued"] == word["pending"] + word["delivered"] + word["shed"] + word["rejected"], \
                (name, unit, book)
            for why in "dropped", "shed":
                assert word[why] == sum(d[unit] for d in book[f"{why}_by"].values()), (name, unit, book)
    for key in "in", "queued", "dropped", "pending", "delivered", "shed", "rejected":
        for unit in "lines", "bytes":
            assert books["all"][key][unit] == sum(b[key][unit] for b in books["services"].values()), (key, unit)


def book(agent, service=None):
    """{"in": lines, ...} of a service, or of all; zeros where it is not known yet."""
    books = agent.status()["books"]
    found = books["all"] if service is None else books["services"].get(service)
    if found is None:
        found = {key: {"lines": 0, "bytes": 0} for key in books["all"] if not key.endswith("_by")} | \
            {"dropped_by": {}, "shed_by": {}}
    return {key: value["lines"] for key, value in found.items() if not key.endswith("_by") and key != "quota"} | \
        {why: value["lines"] for why, value in [*found["dropped_by"].items(), *found["shed_by"].items()]}


@contextlib.contextmanager
def held_pipe():
    """(read end, write end), which outlive whoever is given them."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for fd in ends:
            with contextlib.suppress(OSError):
                os.close(fd)


def seeded():
    """A random.Random whose seed is printed, or is that of $LB_SEED."""
    seed = int(os.environ.get("LB_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"LB_SEED={seed}")
    return random.Random(seed)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def end(process, seconds=60):
    """Wait for a process; kill it where it does not end. Returns its exit status."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        raise


def stop_for_a_while(process):
    """SIGSTOP, and wait until it has effect: what is sent from here on is not read before SIGCONT."""
    process.send_signal(signal.SIGSTOP)
    end_s = time.monotonic() + 60
    while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
        assert time.monotonic() < end_s, "it does not stop"
        time.sleep(0.001)


def unit_of_this_process():
    """The systemd unit that the tests run in, as the agent would see it; None outside of one."""
    names = re.findall(r"/([^/\n]+)\.service(?=/|$)", Path("/proc/self/cgroup").read_text(), re.M)
    return names[-1] if names else None
