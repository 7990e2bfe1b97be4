# SPDX-License-Identifier: MIT
"""A sink of type otlp: whatever takes OTLP over HTTP.

The story: a user has an OpenTelemetry Collector, and behind it whatever that can write to. Lines arrive there as log
records with what was understood of them; what passes costs nothing, what is refused is found and told, and a body of
which some records were rejected is never sent again. Bodies are decoded by protobuf's own library.
"""

import json
from collections import Counter

import pytest

from conftest import API_KEY, Intake, wait_until
from fire import feed, heal, prove, settle, sink_of, told, wait_state
from intake_otlp import Otlp
from lines import assert_books_balance, assert_exactly, book, is_own, lines, numbers, prove_ring, receipts

NAME = "sink there"
TRACEBACK = b"""ERROR:till:no change left
Traceback (most recent call last):
  File "/srv/till.py", line 7, in pay
    raise ValueError("no change left")
ValueError: no change left
"""
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def taker():
    with Intake(api_key=API_KEY, dialect=Otlp()) as server:
        yield server


@pytest.fixture
def sections(taker, known_keys):
    return {NAME: {"type": "otlp", "url": taker.url, "wait": "100ms", "urgent_wait": "50ms", "retry_min": "50ms",
                   "retry_max": "300ms", "sequence": "all", "clock_wait": "10ms"}}


def said(taker, text):
    """The one entry whose message holds this text."""
    found = [entry for entry in taker.entries() if text in entry["message"] and not is_own(entry)]
    assert len(found) == 1, found
    return found[0]


# --- what arrives


def test_lines_arrive_with_their_resource_and_severity(agent, sections, taker):
    sections[NAME]["url"] = taker.url.removesuffix("/v1/logs")  # the path is ours to know
    a = agent({**sections, "agent": {"tags": "env:prod,site:north,site:south"}})
    feed(a, b"INFO:shop:open\nERROR:shop:shut \xff\xe2\x82\n", service="shop")
    feed(a, b"DEBUG:till:counted\n", service="till")
    settle(a, taker, 3)
    opened, shut, counted = said(taker, "open"), said(taker, "shut"), said(taker, "counted")
    assert opened["resource"] == {"host.name": "testhost", "service.name": "shop", "env": "prod",
                                  "deployment.environment.name": "prod", "site": ["north", "south"]}
    assert [entry["status"] for entry in (opened, shut, counted)] == ["info", "error", "debug"]
    assert shut["message"] == "ERROR:shop:shut \ufffd\ufffd\ufffd"
    assert counted["service"] == "till" and counted["ddsource"] == "python"
    assert {r.encoding for r in taker.requests()} == {"gzip"}
    assert "authorization" not in taker.requests()[-1].headers
    prove_ring(taker.everything())


def test_a_traceback_becomes_an_exception_and_ids_become_ids(agent, sections, taker):
    a = agent(sections)
    feed(a, TRACEBACK)
    feed(a, f"INFO:app:hex trace_id={TRACE} span_id={SPAN}\n"
            "INFO:app:decimal dd.trace_id=8448102938475610293 dd.span_id=1234567890123456\n".encode())
    wait_until(lambda: book(a)["pending"] == 0 and book(a)["delivered"] >= 3, what="all is delivered")
    failed, hexed, decimal = said(taker, "Traceback"), said(taker, "hex"), said(taker, "decimal")
    assert failed["error"]["kind"] == "ValueError" and failed["error"]["message"] == "no change left"
    assert failed["error"]["stack"].startswith("Traceback") and len(failed["error"]["fingerprint"]) == 16
    assert hexed["trace_id"] == TRACE and hexed["span_id"] == SPAN
    assert "trace_id" not in decimal
    assert decimal["attributes"]["dd.trace_id"] == "8448102938475610293"
    assert decimal["attributes"]["dd.span_id"] == "1234567890123456"


def test_fields_of_syslog_are_attributes(agent, sections, taker):
    import socket
    a = agent(sections)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(f"{a.env['LOGBOOM_RUNTIME_DIR']}/syslog.sock")
        sock.send(b'<30>1 2026-11-27T10:00:00.123456Z box shop 4242 - [x@1 k="v"] the till does not open')
    wait_until(lambda: any("till" in e["message"] for e in taker.entries()), what="it has arrived")
    found = said(taker, "till")["attributes"]
    assert {key: value for key, value in found.items() if key.startswith("syslog.")} == {
        "syslog.hostname": "box", "syslog.appname": "shop", "syslog.procid": "4242", "syslog.facility": 3,
        "syslog.structured_data": '[x@1 k="v"]'}


