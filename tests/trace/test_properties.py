# SPDX-License-Identifier: MIT
"""What is true of the throttle whatever is said and however it is set.

Seeded configurations and traces: the books balance; every line is sent, held, or dropped for one reason, and sent
once; the lines of a service are sent in the order in which they were said, context apart from the rest; summaries
and repeats count what was suppressed; the same trace gives the same result.
"""

import re
from collections import Counter

import pytest

from lines import seeded
from trace import run

NUMBER = re.compile(r"#n=(\d+)")


def some_settings(chance):
    pick = chance.choice
    throttle = {
        "min_level": pick(["debug", "info", "notice", "off"]),
        "rate": pick(["off", "1/s", "50/s", "3/min", "1000/day"]),
        "burst": pick(["off", "1", "10", "100"]),
        "bytes": pick(["off", "off", "1K/s", "1M/day"]),
        "pattern_rate": pick(["off", "1/s", "20/s", "5/min"]),
        "pattern_burst": pick(["off", "1", "5", "50"]),
        "sample": pick(["off", "1/1", "1/3", "1/100"]),
        "floor": pick(["off", "warning", "error", "info"]),
        "floor_rate": pick(["off", "1/s", "50/s"]),
        "floor_burst": pick(["1", "20", "off"]),
        "collapse": pick(["off", "10ms", "1s", "30s"]),
        "max_patterns": pick(["off", "1", "3", "512"]),
        "trigger": pick(["off", "error", "warning", "debug"]),
        "context": pick(["off", "0s", "1s", "30s"]),
        "context_bytes": pick(["off", "0", "500", "256K"]),
    }
    if chance.random() < 0.3:
        throttle["drop noise"] = pick(["noise", "kind 1\\b", "^ERROR"])
    if chance.random() < 0.3:
        throttle["keep gold"] = pick(["gold", "kind [02]\\b"])
    return {"throttle": throttle, "held": {"size": pick(["off", "256K", "4M"])}}


def some_trace(chance):
    ms, events = 0, []
    for n in range(chance.randrange(50, 1500)):
        ms += chance.choice([0, 0, 0, 1, 5, 50, 1000, 20000]) if chance.random() < 0.5 else 0
        text = chance.choice(["same again", "same again", f"kind {chance.randrange(4)} took {n} ms", f"noise {n}",
                              f"gold {chance.randrange(3)}", "x" * chance.randrange(1, 400)])
        level = chance.choice([3, 4, 5, 6, 6, 6, 6, 7])
        # A line that says the same again bears no number, or it would not be the same.
        number = "" if text == "same again" else f" #n={n}"
        events.append((ms, chance.choice("aab"), f"<{level}>{text}{number}"))
    return events


@pytest.mark.parametrize("rounds", [60, pytest.param(1500, marks=pytest.mark.long)])
def test_what_is_always_true(rounds):
    chance = seeded()
    for _ in range(rounds):
        settings, events = some_settings(chance), some_trace(chance)
        result = run(settings, events)
        said = Counter(service for _, service, _ in events)
        for service in said:
            check_service(result, service, [text for _, who, text in events if who == service], settings)
        if chance.random() < 0.1:
            assert run(settings, events).lines == result.lines, settings


def check_service(result, service, texts, settings):
    book = result.book(service)
    assert sum(n for key, n in book.items() if key != "service") == len(texts), (settings, book)
    records = result.records(service)
    lines = [r for r in records if not r.get("logboom", {}).get("kind")]
    assert len(lines) == book["queued"], settings
    numbers = [int(mark[1]) for mark in (NUMBER.search(r["message"]) for r in lines) if mark]
    assert len(numbers) == len(set(numbers)), ("sent twice", settings)
    for is_context in False, True:
        some = [int(NUMBER.search(r["message"])[1]) for r in lines
                if r.get("logboom", {}).get("context", False) == is_context and NUMBER.search(r["message"])]
        assert some == sorted(some), ("out of order", is_context, settings)
    own = [r["logboom"] for r in records if r.get("logboom", {}).get("kind")]
    repeated = sum(mark["count"] for mark in own if mark["kind"] == "repeat")
    summed = [mark for mark in own if mark["kind"] == "summary"]
    promoted = sum(mark.get("promoted", {}).get("count", 0) for mark in summed)
    assert repeated == book["collapse"], settings
    assert promoted == sum(1 for r in lines if r.get("logboom", {}).get("context")), settings
    assert sum(mark["count"] for mark in summed) == \
        book["held"] + book["filter"] + book["sample"] + book["limit"] + promoted, settings
    for mark in summed:
        assert mark["count"] == sum(mark["by"].values()), mark
        assert mark["count"] == sum(p["count"] for p in mark["patterns"]) + mark.get("rest", {}).get("count", 0), mark
