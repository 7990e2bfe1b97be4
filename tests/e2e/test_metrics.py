# SPDX-License-Identifier: MIT
"""[metrics] listen: the numbers of status, as Prometheus asks for them.

The story: a scraper comes by every few seconds, over a unix socket or loopback, on good days and bad ones; so do
others, who send nonsense, or nothing, or never read. promtool, which comes with Prometheus, says whether the text is
as it should be.
"""

import contextlib
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
import time

import pytest

from conftest import wait_until
from lines import book, lines

SERIES = re.compile(r'^([a-z_]+)(\{[^}]*\})? (-?[0-9.e+-]+)$')


@pytest.fixture
def metrics(agent, sink, runtime):
    """Factory: metrics(listen=None, **sections) -> Agent that serves at runtime/metrics.sock, or where it is told."""
    def make(listen=None, start=True, **sections):
        a = agent({**sink, **sections, "metrics": {"listen": listen or f"unix:{runtime}/metrics.sock"}}, start=start)
        a.at = runtime / "metrics.sock"
        return a
    return make


def connect(at):
    """A socket: at is a path, or (host, port)."""
    sock = socket.socket(socket.AF_INET6 if ":" in str(at[0]) else socket.AF_INET) if isinstance(at, tuple) \
        else socket.socket(socket.AF_UNIX)
    sock.connect(at if isinstance(at, tuple) else str(at))  # waits for room in the queue, as a scraper does
    sock.settimeout(60)
    return sock


def ask(at, request):
    """Send these bytes; the whole answer until it hangs up: (status, headers, body)."""
    with connect(at) as sock:
        sock.sendall(request)
        answer = b""
        while got := sock.recv(65536):
            answer += got
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first.startswith("HTTP/1.1 "), first
    return int(first.split()[1]), dict(header.split(": ", 1) for header in headers), body.decode()


