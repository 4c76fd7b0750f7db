#!/usr/bin/env python3
"""Starts a broker on a file with 1,000,000 queued and 100,000 retained messages: how long until it
listens, and how much memory it has then. Fails beyond 5 s or 300 MB; a hundred sessions then get
all that waits for them.

`large.py [QUEUED] [RETAINED]`
"""

import select
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

from kill import PATIENCE, Broker

SESSIONS = 100
START_MAX = 5  # seconds
MEMORY_MAX = 300 << 20
PAYLOAD = 64
WINDOW = 2000  # messages that wait for their acknowledgement at most


class Link:
    """A bare connection, 3.1.1: what a client library would cost would take minutes."""

    def __init__(self, port, name, clean):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.pending = b""
        flags = 2 if clean else 0
        self.send(0x10, b"\x00\x04MQTT\x04" + struct.pack(">BH", flags, 0) + text(name))
        kind, body = self.next()
        assert kind == 0x20 and body[1] == 0, body
        self.present = body[0] == 1

    def send(self, kind, body):
        self.socket.sendall(packet(kind, body))

    def next(self):
        """The next packet: first byte, body."""
        while True:
            length, shift, at = 0, 0, 1
            while at < len(self.pending):
                byte = self.pending[at]
                length |= (byte & 127) << shift
                at, shift = at + 1, shift + 7
                if byte < 128:
                    if len(self.pending) < at + length:
                        break
                    body, kind = self.pending[at : at + length], self.pending[0]
                    self.pending = self.pending[at + length :]
                    return kind, body
            found = self.socket.recv(1 << 14)
            assert found, "closed"
            self.pending += found

    def subscribe(self, topic):
        self.send(0x82, b"\x00\x01" + text(topic) + b"\x01")
        assert self.next()[0] == 0x90

    def close(self):
        self.send(0xE0, b"")
        self.socket.close()


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def packet(kind, body):
    length, head = len(body), bytearray([kind])
    while True:
        length, low = divmod(length, 128)
        head.append(low | (128 if length else 0))
        if not length:
            return bytes(head) + body


def publish(link, messages):
    """Publishes at QoS 1, and waits until all are acknowledged: topics, payloads, retain."""
    sent = acked = 0
    out, messages = bytearray(), iter(messages)
    link.socket.setblocking(False)
    more = True
    while more or acked < sent:
        while more and sent - acked < WINDOW and len(out) < 1 << 16:
            message = next(messages, None)
            if message is None:
                more = False
                break
            topic, payload, retain = message
            packet_id = struct.pack(">H", sent % 65535 + 1)
            out += packet(0x32 | retain, text(topic) + packet_id + payload)
            sent += 1
        readable, writable, _ = select.select(
            [link.socket], [link.socket] * bool(out), [], PATIENCE
        )
        assert readable or writable, "nothing moves"
        if readable:
            found = link.socket.recv(1 << 16)
            assert found, "closed"
            link.pending += found
            # Only PUBACK comes, of four bytes each.
            count = len(link.pending) // 4
            acked += count
            link.pending = link.pending[count * 4 :]
        if writable and out:
            del out[: link.socket.send(out)]
    link.socket.setblocking(True)
    link.socket.settimeout(PATIENCE)


def drain(port, number, count):
    """A session gets all that waits for it, in order."""
    link = Link(port, f"session{number}", clean=False)
    assert link.present
    for wanted in range(count):
        kind, body = link.next()
        (length,) = struct.unpack_from(">H", body)
        assert kind & 0xF6 == 0x32, kind
        assert int(body[4 + length :].split()[0]) == wanted, (wanted, body)
        link.send(0x40, body[2 + length : 4 + length])
    link.close()


def memory(pid):
    """Bytes that a process has in memory now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("no VmRSS")


def main(queued=1_000_000, retained=100_000):
    each = queued // SESSIONS
    with tempfile.TemporaryDirectory(prefix="libmqtt-large-") as directory:
        broker = Broker(directory, "--max-queued-messages", "0")
        broker.start()
        for number in range(SESSIONS):
            link = Link(broker.port, f"session{number}", clean=False)
            link.subscribe(f"queue/{number}")
            link.close()
        link = Link(broker.port, "publisher", clean=True)
        waiting = (
            (f"queue/{number}", f"{n} ".encode().ljust(PAYLOAD, b"x"), 0)
            for n in range(each)
            for number in range(SESSIONS)
        )
        publish(link, waiting)
        publish(link, ((f"kept/{n}", b"x" * PAYLOAD, 1) for n in range(retained)))
        before = memory(broker.process.pid)
        broker.end()
        size = (Path(directory) / "libmqtt.db").stat().st_size
        began = time.monotonic()
        broker.start()
        try:
            took, after = time.monotonic() - began, memory(broker.process.pid)
            for number in range(SESSIONS):
                drain(broker.port, number, each)
        finally:
            broker.end()
    print(f"queued, retained       {each * SESSIONS}, {retained}")
    print(f"file                   {size / 1e6:.0f} MB")
    print(f"memory when killed     {before / 1e6:.0f} MB")
    print(f"started again in       {took:.2f} s")
    print(f"memory then            {after / 1e6:.0f} MB")
    return took <= START_MAX and after <= MEMORY_MAX


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:])) else 1)
