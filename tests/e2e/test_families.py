# SPDX-License-Identifier: MIT
"""The shared cases through the agent itself.

The story: what real programs printed goes in by a pipe or by syslog.sock, and comes out of a file sink. Records begin
and end where they should, no byte of their text is changed, each has its level, each datagram is one record. Every
case that is not optional must be right; how many were, family by family, is printed whatever the outcome.
"""

import base64
import json
import re
import socket
import time
from collections import defaultdict

import pytest

from conftest import ROOT
from filesink import FileSink, lines_of
from lines import end, seeded, write_all

DATA = ROOT.parent / "shared" / "data"
# Errors are told again and again here, and colours are part of what is compared.
WHOLE = {"repeat_window": "off", "ansi": "keep"}
FRAME = re.compile(rb'\W*File "')


class Tally:
    """Cases right and all, by family; printed at the end, although pytest captures what tests print."""

    def __init__(self):
        self.right, self.all, self.faults = defaultdict(int), defaultdict(int), []

    def add(self, family, fault, is_optional=False):
        """fault: what is wrong; None where the case is right."""
        family += ", optional" if is_optional else ""
        self.all[family] += 1
        self.right[family] += fault is None
        if fault is not None:
            self.faults.append(f"{family}: {fault}")

    def tell(self, capsys, title):
        with capsys.disabled():
            print(f"\n{title}: {sum(self.right.values())} of {sum(self.all.values())}")
            for family in sorted(self.all):
                print(f"  {self.right[family]:4} of {self.all[family]:3}  {family}")
        wrong = [fault for fault in self.faults if ", optional: " not in fault]
        assert not wrong, "\n".join(wrong)


@pytest.fixture
def out(runtime):
    return FileSink(runtime)


# ---- tracebacks ----


class Traceback:
    """One file of lines, and where its records begin."""

    def __init__(self, path):
        expected = json.loads(path.with_suffix(".expected").read_text())
        self.name = path.stem
        self.family = self.name.split("-")[0]
        self.is_optional = expected.get("optional", False)
        self.raw = path.read_bytes().splitlines(keepends=True)
        assert len(self.raw) == expected["lines"]
        self.lines = [line.rstrip(b"\r\n").decode(errors="replace") for line in self.raw]
        self.first = {first for first, _ in expected["records"]}
        self.free = set(expected["free"])

    def fault(self, entries):
        """What is wrong with the records that came of it; None: nothing."""
        at = 1
        for entry in entries:
            # A blank line outside of a join is dropped, which moves no boundary.
            while at <= len(self.lines) and not self.lines[at - 1] and entry["message"] and entry["message"][0] != "\n":
                at += 1
            text = entry["message"].split("\n")
            if text != self.lines[at - 1:at - 1 + len(text)]:
                return f"{self.name}:{at}: {text[:2]} is not what was written"
            if lines_of(entry) != len(text) or entry["logboom"].get("cut"):
                return f"{self.name}:{at}: {entry['logboom']} of a record of {len(text)} lines"
            begins = {at} | {n for n in range(at, at + len(text)) if n in self.first}
            wrong = [n for n in begins if n not in self.free and ((n == at) != (n in self.first))]
            if wrong:
                return f"{self.name}:{min(wrong)}: {'not joined' if at in wrong else 'joined'}"
            at += len(text)
        rest = [n for n in range(at, len(self.lines) + 1) if self.lines[n - 1]]
        return f"{self.name}:{rest[0]}: is lost" if rest else None


def tracebacks():
    found = [Traceback(path) for path in sorted((DATA / "tracebacks").glob("*.txt"))]
    assert found, "the test runs in the checkout, with shared/ beside it"
    return found


def judge_tracebacks(agent, out, cases):
    agent.flush()
    got, tally = out.by_service(), Tally()
    for case in cases:
        tally.add(case.family, case.fault(got[case.name]), case.is_optional)
    return tally


def test_what_programs_print_becomes_the_records_it_is(agent, out, capsys):
    a, cases = agent({**out.sections, "capture": WHOLE}), tracebacks()
    for case in cases:
        client = a.pipe("-s", case.name)
        client.communicate(b"".join(case.raw), timeout=60)
        assert client.returncode == 0
    judge_tracebacks(a, out, cases).tell(capsys, "tracebacks, written at once")


