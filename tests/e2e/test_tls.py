# SPDX-License-Identifier: MIT
"""The way to the intake is TLS, verified, and goes nowhere else.

The story: with the right CA everything works; with a wrong one, a wrong name or a redirect nothing is delivered,
status says why, and the lines wait. No address but http and https is taken.
"""

import http.server
import threading

import pytest

from conftest import API_KEY, Intake, wait_until
from lines import assert_exactly, book, lines, numbers


@pytest.fixture
def tls():
    with Intake(api_key=API_KEY, tls=True) as server:
        yield server


def aim_at(sink, server, **keys):
    sink["sink datadog"].update(url=server.url, **keys)
    return sink


def feed(agent, first=0, last=100):
    client = agent.pipe("-s", "app")
    client.communicate(lines(first, last), timeout=60)
    assert client.returncode == 0


def assert_waits(agent, server, *words, tries=2):
    """Nothing is delivered, the lines are kept, status says why."""
    state = wait_until(lambda: (s := agent.status()["sinks"][0])["failures"] >= tries and s, what=f"{tries} tries failed")
    assert state["state"] in ("away", "paused") and state["delivered_bodies"] == 0
    assert any(word in state["last_error"].lower() for word in words), state["last_error"]
    assert server is None or server.stats()["requests"] == 0
    assert book(agent)["pending"] == 100
    assert agent.client("ping").returncode == 1


def test_an_intake_with_a_ca_of_its_own_works(agent, sink, tls):
    a = agent(aim_at(sink, tls, tls_ca=tls.ca))
    feed(a)
    a.flush()
    assert_exactly(numbers(tls.entries()), range(100))
    assert a.client("ping").returncode == 0
    for turn in range(3):
        feed(a, 100 + turn, 101 + turn)
        a.flush()
    assert tls.stats()["connections"] <= 4, "connections are kept"


def test_an_unknown_ca_is_refused_and_a_reload_with_the_right_one_delivers(agent, sink, tls):
    a = agent(aim_at(sink, tls))
    feed(a)
    assert_waits(a, tls, "certificate")
    a.sections["sink datadog"]["tls_ca"] = tls.ca
    a.write_ini()
    a.hup()
    assert tls.wait_entries(100)
    assert_exactly(numbers(tls.entries()), range(100))


def test_another_intakes_ca_is_refused(agent, sink, tls):
    with Intake(tls=True) as other:
        a = agent(aim_at(sink, tls, tls_ca=other.ca))
        feed(a)
        assert_waits(a, tls, "certificate")


def test_a_certificate_for_another_host_is_refused(agent, sink):
    with Intake(api_key=API_KEY, tls=True, names=("DNS:elsewhere.invalid",)) as server:
        a = agent(aim_at(sink, server, tls_ca=server.ca))
        feed(a)
        assert_waits(a, server, "subject", "host")


def test_a_ca_file_that_is_not_there_delivers_nothing(agent, sink, tls, runtime):
    a = agent(aim_at(sink, tls, tls_ca=runtime.parent / "missing"), start=False)
    a.spawn()
    wait_until(lambda: a.process.poll() is not None or a.client("status").returncode == 0)
    if a.process.poll() is None:
        feed(a)
        assert_waits(a, tls, "ca", "certificate")
    else:
        assert a.process.returncode == 2 and "missing" in a.log


def test_plain_http_at_a_tls_port_and_the_other_way_round_deliver_nothing(agent, sink, tls, intake):
    a = agent({"sink datadog": {**sink["sink datadog"], "url": tls.url.replace("https:", "http:")}})
    feed(a)
    wait_until(lambda: a.status()["sinks"][0]["failures"] >= 2)
    assert tls.entries() == [] and book(a)["pending"] == 100
    a.sections["sink datadog"]["url"] = intake.url.replace("http:", "https:")
    a.write_ini()
    a.hup()
    wait_until(lambda: "reloaded" in a.log)
    failures = a.status()["sinks"][0]["failures"]
    wait_until(lambda: a.status()["sinks"][0]["failures"] >= failures + 2)
    assert intake.entries() == [] and book(a)["pending"] == 100


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_key(agent, sink, intake, code):
    class Redirect(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(code)
            self.send_header("Location", intake.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        sink["sink datadog"]["url"] = f"http://127.0.0.1:{server.server_port}/api/v2/logs"
        a = agent(sink)
        feed(a)
        assert_waits(a, intake, str(code), tries=1)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher://127.0.0.1/", "127.0.0.1:80", "telnet://127.0.0.1:1/"])
def test_only_http_and_https_are_taken(agent, sink, url):
    sink["sink datadog"]["url"] = url
    a = agent(sink, start=False)
    a.spawn()
    assert a.process.wait(60) == 2
    assert "url" in a.log and "http" in a.log


def test_a_proxy_of_the_environment_is_named_by_nobody_else(agent, sink, intake):
    """An address on loopback is reached directly unless the environment says otherwise: no surprise either way."""
    a = agent(sink, env={"no_proxy": "127.0.0.1", "http_proxy": "http://127.0.0.1:9/"})
    feed(a)
    a.flush()
    assert_exactly(numbers(intake.entries()), range(100))