def test_the_ranges_of_a_body_are_on_its_last_record(agent, sections, taker):
    sections[NAME]["sequence"] = "batch"
    a = agent(sections)
    feed(a, lines(0, 500))
    settle(a, taker, 500)
    assert_exactly(numbers(taker.entries()), range(500))
    seen = {"urgent": set(), "routine": set()}
    for request in taker.requests():
        ranges = json.loads(request.entries[-1]["attributes"]["logboom.body"])
        count = 0
        for lane in seen.keys() & ranges.keys():
            first, last = ranges[lane]
            assert not seen[lane] & set(range(first, last + 1))
            seen[lane].update(range(first, last + 1))
            count += last - first + 1
        assert count == len(request.entries)
    assert all(lane == set(range(1, len(lane) + 1)) for lane in seen.values())


def test_many_services_in_one_body_are_each_a_resource_of_their_own(agent, sections, taker):
    sections[NAME]["wait"] = "500ms"
    a = agent(sections)
    for n in range(0, 200, 10):
        feed(a, lines(n, n + 10), service=f"s{n // 10 % 5}")
    settle(a, taker, 200)
    assert_exactly(numbers(taker.entries()), range(200))
    for entry in taker.entries():
        if not is_own(entry):
            assert entry["service"] == f"s{numbers([entry])[0] // 10 % 5}"
    assert max(len({e["service"] for e in r.entries}) for r in taker.requests()) > 1, "some shared a body"


@pytest.mark.parametrize("packing", ["zstd", "none"])
def test_a_body_is_packed_as_the_settings_say(agent, sections, taker, packing):
    sections[NAME]["compression"] = packing
    a = agent(sections)
    feed(a, lines(0, 50))
    settle(a, taker, 50)
    prove(a, taker, 50)
    assert {r.encoding for r in taker.requests()} == {"zstd" if packing == "zstd" else "identity"}


def test_the_token_is_shown_and_headers_are_sent(agent, sections, taker, runtime):
    key = runtime.parent / "api_key"
    key.write_text(API_KEY + "\n")
    key.chmod(0o600)
    taker.dialect.needs_key = True
    sections[NAME].update(auth="bearer", api_key_file=key, headers="X-Scope-OrgID: north")
    a = agent(sections)
    feed(a, lines(0, 5))
    settle(a, taker, 5)
    assert taker.requests()[-1].headers["x-scope-orgid"] == "north" and API_KEY not in a.log


def test_ping_says_whether_it_can_be_reached(agent, sections, taker):
    a = agent(sections)
    answer = a.client("ping")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    taker.plan.set([{"do": "status", "code": 403, "times": -1}])
    assert a.client("ping").returncode != 0
    taker.down()
    assert a.client("ping").returncode != 0


# --- troubles


@pytest.mark.parametrize("code", [502, 504])
def test_what_is_to_be_tried_again_costs_nothing(agent, sections, taker, code):
    a = agent(sections)
    feed(a, lines(0, 100))
    settle(a, taker, 100)
    taker.plan.set([{"do": "status", "code": code, "times": -1}])
    feed(a, lines(100, 300))
    wait_until(lambda: sink_of(a)["failures"] >= 2, what="it was tried twice")
    assert sink_of(a)["state"] == "away" and book(a)["pending"] == 200
    heal(taker)
    settle(a, taker, 300)
    prove(a, taker, 300)
    assert len(numbers(taker.entries())) == 300, "none came twice"


@pytest.mark.parametrize("code", [500, 404, 408, 202])
def test_what_is_not_to_be_tried_again_pauses_and_loses_nothing(agent, sections, taker, code):
    a = agent(sections)
    feed(a, lines(0, 50))
    settle(a, taker, 50)
    taker.plan.set([{"do": "status", "code": code, "times": -1}])
    feed(a, lines(50, 150))
    assert str(code) in wait_state(a, "paused")["last_error"]
    assert book(a)["pending"] == 100 and book(a)["rejected"] == 0
    heal(taker)
    a.reload()
    settle(a, taker, 150)
    prove(a, taker, 150)


