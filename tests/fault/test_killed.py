# SPDX-License-Identifier: MIT
"""kill -9 while the sink is in trouble.

The story: in each state that a sink can bring the agent into, it is killed and started anew, several times. No line
is lost, none is queued twice, what is rejected is told once, and at most the bodies that were in flight come again.
"""

import time

import pytest

from fire import NAME, feed, heal_with, prove, settle
from lines import assert_books_balance, assert_exactly, end, line, lines, numbers, prove_ring, seeded

POISON = "strychnine"
CONCURRENCY, BODY_LINES, KILLS = 2, 50, 4
IN_FLIGHT = CONCURRENCY * BODY_LINES
STATES = {
    "well": ([], []),
    "hang": ([{"do": "hang", "seconds": 60, "times": -1}], []),
    "slow": ([{"do": "slow", "seconds": 0.1, "times": -1}], []),
    "503": ([{"do": "status", "code": 503, "times": -1}], []),
    "429": ([{"do": "status", "code": 429, "retry_after": 1, "times": -1}], []),
    "403": ([{"do": "status", "code": 403, "times": -1}], []),
    "reset": ([{"do": "reset", "times": -1}], []),
    "lose": ([{"do": "lose", "times": 6}], []),
    "413 by entries": ([], [{"code": 413, "entries_over": 7}]),
    "413 by bytes": ([], [{"code": 413, "raw_bytes_over": 3000}]),
    "400 for poison": ([], [{"code": 400, "marker": POISON}]),
    "415 for zstd": ([], [{"code": 415, "encodings": ["zstd"]}]),
}


@pytest.mark.parametrize("state", STATES)
def test_a_kill_in_any_state_repeats_no_more_than_was_in_flight(agent, quick, intake, state):
    chance = seeded()
    steps, policies = STATES[state]
    quick[NAME].update(body_lines=BODY_LINES, concurrency=CONCURRENCY, wait="20ms")
    if state == "hang":  # where it does not, a busy machine may answer later than that, too
        quick[NAME].update(timeout="500ms")
    a = agent(quick)
    intake.plan.set(steps)
    intake.policies.set(policies)
    each, bad = 150, []
    for turn in range(KILLS):
        first = turn * each
        if state == "400 for poison":
            bad.append(first + chance.randrange(each))
        feed(a, b"".join(line(n, POISON if n in bad else "") for n in range(first, first + each)))
        time.sleep(chance.uniform(0, 0.3))
        a.kill9()
        a.start()
        assert_books_balance(a.status())
    if state == "hang":
        heal_with(a, intake, timeout="30s")
    intake.plan.set([])  # what is refused by a policy stays so
    feed(a, lines(KILLS * each, KILLS * each + 20))
    count = KILLS * each + 20
    if state == "403":
        a.kill9()  # who is paused asks when it is started
        a.start()
    settle(a, intake, count - len(bad), rejected=len(bad))
    prove(a, intake, count, rejected=bad, repeats_max=(KILLS + 1) * IN_FLIGHT)


@pytest.mark.parametrize("kills", [8, pytest.param(120, marks=pytest.mark.long)])
def test_kills_amid_traffic_and_trouble_lose_nothing(agent, quick, intake, feeder, kills):
    count = 450 * kills
    chance = seeded()
    quick[NAME].update(body_lines=BODY_LINES, concurrency=CONCURRENCY, timeout="300ms", wait="20ms")
    a = agent({**quick, "ring": {"size": "32M"}})  # room for all: nothing needs to be shed
    kinds = [{"do": "ok", "times": 3}, {"do": "status", "code": 503}, {"do": "reset"}, {"do": "lose"},
             {"do": "ok", "times": 2}, {"do": "hang", "seconds": 60}, {"do": "status", "code": 429},
             {"do": "slow", "seconds": 0.1, "times": 3}]
    intake.plan.set([step for _ in range(kills) for step in chance.sample(kinds, len(kinds))])
    client = a.popen("run", "-s", "app", "--", feeder, "--lines", str(count), "--rate", "1500", "--report", "/dev/null")
    for _ in range(kills):
        time.sleep(chance.uniform(0.05, 0.4))
        a.kill9()
        a.start()
    assert end(client) == 0
    heal_with(a, intake, timeout="30s")  # what took longer than 300 ms until now may have come several times
    settle(a, intake, count)
    found = prove_ring(intake.everything())
    assert_exactly(numbers(found.values()), range(count))
    assert_books_balance(a.status())
