# SPDX-License-Identifier: MIT
"""What Grafana Loki takes, by its push API (facts/sinks.md section 2).

Strict by the facts, and then as Loki is: the good entries of a push are kept even where it is answered with 400. It
remembers each stream as an ingester does: the newest stamp, which bounds how far behind an entry may be, and the last
entry, by which one that comes again at once is known.
"""

import json
import re
import threading
import time
from datetime import datetime, timezone

from intake_body import Refused, _no_constants, _no_duplicates  # one strictness for all
from intake_dialect import Dialect

NS_PER_S = 1_000_000_000
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LABELS_MAX = 15
NAME_BYTES_MAX, VALUE_BYTES_MAX = 1024, 2048
LINE_BYTES_MAX = 256 * 1024
METADATA_MAX, METADATA_BYTES_MAX = 128, 64 * 1024
ENTRIES_MAX = 1000          # our own bound
NAMED_MAX = 10              # entries that an answer names
NO_STREAM = "error at least one valid stream is required for ingestion\n"


def _rfc3339(ns):
    """As Loki's answers have it: cut to the second."""
    return datetime.fromtimestamp(ns // NS_PER_S, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _go(ns):
    """As Go prints a time."""
    fraction = f".{ns % NS_PER_S:09d}".rstrip("0").rstrip(".")
    return datetime.fromtimestamp(ns // NS_PER_S, timezone.utc).strftime("%Y-%m-%d %H:%M:%S") + fraction + " +0000 UTC"


def labels_text(labels):
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items())) + "}"


