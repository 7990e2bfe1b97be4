# SPDX-License-Identifier: MIT
"""What an intake speaks. Datadog's is here; others are classes of their own beside it, each strict by the facts.

Whatever came in, a dialect makes entries of the form of our own file sink out of it: {"message", "status",
"timestamp", "hostname", "service", "ddsource", "ddtags", "logboom": {...}}, so that tests prove the same of all.
"""

from intake_body import Refused, parse_entries


class Dialect:
    """Datadog's logs intake."""

    path = "/api/v2/logs"
    content_types = ("application/json",)
    encodings = ("identity", "gzip", "zstd")
    needs_key = True

    def __init__(self):
        # What it refuses of single records, where its protocol can say so: a function of an entry, true for those.
        self.refuses = lambda entry: False

    def key_of(self, headers):
        """The secret that a request shows; headers by lower case."""
        return headers.get("dd-api-key")

    def check_key(self, path):
        """Is this the GET by which a client asks whether its key is right?"""
        return path == "/api/v1/validate"

    def parse(self, request, raw):
        """The entries of a decoded body; Refused where it breaks a rule."""
        return parse_entries(raw)

    def take(self, request):
        """Keep in request.entries what is stored, and return status and text (or bytes) to answer with."""
        return 202, "{}"

    def content_type_of_answer(self):
        return "application/json"

    def count(self, raw):
        """How many entries a decoded body has, without a look into it."""
        # Unescaped quotes cannot stand inside a string, and only our entries begin with one of these keys.
        return raw.count(b'{"message":') + raw.count(b'{"logboom":')


class Ndjson(Dialect):
    """Any address that takes one JSON object a line."""

    path = "/lines"
    content_types = ("application/x-ndjson",)
    needs_key = False

    def key_of(self, headers):
        return headers.get("authorization", "").removeprefix("Bearer ")

    def parse(self, request, raw):
        if not raw:
            return []
        if not raw.endswith(b"\n"):
            raise Refused(400, "the last line has no end")
        return parse_entries(b"[" + b",".join(raw[:-1].split(b"\n")) + b"]")

    def take(self, request):
        return 200, ""


class Array(Ndjson):
    """Any address that takes an array of JSON objects."""

    content_types = ("application/json",)

    def parse(self, request, raw):
        return parse_entries(raw)
