# SPDX-License-Identifier: MIT
"""Running tests/trace/sim.c: what services say on a simulated clock, and what the agent would have sent."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

BUILD = Path(os.environ.get("LB_BUILD", Path(__file__).resolve().parents[2] / "build")).resolve()
SINK = {"sink none": {"type": "file", "path": "/dev/null"}}


class Result:
    """What came out of a run: records by time, and the books at the end."""

    def __init__(self, process):
        self.returncode, self.stderr = process.returncode, process.stderr
        self.lines = process.stdout.splitlines()
        self.sent = [(int(line.split(" ", 1)[0]), json.loads(line.split(" ", 1)[1]))
                     for line in self.lines if not line.startswith("book ")]
        self.books = {book["service"]: book for book in
                      (json.loads(line[5:]) for line in self.lines if line.startswith("book "))}

    def records(self, service=None):
        return [record for _, record in self.sent if service in (None, record["service"])]

    def book(self, service):
        return self.books[service]


def run(sections, events, check=True):
    """sections: of the INI but [sink]; events: (ms, service, text), rising in ms."""
    text = []
    for section, keys in {"agent": {"hostname": "h"}, **sections, **SINK}.items():
        text.append(f"[{section}]")
        text += [f"{key} = {value}" for key, value in keys.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as ini:
        ini.write("\n".join(text) + "\n")
        ini.flush()
        process = subprocess.run([BUILD / "tests" / "trace" / "sim", ini.name], text=True, capture_output=True,
                                 input="".join(f"{ms}\t{service}\t{line}\n" for ms, service, line in events))
    if check:
        assert process.returncode == 0, (process.returncode, process.stderr, sections)
    return Result(process)
