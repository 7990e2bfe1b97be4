# SPDX-License-Identifier: MIT
"""The judge is judged: what our intake accepts, refuses and breaks is what the plan and the rules say."""

import gzip
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request

import pytest
import zstandard

from intake import Intake
from intake_body import BODY_BYTES_MAX
from intake_plan import Plan

ONE = [{"message": "hello"}]


def post(intake, body, **headers):
    """Status of one POST on a connection of its own."""
    names = {"key": "DD-API-KEY", "kind": "Content-Type", "encoding": "Content-Encoding"}
    fields = {"DD-API-KEY": "0123456789abcdef0123456789abcdef", "Content-Type": "application/json"}
    fields.update({names[name]: value for name, value in headers.items()})
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(intake.url, data=body, method="POST",
                                     headers={k: v for k, v in fields.items() if v is not None})
    context = ssl.create_default_context(cafile=intake.ca) if intake.ca else None
    try:
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_every_encoding_is_understood_and_counted(intake):
    raw = json.dumps(ONE * 3).encode()
    assert post(intake, raw) == 202
    assert post(intake, gzip.compress(raw), encoding="gzip") == 202
    packed = zstandard.ZstdCompressor().compress(raw)
    assert post(intake, packed, encoding="zstd") == 202
    assert [e["message"] for e in intake.entries()] == ["hello"] * 9
    last = intake.requests()[-1]
    assert (last.encoding, last.wire_bytes, last.raw_bytes, last.raw) == ("zstd", len(packed), len(raw), raw)
    assert last.header_bytes > 100
    assert intake.stats()["by_encoding"] == {"identity": 1, "gzip": 1, "zstd": 1}


@pytest.mark.parametrize("body", [
    b"", b"not json", b'"text"', b'[{"message": 1}]', b'[{"text": "x"}]', b'[1]', b'[{"message": "\xff"}]',
    b'[{"message": "a", "message": "b"}]', b'[{"message": "a", "n": NaN}]', b'[{"message": "\\ud800"}]',
    b'[{"message": "a"}] ', b'[{"message": "a\n"}]', b'[{"message": "a"}],',
])
def test_what_is_not_a_strict_array_of_messages_is_refused(intake, body):
    assert post(intake, body) == (202 if body.endswith(b" ") else 400)


def test_a_stream_that_is_cut_or_followed_by_more_is_refused(intake):
    raw = json.dumps(ONE).encode()
    for encoding, packed in (("zstd", zstandard.ZstdCompressor().compress(raw)), ("gzip", gzip.compress(raw))):
        assert post(intake, packed[:-3], encoding=encoding) == 400
        assert post(intake, packed + b"x", encoding=encoding) == 400
        assert post(intake, packed + packed, encoding=encoding) == 400
    assert post(intake, raw, encoding="br") == 400
    assert intake.entries() == []


def test_the_limits_hold(intake):
    filler = "x" * 10_000
    fits = [{"message": filler}] * 490
    assert post(intake, fits) == 202
    assert post(intake, [{"message": filler}] * 510) == 413
    bomb = b" " * (BODY_BYTES_MAX + 1)
    assert post(intake, gzip.compress(bomb), encoding="gzip") == 413
    assert post(intake, zstandard.ZstdCompressor().compress(bomb), encoding="zstd") == 413
    assert post(intake, ONE * 1000) == 202
    assert post(intake, ONE * 1001) == 413


def test_the_key_and_the_type_are_checked():
    with Intake(api_key="right") as intake:
        assert post(intake, ONE, key="right") == 202
        assert post(intake, ONE, key="wrong") == 403
        assert post(intake, ONE, key=None) == 401
        assert post(intake, ONE, key="right", kind="text/plain") == 415
        url = intake.url.replace("/v2/logs", "/v1/validate")
        with urllib.request.urlopen(urllib.request.Request(url, headers={"DD-API-KEY": "right"})) as answer:
            assert json.load(answer) == {"valid": True}


