# SPDX-License-Identifier: MIT
"""The proof is proved: prove() accepts what is right, and sees each way in which an account can be wrong.

The story: an agent and an intake made of paper, whose entries, receipts and books are written down here and then
falsified in one place.
"""

import copy
from pathlib import Path

import pytest
from _pytest.outcomes import Failed

from delivery import Delivery
from fire import prove, repeats, settle
from intake_body import Request

COUNT = 6
BAD = 3


def entry(number):
    return {"message": f"#n={number}", "service": "app", "status": "info",
            "logboom": {"id": "r", "lane": "routine", "n": number + 1, "stream": "s"}}


def receipt(first, last):
    return {"message": f"{last - first + 1} lines rejected", "service": "app", "status": "warning",
            "logboom": {"id": "r", "lane": "urgent", "n": 1, "kind": "receipt", "reason": "rejected",
                        "count": last - first + 1, "by": {"info": last - first + 1},
                        "range": {"routine": [first, last]}}}


def request(*entries, status=202):
    return Request(number=0, at_s=0, headers={}, encoding="zstd", header_bytes=0, entries=list(entries), stored=True,
                   status=status)


class PaperIntake:
    def __init__(self, *requests):
        self.list = list(requests)

    def requests(self):
        return self.list

    def everything(self):
        return [e for one in self.list for e in one.entries]

    entries = everything


class PaperAgent:
    class process:
        @staticmethod
        def poll():
            return None

    def __init__(self, delivered=COUNT - 1, rejected=1):
        lines = {"in": COUNT, "open": 0, "queued": COUNT, "held": 0, "dropped": 0, "pending": 0, "delivered": delivered,
                 "shed": 0, "rejected": rejected}
        book = {key: {"lines": value, "bytes": value * 10} for key, value in lines.items()}
        book["dropped_by"] = {"overload": {"lines": 0, "bytes": 0}}
        book["shed_by"] = {"away": {"lines": 0, "bytes": 0}}
        self.told = {"books": {"all": book, "services": {"app": copy.deepcopy(book)}}, "ring": {"holes": 0},
                     "sinks": []}

    def status(self):
        return self.told


def good():
    return [request(*map(entry, range(BAD))), request(*map(entry, range(BAD + 1, COUNT)), receipt(BAD + 1, BAD + 1))]


def test_what_is_right_is_accepted():
    prove(PaperAgent(), PaperIntake(*good()), COUNT, rejected=[BAD])
    settle(PaperAgent(), PaperIntake(*good()), COUNT - 1, rejected=1, seconds=0)
    whole = PaperIntake(request(*map(entry, range(COUNT))))
    prove(PaperAgent(COUNT, 0), whole, COUNT)
    lost_answer = PaperIntake(request(*map(entry, range(COUNT)), status=0), *whole.list)
    prove(PaperAgent(COUNT, 0), lost_answer, COUNT)
    assert repeats(whole.list * 2) == [("r", "routine", n + 1) for n in range(COUNT)]
    prove(PaperAgent(COUNT, 0), PaperIntake(*whole.list * 2), COUNT, repeats_max=COUNT)


@pytest.mark.parametrize("falsify", [
    lambda a, r: r[0].entries.pop(),                              # a line is missing
    lambda a, r: r[1].entries.pop(),                              # the receipt is missing
    lambda a, r: r[1].entries.append(entry(BAD)),                 # delivered and told as rejected
    lambda a, r: r.append(r[0]),                                  # a whole body came again
    lambda a, r: r[1].entries.append(entry(COUNT)),               # a line that nobody wrote
    lambda a, r: r[1].entries[-1]["logboom"].update(count=2),     # the receipt counts wrongly
    lambda a, r: r[1].entries[-1]["logboom"].update(reason="shed"),
    lambda a, r: r[1].entries[-1]["logboom"].update(range={"routine": [BAD + 1, BAD + 2]}),
    lambda a, r: r[0].entries[0]["logboom"].update(n=99),         # out of order
    lambda a, r: a.told["books"]["all"]["pending"].update(lines=1),
    lambda a, r: a.told.update(PaperAgent(COUNT, 0).told),        # the books know of no reject
    lambda a, r: a.told["ring"].update(holes=1),
    lambda a, r: setattr(a, "process", type("gone", (), {"poll": staticmethod(lambda: 0)})),
])
def test_what_is_wrong_is_seen(falsify):
    agent, requests = PaperAgent(), good()
    falsify(agent, requests)
    with pytest.raises(AssertionError):
        prove(agent, PaperIntake(*requests), COUNT, rejected=[BAD])


def test_a_wait_for_what_does_not_come_fails_and_says_what_was_there_instead():
    with pytest.raises(Failed, match="'told': 1"):
        settle(PaperAgent(), PaperIntake(*good()), COUNT, seconds=0)


# --- the proof of test_every_sink.py


class PaperReceiver:
    def __init__(self):
        self.list, self.silent = [e for one in good() for e in one.entries], []

    def everything(self):
        return self.list

    def unanswered(self):
        return self.silent


def paper_delivery():
    delivery = Delivery(None, PaperReceiver(), "first", Path("/"))
    delivery.agent = PaperAgent()
    return delivery


@pytest.mark.parametrize("change", [
    lambda d, r: None,
    lambda d, r: (r.list.append(entry(1)), r.silent.append(entry(1))),  # it came again, and its answer was lost
])
def test_a_delivery_that_is_right_is_accepted(change):
    delivery = paper_delivery()
    change(delivery, delivery.receiver)
    delivery.prove(COUNT, rejected=[BAD])


@pytest.mark.parametrize("falsify", [
    lambda d, r: r.list.remove(entry(1)),                               # a line is missing
    lambda d, r: r.list.pop(),                                          # the receipt is missing
    lambda d, r: r.list.append(entry(BAD)),                             # delivered and told as rejected
    lambda d, r: r.list.append(entry(COUNT)),                           # a line that nobody wrote
    lambda d, r: r.list.append(entry(1)),                               # it came again, and there was an answer
    lambda d, r: (r.list.extend([entry(1)] * 2), r.silent.append(entry(1))),  # one answer was lost, and it came thrice
    lambda d, r: setattr(d, "agent", PaperAgent(COUNT, 0)),             # the books know of no reject
])
def test_a_delivery_that_is_wrong_is_seen(falsify):
    delivery = paper_delivery()
    falsify(delivery, delivery.receiver)
    with pytest.raises(AssertionError):
        delivery.prove(COUNT, rejected=[BAD])
