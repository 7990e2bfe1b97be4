# SPDX-License-Identifier: MIT
"""What others promise of rate limits and repeated lines (../shared/data/ratelimit), by our keys.

Each case that has a place in MAPPED is run through the agent's own decisions on a simulated clock (sim.c); those in
OTHERS are printed with the reason why they have no key here. A case that is in neither fails.
"""

import json
import re
import subprocess

import pytest

from conftest import BUILD, ROOT
from trace import run

CASES = {c["case"]: c for c in map(json.loads, (ROOT.parent / "shared" / "data" / "ratelimit" / "cases.jsonl")
                                   .read_text().splitlines())}
QUIET = {"rate": "off", "pattern_rate": "off", "floor_rate": "off", "collapse": "off"}


def bucket(lines, interval_ms, **more):
    return {**QUIET, "rate": f"{lines * 86400000 // interval_ms}/day", "burst": lines, "floor": "off", "context": "off", **more}


MAPPED = {
    "vector-throttle-events": bucket(2, 5000),
    "vector-throttle-exclude": bucket(2, 5000, floor="error"),
    "vector-throttle-buckets": bucket(1, 5000),
    "journald-burst": bucket(10, 30000),
    "rate-zero-turns-off": QUIET,
    "fluent-bit-throttle-256": {**bucket(9, 3000), "burst": 27},
    "vector-dedupe-simple": {**QUIET, "collapse": "60s"},
    "otel-logdedup-basic": {**QUIET, "collapse": "10s"},
    "otel-same-key-ignores-timestamp": {**QUIET, "collapse": "10s"},
    "otel-different-body-different-key": {**QUIET, "collapse": "10s"},
    "otel-different-severity-different-key": {**QUIET, "collapse": "10s"},
    "otel-different-resource-different-key": {**QUIET, "collapse": "10s"},
    "otel-single-record-counts-one": {**QUIET, "collapse": "10s"},
    "syslogd-last-message-repeated": {**QUIET, "collapse": "60s"},
    "syslogd-interleaved-is-not-repeated": {**QUIET, "collapse": "60s"},
}
PATTERNS = sorted(name for name in CASES if name.startswith("same-pattern-"))
OTHERS = {
    "fluent-bit-window-0": "a limit of 0 is refused; see test_nothing_is_limited_to_nothing",
    **{name: "a peer's notice of repeats is a line like any other: what it counted was counted there"
       for name in CASES if name.startswith("recognise-repeated-")},
}
LEVELS = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6}


def stated(text):
    """The line with its level in front as <N>, which is taken off again: the cases state levels as bare words."""
    word = re.match(r"(?:\S+ \S+ )?(\w+)", text)
    return f"<{LEVELS[word[1]]}>{text}" if word and word[1] in LEVELS else text


@pytest.mark.parametrize("name", sorted(MAPPED))
def test_a_mapped_case_holds(name):
    case = CASES[name]
    result = run({"throttle": MAPPED[name]}, [(ms, service, stated(text)) for ms, service, text in case["events"]])
    for service, expected in case["expect"].items():
        lines = [r["message"] for r in result.records(service) if not r.get("logboom", {}).get("kind")]
        repeats = [r["logboom"]["count"] for r in result.records(service) if r.get("logboom", {}).get("kind") == "repeat"]
        events = sum(1 for event in case["events"] if event[1] == service)
        suppressed = events - len(lines)
        if "delivered" in expected:
            order = [f"<summary of {r['logboom']['count']}>" if r.get("logboom", {}).get("kind") == "repeat"
                     else r["message"] for r in result.records(service)
                     if r.get("logboom", {}).get("kind") in (None, "repeat")]
            if "dedupe" in case["config"] and not any("summary" in line for line in expected["delivered"]):
                order = lines
            assert order == expected["delivered"]
        assert len(lines) == expected.get("delivered_count", len(lines))
        assert len(lines) <= expected.get("delivered_max", len(lines))
        assert suppressed == expected.get("suppressed", suppressed)
        assert len(lines) == expected.get("groups", expected.get("records", len(lines)))
        if "log_count" in expected:
            assert len(lines) + sum(repeats) == expected["log_count"]
        book = result.book(service)
        assert book["queued"] == len(lines) and sum(book[k] for k in book if k not in ("service", "queued")) == suppressed


@pytest.mark.parametrize("name", PATTERNS)
def test_what_is_the_same_pattern(name):
    case = CASES[name]
    text = "".join(event[2] + "\n" for event in case["events"])
    told = subprocess.run([BUILD / "logboom", "explain", "--json"], input=text, capture_output=True, text=True, check=True)
    ids = {json.loads(line)["pattern"] for line in told.stdout.splitlines()}
    if case["expect"]["same_pattern"] is not None:
        assert (len(ids) == 1) == case["expect"]["same_pattern"]


@pytest.mark.parametrize("key", ["rate", "pattern_rate", "floor_rate", "bytes"])
def test_nothing_is_limited_to_nothing(key):
    refused = run({"throttle": {key: "0/s"}}, [], check=False)
    assert refused.returncode == 2 and f"{key} is out of range" in refused.stderr


def test_every_case_is_mapped_or_has_a_reason():
    assert set(CASES) == set(MAPPED) | set(PATTERNS) | set(OTHERS)
    print(f"ratelimit: {len(MAPPED) + len(PATTERNS)} of {len(CASES)} cases are mapped")
    for name, why in sorted(OTHERS.items()):
        print(f"  {name}: {why}")
