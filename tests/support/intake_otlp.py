# SPDX-License-Identifier: MIT
"""The intake as something that takes OTLP over HTTP. What decodes bodies is protobuf's own library, by otlp.proto.

Strict where a Collector is lenient, because it judges our sender: no unknown fields anywhere, a scope, a time at which
each record was observed, a severity that is one, ids of their lengths, no key of attributes empty or twice.
"""

import functools
import json
import subprocess
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from intake_body import ENTRIES_MAX, Refused
from intake_dialect import Dialect

PROTO = Path(__file__).with_name("otlp.proto")
# The data model's appendix for syslog, as the agent names levels.
SEVERITIES = {"emergency": 21, "alert": 19, "critical": 18, "error": 17, "warning": 13, "notice": 10, "info": 9, "debug": 5}
ERRORS = {"type": "kind", "message": "message", "stacktrace": "stack"}


@functools.cache
def message_class(name):
    """The class of a message of otlp.proto, compiled by protoc when it is first asked for."""
    return message_factory.MessageFactory().GetPrototype(_pool().FindMessageTypeByName(f"otlp.{name}"))


@functools.cache
def _pool():
    done = subprocess.run(["protoc", f"-I{PROTO.parent}", "--descriptor_set_out=/dev/stdout", PROTO], check=True,
                          stdout=subprocess.PIPE)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(done.stdout).file:
        pool.Add(file)
    return pool


def _refuse_unknown(found):
    """Raise Refused where a message, or one within, has a field that nobody knows."""
    if len(found.UnknownFields()):
        raise Refused(400, f"{found.DESCRIPTOR.name} has unknown fields: {[f.field_number for f in found.UnknownFields()]}")
    for field, value in found.ListFields():
        if field.message_type:
            for one in value if field.label == field.LABEL_REPEATED else [value]:
                _refuse_unknown(one)


def _value_of(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value_of(one) for one in value.array_value.values]
    if kind not in ("string_value", "int_value"):
        raise Refused(400, f"a value that is {kind}")
    return getattr(value, kind)


def _attributes(pairs):
    found = {}
    for pair in pairs:
        if not pair.key or pair.key in found:
            raise Refused(400, f"attribute {pair.key!r} is empty or twice")
        found[pair.key] = _value_of(pair.value)
    return found


class Otlp(Dialect):
    """OTLP/HTTP in protobuf."""

    path = "/v1/logs"
    content_types = ("application/x-protobuf",)
    needs_key = False

    def key_of(self, headers):
        return headers.get("authorization", "").removeprefix("Bearer ")

    def content_type_of_answer(self):
        return "application/x-protobuf"

    def count(self, raw):
        request = message_class("ExportLogsServiceRequest").FromString(raw)
        return sum(len(scope.log_records) for logs in request.resource_logs for scope in logs.scope_logs)

    def parse(self, request, raw):
        try:
            body = message_class("ExportLogsServiceRequest").FromString(raw)
        except message.DecodeError as error:
            raise Refused(400, f"protobuf: {error}") from None
        _refuse_unknown(body)
        entries = [entry for logs in body.resource_logs for entry in self._entries(logs)]
        if len(entries) > ENTRIES_MAX:
            raise Refused(413, f"{len(entries)} records")
        self._move_ranges(entries)
        return entries

    def take(self, request):
        refused = [entry for entry in request.entries if self.refuses(entry)]
        answer = message_class("ExportLogsServiceResponse")()
        if refused:
            request.entries = [entry for entry in request.entries if not self.refuses(entry)]
            answer.partial_success.rejected_log_records = len(refused)
            answer.partial_success.error_message = "not these"
        return 200, answer.SerializeToString()

    # --- records

    def _entries(self, logs):
        resource = _attributes(logs.resource.attributes)
        if not resource.get("service.name") or not resource.get("host.name"):
            raise Refused(400, f"a resource without its names: {resource}")
        for scope in logs.scope_logs:
            if scope.scope.name != "logboom" or not scope.scope.version or not scope.log_records:
                raise Refused(400, "a scope that is not ours, or is empty")
            for record in scope.log_records:
                yield self._entry(record, resource)

    def _entry(self, record, resource):
        attributes = _attributes(record.attributes)
        self._check(record)
        entry = {"message": record.body.string_value, "status": record.severity_text, "hostname": resource["host.name"],
                 "service": resource["service.name"], "ddsource": attributes.pop("logboom.source", None),
                 "resource": resource, "attributes": attributes}
        if record.time_unix_nano:
            entry["timestamp"] = record.time_unix_nano // 1_000_000
        error = {ours: attributes[f"exception.{theirs}"] for theirs, ours in ERRORS.items()
                 if f"exception.{theirs}" in attributes}
        if error:
            entry["error"] = {**error, "fingerprint": attributes["logboom.fingerprint"]}
        for name in "trace_id", "span_id":
            if getattr(record, name):
                entry[name] = getattr(record, name).hex()
        if "logboom" in attributes:
            entry["logboom"] = json.loads(attributes["logboom"])
        return entry

    def _check(self, record):
        if not record.observed_time_unix_nano:
            raise Refused(400, "a record that nobody observed")
        if SEVERITIES.get(record.severity_text) != record.severity_number:
            raise Refused(400, f"severity {record.severity_number} is not {record.severity_text!r}")
        if record.body.WhichOneof("value") != "string_value":
            raise Refused(400, "a body that is no text")
        if len(record.trace_id) not in (0, 16) or len(record.span_id) not in (0, 8):
            raise Refused(400, "an id of another length")

    def _move_ranges(self, entries):
        """The ranges of a body stand on its last record; where Datadog's form has them is the first."""
        if any("logboom.body" in entry["attributes"] for entry in entries[:-1]):
            raise Refused(400, "ranges that are not on the last record")
        if entries and "logboom.body" in entries[-1]["attributes"]:
            entries[0].setdefault("logboom", {}).update(json.loads(entries[-1]["attributes"]["logboom.body"]))
