# SPDX-License-Identifier: MIT
"""Stopping and reloading.

The story: SIGTERM reads what the pipes hold, ships it and ends with 0; where nobody takes it, it stays for the next
start, which delivers it. SIGHUP takes a new configuration as a whole or not at all.
"""

import os
import signal
import subprocess
import time

import pytest

from conftest import API_KEY, ROOMY, Intake, wait_until
from lines import (assert_exactly, book, end, held_pipe, line, lines, lost_numbers, numbers, prove_ring, receipts,
                   write_all)


@pytest.fixture
def numbered(sink):
    sink["sink datadog"]["sequence"] = "all"
    return sink


# --- SIGTERM


def test_sigterm_reads_the_pipes_ships_all_and_ends_with_0(agent, numbered, intake):
    numbered["sink datadog"]["wait"] = "10m"
    a = agent(numbered)
    with held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", "--wait", "1s", stdin=read_end, stderr=subprocess.PIPE, text=True)
        write_all(write_end, lines(0, 300))
        wait_until(lambda: book(a)["in"] == 300)
        write_all(write_end, lines(300, 1300))
        assert a.term() == 0
        os.close(write_end)
        assert "0 lines are lost" in client.communicate(timeout=60)[1], "what was written before is read"
    assert_exactly(numbers(prove_ring(intake.everything()).values()), range(1300))


def test_sigint_stops_like_sigterm(agent, numbered, intake):
    a = agent(numbered)
    a.run("/bin/echo", "#n=1", service="app")
    a.process.send_signal(signal.SIGINT)
    assert a.process.wait(60) == 0
    assert numbers(intake.entries()) == [1]


@pytest.mark.parametrize("trouble", ["refused connections", "hanging", "status 503"])
def test_a_sink_out_of_reach_does_not_delay_the_stop_and_the_next_start_delivers(agent, numbered, intake, trouble):
    numbered["sink datadog"]["wait"] = "300ms"
    if trouble == "refused connections":
        intake.down()
    intake.plan.set([{"do": "hang", "seconds": 60, "times": -1} if trouble == "hanging" else
                     {"do": "status", "code": 503, "times": -1}])
    a = agent({**numbered, "agent": {"stop_timeout": "60s"}})
    client = a.pipe("-s", "app")
    client.communicate(lines(0, 500), timeout=60)
    begin = time.monotonic()
    assert a.term() == 0
    assert time.monotonic() - begin < 30, "stop_timeout is a minute, and nobody waits for it"
    assert "stay in the ring" in a.log
    intake.plan.set([])
    intake.up()
    intake.forget()
    a.start()
    a.flush()
    assert_exactly(numbers(prove_ring(intake.everything()).values()), range(500))
    assert book(a)["delivered"] == 500 and not receipts(intake.entries())


def test_a_second_sigterm_ends_it_at_once(agent, numbered, intake):
    numbered["sink datadog"].update(wait="10m", body_lines="100")
    a = agent({**numbered, "agent": {"stop_timeout": "60s"}})
    intake.plan.set([{"do": "slow", "seconds": 0.2}, {"do": "slow", "seconds": 1.5, "times": -1}])
    client = a.pipe("-s", "app")
    client.communicate(lines(0, 9000), timeout=60)
    a.process.send_signal(signal.SIGTERM)
    assert intake.wait_requests(1)
    assert a.process.poll() is None, "it ships, slowly"
    begin = time.monotonic()
    assert a.term() == 0
    assert time.monotonic() - begin < 20, "all of it would take a minute"
    intake.plan.set([])
    a.start()
    a.flush()
    assert set(numbers(prove_ring(intake.everything()).values())) == set(range(9000))


def test_a_firehose_does_not_keep_the_agent_from_stopping(agent, numbered, intake, feeder):
    a = agent({**numbered, "agent": {"stop_timeout": "2s"}})
    client = a.popen("run", "-s", "app", "--", "/bin/sh", "-c", f"exec '{feeder}' --lines 1000000000 --rate 20000 2>/dev/null")
    wait_until(lambda: book(a)["in"] > 1000)
    assert a.term() == 0
    assert client.poll() is None, "it pours still"
    a.start()
    client.terminate()
    end(client)

    def told():
        a.flush()
        return sum(e["logboom"]["count"] for e in receipts(intake.everything()) if e["service"] == "app")

    wait_until(lambda: told() == sum(book(a, "app")[why] for why in ("client", "overload", "shed")), what="every loss is told")
    # An intake that is held up for 2 s is away: what it has in hand may be given up while it stores it.
    found, lost = prove_ring(intake.everything(), may_be_both=True), lost_numbers(intake.everything())
    got = numbers([entry for (ring, lane, n), entry in found.items() if n not in lost[(ring, lane)]])
    assert len(got) == len(set(got)) == book(a, "app")["delivered"]
    assert max(got) + 1 <= len(got) + told() == book(a, "app")["in"], "each is delivered or told"


