# SPDX-License-Identifier: MIT
"""How the intake misbehaves: a plan is used up request by request, policies stay in force beside it."""

import threading
import time
from email.utils import formatdate

from intake_body import Refused

FOREVER = -1


class Plan:
    """What to do with the next log requests. A list of steps, each a dict; when it is used up all is well.

    Each step has "do" and may have "times" (1 when absent, -1 for ever):
        {"do": "ok"}                            answer as usual; "code": another status than 202 (204, 299 ...)
        {"do": "status", "code": 503}           store nothing, answer so; "body": TEXT and answer_headers() may follow
        {"do": "hang", "seconds": 5}            read it all, say nothing for that long, close
        {"do": "slow", "seconds": 5}            as usual, but answer that much later
        {"do": "reset"}                         read half of the body, then RST
        {"do": "lose"}                          store it, then close without an answer
        {"do": "down", "seconds": 5}            RST, and listen no more for that long (absent: until up())
        {"do": "drip", "seconds": 1}            store it; the answer leaves a byte at a time, so many seconds apart
        {"do": "headers", "bytes": 100000000}   store nothing; a 202 whose headers do not end before so many bytes
        {"do": "flood", "bytes": 100000000}     store it; a 202 whose body does not end before so many bytes
    """

    KINDS = ("ok", "status", "hang", "slow", "reset", "lose", "down", "drip", "headers", "flood")

    def __init__(self, *steps):
        self._lock = threading.Lock()
        self._steps = []
        self.set(steps)

    def set(self, steps):
        checked = []
        for step in steps:
            if step.get("do") not in self.KINDS:
                raise ValueError(f"no such step: {step!r}")
            if step["do"] == "status" and "code" not in step:
                raise ValueError(f"a status step needs a code: {step!r}")
            checked.append([step.get("times", 1), dict(step)])
        with self._lock:
            self._steps = checked

    def next(self):
        """The step for this request."""
        with self._lock:
            while self._steps and self._steps[0][0] == 0:
                self._steps.pop(0)
            if not self._steps:
                return {"do": "ok"}
            if self._steps[0][0] != FOREVER:
                self._steps[0][0] -= 1
            return self._steps[0][1]


class Policies:
    """What is refused as long as it stands here. A list of dicts; the first that a body meets is the answer.

    Each has "code", the status to refuse with, and conditions which must all be met (none: every body is refused):
        "marker": "TEXT"        a message holds this text (never met when counting only)
        "raw_bytes_over": N     the body, decoded, is longer
        "entries_over": N       it has more entries
        "encodings": ["zstd"]   it came in one of these
    and may have "body": TEXT and answer_headers().
    """

    CONDITIONS = {
        "marker": lambda text, request, raw: any(text in entry["message"] for entry in request.entries),
        "raw_bytes_over": lambda most, request, raw: len(raw) > most,
        "entries_over": lambda most, request, raw: request.entry_count > most,
        "encodings": lambda names, request, raw: request.encoding in names,
    }
    OPTIONS = ("code", "body", "retry_after", "location")

    def __init__(self, *policies):
        self._policies = []
        self.set(policies)

    def set(self, policies):
        checked = [dict(policy) for policy in policies]
        for policy in checked:
            if "code" not in policy or set(policy) - set(self.CONDITIONS) - set(self.OPTIONS):
                raise ValueError(f"no such policy: {policy!r}")
        self._policies = checked  # one reference, replaced as a whole: no lock

    def judge(self, request, raw):
        """Raise Refused where a policy says so."""
        for policy in self._policies:
            met = [name for name, is_met in self.CONDITIONS.items()
                   if name in policy and is_met(policy[name], request, raw)]
            if len(met) == len(set(policy) & set(self.CONDITIONS)):
                raise Refused(policy["code"], f"policy: {', '.join(met) or 'all'}", policy)


def answer_headers(options):
    """Headers that a step or a policy asks for.

        "retry_after": 7 | "TEXT" | {"date_in_s": 3}    seconds, or any text, or a date so far from now
        "location": URL
    """
    headers = {}
    if "retry_after" in options:
        after = options["retry_after"]
        headers["Retry-After"] = http_date(after["date_in_s"]) if isinstance(after, dict) else str(after)
    if "location" in options:
        headers["Location"] = options["location"]
    return headers


def http_date(offset_s):
    """The time so far from now, as HTTP writes it (whole seconds)."""
    return formatdate(time.time() + offset_s, usegmt=True)
