# SPDX-License-Identifier: MIT
"""What runs short: the data plan, the link, the queue; and the sign of life that tells of it.

The story: a device with a small data plan logs as if it had a large one. What is worth least gives way, each step is
told once, errors come through, and nothing is lost: what gave way is held, or counted.
"""

import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest

from conftest import API_KEY, Intake, wait_until
from lines import assert_books_balance, book, by_number, is_own, lines

QUOTA = "256K/day"


@pytest.fixture
def numbered(sink):
    sink["sink datadog"].update(sequence="all", wait="50ms", urgent_wait="20ms", retry_min="20ms", retry_max="200ms",
                                compression="none")
    return sink


def own(intake, kind):
    """Records of logboom's own of one kind, each once, in the order in which they were made."""
    found = sorted(by_number(intake.everything()).values(), key=lambda e: e["timestamp"])
    return [e["logboom"] for e in found if e["logboom"].get("kind") == kind]


def feed(agent, data, service="app"):
    client = agent.pipe("-s", service)
    client.communicate(data, timeout=30)
    assert client.returncode == 0


def words(count, level="INFO"):
    """Lines of one pattern."""
    return b"".join(b"%s:app:read sensor %d of the pump in hall %d\n" % (level.encode(), n, n % 7)
                    for n in range(count))


def text_of(name):
    """Some text that makes a pattern of its own."""
    return f"INFO:app:{name} was never said before\n".encode()


# --- quotas


def test_a_quota_that_runs_short_holds_what_is_worth_least_and_tells_each_step_once(agent, numbered, intake):
    a = agent({**numbered, "network": {"quota": QUOTA}, "held": {"size": "8M"}})
    quota = a.status()["network"]["quota"]
    assert quota["window"] == "day" and quota["limit"] == 256 * 1024 and quota["step"] == 0
    feed(a, words(400))
    # It looks how things stand when lines come, once a second at most: all of them at once would be queued by then.
    wait_until(lambda: feed(a, words(20)) or a.status()["network"]["quota"]["step"] >= 5, 30)
    before = book(a, "app")["in"]
    for _ in range(5):
        feed(a, words(400))
        wait_until(lambda: book(a, "app")["open"] == 0)
    wait_until(lambda: book(a, "app")["in"] >= before + 2000, 30)
    feed(a, b"ERROR:app:the pump has stopped\n")
    wait_until(lambda: any("pump has stopped" in e["message"] for e in intake.everything()), 30, "the error came")
    status = a.status()
    assert status["network"]["quota"]["step"] >= 1
    held = status["books"]["services"]["app"]["held_by"]["quota"]["lines"]
    dropped = status["books"]["services"]["app"]["dropped_by"]["quota"]["lines"]
    assert held + dropped > 500, "most of what was said gave way"
    assert_books_balance(status)
    steps = wait_until(lambda: [alert for alert in own(intake, "alert") if alert["alert"] == "quota"], 30)
    assert steps[0]["before"] == 0 and steps[-1]["step"] >= 1
    assert all(a["step"] == b["before"] for a, b in zip(steps, steps[1:])), "each step once, in order"


def test_nothing_passes_all_of_a_quota(agent, numbered, intake):
    a = agent({**numbered, "network": {"quota": "64K/day"}})
    for n in range(30):
        feed(a, b"".join(b"ERROR:app:%s failed with %d\n" % (b"abcdefghij"[n % 10:n % 10 + 1] * 40, i) for i in range(100)))
    wait_until(lambda: book(a, "app")["in"] == 3000, 30)
    wait_until(lambda: a.status()["network"]["quota"]["step"] == 7 or book(a)["pending"] == 0, 30)
    sent = sum(len(request.raw) for request in intake.requests())
    assert 20_000 < sent <= 64 * 1024
    assert a.status()["sinks"][0]["wire_bytes"] <= 64 * 1024
    assert_books_balance(a.status())


def test_a_service_has_a_quota_of_its_own(agent, numbered, intake):
    a = agent({**numbered, "service loud": {"quota": "128K/day"}})
    for _ in range(4):
        feed(a, words(400), "loud")
        feed(a, words(100), "calm")
    wait_until(lambda: book(a)["in"] == 2000, 30)
    services = a.status()["books"]["services"]
    assert services["loud"]["quota"]["step"] >= 1 and "quota" not in services["calm"]
    assert services["loud"]["held_by"]["quota"]["lines"] + services["loud"]["dropped_by"]["quota"]["lines"] > 200
    assert services["calm"]["queued"]["lines"] == 400
    wait_until(lambda: any(e["service"] == "loud" and e["logboom"].get("alert") == "quota"
                           for e in by_number(intake.everything()).values()), 30, "it is told")