def test_a_plan_is_followed_to_its_end_then_all_is_well(intake):
    intake.plan.set([{"do": "status", "code": 503, "times": 2},
                     {"do": "status", "code": 429, "retry_after": 7}, {"do": "ok"},
                     {"do": "status", "code": 413}])
    assert [post(intake, ONE) for _ in range(6)] == [503, 503, 429, 202, 413, 202]
    assert len(intake.entries()) == 2


def test_a_plan_can_be_set_over_http_and_a_bad_one_is_refused(intake):
    def put(steps):
        request = urllib.request.Request(intake.url.replace("/api/v2/logs", "/_plan"), method="PUT",
                                         data=json.dumps(steps).encode())
        with urllib.request.urlopen(request) as answer:
            return answer.status

    assert put([{"do": "status", "code": 500, "times": -1}]) == 200
    assert [post(intake, ONE) for _ in range(3)] == [500] * 3
    with pytest.raises(urllib.error.HTTPError):
        put([{"do": "dance"}])
    assert put([]) == 200
    assert post(intake, ONE) == 202


@pytest.mark.parametrize("kind, stored", [("reset", 0), ("lose", 1), ("hang", 0)])
def test_a_broken_answer_is_broken_and_only_a_lost_one_was_stored(intake, kind, stored):
    intake.plan.set([{"do": kind, "seconds": 0}])
    with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
        post(intake, [{"message": "x" * 100_000}])
    assert intake.wait_requests(1)
    assert len(intake.entries()) == stored
    assert intake.stats()["by_status"] == {"none": 1}


def test_while_down_nobody_is_let_in_and_the_port_stays(intake):
    assert post(intake, ONE) == 202
    port = intake.port
    intake.down()
    with pytest.raises(urllib.error.URLError):
        post(intake, ONE)
    intake.up()
    assert intake.port == port
    assert post(intake, ONE) == 202


def test_connections_are_kept_alive(intake):
    with socket.create_connection(("127.0.0.1", intake.port)) as connection:
        body = json.dumps(ONE).encode()
        head = (f"POST /api/v2/logs HTTP/1.1\r\nHost: x\r\nDD-API-KEY: 0123456789abcdef0123456789abcdef\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        for _ in range(3):
            connection.sendall(head + body)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (202, b"{}")
    assert intake.stats()["connections"] == 1
    assert {r.header_bytes for r in intake.requests()} == {len(head)}


def test_a_sender_that_dies_in_mid_body_is_no_request_that_was_refused(intake):
    with socket.create_connection(("127.0.0.1", intake.port)) as connection:
        connection.sendall(b"POST /api/v2/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[{")
    assert intake.wait_requests(1)
    assert intake.stats()["by_status"] == {"none": 1}
    assert intake.requests()[0].error == "the body is cut"


def test_tls_works_with_its_own_certificate_only(tmp_path):
    with Intake(tls=True) as intake:
        assert post(intake, ONE) == 202
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(intake.url, timeout=60)
        intake.plan.set([{"do": "reset"}])
        with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
            post(intake, ONE)


def test_counting_only_counts_the_same(tmp_path):
    dump = tmp_path / "dump"
    first = [{"logboom": {"id": "1", "routine": [1, 6]}, "message": "of a body"}]
    body = json.dumps(first + [{"message": 'a {"message": "b"}', "service": "s", "error": {"kind": "k", "message": "c"}}] * 5).encode()
    with Intake() as intake, Intake(count_only=True, dump=dump) as counter:
        assert (post(intake, body), post(counter, body)) == (202, 202)
        differ = {k for k, v in intake.stats().items() if v != counter.stats()[k]}
        assert (differ, counter.entries(), counter.requests()) == (set(), [], [])
    assert dump.read_bytes() == body + b"\n"


def test_a_plan_refuses_what_it_does_not_know():
    with pytest.raises(ValueError):
        Plan({"do": "status"})
