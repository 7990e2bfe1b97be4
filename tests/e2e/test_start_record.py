# SPDX-License-Identifier: MIT
"""The record by which an agent tells that it started.

The story: a receiver that sees a new ring, or a gap in time, wants to know whether lines were lost. The first record
of each start tells how the last stop went, and which numbers were given until then.
"""

import shutil

import pytest

from conftest import wait_until
from intake import is_start
from lines import book, lines, numbers, prove_ring


@pytest.fixture
def numbered(sink):
    sink["sink datadog"].update(sequence="all", wait="50ms")
    return sink


def feed(agent, first, last):
    client = agent.pipe("-s", "app")
    client.communicate(lines(first, last), timeout=60)
    assert client.returncode == 0


def starts(intake):
    """The start records in the order of their numbers, whichever lane they are in."""
    found = [e for e in intake.everything() if is_start(e)]
    return sorted(found, key=lambda e: e["timestamp"])


def test_the_first_record_of_a_boot_knows_nothing_of_the_time_before(agent, numbered, intake):
    a = agent(numbered)
    feed(a, 0, 10)
    a.flush()
    [first] = starts(intake)
    mark = first["logboom"]
    assert (mark["kind"], mark["stop"], mark["lane"], mark["n"]) == ("start", "unknown", "routine", 1)
    assert "last" not in mark and first["service"] == "logboom" and first["status"] == "notice"
    assert first["message"].startswith("logboom: started, version ")
    prove_ring(intake.everything())
    assert book(a)["in"] == 10, "it is none of the lines"


def test_a_stop_in_good_order_is_told_as_clean_with_the_last_numbers(agent, numbered, intake):
    a = agent(numbered)
    feed(a, 0, 10)
    a.flush()
    ring = a.status()["ring"]["id"]
    a.restart()
    feed(a, 10, 20)
    a.flush()
    wait_until(lambda: len(starts(intake)) == 2)
    mark = starts(intake)[1]["logboom"]
    assert mark["stop"] == "clean" and mark["last"] == {"id": ring, "urgent": 0, "routine": 11}
    assert (mark["id"], mark["lane"], mark["n"]) == (ring, "routine", 12), "the ring goes on"
    assert numbers(prove_ring(intake.everything()).values()) == list(range(20))


def test_a_kill_is_told_as_unclean_and_does_not_wait(agent, numbered, intake):
    numbered["sink datadog"].update(wait="1h", urgent_wait="50ms")
    a = agent(numbered)
    feed(a, 0, 10)
    a.flush()
    a.kill9()
    a.start()
    wait_until(lambda: len(starts(intake)) == 2, what="an unclean stop is urgent")
    second = starts(intake)[1]
    assert second["logboom"]["stop"] == "unclean" and second["status"] == "warning"
    assert second["logboom"]["last"]["routine"] == 11
    prove_ring(intake.everything())


def test_a_ring_of_another_size_is_told_with_the_numbers_of_the_one_before(agent, numbered, intake):
    a = agent({**numbered, "ring": {"size": "512K"}})
    feed(a, 0, 10)
    a.flush()
    before = a.status()["ring"]["id"]
    a.sections["ring"]["size"] = "1M"
    a.write_ini()
    a.restart()
    feed(a, 10, 20)
    a.flush()
    second = starts(intake)[1]["logboom"]
    assert second["id"] != before and second["n"] == 1, "the first record of a new ring"
    assert second["stop"] == "clean" and second["last"] == {"id": before, "urgent": 0, "routine": 11}


def test_after_a_reboot_nothing_is_left_and_that_is_said(agent, numbered, intake):
    a = agent(numbered)
    feed(a, 0, 10)
    a.flush()
    a.kill9()
    shutil.rmtree(a.runtime)
    a.start()
    feed(a, 10, 20)
    a.flush()
    assert [e["logboom"]["stop"] for e in starts(intake)] == ["unknown", "unknown"]
    assert len({e["logboom"]["id"] for e in starts(intake)}) == 2


def test_status_and_tail_show_it(agent, numbered, intake):
    a = agent(numbered)
    a.flush()
    assert book(a)["own"] == 1
    done = a.client("tail", "-n", "1")
    assert "logboom: logboom: started, version" in done.stdout