def scrape(at):
    """The text; it is whole, and of its type."""
    status, headers, body = ask(at, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert int(headers["Content-Length"]) == len(body.encode()) and body.endswith("\n")
    return body


def values(body):
    """{'logboom_x{a="b"}': 1.0}; each series once, and behind its HELP and TYPE."""
    found, told = {}, set()
    for line in body.splitlines():
        if line.startswith("# TYPE "):
            told.add(line.split()[2])
        if line.startswith("#"):
            continue
        name, labels, value = SERIES.match(line).groups()
        assert name in told and name + (labels or "") not in found, line
        found[name + (labels or "")] = float(value)
    return found


def assert_promtool_is_content(body):
    if not shutil.which("promtool"):
        pytest.skip("no promtool (make deps)")
    done = subprocess.run(["promtool", "check", "metrics"], input=body, text=True, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), body


def free_port(family):
    with contextlib.closing(socket.socket(family)) as sock:
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return sock.getsockname()[1]


def test_by_default_nothing_is_served(agent, sink, runtime):
    a = agent(sink)
    assert not (runtime / "metrics.sock").exists()
    listening = subprocess.run(["ss", "-Htlnp"], capture_output=True, text=True, check=True).stdout
    assert f"pid={a.process.pid}," not in listening


def test_the_numbers_are_those_of_status(metrics, intake):
    a = metrics(held={"size": "1M"}, throttle={"drop health": "GET /health"})
    a.pipe("-s", "checkout").communicate(lines(0, 20) + b"\nGET /health\n")
    a.run("/bin/echo", "hello", service="web")
    a.flush()
    status, now = a.status(), values(scrape(a.at))
    for name, one in status["books"]["services"].items():
        for key in "in", "queued", "delivered", "rejected", "own":
            for unit in "lines", "bytes":
                assert now[f'logboom_{key}_{unit}_total{{service="{name}"}}'] == one[key][unit]
        for key in "open", "pending":
            assert now[f'logboom_{key}_lines{{service="{name}"}}'] == one[key]["lines"]
        for group, name_of in ("dropped_by", "dropped_lines_total"), ("held_by", "held_lines"), ("shed_by", "shed_lines_total"):
            for reason, value in one[group].items():
                assert now[f'logboom_{name_of}{{service="{name}",reason="{reason}"}}'] == value["lines"]
    assert now['logboom_dropped_lines_total{service="checkout",reason="filter"}'] == 1
    sink = status["sinks"][0]
    for key, name in (("requests", "requests_total"), ("delivered_bodies", "bodies_total"), ("lines", "lines_total"),
                      ("failures", "failures_total"), ("raw_bytes", "raw_bytes_total"), ("wire_bytes", "wire_bytes_total")):
        assert now[f'logboom_sink_{name}{{sink="datadog"}}'] == sink[key]
    if sink["wire_bytes_today"] is not None:
        assert now['logboom_sink_wire_today_bytes{sink="datadog"}'] == sink["wire_bytes_today"]
    states = {key: value for key, value in now.items() if key.startswith("logboom_sink_state")}
    assert sum(states.values()) == 1 and states['logboom_sink_state{sink="datadog",state="ok"}'] == 1
    assert now["logboom_ring_size_bytes"] == status["ring"]["size"]
    assert now["logboom_held_pool_size_bytes"] == status["held"]["size"]
    assert now["logboom_staging_size_bytes"] == status["staging"]["size"]
    assert now["logboom_memory_ceiling_bytes"] == status["memory"]["ceiling"]
    assert now["logboom_memory_ceiling_bytes"] == sum(value for key, value in now.items() if "memory_part" in key)
    assert now[f'logboom_clock_state{{state="{status["clock"]["state"]}"}}'] == 1
    assert now["logboom_syslog_sockets"] == status["syslog"]["sockets"] and now["logboom_streams"] == 0
    assert now[f'logboom_build_info{{version="{status["version"]}"}}'] == 1
    assert 0 < now["logboom_uptime_seconds"] < 3600


def test_promtool_is_content_with_odd_names_under_load_and_in_an_outage(metrics, intake, feeder, runtime):
    (runtime.parent / "files").mkdir()
    a = metrics(ring={"size": "512K"}, **{"input odd.name/1": {"type": "file", "path": runtime.parent / "files" / "*.log"}})
    odd = ["a", "kiosk@2.service", "web/front-end:8080", "x" * 128, "..", "--"]
    for name in odd:
        a.run("/bin/echo", "hello", service=name)
    clients = [a.popen("run", "-s", f"load-{i}", "--", feeder, "--lines", "100000000", "--rate", "3000", "--report",
                       "/dev/null") for i in range(2)]
    try:
        last = {}
        for plan in [], [{"do": "status", "code": 503, "times": -1}]:
            intake.plan.set(plan)
            wanted = "away" if plan else "ok"
            wait_until(lambda: a.status()["sinks"][0]["state"] == wanted, 60, f"the sink is {wanted}")
            if plan:
                wait_until(lambda: book(a)["shed"] + book(a)["dropped"] > 0, 60, "lines are given up")
            for _ in range(3):
                body = scrape(a.at)
                assert_promtool_is_content(body)
                now = values(body)
                for key, value in last.items():
                    if re.match(r"\w+_total\b", key):
                        assert now[key] >= value, f"{key} runs backwards"
                last = now
            assert now[f'logboom_sink_state{{sink="datadog",state="{wanted}"}}'] == 1
        assert {f'logboom_in_lines_total{{service="{name}"}}' for name in odd} <= set(now)
        assert 'logboom_input_files{input="odd.name/1"}' in now
        assert sum(value for key, value in now.items() if re.match(r"logboom_(shed|dropped)_lines", key)) > 0
    finally:
        for client in clients:
            client.kill()
            client.wait(60)


def test_what_runs_short_is_told_where_there_is_a_quota(metrics):
    a = metrics()
    assert values(scrape(a.at))["logboom_pressure_step"] == 0 and "quota_step" not in scrape(a.at)
    assert a.term() == 0
    a.sections.update({"network": {"quota": "10M/day"}, "service shop": {"quota": "1M/month"}})
    a.write_ini()
    a.start()
    client = a.pipe("-s", "shop")
    client.communicate(lines(0, 100), timeout=60)
    wait_until(lambda: book(a, "shop")["delivered"] == 100)
    body = scrape(a.at)
    assert_promtool_is_content(body)
    now, quota = values(body), a.status()["network"]["quota"]
    assert now["logboom_network_quota_bytes"] == quota["limit"] == 10 << 20
    assert 0 < now["logboom_network_quota_spent_bytes"] <= quota["spent"]
    assert now['logboom_service_quota_bytes{service="shop"}'] == 1 << 20
    assert now['logboom_service_quota_step{service="shop"}'] == 0


@pytest.mark.parametrize("family,host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_over_loopback(metrics, family, host):
    try:
        port = free_port(family)
    except OSError:
        assert family == socket.AF_INET6, "a machine without IPv6"
        return
    metrics(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    assert_promtool_is_content(scrape((host, port)))
    done = subprocess.run(["curl", "-gsS", "--noproxy", "*", f"http://{'[' + host + ']' if ':' in host else host}:{port}/metrics"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "logboom_build_info" in done.stdout


def test_other_requests_get_small_answers(metrics):
    a = metrics()
    host = b" HTTP/1.1\r\nHost: h\r\n\r\n"
    whole = scrape(a.at)
    status, headers, body = ask(a.at, b"HEAD /metrics" + host)
    assert (status, body) == (200, "") and abs(int(headers["Content-Length"]) - len(whole)) < 500
    for request, code in ((b"GET /" + host, 404), (b"GET /metricsx" + host, 404), (b"GET /../metrics" + host, 404),
                          (b"POST /metrics" + host, 405), (b"DELETE /metrics" + host, 405), (b"POST /" + host, 404),
                          (b"GET /metrics HTTP/1.1\r\n\r\n", 400), (b"GET /metrics HTTP/2\r\n\r\n", 400),
                          (b"hello\r\n", 400), (b"\x16\x03\x01\x00", 400), (b"G" * 5000, 400),
                          (b"GET /metrics HTTP/1.1\r\nHost: h\r\nX: " + b"y" * 50000 + b"\r\n\r\n", 400)):
        status, headers, body = ask(a.at, request)
        assert status == code and len(body) < 100 and headers["Connection"] == "close", request[:40]
        assert ("Allow" in headers) == (code == 405)
    assert ask(a.at, b"HEAD /" + host)[::2] == (404, "")
    assert ask(a.at, b"GET http://h/metrics?x=1 HTTP/1.0\n\n")[0] == 200
    # A body that nobody asked for does not keep the answer from coming.
    assert ask(a.at, b"POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n" + b"z" * 50000)[0] == 405


def test_a_request_may_come_byte_by_byte(metrics):
    a = metrics()
    with connect(a.at) as sock:
        for byte in b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n":
            sock.sendall(bytes([byte]))
        assert sock.recv(12) == b"HTTP/1.1 200"


def test_who_is_silent_keeps_nobody_out(metrics):
    a = metrics()
    silent = [connect(a.at) for _ in range(40)]
    begun = time.monotonic()
    for _ in range(3):
        scrape(a.at)
    assert time.monotonic() - begun < 9, "nobody waited for the patience to end"
    wait_until(lambda: len(os.listdir(f"/proc/{a.process.pid}/fd")) < 60, 30)
    half = connect(a.at)
    half.sendall(b"GET /metrics HTTP/1.1\r\nHo")
    assert half.recv(10) == b"", "after ten seconds it is hung up on"
    assert 9 < time.monotonic() - begun < 60
    for sock in [half, *silent]:
        sock.close()
    scrape(a.at)


def test_who_does_not_read_costs_a_slot_and_a_bounded_buffer(metrics):
    a = metrics()
    for i in range(120):  # a text that no socket buffer takes whole
        a.run("/bin/echo", "hello", service=f"service-{i}-" + "x" * 100)
    body = scrape(a.at)
    assert len(body) / 120 * 256 * 128 / 110 < 3 * 1024 * 1024, "the most services with the longest names have room"
    fds = len(os.listdir(f"/proc/{a.process.pid}/fd"))
    lazy = [connect(a.at) for _ in range(8)]
    for sock in lazy:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
    try:
        assert ask(a.at, b"HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n")[0] in (200, 503), "there is still a slot"
        assert a.status()["pid"] == a.process.pid, "everybody else is served"
        assert len(os.listdir(f"/proc/{a.process.pid}/fd")) <= fds + 9
        # Theirs is over when their time is.
        wait_until(lambda: len(os.listdir(f"/proc/{a.process.pid}/fd")) <= fds + 1, 60, "they were hung up on")
        assert_promtool_is_content(scrape(a.at))
    finally:
        for sock in lazy:
            sock.close()


def test_nonsense_from_many_costs_nothing(metrics):
    a = metrics()
    fds = len(os.listdir(f"/proc/{a.process.pid}/fd"))

    def pester(seed):
        for i in range(50):
            with contextlib.suppress(OSError):
                with connect(a.at) as sock:
                    sock.sendall([os.urandom(50), b"GET /metrics HTTP/1.1\r\n", b"\r\n" * 3000, b"", b"GET /metrics HTTP/1.0\r\n\r\n"][(i + seed) % 5])
                    if (i + seed) % 5 in (2, 4):  # who is answered at once
                        sock.recv(100)

    threads = [threading.Thread(target=pester, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    scrape(a.at)
    wait_until(lambda: len(os.listdir(f"/proc/{a.process.pid}/fd")) <= fds + 1, 60, "nothing leaks")
    assert a.term() == 0


# --- the socket


def test_the_socket_is_for_user_and_group_and_goes_with_the_agent(metrics):
    a = metrics()
    mode = a.at.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    a.kill9()
    assert a.at.exists()
    a.start()
    scrape(a.at)
    assert "not served" not in a.log
    assert a.term() == 0
    assert not a.at.exists()


def test_what_is_not_ours_stays(metrics, runtime):
    at = runtime.parent / "theirs"
    at.write_text("precious")
    a = metrics(str(at))
    assert a.status()["pid"] == a.process.pid, "the agent lives"
    assert at.read_text() == "precious"
    wait_until(lambda: "metrics are not served" in a.log)
    assert a.log.count("metrics are not served") == 1 and "no socket" in a.log
    a.term()
    assert at.read_text() == "precious"
    at.unlink()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as theirs:
        theirs.bind(str(at))
        theirs.listen(1)
        a.start()
        wait_until(lambda: "Address already in use" in a.log)
        a.term()
        assert at.exists()
    a.start()  # nobody listens there any more
    scrape(at)
    # Somebody takes its place: that is left alone.
    at.unlink()
    at.write_text("precious")
    a.term()
    assert at.read_text() == "precious"


def test_a_port_that_is_taken_is_told_and_tried_again_by_a_reload(metrics):
    with contextlib.closing(socket.socket()) as theirs:
        theirs.bind(("127.0.0.1", 0))
        theirs.listen(1)
        port = theirs.getsockname()[1]
        a = metrics(f"127.0.0.1:{port}")
        wait_until(lambda: f"metrics are not served at 127.0.0.1:{port}: Address already in use" in a.log)
        a.run("/bin/echo", "hello", service="web")
        a.flush()
    reload(a)
    scrape(("127.0.0.1", port))


# --- configuration


def reload(agent):
    count = agent.log.count("configuration reloaded")
    agent.hup()
    wait_until(lambda: agent.log.count("configuration reloaded") > count, 30, "it is reloaded")
    agent.status()


def test_a_reload_brings_it_into_effect(metrics, runtime):
    a = metrics()
    scrape(a.at)
    other = runtime / "other.sock"
    a.sections["metrics"]["listen"] = str(other)
    a.write_ini()
    reload(a)
    wait_until(other.exists)
    scrape(other)
    wait_until(lambda: not a.at.exists())
    a.sections["metrics"]["listen"] = "off"
    a.write_ini()
    reload(a)
    wait_until(lambda: not other.exists())
    a.sections["metrics"]["listen"] = f"unix:{a.at}"
    a.write_ini()
    reload(a)
    wait_until(a.at.exists)
    scrape(a.at)
    a.sections["metrics"]["listen"] = "10.0.0.1:9464"
    a.write_ini()
    a.hup()
    wait_until(lambda: "reload refused" in a.log)
    scrape(a.at)


def test_an_address_that_others_reach_is_refused(metrics):
    a = metrics("0.0.0.0:9464", start=False)
    done = a.client("check", a.ini)
    assert done.returncode == 2
    assert re.search(rf"^{re.escape(str(a.ini))}:\d+: listen must be an address of loopback", done.stderr, re.M)
    line = int(re.search(r":(\d+): listen", done.stderr)[1])
    assert a.ini.read_text().splitlines()[line - 1] == "listen = 0.0.0.0:9464"
