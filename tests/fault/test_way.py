# SPDX-License-Identifier: MIT
"""The way to the sink: certificates, names, addresses, a gateway, a proxy.

The story: the certificate is for somebody else or of another time, the name does not resolve, one of two addresses
refuses; a gateway speaks newer or older TLS; the road leads through a proxy. Where there is a way the lines arrive;
where there is none they wait, the key is told to nobody, and status says what to look at.
"""

import subprocess

import pytest

from conftest import API_KEY, Intake, wait_until
from fire import NAME, feed, prove, reload, settle, sink_of
from lines import assert_books_balance, book, lines
from proxy import Proxy

DAY_S = 86400
NO_PROXY = dict.fromkeys(("no_proxy", "NO_PROXY", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), "")


def assert_waits(agent, count, *words):
    """Nothing is delivered, all is kept, and status and log say why."""
    def claim():
        state = sink_of(agent)
        return any(word in state["last_error"].lower() for word in words) and state
    state = wait_until(claim, what=f"status says one of {words}")
    assert state["state"] != "ok" and state["delivered_bodies"] == 0
    books = book(agent)
    assert (books["pending"], books["delivered"], books["rejected"], books["shed"]) == (count, 0, 0, 0)
    assert_books_balance(agent.status())
    assert any(word in agent.log.lower() for word in words)
    assert API_KEY not in agent.log


# --- certificates


@pytest.mark.parametrize("fault, words", [
    ({"names": ("DNS:elsewhere.invalid",)}, ("subject", "host", "name")),
    ({"begin_s": -20 * DAY_S, "end_s": -10 * DAY_S}, ("expired",)),
    ({"begin_s": 10 * DAY_S, "end_s": 20 * DAY_S}, ("not yet valid",)),
])
def test_a_certificate_that_is_wrong_waits_until_it_is_right(agent, quick, authority, fault, words):
    with Intake(api_key=API_KEY, tls=authority.issue(**fault)) as server:
        quick[NAME].update(url=server.url, tls_ca=server.ca)
        a = agent(quick)
        feed(a, lines(0, 100))
        assert_waits(a, 100, *words)
        assert server.stats()["requests"] == 0, "the key is not told to a stranger"
        server.use_certificate(authority.issue())
        reload(a)
        settle(a, server, 100)
        feed(a, lines(100, 120))
        settle(a, server, 120)
        prove(a, server, 120)


def test_a_certificate_that_runs_out_while_all_is_well_loses_nothing(agent, quick, authority):
    with Intake(api_key=API_KEY, tls=authority.issue()) as server:
        quick[NAME].update(url=server.url, tls_ca=server.ca)
        a = agent(quick)
        feed(a, lines(0, 50))
        settle(a, server, 50)
        server.use_certificate(authority.issue(begin_s=-20 * DAY_S, end_s=-DAY_S))
        server.down()  # connections that stand are not asked for their papers again
        server.up()
        feed(a, lines(50, 150))
        wait_until(lambda: "expired" in sink_of(a)["last_error"], what="status tells of it")
        assert book(a)["pending"] == 100
        server.use_certificate(authority.issue())
        reload(a)
        settle(a, server, 150)
        prove(a, server, 150)


def test_connections_are_kept_between_bodies(agent, quick, authority):
    with Intake(api_key=API_KEY, tls=authority.issue()) as server:
        quick[NAME].update(url=server.url, tls_ca=server.ca)
        a = agent(quick)
        for n in range(0, 200, 20):
            feed(a, lines(n, n + 20))
            settle(a, server, n + 20)
        prove(a, server, 200)
        assert server.stats()["connections"] <= 2


# --- nginx before the intake


@pytest.mark.parametrize("protocols, http2, spoken", [
    ("TLSv1.2", False, "TLSv1.2"), ("TLSv1.3", False, "TLSv1.3"),
    ("TLSv1.2", True, "TLSv1.2"), ("TLSv1.2 TLSv1.3", True, "TLSv1.3")])
