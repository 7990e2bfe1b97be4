# SPDX-License-Identifier: MIT
"""Secrets are taken out before anything but staging has them.

The story: services print passwords, tokens and keys. What the rules name is on no wire, in no ring and not held,
whichever way the line came; ordinary text is left alone. The shared cases say what is what.
"""

import json
import socket
from pathlib import Path

import pytest

from conftest import ROOT, wait_until
from lines import assert_books_balance, book

CASES = [json.loads(line) for line in
         (ROOT.parent / "shared" / "data" / "redaction" / "cases.jsonl").read_text().splitlines()]
MARK = "[redacted]"
HELD = {"throttle": {"burst": "1", "rate": "1/day", "collapse": "off", "pattern_rate": "off"}}
SECRETS = ["hunter2", "AKIAQQQQQQQQQQQQQQQQ", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "4111111111111111", "joe@example.org",
           "PIN 4711"]
LINES = ["INFO:a:db password=hunter2 ok", "INFO:a:key AKIAQQQQQQQQQQQQQQQQ now", "-----BEGIN PRIVATE KEY-----",
         "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "-----END PRIVATE KEY-----", "INFO:a:card 4111111111111111",
         "INFO:a:from joe@example.org", "INFO:a:PIN 4711 typed"]
OWN = {"redact": {"rule pin": "PIN \\d{4}", "replace pin": "PIN ****"}}


@pytest.fixture
def to_file(runtime):
    path = runtime.parent / "out.ndjson"
    return path, {"sink file": {"type": "file", "path": path, "wait": "50ms", "clock_wait": "10ms"}}


def messages(path):
    return [json.loads(line)["message"] for line in path.read_text().splitlines()] if path.exists() else []


def fault_of(case, got):
    """What is wrong with a case; None: it is right."""
    if any(secret in got for secret in case["must_not_contain"]):
        return "leaks"
    if any(text not in got for text in case["must_contain"]):
        return "takes too much"
    if not case["must_not_contain"] and MARK in got:
        return "is no secret"
    return None


def test_the_shared_cases(agent, to_file):
    path, sections = to_file
    a = agent({**sections, "capture": {"multiline": "off"}})
    wrong, optional = [], 0
    for number, case in enumerate(CASES):
        service = f"case{number}"
        client = a.pipe("-s", service)
        client.communicate(case["line"].encode() + b"\n", timeout=60)
    a.flush()
    got = {}
    for entry in map(json.loads, path.read_text().splitlines()):
        got[entry["service"]] = got.get(entry["service"], []) + [entry["message"]]
    for number, case in enumerate(CASES):
        fault = fault_of(case, "\n".join(got.get(f"case{number}", [])))
        if fault and case["core"]:
            wrong.append((fault, case["line"], got.get(f"case{number}")))
        elif not fault and not case["core"]:
            optional += 1
    core = sum(case["core"] for case in CASES)
    print(f"redaction: {core - len(wrong)} of {core} core cases, {optional} of {len(CASES) - core} others")
    assert not wrong, wrong


def assert_nowhere(runtime, *texts):
    """No secret is in any file of the runtime directory but staging, nor in these texts."""
    files = [p for p in Path(runtime).iterdir() if p.is_file() and p.name not in ("staging", "datagram")]
    assert {"ring", "held", "state"} <= {p.name for p in files}
    for where, data in [(p.name, p.read_bytes()) for p in files] + [("text", t.encode()) for t in texts]:
        for secret in SECRETS:
            assert secret.encode() not in data, f"{secret} is in {where}"


def test_no_secret_is_in_ring_held_or_on_the_wire_whichever_way_it_came(agent, sink, intake, runtime):
    sink["sink datadog"].update(compression="none", sequence="all")
    a = agent({**sink, **OWN, **HELD})
    text = "".join(line + "\n" for line in LINES)
    a.pipe("-s", "piped").communicate(text.encode(), timeout=60)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.connect(str(runtime / "syslog.sock"))
        for line in LINES:
            datagrams.send(f"<14>app: {line}".encode())
        datagrams.send(b'<14>1 - - app - - [db@1 user="ann" password="hunter2" n="1"] connected')
    wait_until(lambda: book(a, "piped")["in"] == len(LINES) and book(a, "app")["in"] == len(LINES) + 1)
    assert book(a)["held"] > 0
    a.flush()
    tail = a.client("tail", "-n", "1000").stdout
    assert_nowhere(runtime, tail, a.log, *[json.dumps(e) for e in intake.entries()])
    assert tail.count("PIN ****") == 2 and tail.count(MARK) >= 8
    a.client("flush", "--context", "-s", "piped")
    a.client("flush", "--context", "-s", "app")
    assert {"user": "ann", "password": MARK, "n": "1"} in [e.get("syslog", {}).get("structured_data", {}).get("db@1")
                                                           for e in intake.entries()]
    assert_nowhere(runtime, a.log, *[json.dumps(e) for e in intake.entries()])
    assert_books_balance(a.status())


