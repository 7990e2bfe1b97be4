# SPDX-License-Identifier: MIT
"""The clock that other tests move (support/fakeclock): programs believe it, and only as far as they should.

Offsets are hours and years, so that a slow machine is never taken for a wrong clock.
"""

import ctypes
import json
import subprocess
import sys
import time

import pytest

from conftest import API_KEY, Intake, wait_until
from fakeclock import FakeClock
from lines import assert_exactly, lines, numbers

HOUR = 3600
YEAR = 365 * 24 * HOUR
NEAR = 300  # s

# Answers each line of its input with what it sees on every clock.
OBSERVER = """
import ctypes, json, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.time.restype = ctypes.c_long
for line in sys.stdin:
    pair, timex, setting = (ctypes.c_long * 2)(), (ctypes.c_long * 64)(), (ctypes.c_long * 64)(1)
    libc.gettimeofday(pair, None)
    seen = {"wall": [time.time(), time.clock_gettime(5), libc.time(None), pair[0]],
            "boot": time.clock_gettime(time.CLOCK_BOOTTIME), "monotonic": time.monotonic(),
            "state": libc.adjtimex(timex), "timex": bytes(timex).hex(),
            "set": [libc.adjtimex(setting), ctypes.get_errno()]}
    print(json.dumps(seen), flush=True)
"""
TIME_OK, TIME_ERROR, STA_UNSYNC, EPERM = 0, 5, 0x40, 1
STATUS_AT = 5 * ctypes.sizeof(ctypes.c_long)  # in struct timex


@pytest.fixture
def clock(runtime):
    return FakeClock(runtime.parent / "clock")


@pytest.fixture
def look(clock):
    """Asks one process, which runs on meanwhile, for its clocks; offsets from the true ones in the answer."""
    with subprocess.Popen([sys.executable, "-c", OBSERVER], env=clock.env, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        def ask():
            process.stdin.write("\n")
            process.stdin.flush()
            seen = json.loads(process.stdout.readline())
            seen["wall"] = [wall - time.time() for wall in seen["wall"]]
            seen["boot"] -= time.clock_gettime(time.CLOCK_BOOTTIME)
            seen["monotonic"] -= time.monotonic()
            return seen
        yield ask
        process.stdin.close()


def assert_offsets(seen, wall, boot):
    assert all(abs(one - wall) < NEAR for one in seen["wall"]), seen
    assert abs(seen["boot"] - boot) < NEAR, seen
    assert abs(seen["monotonic"]) < NEAR, seen


def test_each_wall_clock_moves_while_the_program_runs_and_the_others_stay(clock, look):
    assert_offsets(look(), 0, 0)
    clock.set(wall_offset_s=-56 * YEAR)
    assert_offsets(look(), -56 * YEAR, 0)
    clock.set(wall_offset_s=-HOUR)
    clock.step(3 * HOUR)
    assert_offsets(look(), 2 * HOUR, 0)
    clock.set(boot_offset_s=9 * HOUR)  # suspend
    assert_offsets(look(), 11 * HOUR, 9 * HOUR)


def test_the_kernel_s_word_is_the_test_s_and_nobody_sets_the_machine_s_clock(clock, look):
    for is_synced in False, True, False:
        clock.set(synced=is_synced)
        seen = look()
        status = int.from_bytes(bytes.fromhex(seen["timex"])[STATUS_AT:STATUS_AT + 4], "little")
        assert seen["state"] == (TIME_OK if is_synced else TIME_ERROR)
        assert bool(status & STA_UNSYNC) != is_synced
        assert seen["set"] == [-1, EPERM]


def test_date_believes_it_and_a_missing_file_ends_the_program(clock):
    clock.set(wall_offset_s=-10 * YEAR)
    date = subprocess.run(["date", "+%s"], env=clock.env, capture_output=True, text=True, check=True)
    assert abs(int(date.stdout) - time.time() + 10 * YEAR) < NEAR
    lost = subprocess.run(["date"], env={**clock.env, "LB_FAKECLOCK": "/nowhere"}, capture_output=True, text=True)
    assert lost.returncode == 127 and "/nowhere" in lost.stderr and lost.stdout == ""


def test_the_agent_dates_its_records_by_it_and_judges_certificates_by_it(agent, sink, clock):
    clock.set(wall_offset_s=-10 * YEAR, synced=True)
    with Intake(api_key=API_KEY, tls=True) as server:
        sink["sink datadog"].update(url=server.url, tls_ca=server.ca)
        a = agent(sink, env=clock.env)
        a.pipe("-s", "app").communicate(lines(0, 10), timeout=60)
        wait_until(lambda: "not yet valid" in (a.status()["sinks"][0]["last_error"] or ""), what="TLS sees 2016")
        assert server.stats()["requests"] == 0
        clock.set(wall_offset_s=HOUR)
        a.flush()
        assert_exactly(numbers(server.entries()), range(10))
        a.pipe("-s", "app").communicate(lines(10, 20), timeout=60)
        a.flush()
        late = server.entries()[10:]
        assert_exactly(numbers(late), range(10, 20))
        assert all(abs(entry["timestamp"] / 1000 - time.time() - HOUR) < NEAR for entry in late), late