def test_a_gateway_of_any_age_is_understood(agent, quick, intake, front, protocols, http2, spoken):
    gate = front(protocols=protocols, http2=http2)
    quick[NAME].update(url=gate.url, tls_ca=gate.ca)
    a = agent(quick)
    feed(a, lines(0, 500, "x" * 300))
    settle(a, intake, 500)
    intake.plan.set([{"do": "status", "code": 503}, {"do": "status", "code": 429, "retry_after": 0}])
    feed(a, lines(500, 600))
    settle(a, intake, 600)
    prove(a, intake, 600)
    wait_until(lambda: len(gate.requests()) == len(intake.requests()), what="nginx has written all down")
    assert {request[1] for request in gate.requests()} == {spoken}


def test_a_gateway_whose_server_is_gone_says_502_and_loses_nothing(agent, quick, intake, front):
    gate = front()
    quick[NAME].update(url=gate.url, tls_ca=gate.ca)
    a = agent(quick)
    feed(a, lines(0, 50))
    settle(a, intake, 50)
    intake.down()
    feed(a, lines(50, 150))
    wait_until(lambda: "502" in sink_of(a)["last_error"], what="the gateway says so")
    intake.up()
    settle(a, intake, 150)
    prove(a, intake, 150)


def test_a_gateway_that_takes_small_bodies_only_is_given_small_bodies(agent, quick, intake, front):
    """nginx refuses with a page of its own, and closes while the body is still on its way."""
    gate = front(body_max="4k")
    quick[NAME].update(url=gate.url, tls_ca=gate.ca, compression="none")
    a = agent(quick)
    feed(a, lines(0, 400, "x" * 100))
    settle(a, intake, 400)
    prove(a, intake, 400)
    assert max(request.wire_bytes for request in intake.requests()) <= 4096


# --- names and addresses


def test_a_name_that_does_not_resolve_waits_for_a_reload(agent, quick, intake):
    good = quick[NAME]["url"]
    quick[NAME]["url"] = f"http://no-such-host.invalid:{intake.port}/api/v2/logs"
    a = agent(quick, env={"RES_OPTIONS": "timeout:1 attempts:1"})
    feed(a, lines(0, 100))
    assert_waits(a, 100, "resolve")
    reload(a, url=good)
    settle(a, intake, 100)
    prove(a, intake, 100)


@pytest.fixture
def two_addresses(runtime):
    """A command under which localhost is ::1 and 127.0.0.1, whatever this machine's /etc/hosts says."""
    hosts = runtime.parent / "hosts"
    hosts.write_text("::1 localhost\n127.0.0.1 localhost\n")
    wrap = ["unshare", "-m", "/bin/sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    if subprocess.run([*wrap, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace here (root may)")
    return wrap


@pytest.mark.parametrize("tls", [False, True])
def test_an_address_that_refuses_gives_way_to_the_next_one(agent, quick, authority, two_addresses, tls):
    with Intake(api_key=API_KEY, tls=authority.issue() if tls else False) as server:
        quick[NAME].update(url=server.url.replace("127.0.0.1", "localhost"))
        if tls:
            quick[NAME].update(tls_ca=server.ca)
        a = agent(quick, wrap=two_addresses)
        server.plan.set([{"do": "status", "code": 503}])
        for n in range(0, 300, 100):
            feed(a, lines(n, n + 100))
        settle(a, server, 300)
        prove(a, server, 300)
        assert sink_of(a)["failures"] == 1, "an address that refuses is no failure where another one works"


# --- a proxy


@pytest.fixture(params=["http", "https"])
def aim(request, quick, authority):
    """(intake, sections) for either scheme."""
    with Intake(api_key=API_KEY, tls=authority.issue() if request.param == "https" else False) as server:
        quick[NAME].update(url=server.url)
        if server.ca:
            quick[NAME].update(tls_ca=server.ca)
        yield server, quick