def test_staging_is_wiped_of_what_was_in_it(agent, sink, intake, runtime):
    a = agent(sink)
    a.pipe("-s", "piped").communicate("".join(line + "\n" for line in LINES).encode(), timeout=60)
    a.flush()
    wait_until(lambda: a.status()["staging"]["streams"] == 0)
    data = (runtime / "staging").read_bytes()
    assert not [secret for secret in SECRETS if secret.encode() in data]


def test_a_key_is_masked_across_a_kill(agent, to_file):
    path, sections = to_file
    a = agent(sections)
    client = a.pipe("-s", "app")
    client.stdin.write(b"-----BEGIN PRIVATE KEY-----\nMIIEfirst\n")
    client.stdin.flush()
    wait_until(lambda: book(a, "app")["queued"] == 2)
    a.kill9()
    a.start()
    client.stdin.write(b"MIIEsecond\n-----END PRIVATE KEY-----\nMIIEplain\n")
    client.communicate(timeout=60)
    a.flush()
    lines = [m for m in messages(path) if not m.startswith("logboom:")]
    assert lines == ["-----BEGIN PRIVATE KEY-----", MARK, MARK, "-----END PRIVATE KEY-----", "MIIEplain"]


def test_a_key_is_masked_behind_a_blank_line_that_came_by_itself(agent, to_file):
    path, sections = to_file
    a = agent(sections)
    client = a.pipe("-s", "app")
    parts = [b"-----BEGIN RSA PRIVATE KEY-----\n", b"Proc-Type: 4,ENCRYPTED\n", b"\n", b"MIIEsecret\n",
             b"-----END RSA PRIVATE KEY-----\n", b"MIIEplain\n"]
    for number, part in enumerate(parts, 1):
        client.stdin.write(part)
        client.stdin.flush()
        wait_until(lambda: book(a, "app")["in"] == number and book(a, "app")["open"] == 0)
    client.communicate(timeout=60)
    a.flush()
    lines = [m for m in messages(path) if not m.startswith("logboom:")]
    assert lines == ["-----BEGIN RSA PRIVATE KEY-----", MARK, MARK, "-----END RSA PRIVATE KEY-----", "MIIEplain"]


def test_a_traceback_is_understood_without_its_secret(agent, to_file):
    path, sections = to_file
    a = agent({**sections, **OWN})
    a.pipe("-s", "app").communicate(b'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n'
                                    b'    connect()\nValueError: password=hunter2 and PIN 4711\n', timeout=60)
    a.flush()
    [entry] = [json.loads(line) for line in path.read_text().splitlines() if '"service":"app"' in line]
    assert entry["error"]["message"] == "password=[redacted] and PIN ****" and "hunter2" not in json.dumps(entry)


def test_a_service_may_have_rules_of_its_own(agent, to_file):
    path, sections = to_file
    a = agent({**sections, **OWN, "service b": {"builtin": "off", "rule pin": "4711", "rule x": "xyz"}})
    for service in "a", "b":
        a.pipe("-s", service).communicate(b"password=q PIN 4711 xyz\n", timeout=60)
    a.flush()
    got = {e["service"]: e["message"] for e in map(json.loads, path.read_text().splitlines())}
    assert got["a"] == "password=[redacted] PIN **** xyz"
    assert got["b"] == "password=q PIN PIN **** [redacted]"
    assert a.status()["redact"]["jit"] in (True, False)


def test_a_reload_brings_new_rules(agent, to_file):
    path, sections = to_file
    a = agent(sections)
    client = a.pipe("-s", "app")
    client.stdin.write(b"PIN 4711 one\n")
    client.stdin.flush()
    wait_until(lambda: book(a, "app")["queued"] == 1)
    a.sections["redact"] = OWN["redact"]
    a.reload()
    client.communicate(b"PIN 4711 two\n", timeout=60)
    a.flush()
    assert [m for m in messages(path) if "PIN" in m] == ["PIN 4711 one", "PIN **** two"]


def test_explain_names_the_rules_and_never_the_secret(agent, to_file):
    _, sections = to_file
    a = agent({**sections, **OWN})
    for args in [], ["--json"]:
        told = a.client("explain", "-c", a.ini, *args, input="INFO:a:password=hunter2 PIN 4711\n")
        assert told.returncode == 0 and "hunter2" not in told.stdout and "4711" not in told.stdout
        names = json.loads(told.stdout)["redacted"] if args else told.stdout.split("redacted by ")[1].split("\n")[0].split()
        assert names == ["password", "pin"]


def test_what_is_wrong_with_a_rule_is_told_with_its_line(agent, to_file):
    _, sections = to_file
    for key, value, text in [("rule a", "[z-a]", "at character"), ("builtin", "all -emial", "no rule \"-emial\""),
                             ("replace b", "x", "there is no rule of this name")]:
        a = agent({**sections, "redact": {key: value}}, start=False)
        told = a.client("check", a.ini)
        assert told.returncode == 2 and text in told.stderr and str(a.ini) in told.stderr, told.stderr
