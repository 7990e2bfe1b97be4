# SPDX-License-Identifier: MIT
"""How often the agent wakes up.

The story: a service that logs a line every few milliseconds is read together, some lines at a time; one that says
nothing costs nothing at all; and a service that ends, or a burst that does not fit its pipe, is not left waiting.
"""

import re
import time
from pathlib import Path

from conftest import wait_until
from lines import assert_exactly, line, numbers

REST_S = 0.032


def wake_ups(pid, thread=None):
    """Of one thread, or of all."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if thread is None or task.name == str(thread):
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)[1])
    return total


def got(intake):
    return numbers(intake.entries())


def test_an_agent_that_has_nothing_to_do_sleeps(agent, sink, intake):
    a = agent(sink)
    client = a.pipe("-s", "app")
    for n in range(20):  # often enough for a rest
        client.stdin.write(line(n))
        client.stdin.flush()
        time.sleep(0.005)
    wait_until(lambda: len(got(intake)) == 20)
    seen = []

    def is_quiet():
        seen.append(wake_ups(a.process.pid))
        return len(seen) > 10 and seen[-1] == seen[-11]  # what was under way ends, and then for half a second nothing

    wait_until(lambda: time.sleep(0.05) or is_quiet(), what="no thread wakes up")
    client.communicate(line(20), timeout=60)
    a.flush()
    assert_exactly(got(intake), range(21))


def test_lines_that_come_every_few_ms_are_read_together(agent, sink, intake):
    a = agent(sink)
    client = a.pipe("-s", "app")
    client.stdin.write(line(0))
    client.stdin.flush()
    wait_until(lambda: a.status()["staging"]["streams"] == 1)
    before, begin = wake_ups(a.process.pid, a.process.pid), time.monotonic()
    for n in range(1, 501):
        client.stdin.write(line(n))
        client.stdin.flush()
        time.sleep(0.004)
    woken, seconds = wake_ups(a.process.pid, a.process.pid) - before, time.monotonic() - begin
    client.communicate(timeout=60)
    a.flush()
    assert_exactly(got(intake), range(501))
    assert 0 < woken < 50 + 2 * seconds / REST_S, "at its rests, not at each line"


def test_a_burst_in_a_rest_is_read_to_its_end(agent, sink, intake):
    a = agent(sink)
    client = a.pipe("-s", "app")
    first = 0
    for _ in range(3):
        for n in range(first, first + 30):
            client.stdin.write(line(n))
            client.stdin.flush()
            time.sleep(0.005)
        burst = b"".join(line(n, "x" * 200) for n in range(first + 30, first + 5000))  # several pipes full
        client.stdin.write(burst)
        client.stdin.flush()
        first += 5000
    client.communicate(timeout=60)
    a.flush()
    assert_exactly(got(intake), range(first))
