# SPDX-License-Identifier: MIT
"""mosquitto as the broker, and somebody who reads along.

The device comes by a listener of its own: plain, by TLS, or by TLS with a certificate to show, with a password or
without. Whoever reads along comes by another, so that what the device must show is none of his business.
"""

import contextlib
import gzip
import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import zstandard
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PROGRAM = "/usr/sbin/mosquitto"
# What it has acknowledged it has handed on: no window, no queue lies between. He who reads along acknowledges nothing:
# a client whose own words fail leaves unread what has come before the broker was killed.
CONFIG = """
per_listener_settings true
user root
persistence true
persistence_location {dir}/
max_inflight_messages 0
max_queued_messages 0
queue_qos0_messages true
log_dest file {dir}/log
log_type all
listener {port} 127.0.0.1
{device}
{more}
listener {side_port} 127.0.0.1
allow_anonymous true
"""


@dataclass
class Message:
    """One that was published."""

    topic: str
    payload: bytes
    is_retained: bool
    content_type: str | None
    user: dict
    correlation: bytes | None = None

    def entries(self):
        return unpacked(self.payload)


def unpacked(payload):
    """The records of a message. How it is packed is read off its first bytes: with 3.1.1 nobody tells."""
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        payload = zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        payload = gzip.decompress(payload)
    return [json.loads(line) for line in payload.decode().split("\n") if line]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """with Broker("mqtts", authority.issue(), clients=True, password="x") as broker: broker.address, .entries()"""

    def __init__(self, kind="mqtt", certificate=None, clients=False, user=None, password=None, more=""):
        self.kind, self._certificate, self._clients, self._more = kind, certificate, clients, more
        self._user, self._password = user, password
        self.dir = Path(tempfile.mkdtemp(prefix="logboom-broker-", dir="/dev/shm"))
        self.port = self._side_port = None
        self._process = self._reader = None
        self._messages = []
        self._is_listening = threading.Event()

    @property
    def address(self):
        return f"{self.kind}://127.0.0.1:{self.port}"

    def _config(self):
        device = [f"allow_anonymous {'false' if self._user else 'true'}"]
        if self._user:
            (self.dir / "passwords").touch(0o600)
            subprocess.run(["mosquitto_passwd", "-b", self.dir / "passwords", self._user, self._password], check=True)
            device.append(f"password_file {self.dir}/passwords")
        if self.kind == "mqtts":
            one = self._certificate
            device += [f"cafile {one.ca}", f"certfile {one.chain}", f"keyfile {one.key}"]
            device.append(f"require_certificate {'true' if self._clients else 'false'}")
        return CONFIG.format(dir=self.dir, port=self.port, side_port=self._side_port, device="\n".join(device),
                             more=self._more)

    def up(self):
        for _ in range(5):  # somebody else may take a free port before it does
            if self.port is None:
                self.port, self._side_port = free_port(), free_port()
            (self.dir / "conf").write_text(self._config())
            self._process = subprocess.Popen([PROGRAM, "-c", self.dir / "conf"], stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=open(self.dir / "errors", "ab"))
            if self._answers():
                return self._read_along()
            self.down()
            if self._reader:
                break
            self.port = None
        raise RuntimeError(self.log() + (self.dir / "errors").read_text())

    def _answers(self):
        end = time.monotonic() + 10
        while self._process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError), socket.socket() as sock:
                sock.connect(("127.0.0.1", self._side_port))
                return True
            time.sleep(0.02)
        return False

    def down(self, with_signal=signal.SIGTERM):
        """SIGTERM, SIGKILL; SIGSTOP and SIGCONT only make it wait."""
        if with_signal not in (signal.SIGSTOP, signal.SIGCONT):
            self._is_listening.clear()
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            if with_signal not in (signal.SIGSTOP, signal.SIGCONT):
                self._process.wait(20)

    def _read_along(self):
        if self._reader is None:
            self._reader = paho.Client("reader", protocol=paho.MQTTv5)
            self._reader.reconnect_delay_set(0.05, 0.05)
            self._reader.on_connect = lambda client, *_: client.subscribe("#", 0)
            self._reader.on_subscribe = lambda *_: self._is_listening.set()
            self._reader.on_message = self._on_message
            kept = Properties(PacketTypes.CONNECT)
            kept.SessionExpiryInterval = 3600
            self._reader.connect("127.0.0.1", self._side_port, clean_start=False, properties=kept)
            self._reader.loop_start()
        assert self._is_listening.wait(30), "nobody reads along"
        self._save()
        return self

    def _save(self):
        """Put on the disk who reads along: a broker that comes back from a kill must keep what comes before he does."""
        saved = self.dir / "mosquitto.db"
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        self._process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 10
        while not saved.exists() or saved.stat().st_mtime_ns == before:
            assert time.monotonic() < end, "the broker saves nothing"
            time.sleep(0.01)

    def _on_message(self, client, data, message):
        told = message.properties
        self._messages.append(Message(message.topic, message.payload, message.retain,
                                      getattr(told, "ContentType", None), dict(getattr(told, "UserProperty", [])),
                                      getattr(told, "CorrelationData", None)))

    def __enter__(self):
        return self.up()

    def __exit__(self, *exc):
        if self._reader:
            self._reader.disconnect()  # he hears it at once
            self._reader.loop_stop()
        if self._process:
            self.down(signal.SIGCONT)
            self.down()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        return (self.dir / "log").read_text(errors="replace") if (self.dir / "log").exists() else ""

    def clients(self):
        """(name, version) of each connection of a device that was taken."""
        return [(name, int(version)) for name, version in
                re.findall(r"New client connected from \S+ as (logboom-\S+) \(p(\d)", self.log())]

    def on(self, end):
        """Messages whose topic ends so."""
        return [message for message in list(self._messages) if message.topic.endswith(end)]

    def bodies(self):
        return [message for message in list(self._messages)
                if not message.topic.endswith(("/status", "/command", "/reply"))]

    def statuses(self):
        """What was said of devices as they came and went: 1 online, 0 not."""
        told = [json.loads(message.payload) for message in self.on("/status")]
        return [one["online"] for one in told if "up_s" not in one]

    def beats(self):
        """Heartbeats of devices."""
        return [one for one in (json.loads(message.payload) for message in self.on("/status")) if "up_s" in one]

    def publish(self, topic, payload, retain=False, correlation=None, expires_s=None, response_topic=None):
        """As somebody else would, with QoS 1; returns when the broker has it."""
        told = Properties(PacketTypes.PUBLISH)
        if correlation is not None:
            told.CorrelationData = correlation
        if expires_s is not None:
            told.MessageExpiryInterval = expires_s
        if response_topic is not None:
            told.ResponseTopic = response_topic
        self._reader.publish(topic, payload, 1, retain, told).wait_for_publish(30)

    def everything(self):
        return [entry for message in self.bodies() for entry in message.entries()]

    def entries(self):
        return [entry for entry in self.everything() if "kind" not in entry.get("logboom", {})]
