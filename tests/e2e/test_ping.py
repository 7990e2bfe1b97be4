# SPDX-License-Identifier: MIT
"""`logboom ping`: how far towards the sink the agent gets.

The story: nothing arrives at Datadog, and somebody wants to know which part is to blame: the name, the network, the
certificate, or the key. Each step is told with its time; the first that fails ends it, with a plain reason.
"""

import re
import socket

import pytest

from conftest import API_KEY, Intake
from lines import book
from proxy import Proxy

STEP = re.compile(r"^  (\w+) +([0-9.]+) ms(?:  (.*))?$", re.M)


def ping(agent):
    """(exit status, {step: what it says}, stderr)"""
    done = agent.client("ping")
    return done.returncode, {name: text for name, _, text in STEP.findall(done.stdout)}, done.stderr


@pytest.fixture
def tls(authority):
    with Intake(api_key=API_KEY, tls=authority.issue()) as server:
        yield server


def test_every_step_is_told_with_its_time(agent, sink, tls):
    sink["sink datadog"].update(url=tls.url, tls_ca=tls.ca)
    code, steps, err = ping(agent(sink))
    assert (code, err) == (0, "")
    assert list(steps) == ["resolve", "connect", "tls", "answer"]
    assert steps["connect"] == "127.0.0.1" and "verified" in steps["tls"] and "202" in steps["answer"]


def test_each_ping_goes_by_a_connection_of_its_own_and_delivers_nothing(agent, sink, tls):
    sink["sink datadog"].update(url=tls.url, tls_ca=tls.ca)
    a = agent(sink)
    a.flush()
    before, delivered = tls.stats()["connections"], book(a)["delivered"]
    assert [ping(a)[0] for _ in range(3)] == [0, 0, 0]
    assert tls.stats()["connections"] == before + 3
    assert tls.entries() == [] and book(a)["delivered"] == delivered


def test_a_name_that_nobody_knows(agent, sink):
    sink["sink datadog"]["url"] = "http://nobody.invalid/api/v2/logs"
    code, steps, err = ping(agent(sink))
    assert code == 1 and steps == {} and "cannot resolve" in err and "nobody.invalid" in err


def test_nobody_at_the_door(agent, sink):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sink["sink datadog"]["url"] = f"http://127.0.0.1:{taken.getsockname()[1]}/api/v2/logs"
        code, steps, err = ping(agent(sink))
    assert code == 1 and "cannot connect" in err and "connect" not in steps


def test_a_certificate_of_somebody_else(agent, sink, authority):
    with Intake(api_key=API_KEY, tls=authority.issue(names=("DNS:elsewhere.test",))) as server:
        sink["sink datadog"].update(url=server.url, tls_ca=server.ca)
        code, steps, err = ping(agent(sink))
    assert code == 1 and "no TLS" in err and "tls" not in steps


def test_a_sink_that_is_in_trouble_is_asked_all_the_same(agent, sink, intake):
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    code, steps, err = ping(agent(sink))
    assert code == 1 and "503" in err and "503" in steps["answer"]


@pytest.mark.parametrize("is_right", [True, False], ids=["right key", "wrong key"])
def test_without_a_url_the_key_is_checked_where_datadog_checks_keys(agent, sink, authority, is_right):
    names = ("DNS:http-intake.logs.boom.test", "DNS:api.boom.test")
    with Intake(api_key=API_KEY if is_right else "0" * 32, tls=authority.issue(names=names)) as server, \
            Proxy(to=("127.0.0.1", server.port)) as proxy:
        del sink["sink datadog"]["url"]
        sink["sink datadog"].update(site="boom.test", proxy=proxy.url, tls_ca=server.ca)
        a = agent(sink)
        code, steps, err = ping(a)
        asked = [one.target for one in proxy.passed("CONNECT")]
    assert "http-intake.logs.boom.test:443" in asked
    if is_right:
        assert code == 0 and steps["key"] == "valid" and "api.boom.test:443" in asked
    else:
        assert code == 1 and "key" in err and "403" in err and API_KEY not in err
