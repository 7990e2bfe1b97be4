# SPDX-License-Identifier: MIT
"""Elasticsearch's _bulk, as far as our sender goes, and stricter: only `create`, only ids of our form.

A second document of an id is answered by 409 and not stored, as there: so everything() holds a line twice only where
the sender gave it two ids.
"""

import json
import re
from datetime import datetime, timezone

from intake_body import Refused, parse_entries
from intake_dialect import Dialect

ID = re.compile(r"([0-9a-f]{16})-([ur])-([1-9][0-9]*)")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PROBE = b'{"update":{"_id":"logboom-probe"}}\n{"doc":{}}\n'
LANES = {"u": "urgent", "r": "routine"}


def stamp_ms(text):
    """Milliseconds since 1970 of "2023-11-14T22:13:20.005Z"."""
    if not STAMP.fullmatch(text):
        raise ValueError(f"@timestamp {text!r}")
    when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return round(when.timestamp() * 1000)


def gather_ranges(entries):
    """The ranges of the body, which are in its last record, go where Datadog's form has them."""
    for entry in entries[:-1]:
        if "logboom_body" in entry:
            raise Refused(400, "logboom_body is not on the last record")
    if entries and (ranges := entries[-1].pop("logboom_body", None)):
        entries[0]["logboom"] = {**ranges, **entries[0].get("logboom", {})}


class Elastic(Dialect):
    """An index, or a data stream."""

    content_types = ("application/x-ndjson",)
    encodings = ("identity", "gzip")

    def __init__(self, index=""):
        super().__init__()
        self.path = f"/{index}/_bulk" if index else "/_bulk"
        # A function of an entry: true for those that are answered by 429 the first time that they come.
        self.is_busy_for = lambda entry: False
        # A function of an entry: the status and the error of what is not about the record; None: nothing is wrong.
        self.fault_of = lambda entry: None
        self._stored = {}
        self._turned_away = set()

    def key_of(self, headers):
        return headers.get("authorization", "").removeprefix("ApiKey ")

    def check_key(self, path):
        return False

    def parse(self, request, raw):
        if raw == PROBE:
            request.ids = None
            return []
        if not raw.endswith(b"\n"):
            raise Refused(400, "The bulk request must be terminated by a newline [\\n]")
        texts = raw[:-1].split(b"\n")
        if len(texts) % 2:
            raise Refused(400, "an action without its document")
        actions = parse_lines(texts[::2])
        entries = parse_entries(b"[" + b",".join(texts[1::2]) + b"]")
        request.ids = [self._id_of(action) for action in actions]
        if len(set(request.ids)) != len(request.ids):
            raise Refused(400, "an id twice in one body")
        for key, entry in zip(request.ids, entries):
            self._check(key, entry)
        gather_ranges(entries)
        return entries

    @staticmethod
    def _id_of(action):
        if list(action) != ["create"] or list(action["create"]) != ["_id"] or not ID.fullmatch(action["create"]["_id"]):
            raise Refused(400, f"action {action!r}")
        return action["create"]["_id"]

    @staticmethod
    def _check(key, entry):
        try:
            if stamp_ms(entry.pop("@timestamp")) != entry["timestamp"]:
                raise Refused(400, "@timestamp is another time than timestamp")
        except (KeyError, ValueError) as error:
            raise Refused(400, f"@timestamp: {error}") from None
        mark = entry.get("logboom", {})
        ring, lane, number = ID.fullmatch(key).groups()
        if "n" in mark and (mark["id"], mark["lane"], mark["n"]) != (ring, LANES[lane], int(number)):
            raise Refused(400, f"{key} is the id of another record than {mark}")

    def take(self, request):
        if request.ids is None:
            item = {"status": 404, "error": {"type": "document_missing_exception"}}
            return 200, json.dumps({"errors": True, "items": [{"update": item}]})
        items, stored = [], []
        for key, entry in zip(request.ids, request.entries):
            status, error = self._judge(key, entry)
            if status == 201:
                self._stored[key] = entry
                stored.append(entry)
            items.append({"create": {"status": status, **({"error": {"type": error}} if error else {})}})
        request.items = items
        request.entries = stored
        request.entry_count = len(stored)
        return 200, json.dumps({"errors": any("error" in item["create"] for item in items), "items": items})

    def _judge(self, key, entry):
        if key in self._stored:
            return 409, "version_conflict_engine_exception"
        if self.refuses(entry):
            return 400, "mapper_parsing_exception"
        if fault := self.fault_of(entry):
            return fault
        if key not in self._turned_away and self.is_busy_for(entry):
            self._turned_away.add(key)
            return 429, "es_rejected_execution_exception"
        return 201, None

    def count(self, raw):
        return raw.count(b'{"create":{"_id":')


def parse_lines(texts):
    """Lines as JSON objects; Refused where one is none."""
    try:
        actions = [json.loads(text) for text in texts]
    except ValueError as error:
        raise Refused(400, f"action: {error}") from None
    if not all(isinstance(action, dict) and all(isinstance(value, dict) for value in action.values())
               for action in actions):
        raise Refused(400, "an action is no object")
    return actions
