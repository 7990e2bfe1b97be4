# SPDX-License-Identifier: MIT
"""Many services at once.

The story: a whole machine's services write at a steady rate, each through a pipe of its own. Nothing is lost, each
service's lines are in order, no writer waits long, and the agent's memory stays what it was.
"""

import contextlib
import os
import re
import time

import pytest

from conftest import wait_until
from lines import assert_books_balance, book, end, line, receipts

TICK_S = 0.01
WRITE_MAX_S = 5.0  # a busy machine may take a process away for long


def memory_of(agent):
    """{"Pss": KiB, "Private_Dirty": KiB} of the agent."""
    with open(f"/proc/{agent.process.pid}/smaps_rollup") as rollup:
        found = dict(re.findall(r"^(Pss|Private_Dirty):\s+(\d+) kB$", rollup.read(), re.M))
    return {key: int(value) for key, value in found.items()}


def write_paced(ends, rate, seconds):
    """Each stream gets its lines at this rate, and they take turns. Returns the longest write, and how late they were done."""
    longest, begin, written = 0.0, time.monotonic(), [0] * len(ends)
    while min(written) < rate * seconds:
        due = int(min(seconds, time.monotonic() - begin) * rate)
        for stream, fd in enumerate(ends):
            if written[stream] < due:
                data = b"".join(line(n, f"stream {stream} says something") for n in range(written[stream], due))
                before = time.monotonic()
                os.write(fd, data)
                longest = max(longest, time.monotonic() - before)
                written[stream] = due
        time.sleep(TICK_S)
    return longest, time.monotonic() - begin - seconds


@pytest.mark.parametrize("streams, rate, seconds", [(64, 50, 3), pytest.param(256, 100, 20, marks=pytest.mark.long)])
def test_nothing_is_lost_and_each_stream_is_in_order(agent, sink, intake, capsys, streams, rate, seconds):
    sink["sink datadog"].update(sequence="all", wait="100ms", concurrency="4")
    a = agent(sink)
    with contextlib.ExitStack() as stack:
        ends, clients = [], []
        for n in range(streams):
            read_end, write_end = os.pipe()
            ends.append(stack.enter_context(os.fdopen(write_end, "wb", 0)).fileno())
            clients.append(a.popen("pipe", "-s", f"service-{n}", stdin=read_end))
            os.close(read_end)
        wait_until(lambda: a.status()["staging"]["streams"] == streams, what="all are read")
        before = memory_of(a)
        longest, late = write_paced(ends, rate, seconds)
        after = memory_of(a)
    assert [end(client) for client in clients] == [0] * streams
    a.flush()
    got = {f"service-{n}": [] for n in range(streams)}
    for entry in intake.entries():
        got[entry["service"]].append(int(re.search(r"#n=(\d+) ", entry["message"])[1]))
    wrong = [name for name, numbers in got.items() if numbers != list(range(rate * seconds))]
    with capsys.disabled():
        print(f"\n{streams} streams x {rate} lines/s x {seconds} s: {sum(map(len, got.values()))} lines delivered, longest "
              f"write {longest * 1000:.1f} ms, done {late:.2f} s late; memory in KiB {before} before, {after} after")
    assert not wrong and longest < WRITE_MAX_S
    assert not receipts(intake.everything())
    assert_books_balance(a.status())
    assert book(a)["in"] == book(a)["delivered"] == streams * rate * seconds