# --- SIGHUP


def test_a_reload_takes_live_keys_at_once(agent, numbered, intake):
    a = agent(numbered)
    with Intake(api_key=API_KEY) as other, held_pipe() as (read_end, write_end):
        client = a.popen("pipe", "-s", "app", stdin=read_end)
        write_all(write_end, line(0))
        assert intake.wait_entries(1)
        a.sections["agent"].update(tags="site:new", hostname="renamed")
        a.sections["sink datadog"].update(url=other.url, wait="10m", urgent_wait="50ms", sequence="batch")
        a.sections["log"] = {"level": "debug"}
        a.reload()
        write_all(write_end, line(1))
        time.sleep(0.4)
        assert other.stats()["requests"] == 0, "wait is ten minutes now"
        write_all(write_end, line(2, level="ERROR"))
        assert other.wait_entries(2)
        os.close(write_end)
        assert end(client) == 0
        assert numbers(intake.entries()) == [0] and numbers(other.entries()) == [1, 2]
        assert [(e["hostname"], e.get("ddtags")) for e in other.entries()] == [("renamed", "site:new")] * 2
        assert "n" not in other.entries()[1].get("logboom", {})
        assert a.status()["hostname"] == "renamed"


def test_a_reload_with_a_fault_changes_nothing_and_names_the_line(agent, numbered, intake):
    a = agent(numbered)
    a.sections["agent"]["tags"] = "site:new"
    a.sections["capture"] = {"max_stall": "soon"}
    a.reload("reload refused")
    number = 1 + a.ini.read_text().splitlines().index("max_stall = soon")
    assert f"{a.ini}:{number}:" in a.log
    a.run("/bin/echo", "#n=1", service="app")
    a.flush()
    assert numbers(intake.entries()) == [1] and "ddtags" not in intake.entries()[0]
    del a.sections["capture"]
    a.reload()
    a.run("/bin/echo", "#n=2", service="app")
    a.flush()
    assert [e.get("ddtags") for e in intake.entries()] == [None, "site:new"]


def test_a_reload_without_its_key_file_changes_nothing(agent, numbered, intake):
    a = agent(numbered)
    key = numbered["sink datadog"]["api_key_file"]
    a.sections["sink datadog"]["api_key_file"] = key.parent / "missing"
    a.reload("reload refused")
    assert str(key.parent / "missing") in a.log
    a.run("/bin/echo", "#n=1", service="app")
    a.flush()
    assert numbers(intake.entries()) == [1]


def test_a_reload_reads_the_key_anew(agent, numbered, intake):
    intake.api_key = "f" * 32
    a = agent(numbered)
    a.run("/bin/echo", "#n=1", service="app")
    assert intake.wait_requests(1) and intake.requests()[0].status == 403
    numbered["sink datadog"]["api_key_file"].write_text("f" * 32 + "\n")
    a.reload()
    assert intake.wait_entries(1)


def test_a_reload_names_the_keys_that_wait_for_the_next_start(agent, numbered, intake):
    a = agent(numbered)
    size = a.status()["ring"]["size"]
    a.sections["ring"] = {"size": "1M", "lock": "no"}
    a.sections["capture"] = {"max_streams": "16", "stdout_level": "debug"}
    a.reload()
    for key in "ring.size", "ring.lock", "capture.max_streams":
        assert f"{key} takes effect at the next start" in a.log
    assert "stdout_level takes" not in a.log
    assert a.status()["ring"]["size"] == size
    a.restart()
    assert a.status()["ring"]["size"] == 1 << 20


def test_a_reload_tells_that_a_new_sink_waits_for_the_next_start(agent, numbered, intake, tmp_path):
    a = agent(numbered)
    a.sections["sink more"] = {"type": "file", "path": tmp_path / "more.ndjson", "primary": "no"}
    a.reload()
    assert "the number of sinks takes effect at the next start" in a.log
    a.run("/bin/echo", "#n=1", service="app")
    a.flush()
    assert numbers(intake.entries()) == [1]


def test_reloads_under_load_lose_nothing(agent, numbered, intake, feeder):
    a = agent({**numbered, **ROOMY})
    client = a.popen("run", "-s", "app", "--", feeder, "--lines", "15000", "--rate", "10000", "--report", "/dev/null")
    for turn in range(12):
        compression = ["gzip", "zstd", "none"][turn % 3]
        a.sections["sink datadog"]["compression"] = compression
        a.reload()
        seen = len(intake.requests())
        a.run("/bin/echo", f"#n={turn}", service="other")  # so that there is something to ship in any case
        encoding = "identity" if compression == "none" else compression
        wait_until(lambda: encoding in [r.encoding for r in intake.requests()[seen:]], what=encoding)
    assert end(client) == 0
    a.flush()
    found = prove_ring(intake.everything()).values()
    assert_exactly(numbers(found, "app"), range(15000))
    assert_exactly(numbers(found, "other"), range(12))
