# SPDX-License-Identifier: MIT
"""A sink of type http: any address that takes JSON.

The story: a user has something that takes lines by HTTP, with a header or two and a token, and says which answers mean
that it has them. All else is as with any sink: what passes costs nothing, what is refused is found and told.
"""

import pytest

from conftest import API_KEY, Intake, wait_until
from fire import errors, feed, prove, settle, sink_of, wait_state
from intake_dialect import Array, Ndjson
from lines import book, lines

DIALECTS = {"ndjson": Ndjson, "array": Array}


@pytest.fixture(params=DIALECTS)
def taker(request):
    with Intake(api_key=API_KEY, dialect=DIALECTS[request.param]()) as server:
        server.form = request.param
        yield server


@pytest.fixture
def sections(taker, runtime):
    key = runtime.parent / "api_key"
    key.write_text(API_KEY + "\n")
    key.chmod(0o600)
    return {"sink there": {"type": "http", "url": taker.url, "format": taker.form, "wait": "100ms", "urgent_wait": "50ms",
                           "retry_min": "50ms", "retry_max": "300ms", "sequence": "all", "clock_wait": "10ms"}}


def last_headers(taker):
    return taker.requests()[-1].headers


def test_lines_arrive_in_the_form_that_was_asked_for(agent, sections, taker):
    sections["sink there"].update(headers="X-Team: sensors; X-Site: north", compression="zstd")
    a = agent(sections)
    feed(a, lines(0, 300))
    settle(a, taker, 300)
    prove(a, taker, 300)
    assert last_headers(taker)["x-team"] == "sensors" and last_headers(taker)["x-site"] == "north"
    assert taker.requests()[-1].encoding == "zstd"
    assert "authorization" not in last_headers(taker)


@pytest.mark.parametrize("packing", ["gzip", "none"])
def test_a_body_is_packed_as_the_settings_say(agent, sections, taker, packing):
    sections["sink there"]["compression"] = packing
    a = agent(sections)
    feed(a, lines(0, 50))
    settle(a, taker, 50)
    prove(a, taker, 50)
    assert taker.requests()[-1].encoding == {"gzip": "gzip", "none": "identity"}[packing]


@pytest.mark.parametrize("auth, shown", [("bearer", f"Bearer {API_KEY}"), ("apikey", f"ApiKey {API_KEY}"),
                                         ("basic", "Basic "), ("header", API_KEY)])
def test_the_secret_is_shown_as_the_settings_say_and_nowhere_else(agent, sections, taker, auth, shown, runtime):
    sections["sink there"].update(auth=auth, api_key_file=runtime.parent / "api_key", auth_header="X-Token")
    a = agent(sections)
    feed(a, lines(0, 5))
    settle(a, taker, 5)
    value = last_headers(taker)["x-token" if auth == "header" else "authorization"]
    assert value.startswith(shown) and API_KEY not in a.log
    if auth == "basic":
        import base64
        assert base64.b64decode(value.removeprefix("Basic ")).decode() == API_KEY


def test_only_the_answers_that_were_named_mean_that_it_has_them(agent, sections, taker):
    sections["sink there"]["ok"] = "202,204"
    a = agent(sections)
    taker.plan.set([{"do": "ok", "code": 200, "times": -1}])
    feed(a, lines(0, 20))
    wait_state(a, "paused")
    assert book(a)["pending"] == 20 and book(a)["delivered"] == 0
    taker.plan.set([{"do": "ok", "code": 204, "times": -1}])
    a.reload()
    settle(a, taker, 20)


def test_a_gateway_that_asks_who_we_are_is_shown_a_certificate(agent, sections, taker, front, authority):
    gateway, ours = front(clients_ca=authority.ca, intake=taker), authority.issue(["DNS:device"])
    sections["sink there"].update(url=gateway.url, tls_ca=gateway.ca)
    a = agent(sections)
    feed(a, lines(0, 10))
    wait_state(a, "paused")  # nginx answers 400 to whoever shows none
    a.sections["sink there"].update(tls_cert=ours.chain, tls_key=ours.key)
    a.reload()
    settle(a, taker, 10)
    prove(a, taker, 10)


def test_a_certificate_that_is_not_there_is_said(agent, sections, taker):
    with Intake(dialect=taker.dialect, tls=True) as secure:
        sections["sink there"].update(url=secure.url, tls_ca=secure.ca, tls_cert="/nowhere.pem", tls_key="/nowhere.key")
        a = agent(sections)
        feed(a, lines(0, 5))
        wait_until(lambda: sink_of(a)["failures"] >= 1)
        assert "certificate" in a.log and book(a)["pending"] == 5
        assert not errors(a) or "certificate" in errors(a)


def test_ping_says_whether_it_can_be_reached(agent, sections, taker):
    a = agent(sections)
    answer = a.client("ping")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "key" not in answer.stdout, "there is none"
    taker.down()
    assert a.client("ping").returncode != 0