def writes_of(case):
    """
    A write() for each line, but for what programs write in one go: a logger's message that bears no frame; a line and
    the traceback's header below it, as nothing in the line says that one comes; the last two of logging's own errors.
    """
    edges = sorted(case.first | {len(case.raw) + 1})
    for first, behind in zip(edges, edges[1:]):
        record = case.raw[first - 1:behind - 1]
        front = 2 if any(map(FRAME.match, record)) else len(record)
        tail = max(front, len(record) - (2 if record[-1].startswith(b"Arguments: ") else 1))
        yield b"".join(record[:front])
        yield from record[front:tail]
        yield b"".join(record[tail:])


def test_a_slow_writer_gets_the_same_records(agent, out, capsys):
    a, cases, chance = agent({**out.sections, "capture": {**WHOLE, "join_timeout": "off"}}), tracebacks(), seeded()
    for case in cases:
        client = a.pipe("-s", case.name)
        for data in writes_of(case):
            write_all(client.stdin.fileno(), data)
            time.sleep(0.03 if chance.random() < 0.05 else 0.0003)
        client.stdin.close()
        assert end(client) == 0, "no record waits for its join_timeout"
    judge_tracebacks(a, out, cases).tell(capsys, "tracebacks, a write() for each line, with pauses")


# ---- severity ----


def test_each_line_has_its_level(agent, out, capsys):
    """Twice, with another level for what states none: a line whose level then differs has stated none."""
    cases = [json.loads(line) for line in (DATA / "severity" / "cases.jsonl").read_text().splitlines()]
    lines = "".join(case["line"] + "\n" for case in cases).encode()
    alone = {**WHOLE, "multiline": "off"}
    a = agent({**out.sections, "service one": {**alone, "stdout_level": "debug"},
               "service two": {**alone, "stdout_level": "emergency"}})
    for service in "one", "two":
        client = a.pipe("-s", service)
        client.communicate(lines, timeout=60)
        assert client.returncode == 0
    a.flush()
    one, two = out.entries("one"), out.entries("two")
    assert len(one) == len(two) == len(cases)
    tally = Tally()
    for case, low, high in zip(cases, one, two):
        status = low["status"] if low["status"] == high["status"] else "unset"
        fits = status in case["accept"] and low["message"] == high["message"]
        tally.add(case["format"], None if fits else f"{status}: {case['line']}")
    tally.tell(capsys, "severity")


# ---- syslog ----

FIELDS = "hostname", "appname", "procid", "msgid"


def no_mark(text):
    """Without the byte-order mark, by which a sender says that it is UTF-8, and one U+FFFD for a run of them."""
    return re.sub("\ufffd+", "\ufffd", text.removeprefix("\ufeff"))


def syslog_fault(case, entry):
    """What is wrong with the record that came of a datagram; None: nothing."""
    raw, expect, told = base64.b64decode(case["input_b64"]), case["expect"], entry.get("syslog", {})
    text = no_mark(raw.decode(errors="replace"))
    message = no_mark(entry["message"])
    if lines_of(entry) != message.count("\n") + 1 or entry["logboom"].get("cut"):
        return f"{entry['logboom']} of one datagram"
    if not case["valid"]:
        # An understood head may be taken off, as long as what it said is told.
        whole = text == message or (told and text.endswith(message))
        return None if whole else f"{message!r} is not all of {text!r}"
    wrong = [name for name in FIELDS if name in expect and told.get(name) != expect[name]]
    wrong += ["message"] if no_mark(expect.get("message", message)) != message else []
    wrong += ["status"] if expect.get("status", entry["status"]) != entry["status"] else []
    wrong += ["facility"] if "facility" in told and told["facility"] != expect["priority"] // 8 else []
    wrong += ["structured_data"] if expect.get("structured_data", {}) != told.get("structured_data", {}) else []
    return f"{wrong}: {entry}" if wrong else None


def test_each_datagram_is_one_record_and_is_understood(agent, out, capsys):
    cases = [json.loads(line) for line in (DATA / "syslog" / "cases.jsonl").read_text().splitlines()]
    a = agent({**out.sections, "capture": WHOLE})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(str(a.runtime / "syslog.sock"))
        for case in cases:
            sock.send(base64.b64decode(case["input_b64"]))
    a.flush()
    entries, tally = out.entries(), Tally()
    assert len(entries) == len(cases)
    for case, entry in zip(cases, entries):
        fault = syslog_fault(case, entry)
        tally.add(f"{case['proto']}, {'valid' if case['valid'] else 'not valid'}", fault and f"{case['case']}: {fault}")
    tally.tell(capsys, "syslog")