def test_a_quota_that_is_taken_away_is_told_and_all_is_sent_again(agent, numbered, intake):
    a = agent({**numbered, "network": {"quota": "128K/day"}})
    for _ in range(3):
        feed(a, words(400))
    wait_until(lambda: a.status()["network"]["quota"]["step"] > 0, 20)
    del a.sections["network"]
    a.write_ini()
    a.hup()
    wait_until(lambda: a.status()["network"]["quota"] is None, 20)
    queued = book(a, "app")["queued"]
    feed(a, words(100))
    wait_until(lambda: book(a, "app")["queued"] == queued + 100, 20)
    wait_until(lambda: own(intake, "alert") and own(intake, "alert")[-1]["step"] == 0, 20)


def test_what_was_spent_is_known_after_a_kill(agent, numbered, intake):
    a = agent({**numbered, "network": {"quota": "10M/day"}})
    feed(a, words(500))
    wait_until(lambda: book(a)["delivered"] == 500, 20)
    spent = a.status()["network"]["quota"]["spent"]
    assert spent > 20_000
    a.kill9()
    a.start()
    assert a.status()["network"]["quota"]["spent"] >= spent


def test_a_link_rate_slows_down_and_loses_nothing(agent, numbered, intake):
    a = agent({**numbered, "network": {"rate": "64K/s"}})
    assert a.status()["network"]["rate"] == 64 * 1024
    feed(a, words(1500))
    wait_until(lambda: book(a)["delivered"] == 1500, 60)
    sizes = [len(request.raw) for request in intake.requests()]
    assert max(sizes) <= 20 * 1024, "bodies suit the rate"
    assert_books_balance(a.status())


def kernel_bytes_sent(port):
    """Of the connections to a port of ours, what the kernel sent of the stream: TLS and all, without TCP's own."""
    said = subprocess.run(["ss", "-tinH", "dst", f"127.0.0.1:{port}"], capture_output=True, text=True, check=True)
    return sum(map(int, re.findall(r"bytes_sent:(\d+)", said.stdout)))


def test_what_is_counted_over_tls_is_what_the_kernel_sent(agent, sink):
    with Intake(api_key=API_KEY, tls=True) as server:
        # One connection: what is on another has ended with it, and the kernel tells nothing of it.
        sink["sink datadog"].update(url=server.url, tls_ca=server.ca, concurrency="1", wait="50ms")
        a = agent({**sink, "network": {"quota": "100M/day"}})
        for n in range(0, 2000, 100):
            feed(a, lines(n, n + 100))
            a.flush()
        spent = a.status()["network"]["quota"]["spent"]
        assert server.stats()["connections"] == 1
        sent = kernel_bytes_sent(urllib.parse.urlparse(server.url).port)
        assert sent > 10_000 and abs(spent - sent) < 0.1 * sent, (spent, sent)


# --- pressure


def test_a_queue_that_fills_holds_debug_and_tells_it_once_up_and_once_down(agent, numbered, intake):
    numbered["sink datadog"]["retry_max"] = "300ms"
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent({**numbered, "ring": {"size": "256K"}, "held": {"size": "1M"},
               "throttle": {"rate": "off", "pattern_rate": "off", "floor_rate": "off", "collapse": "off"}})
    said = 0
    while a.status()["pressure"]["step"] == 0:  # below three quarters nothing is shed
        feed(a, lines(said, said + 20, "y" * 60))
        said += 20
        wait_until(lambda: book(a, "app")["in"] == said)
        assert a.status()["ring"]["fill"] < 0.75
    queued = book(a, "app")["queued"]
    feed(a, b"DEBUG:app:nobody needs this now\n" * 20)
    wait_until(lambda: book(a, "app")["in"] == said + 20, 20)
    services = a.status()["books"]["services"]
    assert services["app"]["held_by"]["pressure"]["lines"] == 20 and services["app"]["queued"]["lines"] == queued
    intake.plan.set([])
    wait_until(lambda: a.status()["pressure"]["step"] == 0, 30, "it is over when the queue has drained")
    steps = wait_until(lambda: [s for s in own(intake, "alert") if s["step"] == 0] and own(intake, "alert"), 20)
    assert [s["alert"] for s in steps] == ["pressure"] * len(steps)
    assert steps[0]["before"] == 0 and steps[-1]["step"] == 0, steps
    assert all(x["step"] == y["before"] for x, y in zip(steps, steps[1:]))
    assert_books_balance(a.status())


