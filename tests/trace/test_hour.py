# SPDX-License-Identifier: MIT
"""An hour of six services on a simulated clock, as text.

The story: five services do their work; the sixth loses its sensor in the twentieth minute and says so 5,000 times a
second for a minute, with one error in the middle. hour.trace holds what was sent, minute by minute, and every record
of logboom's own. Whoever changes a decision of the throttle sees here what that means
(LB_UPDATE=1 writes the file anew).
"""

import os
import random
from collections import Counter
from pathlib import Path

from trace import run

GOLDEN = Path(__file__).with_name("hour.trace")
MAD_FROM_S, MAD_SECONDS, MAD_RATE = 1200, 60, 5000


def calm(chance, service, every_ms, lines, until_ms):
    """A service that says one of its lines every so often."""
    ms = chance.randrange(every_ms)
    while ms < until_ms:
        yield ms, service, chance.choice(lines).format(n=chance.randrange(100000), ip=chance.randrange(1, 255))
        ms += chance.randrange(every_ms // 2, every_ms * 3 // 2)


def mad():
    begin = MAD_FROM_S * 1000
    for i in range(MAD_SECONDS * MAD_RATE):
        ms = begin + i * 1000 // MAD_RATE
        if i == MAD_SECONDS * MAD_RATE // 2:
            yield ms, "poller", "<3>sensor 7 gave up"
        elif i % 50 == 0:
            yield ms, "poller", f"<7>register 0x{i % 65536:04x} of sensor 7 is 0"
        else:
            yield ms, "poller", f"<6>read {i} of sensor 7 timed out after {i % 90} ms"


def events():
    chance, hour = random.Random(20), 3600 * 1000
    services = {
        "web": (400, ["10.0.0.{ip} \"GET /item/{n} HTTP/1.1\" 200 {n}", "10.0.0.{ip} \"POST /cart HTTP/1.1\" 201 {n}",
                      "<4>slow answer: {n} ms"]),
        "db": (2500, ["checkpoint took {n} ms", "vacuum of table t{n} done"]),
        "health": (5000, ["ok"]),
        "cron": (60000, ["job {n} done in {n} s", "<3>job {n} failed with code 1"]),
        "debugger": (1000, ["<7>cache has {n} entries", "<7>looked up key{n}"]),
    }
    out = [event for name, (every, lines) in services.items() for event in calm(chance, name, every, lines, hour)]
    out += calm(chance, "poller", 2000, ["read {n} of sensor 7 is {n}"], MAD_FROM_S * 1000)
    return sorted([*out, *mad()], key=lambda event: event[0])


def as_text(result):
    lines, minute, counts = [], 0, Counter()

    def end_minute(now):
        nonlocal minute, counts
        if counts:
            lines.append(f"{minute:02d}:   " + ", ".join(f"{what} {n}" for what, n in sorted(counts.items())))
        minute, counts = now, Counter()

    for ms, record in result.sent:
        if ms // 60000 != minute:
            end_minute(ms // 60000)
        mark = record.get("logboom", {})
        if mark.get("kind"):
            lines.append(f"{minute:02d}: * {record['service']} {mark['kind']} {mark['count']}: {record['message']}")
            for pattern in mark.get("patterns", []):
                lines.append(f"      {pattern['count']} x {pattern['template']}")
        elif record["status"] in ("error", "critical"):
            lines.append(f"{minute:02d}: ! {record['service']}: {record['message']}")
        else:
            counts[record["service"] + (" context" if mark.get("context") else "")] += 1
    end_minute(60)
    for service, book in sorted(result.books.items()):
        lines.append(f"end:  {service}: " + ", ".join(f"{key} {n}" for key, n in book.items() if key != "service" and n))
    return "\n".join(lines) + "\n"


def test_an_hour_of_six_services():
    said = events()
    result = run({"throttle": {"min_level": "info"}}, said)
    text = as_text(result)
    if os.environ.get("LB_UPDATE"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()
    lines = Counter(service for _, service, _ in said)
    for service, book in result.books.items():
        assert sum(n for key, n in book.items() if key != "service") == lines[service], service
    raw = sum(len(line) for _, service, line in said if service == "poller")
    sent = sum(len(r["message"]) for r in result.records("poller"))
    print(f"{len(said)} lines; the mad service said {raw} bytes, {sent} were sent: {100 * sent / raw:.2f} %")
