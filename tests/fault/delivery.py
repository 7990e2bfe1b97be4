# SPDX-License-Identifier: MIT
"""One agent and one receiver, whose sink is the first, or a further one beside a file: what tests do to both, and the
proof.

The proof is that of fire.py, from the receiver's side alone: each line has arrived or is named by a receipt; a record
came twice only where its acknowledgment was lost; the books of the sink say the same.
"""

import json
from collections import Counter

from conftest import PATIENCE_S, ROOMY, wait_until
from lines import assert_books_balance, assert_exactly, book, end, line, numbers, prove_ring, receipts

PLACES = ("first", "further")
NAME = "there"
SERVICES = ("app", "other")  # of one, bodies are sent one after the other


class Delivery:
    def __init__(self, agent, receiver, place, home):
        """agent: the factory"""
        self.receiver, self.place = receiver, place
        self.receivers = [receiver]
        self._make, self._path = agent, home / "first.json"
        self.agent = None

    @property
    def is_first(self):
        return self.place == "first"

    def start(self, sections=None, is_heard=True, **keys):
        """keys: of the sink. is_heard: wait until the agent's record of this is delivered, so that it is not amid
        troubles."""
        beside = {} if self.is_first else {"sink disk": {"type": "file", "path": self._path, "wait": "50ms"}}
        there = {f"sink {NAME}": {**self.receiver.keys, **keys}}
        self.agent = self._make({**ROOMY, **(sections or {}), **beside, **there})
        if is_heard:
            self.agent.flush()

    def feed(self, first, last, text=""):
        """The lines [first, last), by services that share them; back when the agent has them."""
        for _ in self.stream([(first, last)], text):
            pass

    def feed_bytes(self, data):
        client = self.agent.pipe("-s", "app")
        client.communicate(data, timeout=PATIENCE_S)
        assert client.returncode == 0

    def stream(self, ranges, text=""):
        """Lines by clients that outlive agents: yields when they were given those of a range; ends when all are in."""
        clients = [self.agent.pipe("-s", service, "--wait", f"{PATIENCE_S}s") for service in SERVICES]
        for first, last in ranges:
            for number, client in enumerate(clients):
                client.stdin.write(b"".join(line(n, text) for n in range(first + number, last, len(clients))))
                client.stdin.flush()
            yield first
        for client in clients:
            client.stdin.close()
        assert [end(client) for client in clients] == [0] * len(clients)

    def reload(self, **keys):
        self.agent.sections[f"sink {NAME}"].update(keys)
        self.agent.reload()

    def move_to(self, other):
        """The same sink, at another address."""
        if other not in self.receivers:
            self.receivers.append(other)
        self.reload(**other.keys)

    # --- what is known

    def status(self):
        return next(sink for sink in self.agent.status()["sinks"] if sink["name"] == NAME)

    def book(self):
        """The lines that were for this sink: what became of them. lost: all that receipts tell of."""
        if self.is_first:
            found = book(self.agent)
            return {key: found[key] for key in ("pending", "delivered", "rejected")} | {
                "lost": found["shed"] + found["dropped"] + found["rejected"]}
        status = self.status()
        found = {key: status[key]["lines"] for key in ("pending", "delivered", "rejected", "shed", "missed")}
        return {key: found[key] for key in ("pending", "delivered", "rejected")} | {
            "lost": found["shed"] + found["missed"] + found["rejected"]}

    def everything(self):
        return [entry for receiver in self.receivers for entry in receiver.everything()]

    def told(self):
        """How many lines receipts tell of."""
        return sum(entry["logboom"]["count"] for entry in receipts(self.everything()))

    # --- waits

    def wait_state(self, *states):
        wait_until(lambda: self.status()["state"] in states, what=f"the sink is {' or '.join(states)}")

    def wait_pending(self, count):
        wait_until(lambda: self.book()["pending"] == count, what=f"{count} lines wait")

    def wait_failures(self, more):
        """Wait until so many more failures are known."""
        before = self.status()["failures"]
        wait_until(lambda: self.status()["failures"] >= before + more, what=f"it failed {more} times")

    def wait_delivered(self, count):
        wait_until(lambda: self.book()["delivered"] >= count, what=f"{count} lines are delivered")

    def settle(self, delivered, rejected=0):
        """Wait until so many lines are delivered and have arrived, and so many are rejected and told."""
        want = {"pending": 0, "delivered": delivered, "rejected": rejected}
        last = {}

        def claim():
            last.update(self.book())
            return all(last[key] == value for key, value in want.items()) and len(self.arrived()) >= delivered \
                and (not rejected or self.told() == rejected)

        wait_until(claim, what=Told(lambda: f"{want}; seen: {last}, {len(self.arrived())} arrived, {self.told()} told"))
        self.agent.flush()  # its own records, too

    def arrived(self):
        return set(numbers(self.everything()))

    # --- the proof

    def prove(self, count, rejected=(), twice_max=0):
        """Of the lines [0, count): each arrived or is rejected and told. So many records may have come once more
        although they were acknowledged: the agent, or who answered, was gone before the answer was read."""
        found = self.prove_once(twice_max)
        assert_exactly(numbers(found.values()), set(range(count)) - set(rejected))
        assert self.told() == len(rejected)
        assert self.book() == {"pending": 0, "delivered": count - len(rejected), "rejected": len(rejected),
                               "lost": len(rejected)}
        self.prove_balance()
        self.prove_the_other(count)

    def prove_once(self, twice_max):
        """No number is missing or names two lines; what came again had no answer. The entries by number."""
        entries = self.everything()
        found = prove_ring(entries)
        times = Counter(map(key_of, entries))
        allowed = Counter(key_of(entry) for receiver in self.receivers for entry in receiver.unanswered())
        again = Counter({key: many - 1 for key, many in times.items()}) - allowed
        assert again.total() <= twice_max, f"{again.total()} came again: {sorted(again)[:5]}"
        return found

    def repeated(self):
        """How many records came again."""
        entries = self.everything()
        return len(entries) - len(set(map(key_of, entries)))

    def prove_balance(self):
        status = self.agent.status()
        assert_books_balance(status)
        for sink in status["sinks"]:
            if not sink["first"]:
                sums = [sink[key]["lines"] for key in ("pending", "delivered", "shed", "rejected")]
                assert sink["queued"]["lines"] == sum(sums) and min(sums) >= 0, sink
        assert self.agent.process.poll() is None

    def prove_the_other(self, count):
        """The file beside it has all, once, and hears of no loss."""
        if self.is_first:
            return
        wait_until(lambda: book(self.agent)["delivered"] == count)
        entries = [json.loads(line) for line in self._path.read_text().split("\n") if line]
        assert_exactly(numbers(prove_ring(entries).values()), range(count))
        assert not receipts(entries)


def key_of(entry):
    mark = entry["logboom"]
    return mark["id"], mark["lane"], mark["n"]


class Told:
    """A text that is made when it is wanted."""

    def __init__(self, make):
        self._make = make

    def __str__(self):
        return self._make()
