# SPDX-License-Identifier: MIT
"""The judge is judged: every way in which the intake can misbehave does what it says, and no more.

The story: requests of a plain HTTP client against the intake, nginx and the proxy. What the tests of the agent
conclude from a status, a header or a count rests on this.
"""

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime

import pytest

from conftest import API_KEY, Intake, wait_until
from intake_plan import Policies
from intake_tls import Authority
from proxy import Proxy

ENTRY = {"message": "hello"}
KEY = {"DD-API-KEY": API_KEY, "Content-Type": "application/json"}


def ask(intake, entries=(ENTRY,), seconds=60, context=None, host="127.0.0.1"):
    """One POST; (status, headers, text). A redirect is not followed."""
    kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
    connection = kind(host, intake.port, timeout=seconds, **({"context": context} if context else {}))
    try:
        connection.request("POST", "/api/v2/logs", json.dumps(list(entries)).encode(), KEY)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def date_ahead_s(text):
    return parsedate_to_datetime(text).timestamp() - time.time()


@pytest.mark.parametrize("after, expected", [(7, "7"), ("soon", "soon"), ("-5", "-5")])
def test_retry_after_is_said_as_it_is_given(intake, after, expected):
    intake.plan.set([{"do": "status", "code": 429, "retry_after": after}])
    status, headers, _ = ask(intake)
    assert (status, headers["Retry-After"]) == (429, expected)
    assert ask(intake)[0] == 202 and intake.entries() == [ENTRY]


@pytest.mark.parametrize("ahead_s", [100, -100])
def test_retry_after_may_be_a_date(intake, ahead_s):
    intake.plan.set([{"do": "status", "code": 429, "retry_after": {"date_in_s": ahead_s}}])
    assert abs(date_ahead_s(ask(intake)[1]["Retry-After"]) - ahead_s) < 10


def test_the_date_header_is_real_shifted_or_absent(intake):
    assert abs(date_ahead_s(ask(intake)[1]["Date"])) < 10
    intake.date_offset_s = -86400
    assert abs(date_ahead_s(ask(intake)[1]["Date"]) + 86400) < 10
    intake.date_offset_s = None
    assert "Date" not in ask(intake)[1]


@pytest.mark.parametrize("policy, meets, passes", [
    ({"code": 400, "marker": "POISON"}, [ENTRY, {"message": "a POISON b"}],
     [ENTRY, {"message": "poison", "x": "POISON"}]),
    ({"code": 413, "raw_bytes_over": 500}, [{"message": "x" * 500}], [{"message": "x" * 400}]),
    ({"code": 413, "entries_over": 3}, [ENTRY] * 4, [ENTRY] * 3),
    ({"code": 415, "encodings": ["identity"]}, [ENTRY], None),
    ({"code": 400, "entries_over": 1, "marker": "P"}, [ENTRY, {"message": "P"}], [{"message": "P"}]),
    ({"code": 422}, [], None),
])
def test_a_policy_refuses_what_it_names_for_as_long_as_it_stands(intake, policy, meets, passes):
    intake.policies.set([policy])
    for _ in range(3):
        assert ask(intake, meets)[0] == policy["code"]
        assert passes is None or ask(intake, passes)[0] == 202
    intake.policies.set([])
    assert ask(intake, meets)[0] == 202
    assert len(intake.entries()) == len(meets) + 3 * len(passes or [])


def test_a_plan_goes_before_the_policies_and_they_may_tell_more(intake):
    intake.policies.set([{"code": 429, "retry_after": 3, "body": "busy"}])
    intake.plan.set([{"do": "status", "code": 500}])
    assert ask(intake)[0] == 500
    status, headers, text = ask(intake)
    assert (status, headers["Retry-After"], text) == (429, "3", "busy")


def test_a_policy_that_nobody_knows_is_refused_over_http_too(intake):
    def put(what, value):
        connection = http.client.HTTPConnection("127.0.0.1", intake.port, timeout=60)
        connection.request("PUT", what, json.dumps(value).encode())
        return connection.getresponse().status

    with pytest.raises(ValueError):
        Policies({"code": 400, "colour": "red"})
    assert [put("/_policies", value) for value in ([{"marker": "x"}], [{"code": 400}], 7)] == [400, 200, 400]
    assert put("/_date", None) == 200 and intake.date_offset_s is None
    assert ask(intake)[0] == 400


@pytest.mark.parametrize("code", [200, 201, 204, 205, 299])
def test_any_2xx_can_be_answered_and_ok_stores(intake, code):
    intake.plan.set([{"do": "ok", "code": code}, {"do": "status", "code": code}])
    assert [ask(intake)[0] for _ in range(2)] == [code] * 2
    assert len(intake.entries()) == 1


def test_a_redirect_says_where_to(intake):
    intake.plan.set([{"do": "status", "code": 307, "location": "http://127.0.0.1:9/"}])
    status, headers, _ = ask(intake)
    assert (status, headers["Location"]) == (307, "http://127.0.0.1:9/")