def assert_all_passed(proxy, server):
    """Each request went by the proxy, by CONNECT where it must not see it, and the key stayed hidden from it then."""
    if server.ca:
        tunnels = proxy.passed("CONNECT")
        assert tunnels == proxy.passed() and len(tunnels) == server.stats()["connections"]
        assert {tunnel.target for tunnel in tunnels} == {f"127.0.0.1:{server.port}"}
        assert not [t for t in tunnels if API_KEY in t.headers.values() or "dd-api-key" in t.headers]
        assert sum(tunnel.bytes_up for tunnel in tunnels) > server.stats()["wire_bytes"]
    else:
        assert [passed.target for passed in proxy.passed()] == [server.url] * server.stats()["requests"]


def test_the_proxy_of_the_settings_is_used(agent, aim):
    server, sections = aim
    with Proxy() as proxy:
        sections[NAME]["proxy"] = proxy.url
        a = agent(sections, env=NO_PROXY)
        feed(a, lines(0, 100))
        settle(a, server, 100)
        server.plan.set([{"do": "status", "code": 503}, {"do": "reset"}])
        feed(a, lines(100, 200))
        settle(a, server, 200)
        prove(a, server, 200)
        assert_all_passed(proxy, server)


def test_the_proxy_of_the_environment_is_used_where_the_settings_name_none(agent, aim):
    server, sections = aim
    with Proxy() as proxy:
        a = agent(sections, env={**NO_PROXY, "http_proxy": proxy.url, "https_proxy": proxy.url})
        feed(a, lines(0, 100))
        settle(a, server, 100)
        prove(a, server, 100)
        assert_all_passed(proxy, server)


def test_the_proxy_of_the_settings_goes_before_that_of_the_environment(agent, aim):
    server, sections = aim
    with Proxy() as proxy, Proxy() as other:
        sections[NAME]["proxy"] = proxy.url
        a = agent(sections, env={**NO_PROXY, "http_proxy": other.url, "https_proxy": other.url})
        feed(a, lines(0, 100))
        settle(a, server, 100)
        prove(a, server, 100)
        assert_all_passed(proxy, server)
        assert other.passed() == []


def test_proxy_off_goes_straight_whatever_the_environment_says(agent, aim):
    server, sections = aim
    with Proxy() as proxy:
        sections[NAME]["proxy"] = "off"
        a = agent(sections, env={**NO_PROXY, "http_proxy": proxy.url, "https_proxy": proxy.url, "all_proxy": proxy.url})
        feed(a, lines(0, 100))
        settle(a, server, 100)
        prove(a, server, 100)
        assert proxy.passed() == []


@pytest.mark.parametrize("code", [407, 502, 503])
def test_a_proxy_that_refuses_costs_nothing_and_a_reload_without_it_delivers(agent, aim, code):
    server, sections = aim
    with Proxy(refuse=code) as proxy:
        sections[NAME]["proxy"] = proxy.url
        a = agent(sections, env=NO_PROXY)
        feed(a, lines(0, 100))
        assert_waits(a, 100, str(code))
        assert server.stats()["connections"] == 0
        reload(a, proxy="off")
        settle(a, server, 100)
        prove(a, server, 100)


def test_a_proxy_that_is_not_there_is_waited_for(agent, aim):
    server, sections = aim
    with Proxy() as proxy:
        gone = proxy.url
    sections[NAME]["proxy"] = gone
    a = agent(sections, env=NO_PROXY)
    feed(a, lines(0, 100))
    assert_waits(a, 100, "connect", "proxy")
    with Proxy() as proxy:
        reload(a, proxy=proxy.url)
        settle(a, server, 100)
        prove(a, server, 100)
        assert_all_passed(proxy, server)


@pytest.mark.parametrize("value", ["ftp://127.0.0.1:3128", "127.0.0.1:3128:99", "http://", "socks5://127.0.0.1:1080"])
def test_a_proxy_that_cannot_be_one_is_a_fault_of_the_settings(agent, quick, value):
    quick[NAME]["proxy"] = value
    a = agent(quick, start=False)
    a.spawn()
    assert a.process.wait(60) == 2
    assert f"{a.ini}:" in a.log and "proxy" in a.log and "unknown key" not in a.log
