# SPDX-License-Identifier: MIT
"""What stands before an MQTT broker and misbehaves on request: packets pass one by one, and some do not.

mosquitto refuses no single message and acknowledges what it takes; brokers of clouds do otherwise. The messages by
which devices say that they are there pass always.
"""

import contextlib
import select
import socket
import struct
import threading

from broker import unpacked

CONNECT, CONNACK, PUBLISH, PUBACK, DISCONNECT = 1, 2, 3, 4, 14
MQTT_5 = 5
# How a connection is refused, by the version of the protocol, and a message, which only 5 can say.
CONNECT_REFUSED = {"busy": {4: 3, 5: 0x89}, "forbids": {4: 5, 5: 0x87}}
MESSAGE_REFUSED = {"busy": 0x97, "forbids": 0x87}
MESSAGE_INVALID, PACKET_TOO_LARGE = 0x99, 0x95


class Packet:
    """One of MQTT: its kind, and the whole of it in bytes."""

    def __init__(self, sock):
        head = sock.recv(1)
        if not head:
            raise EOFError
        self.kind, self.flags = head[0] >> 4, head[0] & 15
        lengths, size, shift = b"", 0, 0
        while not lengths or lengths[-1] & 0x80:
            lengths += read(sock, 1)
            size |= (lengths[-1] & 0x7f) << shift
            shift += 7
        self.rest = read(sock, size)
        self.raw = head + lengths + self.rest

    def topic(self):
        return self.rest[2:2 + struct.unpack_from(">H", self.rest)[0]].decode()

    def is_body(self):
        return self.kind == PUBLISH and not self.topic().endswith("/status")

    def number(self):
        """By which it is acknowledged."""
        at = 2 + len(self.topic().encode()) if self.kind == PUBLISH else 0
        return struct.unpack_from(">H", self.rest, at)[0]

    def entries(self, version):
        at = 4 + len(self.topic().encode())
        if version == MQTT_5:
            assert self.rest[at] < 0x80, "so many properties"
            at += 1 + self.rest[at]
        return unpacked(self.rest[at:])


def read(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


class Gate:
    """gate = Gate(lambda: broker.port); gate.up(); ... gate.trouble = "busy"

    trouble      busy, forbids: connections are refused, or messages (5). dies: the next message gets half way, then
                 on_death() is called. loses answers: so many are taken, and the connection ends without a word.
                 poison, too large: messages of which an entry meets is_poison, or of more than entries_max (5).
    unanswered   entries of the messages that may have been taken without a word
    """

    def __init__(self, broker_port):
        self._broker_port = broker_port
        self.port, self._listener = 0, None
        self._lock, self._open = threading.Lock(), set()
        self.trouble, self.answers_to_lose, self.unanswered = None, 0, []
        self.on_death = self.is_poison = self.entries_max = None

    def up(self):
        self._listener = listener = socket.create_server(("127.0.0.1", self.port), backlog=50)
        self.port = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self):
        listener, self._listener = self._listener, None
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            listener.close()
        self.cut()

    def cut(self):
        """End the connections that there are."""
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        while True:
            try:
                device, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(device,), daemon=True).start()

    def _serve(self, device):
        with contextlib.suppress(OSError), device, \
                socket.create_connection(("127.0.0.1", self._broker_port())) as broker:
            with self._lock:
                self._open |= {device, broker}
            if self._listener:
                with contextlib.suppress(EOFError):
                    Passage(self, device, broker).run()
            with self._lock:
                self._open -= {device, broker}


class Passage:
    """One device's connection, in one thread."""

    def __init__(self, gate, device, broker):
        self.gate, self.device, self.broker = gate, device, broker
        self.version, self.silent = None, {}  # of messages that nobody answers: {number: entries}

    def run(self):
        try:
            while True:
                ready, _, _ = select.select([self.device, self.broker], [], [])
                if self.device in ready:
                    self._up(Packet(self.device))
                if self.broker in ready:
                    self._down(Packet(self.broker))
        finally:
            self.gate.unanswered += [entry for entries in self.silent.values() for entry in entries]

    def _up(self, packet):
        gate = self.gate
        if packet.kind == CONNECT:
            self.version = packet.rest[6]
            if gate.trouble in CONNECT_REFUSED and self.version != MQTT_5:
                return self._end(bytes([CONNACK << 4, 2, 0, CONNECT_REFUSED[gate.trouble][self.version]]))
        if not packet.is_body() or gate.trouble is None:
            return self.broker.sendall(packet.raw)
        if gate.trouble == "dies":
            self.broker.sendall(packet.raw[:len(packet.raw) // 2])
            gate.trouble = None
            gate.on_death()
            raise EOFError
        if gate.trouble == "loses answers":
            self.silent[packet.number()] = packet.entries(self.version)
        elif gate.trouble in MESSAGE_REFUSED:
            return self._refuse(packet, MESSAGE_REFUSED[gate.trouble])
        elif gate.trouble == "poison" and any(map(gate.is_poison, packet.entries(self.version))):
            return self._refuse(packet, MESSAGE_INVALID)
        elif gate.trouble == "too large" and len(packet.entries(self.version)) > gate.entries_max:
            return self._end(bytes([DISCONNECT << 4, 1, PACKET_TOO_LARGE]))
        return self.broker.sendall(packet.raw)

    def _down(self, packet):
        if packet.kind != PUBACK or packet.number() not in self.silent:
            return self.device.sendall(packet.raw)
        self.gate.answers_to_lose -= 1
        if self.gate.answers_to_lose == 0:
            self.gate.trouble = None
        raise EOFError

    def _refuse(self, packet, why):
        self.device.sendall(struct.pack(">BBHB", PUBACK << 4, 3, packet.number(), why))

    def _end(self, last_words):
        self.device.sendall(last_words)
        raise EOFError
