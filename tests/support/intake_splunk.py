# SPDX-License-Identifier: MIT
"""Splunk's HTTP Event Collector, as far as our sender goes: event objects in a row, and its codes.

As there, the events before one that is refused are stored, and the sender is told no more than where that is.
"""

import json
import re

from intake_body import Refused, parse_entries
from intake_dialect import Dialect
from intake_elastic import gather_ranges

BLANKS = re.compile(r"[ \t\r\n]*")
MEMBERS = {"time", "host", "source", "sourcetype", "index", "event", "fields"}


class Splunk(Dialect):
    """A collector. host, source, sourcetype and index of its events are in `envelopes`, in their order."""

    path = "/services/collector/event"
    content_types = ("application/json",)
    encodings = ("identity", "gzip")

    def __init__(self, index=None):
        super().__init__()
        self.index = index  # the only one that there is; None: any
        self.envelopes = []

    def key_of(self, headers):
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key if scheme == "Splunk" else ""

    def check_key(self, path):
        return path == "/services/collector/health"

    def parse(self, request, raw):
        events = self._events(raw)
        if not events:
            raise refusal(400, 5, "No data")
        entries = []
        request.envelopes = []
        for number, event in enumerate(events):
            if "event" not in event:
                raise refusal(400, 12, "Event field is required", number)
            if event["event"] in ("", {}, None):
                raise refusal(400, 13, "Event field cannot be blank", number)
            if self.index is not None and event.get("index", self.index) != self.index:
                raise refusal(400, 7, "Incorrect index", number)
            entries.append(self._entry_of(event, number))
            request.envelopes.append({key: value for key, value in event.items() if key != "event"})
        gather_ranges(entries)
        return entries

    @staticmethod
    def _events(raw):
        """Objects with blanks, or nothing, between them; parse_entries() is strict about each."""
        try:
            text, decoder, at, texts = raw.decode(), json.JSONDecoder(), 0, []
            while at < len(text):
                _, after = decoder.raw_decode(text, at)
                texts.append(text[at:after])
                at = after + len(BLANKS.match(text, after)[0])
        except ValueError as error:
            raise refusal(400, 6, f"Invalid data format: {error}") from None
        # Each is judged as the message of an entry is, by the same rules.
        wrapped = "[" + ",".join('{"message":"","event":%s}' % one for one in texts) + "]"
        events = [entry["event"] for entry in parse_entries(wrapped.encode())]
        if not all(isinstance(event, dict) for event in events):
            raise refusal(400, 6, "Invalid data format")
        return events

    @staticmethod
    def _entry_of(event, number):
        entry = event["event"]
        if set(event) - MEMBERS or not isinstance(entry, dict) or not isinstance(entry.get("message"), str):
            raise refusal(400, 6, "Invalid data format", number)
        if round(event["time"] * 1000) != entry["timestamp"] or event["host"] != entry["hostname"] or \
                event["source"] != entry["service"]:
            raise refusal(400, 6, f"the envelope says other than its event: {event}", number)
        return entry

    def take(self, request):
        for number, entry in enumerate(request.entries):
            if self.refuses(entry):
                request.entries = request.entries[:number]
                request.entry_count = number
                self.envelopes += request.envelopes[:number]
                return 400, answer(6, "Invalid data format", number)
        self.envelopes += request.envelopes
        return 200, answer(0, "Success")

    def count(self, raw):
        return raw.count(b'"event":{"message":')


def answer(code, text, number=None):
    return json.dumps({"text": text, "code": code, **({} if number is None else {"invalid-event-number": number})})


def refusal(status, code, text, number=None):
    return Refused(status, text, {"body": answer(code, text, number)})
