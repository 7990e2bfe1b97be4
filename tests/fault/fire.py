# SPDX-License-Identifier: MIT
"""What the fault tests do again and again: feed lines, wait until the books are closed, and prove the accounts.

The proof is the same for every fault: each line has arrived, or is named by a receipt; a line arrives twice only where
the answer to its first journey was lost; the books say the same; and the agent lives.
"""

from pathlib import Path

from conftest import PATIENCE_S, is_sanitized, wait_until
from lines import assert_books_balance, assert_exactly, book, is_own, lost_numbers, numbers, prove_ring, receipts

NAME = "sink datadog"


def feed(agent, data, service="app"):
    """Bytes into `logboom pipe`, which ends when the agent has them."""
    client = agent.pipe("-s", service)
    client.communicate(data, timeout=60)
    assert client.returncode == 0


def sink_of(agent):
    return agent.status()["sinks"][0]


def wait_state(agent, *states, seconds=PATIENCE_S):
    """Wait until the sink is in one of these states; what status says of it then."""
    last = {}

    def claim():
        last.update(sink_of(agent))
        return last["state"] in states

    wait_until(claim, seconds, Seen(f"the sink is {' or '.join(states)}", last))
    return last


class Seen:
    """A claim and what was seen last instead, for the message of a wait that failed."""

    def __init__(self, claim, last):
        self.claim, self.last = claim, last

    def __str__(self):
        return f"{self.claim}; seen: {self.last}"


def told(intake, reason):
    """How many lines the receipts of a reason tell of."""
    return sum(entry["logboom"]["count"] for entry in receipts(intake.entries(), reason))


def settle(agent, intake, delivered, rejected=0, seconds=PATIENCE_S):
    """Wait until so many lines are delivered and so many rejected and told, and none is pending."""
    want = {"pending": 0, "open": 0, "delivered": delivered, "rejected": rejected}
    last = {}

    def claim():
        last.update(book(agent), told=told(intake, "rejected"))
        return all(last[key] == value for key, value in want.items()) and last["told"] == rejected

    wait_until(claim, seconds, Seen(want, last))


def repeats(requests):
    """The numbers that came again although they had been taken, and that was said."""
    taken, again = set(), []
    for request in requests:
        if not request.stored:
            continue
        keys = {(e["logboom"]["id"], e["logboom"]["lane"], e["logboom"]["n"]) for e in request.entries}
        again += sorted(keys & taken)
        if request.status:
            taken |= keys
    return again


def prove(agent, intake, count, rejected=(), repeats_max=0):
    """
    The lines [0, count) of one stream, all below `urgent`: each is delivered, or is one of `rejected` and named by a
    receipt. At most repeats_max records came again without need.
    """
    entries = intake.everything()
    found = prove_ring(entries)
    assert_exactly(numbers(found.values()), set(range(count)) - set(rejected))
    prove_rejected(found, lost_numbers(entries), count, rejected)
    for entry in receipts(entries):
        mark = entry["logboom"]
        assert mark["reason"] == "rejected" and entry["service"] == "app", entry
        assert sum(mark["by"].values()) == mark["count"] == \
            sum(last - first + 1 for first, last in mark["range"].values()), entry
    again = repeats(intake.requests())
    assert len(again) <= repeats_max, f"{len(again)} came again: {again[:5]}"
    status = agent.status()
    assert_books_balance(status)
    books = book(agent)
    assert {key: value for key, value in books.items() if value and key != "own"} == {
        key: value for key, value in {"in": count, "queued": count, "delivered": count - len(rejected),
                                      "rejected": len(rejected)}.items() if value}
    assert status["ring"]["holes"] == 0
    assert agent.process.poll() is None


def prove_rejected(found, lost, count, rejected):
    """The numbers that the receipts tell are those of these lines: all of a stream, in order, but for our own."""
    line_of = {n: None for (_, lane), told_lost in lost.items() for n in told_lost if lane == "routine"}
    for (_, lane, n), entry in found.items():
        if not is_own(entry):
            assert lane == "routine", entry
            line_of[n] = numbers([entry])[0]
    assert len(line_of) == count
    for expected, (_, number) in enumerate(sorted(line_of.items())):
        assert number == (None if expected in rejected else expected), f"line {expected}: {number}"


def heal(intake):
    """From now on all is well."""
    intake.plan.set([])
    intake.policies.set([])
    intake.up()


def reload(agent, **keys):
    """New keys of the sink, taken over by SIGHUP; waits until they are. The agent then asks at once."""
    agent.sections[NAME].update(keys)
    agent.reload()


def heal_with(agent, intake, **keys):
    """All is well, and the agent has these keys before it hears of that: until then the answer is 503."""
    intake.plan.set([{"do": "status", "code": 503, "times": -1}])
    intake.up()
    reload(agent, **keys)
    seen = len(intake.requests())
    wait_until(lambda: any(r.status == 503 for r in intake.requests()[seen:]) or book(agent)["pending"] == 0,
               what="it asks with the new keys, or has nothing to ask for")
    heal(intake)


def errors(agent):
    """What the agent logged at the level error, in one text."""
    return "\n".join(text for text in agent.log.splitlines() if text.startswith("logboomd: error: "))


def resident_kib(agent):
    """Memory of the agent in RAM. Under a sanitizer that is mostly what was freed, and this is 0."""
    if is_sanitized():
        return 0
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