class Loki(Dialect):
    """One tenant of it. Every attribute may be set by a test at any time."""

    path = "/loki/api/v1/push"
    content_types = ("application/json",)
    encodings = ("identity", "gzip")

    def __init__(self, tenant=None):
        super().__init__()
        self.tenant = tenant                    # the X-Scope-OrgID that it wants; None: whichever
        self.max_age_s = 7 * 24 * 3600          # reject_old_samples_max_age
        self.ahead_s = 600                      # creation_grace_period
        self.behind_s = 3600                    # max_chunk_age / 2
        self.now_s = time.time                  # its clock
        self.empty = (422, NO_STREAM)           # to a push of no streams; before 3.2: 204
        self.answers = []                       # every 400 that it gave, with what it kept of the push
        self.duplicates = 0                     # entries that came again at once, and were dropped
        self._lock = threading.Lock()
        self.streams = {}                       # {labels: [newest stamp, last entry]}

    def key_of(self, headers):
        if self.tenant is not None and headers.get("x-scope-orgid") != self.tenant:
            return None  # 401, no org id
        return headers.get("authorization", "").removeprefix("Bearer ")

    def check_key(self, path):
        return False

    def content_type_of_answer(self):
        return "text/plain; charset=utf-8"

    def count(self, raw):
        return len(re.findall(rb'\["\d{19}","', raw))

    # --- what a push is

    def parse(self, request, raw):
        """Entries of the file sink's form, each with its stream's labels and stamp, in request.pushed; what of them is
        kept is for take()."""
        try:
            body = json.loads(raw.decode("utf-8"), parse_constant=_no_constants, object_pairs_hook=_no_duplicates)
            json.dumps(body, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
        except ValueError as error:
            raise Refused(400, f"body: {error}", {"body": f"body: {error}"}) from None
        if not isinstance(body, dict) or set(body) != {"streams"} or not isinstance(body["streams"], list):
            self._refuse("a push is an object of streams")
        if not body["streams"]:
            raise Refused(self.empty[0], "no stream", {"body": self.empty[1]})
        request.pushed = [entry for stream in body["streams"] for entry in self._stream(stream)]
        if len(request.pushed) > ENTRIES_MAX:
            raise Refused(413, f"{len(request.pushed)} entries")
        self._spread_ranges(request.pushed)
        return [entry for _, _, entry, _ in request.pushed]

    @staticmethod
    def _refuse(text):
        raise Refused(400, text, {"body": text})

    def _stream(self, stream):
        if not isinstance(stream, dict) or set(stream) != {"stream", "values"} or not stream["values"]:
            self._refuse(f"a stream is labels and values: {str(stream)[:200]}")
        labels = stream["stream"]
        if not isinstance(labels, dict) or not 1 <= len(labels) <= LABELS_MAX:
            self._refuse(f"{len(labels)} labels")
        for name, value in labels.items():
            if not NAME.fullmatch(name) or len(name) > NAME_BYTES_MAX or name.startswith("__"):
                self._refuse(f"label {name!r}")
            if not isinstance(value, str) or not value or len(value.encode()) > VALUE_BYTES_MAX:
                self._refuse(f"label {name}={value!r}")
        if not {"host", "service", "level"} <= set(labels) or labels.get("replay", "1") != "1":
            self._refuse(f"labels {labels}")
        return [self._entry(labels, value) for value in stream["values"]]

    def _entry(self, labels, value):
        if not isinstance(value, list) or len(value) not in (2, 3):
            self._refuse(f"an entry is stamp, line and metadata: {str(value)[:200]}")
        stamp, text, metadata = *value, *({},) * (3 - len(value))
        if not isinstance(stamp, str) or not re.fullmatch(r"\d{19}", stamp):
            self._refuse(f"stamp {stamp!r}")
        if not isinstance(text, str) or len(text.encode()) > LINE_BYTES_MAX:
            self._refuse("Max entry size exceeded")
        if not isinstance(metadata, dict) or len(metadata) > METADATA_MAX:
            self._refuse("structured metadata: too many, or no object")
        if not all(NAME.fullmatch(name) and isinstance(text, str) for name, text in metadata.items()):
            self._refuse(f"structured metadata: {metadata}")
        if sum(len((name + text).encode()) for name, text in metadata.items()) > METADATA_BYTES_MAX:
            self._refuse("structured metadata: too large")
        return labels, int(stamp), self._normal(labels, int(stamp), text, dict(metadata)), \
            (text, json.dumps(metadata, sort_keys=True))

    @staticmethod
    def _normal(labels, stamp_ns, text, metadata):
        entry = {"message": text, "service": labels["service"], "status": labels["level"], "hostname": labels["host"],
                 "timestamp": stamp_ns // 1_000_000, "labels": labels, "stamp_ns": stamp_ns}
        if "source" in metadata:
            entry["ddsource"] = metadata.pop("source")
        for key in "logboom", "logboom_body":
            if key in metadata:
                entry[key] = json.loads(metadata.pop(key), parse_constant=_no_constants,
                                        object_pairs_hook=_no_duplicates)
        entry["metadata"] = metadata
        return entry

    def _spread_ranges(self, pushed):
        """The ranges of a body stand on its last record; tests expect them on the first."""
        told = [entry.pop("logboom_body", None) for _, _, entry, _ in pushed]
        if any(told[:-1]):
            self._refuse("ranges before the end of the body")
        if told[-1]:
            first = pushed[0][2]
            first["logboom"] = {**told[-1], **first.get("logboom", {})}

    # --- what of it is kept

    def take(self, request):
        with self._lock:
            kept, faults, ignored, totals = [], [], {}, {}
            for labels, stamp, entry, sameness in request.pushed:
                name = labels_text(labels)
                totals[name] = totals.get(name, 0) + 1
                if self._is_kept(name, stamp, sameness, ignored, faults):
                    kept.append(entry)
            request.entries = kept
            request.entry_count = len(kept)
            # The ingesters' word goes before what was found on the way to them.
            text = self._told(ignored, totals) or "\n".join(faults)
        if not text:
            return 204, ""
        self.answers.append((text, len(kept)))
        return 400, text

    def _is_kept(self, name, stamp, sameness, ignored, faults):
        """Is it? Where not, that is told in ignored or faults; of a duplicate nothing is told."""
        now_ns = int(self.now_s() * NS_PER_S)
        if stamp < now_ns - self.max_age_s * NS_PER_S:
            faults.append(f"entry for stream '{name}' has timestamp too old: {_rfc3339(stamp)}, oldest acceptable "
                          f"timestamp is: {_rfc3339(now_ns - self.max_age_s * NS_PER_S)}")
            return False
        if stamp > now_ns + self.ahead_s * NS_PER_S:
            faults.append(f"entry for stream '{name}' has timestamp too new: {_rfc3339(stamp)}")
            return False
        newest, last = self.streams.get(name, (0, None))
        if last == (stamp, *sameness):
            self.duplicates += 1
            return False
        oldest = newest - int(self.behind_s * NS_PER_S)
        if newest and stamp < oldest:
            ignored.setdefault(name, []).append((stamp, oldest))
            return False
        self.streams[name] = [max(newest, stamp), (stamp, *sameness)]
        return True

    @staticmethod
    def _told(ignored, totals):
        """What an ingester says: only of the last stream that left something out, and of the first few entries."""
        if not ignored:
            return ""
        name, entries = list(ignored.items())[-1]
        told = [f"entry with timestamp {_go(stamp)} ignored, reason: 'entry too far behind, entry timestamp is: "
                f"{_rfc3339(stamp)}, oldest acceptable timestamp is: {_rfc3339(oldest)}',\n"
                for stamp, oldest in entries[:NAMED_MAX]]
        return "".join(told) + f"user 'fake', total ignored: {len(entries)} out of {totals[name]} for stream: {name}"