def test_zstd_that_is_not_read_becomes_gzip(agent, sections, taker):
    sections[NAME]["compression"] = "zstd"
    taker.policies.set([{"code": 415, "encodings": ["zstd"]}])
    a = agent(sections)
    feed(a, lines(0, 100))
    settle(a, taker, 100)
    prove(a, taker, 100)
    assert {r.encoding for r in taker.requests() if r.stored} == {"gzip"}
    assert "takes gzip and no zstd" in a.log


# --- a part of a body


def test_what_was_rejected_of_a_body_is_told_and_never_sent_again(agent, sections, taker):
    a = agent(sections)
    sent = []

    def refuses(entry):
        sent.append(entry["message"])
        return not is_own(entry) and any(f"#n={n:07d}" in entry["message"] for n in (7, 8, 91))

    taker.dialect.refuses = refuses
    feed(a, lines(0, 100))
    wait_until(lambda: told(taker, "rejected") == 3, what="a receipt tells of three")
    wait_until(lambda: book(a)["pending"] == 0)
    sent.clear()
    feed(a, lines(100, 150))
    wait_until(lambda: book(a)["delivered"] == 150 and book(a)["pending"] == 0)
    assert_exactly(numbers(taker.entries()), set(range(150)) - {7, 8, 91})
    assert max(Counter(r.status for r in taker.requests())) == 200
    assert not [text for text in sent if "#n=0000007 " in text], "it is not asked again"
    assert sum(entry["logboom"]["count"] for entry in receipts(taker.entries())) == 3
    assert "took a body but for some records" in a.log
    assert_books_balance(a.status())


FINE = {"an empty part": b"\x0a\x00", "a warning": b"\x0a\x07\x12\x05 fine", "no protobuf": b"\xff" * 40,
        "a page": b"<html>fine</html>", "JSON": b"{}", "a warning in JSON": b'{"partialSuccess":{"errorMessage":"beware"}}'}


@pytest.mark.parametrize("reply", FINE)
def test_a_200_that_rejects_nothing_is_a_200(agent, sections, taker, reply):
    taker.dialect.take = lambda request: (200, FINE[reply])
    a = agent(sections)
    feed(a, lines(0, 50))
    settle(a, taker, 50)
    prove(a, taker, 50)


def test_a_reply_that_tells_of_more_than_there_was_is_believed_no_further(agent, sections, taker):
    taker.dialect.take = lambda request: (200, b'{"partialSuccess":{"rejectedLogRecords":"999999999999"}}'
                                          if len(request.entries) >= 5 and "#n=" in request.entries[0]["message"] else b"")
    a = agent(sections)
    wait_until(lambda: len(taker.everything()) > 0, what="its record of the start is away")
    feed(a, lines(0, 50))
    wait_until(lambda: told(taker, "rejected") > 0, what="a receipt tells of it")
    assert told(taker, "rejected") <= 50
    assert_books_balance(a.status())


def test_a_body_that_was_moved_to_the_backlog_and_then_taken_in_part_is_not_sent_again(agent, sections, taker):
    """While nobody answers, the ring needs the room: what was on its way is in the backlog when the answer comes."""
    text = "read sensor in twelve milliseconds and found it well " * 2
    sections[NAME].update(timeout="60s", concurrency=1)
    seen = []

    def refuses(entry):
        seen.append(entry["message"])
        return "#n=0000007 " in entry["message"]

    taker.dialect.refuses = refuses
    a = agent({**sections, "ring": {"size": "256K"}, "backlog": {"size": "4M", "segment": "64K"},
               "capture": {"max_stall": "60s"}})
    wait_until(lambda: len(taker.everything()) > 0, what="its record of the start is away")
    taker.plan.set([{"do": "slow", "seconds": 6, "times": 1}])
    feed(a, lines(0, 50, text))
    wait_until(lambda: sink_of(a)["in_flight"] == 1)
    feed(a, lines(50, 8000, text))
    wait_until(lambda: a.status()["backlog"]["segments"] > 0)
    wait_until(lambda: book(a)["delivered"] >= 8000 and book(a)["pending"] == 0, what="all is delivered")
    wait_until(lambda: told(taker, "rejected") == 1, what="a receipt tells of one")
    assert_exactly(numbers(taker.entries()), set(range(8000)) - {7})
    assert len([text for text in set(seen) if "#n=0000007 " in text]) == 1
    assert_books_balance(a.status())