def test_with_pressure_off_debug_is_queued_as_ever(agent, numbered, intake):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    a = agent({**numbered, "ring": {"size": "256K"}})
    for n in range(0, 2400, 100):
        feed(a, lines(n, n + 100, "y" * 60))
    feed(a, b"DEBUG:app:nobody needs this now\n" * 20)
    wait_until(lambda: book(a, "app")["in"] == 2420, 20)
    assert a.status()["books"]["all"]["held_by"]["pressure"]["lines"] == 0


UNDER_PRESSURE = 'mount --bind "$1" /proc/pressure/memory && shift && exec "$@"'


def test_memory_that_runs_short_holds_info_until_there_is_enough(agent, numbered, intake, runtime):
    if not os.path.exists("/proc/pressure/memory"):
        pytest.skip("a kernel without pressure stall information")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    told = runtime.parent / "pressure"
    told.write_text("some avg10=60.00 avg60=9.00 avg300=2.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    a = agent({**numbered, "throttle": {"rate": "off", "pattern_rate": "off", "floor_rate": "off", "collapse": "off"}},
              wrap=["unshare", "-m", "sh", "-c", UNDER_PRESSURE, "sh", told])
    feed(a, b"INFO:app:somebody has come\n")
    wait_until(lambda: a.status()["pressure"]["step"] == 3, what="it was read")
    before = book(a, "app")
    feed(a, words(50) + b"WARNING:app:this is needed\n")
    status = wait_until(lambda: book(a, "app")["in"] == 52 and a.status())
    assert status["books"]["services"]["app"]["held_by"]["pressure"]["lines"] == before["held"] + 50
    assert status["books"]["services"]["app"]["queued"]["lines"] == before["queued"] + 1
    told.write_text("some avg10=0.00 avg60=9.00 avg300=2.00 total=1\n")
    wait_until(lambda: a.status()["pressure"]["step"] == 0, what="it is over")
    steps = wait_until(lambda: [s for s in own(intake, "alert")] if len(own(intake, "alert")) == 2 else None)
    assert [(s["before"], s["step"]) for s in steps] == [(0, 3), (3, 0)]


# --- heartbeat


def hearts(intake):
    return [e for _, e in sorted(by_number(intake.everything()).items()) if e["logboom"].get("kind") == "heartbeat"]


def test_a_heartbeat_tells_how_it_is_and_what_was_done_since_the_last_one(agent, numbered, intake):
    a = agent({**numbered, "heartbeat": {"interval": "1s"}})
    feed(a, words(50))
    wait_until(lambda: len(hearts(intake)) >= 3 and book(a)["delivered"] == 50, 30)
    status = a.status()
    beats = [e["logboom"] for e in hearts(intake)]
    assert sum(beat.get("in", 0) for beat in beats) == 50
    first = hearts(intake)[0]
    assert first["service"] == "logboom" and first["status"] == "info"
    assert beats[0]["version"] == status["version"] and beats[0]["ring"] == status["ring"]["id"]
    assert all(beat["up_s"] <= status["uptime_s"] + 60 for beat in beats)
    assert len({beat["config"] for beat in beats}) == 1
    # With the numbers that only sequence = all puts on it.
    assert all(len(json.dumps(e, separators=(",", ":"))) < 480 for e in hearts(intake))


def test_a_heartbeat_rides_with_what_is_sent_anyway(agent, numbered, intake):
    numbered["sink datadog"]["wait"] = "300ms"
    a = agent({**numbered, "heartbeat": {"interval": "10s"}})
    client = a.pipe("-s", "app")
    for n in range(2000):
        client.stdin.write(b"INFO:app:tick %d\n" % n)
        client.stdin.flush()
        if hearts(intake):
            break
        time.sleep(0.02)  # a service that says something now and then
    client.stdin.close()
    client.wait(20)
    beat = wait_until(lambda: hearts(intake), 30)[0]
    body = next(r for r in intake.requests() if any(e["logboom"].get("kind") == "heartbeat" for e in r.entries))
    assert any(not is_own(e) for e in body.entries), "it is not alone"
    assert beat["logboom"]["in"] > 0


def test_without_an_interval_there_is_no_heartbeat_and_a_reload_brings_it(agent, numbered, intake):
    a = agent(numbered)
    feed(a, words(10))
    wait_until(lambda: book(a)["delivered"] == 10, 20)
    assert not hearts(intake)
    a.sections["heartbeat"] = {"interval": "1s"}
    a.write_ini()
    a.hup()
    wait_until(lambda: hearts(intake), 30)
    before = hearts(intake)[-1]["logboom"]["config"]
    a.sections["heartbeat"] = {"interval": "2s"}
    a.write_ini()
    a.hup()
    wait_until(lambda: hearts(intake)[-1]["logboom"]["config"] != before, 30, "the configuration is another one")