def test_a_dripping_answer_comes_in_bytes_and_is_no_answer_to_hold_anyone_to(intake):
    intake.plan.set([{"do": "drip", "seconds": 0}, {"do": "drip", "seconds": 60}])
    assert ask(intake)[0] == 202
    with pytest.raises(TimeoutError):
        ask(intake, seconds=0.2)
    assert intake.wait_requests(2)
    assert [r.status for r in intake.requests()] == [0, 0] and len(intake.entries()) == 2


def test_endless_headers_and_bodies_end_when_the_peer_has_enough(intake):
    intake.plan.set([{"do": "headers"}, {"do": "flood"}])
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(intake)
    assert intake.entries() == []
    connection = http.client.HTTPConnection("127.0.0.1", intake.port, timeout=60)
    connection.request("POST", "/api/v2/logs", json.dumps([ENTRY]).encode(), KEY)
    answer = connection.getresponse()
    assert answer.status == 202 and len(answer.read(300_000)) == 300_000
    answer.close()
    connection.close()
    assert intake.entries() == [ENTRY]
    assert 300_000 < intake.stats()["poured_bytes"] < 100_000_000


def test_an_endless_answer_is_as_long_as_it_is_said_to_be(intake):
    intake.plan.set([{"do": "flood", "bytes": 3_000_000}])
    assert len(ask(intake)[2]) >= 3_000_000


def test_who_is_beside_whom_is_counted(intake):
    intake.plan.set([{"do": "slow", "seconds": 1.5, "times": 3}])
    threads = [threading.Thread(target=ask, args=(intake,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask(intake)
    assert sorted(r.beside for r in intake.requests()) == [0, 0, 1, 2]
    with socket.create_connection(("127.0.0.1", intake.port)) as gone:
        gone.sendall(b"POST /api/v2/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[{")
    assert intake.wait_requests(5)
    ask(intake)
    assert intake.requests()[-1].beside == 0, "who went away is not beside anybody"


@pytest.mark.parametrize("names, begin_s, end_s, host, fault", [
    (("IP:127.0.0.1",), -60, 3600, "127.0.0.1", None),
    (("DNS:elsewhere.invalid",), -60, 3600, "127.0.0.1", "mismatch"),
    (("IP:127.0.0.1",), -7200, -3600, "127.0.0.1", "expired"),
    (("IP:127.0.0.1",), 3600, 7200, "127.0.0.1", "not yet valid"),
])
def test_certificates_are_as_wrong_as_asked_for(names, begin_s, end_s, host, fault):
    with Authority() as authority, Intake(api_key=API_KEY, tls=authority.issue(names, begin_s, end_s)) as intake:
        context = ssl.create_default_context(cafile=intake.ca)
        if fault:
            with pytest.raises(ssl.SSLCertVerificationError, match=fault):
                ask(intake, context=context, host=host)
            intake.use_certificate(authority.issue())
        assert ask(intake, context=context, host=host)[0] == 202
        assert intake.stats()["connections"] == (2 if fault else 1)


def through(proxy, intake):
    """A POST by the proxy; its status."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy.url, "https": proxy.url}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=intake.ca)))
    try:
        return opener.open(urllib.request.Request(intake.url, json.dumps([ENTRY]).encode(), KEY), timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("tls", [False, True])
def test_the_proxy_passes_on_what_it_is_given_and_remembers_it(tls):
    with Proxy() as proxy, Intake(api_key=API_KEY, tls=tls) as intake:
        assert [through(proxy, intake) for _ in range(2)] == [202] * 2
        assert len(intake.entries()) == 2
        first = proxy.passed()[0]
        wanted = ("CONNECT", f"127.0.0.1:{intake.port}") if tls else ("POST", intake.url)
        assert (first.method, first.target) == wanted
        assert len(proxy.passed(first.method)) == 2 and first.bytes_up > 0
        assert (API_KEY in first.headers.values()) is not tls, "TLS hides the key from it"
        intake.plan.set([{"do": "status", "code": 503}])
        assert through(proxy, intake) == 503


def test_a_proxy_may_refuse():
    with Proxy(refuse=407) as proxy, Intake(api_key=API_KEY) as intake:
        assert through(proxy, intake) == 407
        assert intake.entries() == []


@pytest.mark.parametrize("protocols, http2, wanted", [
    ("TLSv1.2", False, ("HTTP/1.1", "TLSv1.2")), ("TLSv1.3", True, ("HTTP/1.1", "TLSv1.3"))])
def test_the_front_speaks_what_it_was_told_to(intake, front, protocols, http2, wanted):
    server = front(protocols=protocols, http2=http2)
    context = ssl.create_default_context(cafile=server.ca)
    assert ask(server, context=context)[0] == 202
    assert intake.entries() == [ENTRY]
    assert wait_until(server.requests, what="nginx has written it down")[0][:3] == (*wanted, "202")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if protocols == "TLSv1.3":
        with pytest.raises(ssl.SSLError):
            ask(server, context=context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    with socket.create_connection(("127.0.0.1", server.port), 10) as raw, \
            context.wrap_socket(raw, server_hostname="127.0.0.1") as channel:
        assert channel.selected_alpn_protocol() == ("h2" if http2 else "http/1.1")
