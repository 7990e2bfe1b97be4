# SPDX-License-Identifier: MIT
"""A file as the sink: what an agent made of its input, record by record."""

import json
from collections import defaultdict
from pathlib import Path

from lines import is_own


class FileSink:
    """agent({**sink.sections, ...}) appends to sink.path; the records of services come back parsed."""

    def __init__(self, runtime):
        self.path = Path(runtime).parent / "records.ndjson"
        self.sections = {"sink file": {"type": "file", "path": self.path, "wait": "50ms", "urgent_wait": "20ms"}}

    def everything(self):
        """All records, those of the agent's own too."""
        text = self.path.read_text() if self.path.exists() else ""
        return [json.loads(line) for line in text.split("\n") if line]  # not splitlines(): U+2028 is text

    def own(self, kind):
        """The agent's own records of this kind: start, exit, receipt ..."""
        return [entry for entry in self.everything() if entry["logboom"].get("kind") == kind]

    def entries(self, service=None):
        """The records of all services, or of one, in order."""
        return [entry for entry in self.everything() if not is_own(entry) and service in (None, entry["service"])]

    def by_service(self):
        """{service: its records in order}."""
        found = defaultdict(list)
        for entry in self.entries():
            found[entry["service"]].append(entry)
        return found


def lines_of(entry):
    """How many lines the record says it has."""
    return entry["logboom"].get("lines", 1)
