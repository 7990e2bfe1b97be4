# SPDX-License-Identifier: MIT
"""What a request is to the intake, and the rules that its body must keep.

It is strict where the real one may be lenient, because it judges our sender: one zstd or gzip stream a body with
nothing after it, UTF-8, JSON without NaN, duplicate keys or lone surrogates, every entry an object whose `message`
is a string.
"""

import json
import zlib
from dataclasses import dataclass, field

import zstandard

BODY_BYTES_MAX = 5_000_000   # uncompressed, one request
ENTRIES_MAX = 1000


class Refused(Exception):
    """The request breaks a rule; carries the status to answer with (0: none), and what the answer tells besides."""

    def __init__(self, status, text, options=None):
        super().__init__(text)
        self.status = status
        self.options = options or {}


@dataclass
class Request:
    """One POST of logs, as it arrived and as it was answered."""

    number: int
    at_s: float           # time.monotonic() when its head had been read
    headers: dict         # names in lower case
    encoding: str         # identity, gzip or zstd
    header_bytes: int     # request line and headers on the wire
    beside: int = 0       # log requests that were in work when its head had been read
    wire_bytes: int = 0   # body on the wire
    raw_bytes: int = 0    # body decoded
    raw: bytes = b""      # kept unless counting only
    entries: list = field(default_factory=list)
    entry_count: int = 0
    status: int = 0       # 0: no answer was sent, or none that its sender can be held to
    stored: bool = False
    step: str = "ok"
    error: str = ""       # why it was refused


def _no_constants(name):
    raise ValueError(f"{name} is not JSON")


def _no_duplicates(pairs):
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError(f"duplicate key in {[k for k, _ in pairs]}")
    return keys


def decode_body(encoding, wire):
    """The uncompressed body; Refused where it is not exactly one whole stream."""
    if encoding == "identity":
        return wire
    if encoding == "gzip":
        stream = zlib.decompressobj(31)
        limit = (BODY_BYTES_MAX + 1,)
    elif encoding == "zstd":
        stream = zstandard.ZstdDecompressor().decompressobj()
        limit = ()
    else:
        raise Refused(400, f"content-encoding {encoding!r}")
    try:
        raw = stream.decompress(wire, *limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Refused(400, f"{encoding}: {error}") from None
    if len(raw) <= BODY_BYTES_MAX:
        if not stream.eof:
            raise Refused(400, f"{encoding}: the stream is cut")
        if stream.unused_data:
            raise Refused(400, f"{encoding}: {len(stream.unused_data)} bytes after the stream")
    return raw


def parse_entries(raw):
    """The entries of a body; Refused where one breaks a rule."""
    try:
        text = raw.decode("utf-8")
        entries = json.loads(text, parse_constant=_no_constants, object_pairs_hook=_no_duplicates)
        if "\\ud" in text.lower():
            json.dumps(entries, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
    except ValueError as error:
        raise Refused(400, f"body: {error}") from None
    if entries == {}:
        return []  # what Datadog's own agent sends to see whether anybody is there
    if not isinstance(entries, list):
        raise Refused(400, "the body is not an array")
    if len(entries) > ENTRIES_MAX:
        raise Refused(413, f"{len(entries)} entries")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("message"), str):
            raise Refused(400, f"entry {index} is no object with a message")
    return entries
