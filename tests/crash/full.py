#!/usr/bin/env python3
"""Fills the disk of a broker under load, gives it room again, and counts what is lost.

`full.py limit` bounds the size of the broker's file, which needs no rights. `full.py mount` has the
broker store in a small file system of its own, and in one that cannot be written: for root.

Publishers at QoS 1 fill the queue of a session that is away, until the broker says that it can
store no more. Then: a publisher of MQTT 5.0 gets Quota exceeded for each message, one of 3.1.1 is
closed without an acknowledgement, messages at QoS 0 flow. With room again messages are acknowledged
again. Once more the disk is filled, and the broker is killed; another, with room, has everything
that was acknowledged, whenever that was.
"""

import contextlib
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from kill import BINARY, PATIENCE, Broker, client, connect
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

QUOTA_EXCEEDED = 0x97
ROOM = 2 << 20  # bytes until the disk is full
PAYLOAD = 2000


class Limit:
    """A bound on the size of files that the broker's process writes."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.process = {"restore_signals": False}  # the signal that comes beyond stays ignored

    def start(self, broker):
        broker.start()
        self.set(broker, (self.directory / "libmqtt.db").stat().st_size + ROOM)

    def set(self, broker, size):
        _, hard = resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def fill(self, broker):
        self.set(broker, (self.directory / "libmqtt.db").stat().st_size)

    def give_room(self, broker):
        self.set(broker, resource.RLIM_INFINITY)

    def end(self):
        """The next broker has room."""


class Mount:
    """A file system of its own in memory."""

    def __init__(self, directory):
        self.directory, self.process = Path(directory), {}

    def start(self, broker):
        broker.start()

    def fill(self, _broker):
        stat = subprocess.run(
            ["df", "--output=used", "-B1", self.directory], capture_output=True, check=True
        )
        used = int(stat.stdout.split()[-1])
        mount("-o", f"remount,size={used}", self.directory)

    def give_room(self, _broker):
        self.end()

    def end(self):
        """The next broker has room."""
        mount("-o", "remount,size=64m", self.directory)


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


@contextlib.contextmanager
def mounted(directory, options):
    mount("-t", "tmpfs", "-o", options, "tmpfs", directory)
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


class Publisher:
    """Publishes numbers at QoS 1, and notes what became of them."""

    def __init__(self, name, version, port, size=PAYLOAD):
        self.name, self.size, self.next = name, size, 0
        self.acked, self.refused = set(), set()
        self.changed = threading.Condition()
        self.numbers, self.answers = {}, {}
        self.strange = False
        self.closed = threading.Event()
        self.client = client(name, version)
        self.client.on_publish = self.published
        self.client.on_disconnect = lambda *_: self.closed.set()
        connect(self.client, port)
        wait_for(self.client.is_connected, "connected")

    def published(self, _client, _userdata, mid, reason, _properties):
        with self.changed:
            self.answers[mid] = reason
            self.settle()

    def publish(self):
        """Publishes one, and does not wait."""
        payload = f"{self.name} {self.next} ".ljust(self.size, "x")
        # Without the lock: paho has one of its own while it calls `published`.
        info = self.client.publish("load/x", payload, 1)
        with self.changed:
            self.numbers[info.mid] = self.next
            self.next += 1
            self.settle()

    def settle(self):
        """Books the answers to what is known to be sent."""
        for mid in self.numbers.keys() & self.answers.keys():
            number, reason = self.numbers.pop(mid), self.answers.pop(mid)
            if reason.is_failure:
                self.refused.add(number)
                self.strange |= reason.value != QUOTA_EXCEEDED
            else:
                self.acked.add(number)
        self.changed.notify_all()

    def answered(self):
        with self.changed:
            assert self.changed.wait_for(lambda: not self.numbers, PATIENCE), "no answer"
        assert not self.strange, "refused for another reason"

    def fill(self):
        """Publishes until one is refused."""
        before = len(self.refused)
        until = time.monotonic() + PATIENCE
        while len(self.refused) == before:
            assert time.monotonic() < until, "nothing was refused"
            for _ in range(50):
                self.publish()
            self.answered()

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


def wait_for(what, name):
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, f"not {name}"
        time.sleep(0.01)


def subscriber(name, version, port, topic, qos):
    """A client that has subscribed, and the queue of what comes."""
    got, ready = queue.Queue(), threading.Event()
    made = client(name, version)
    made.on_message = lambda _client, _userdata, message: got.put(message.payload.decode())
    made.on_subscribe = lambda *_: ready.set()
    made.on_connect = lambda *_: made.subscribe(topic, qos)
    connect(made, port)
    assert ready.wait(PATIENCE), name
    made.on_connect = None
    return made, got


def fresh(name, version, port):
    """A client without a session to store."""
    made = client(name, version)
    properties = Properties(PacketTypes.CONNECT)
    made.connect("127.0.0.1", port, clean_start=True, properties=properties)
    made.loop_start()
    wait_for(made.is_connected, "connected")
    return made


def run(place):
    broker = Broker(place.directory, **place.process)
    place.start(broker)
    try:
        away, _ = subscriber("away", 4, broker.port, "load/#", 1)
        away.disconnect()
        away.loop_stop()
        _, flowing = subscriber("there", 5, broker.port, "now", 0)
        new = Publisher("new", 5, broker.port)
        old = Publisher("old", 4, broker.port)
        other = fresh("other", 5, broker.port)
        old.publish()
        old.answered()
        new.fill()
        first = len(new.acked)

        # It is full: the one is told, the other is closed, and QoS 0 flows.
        refused, acked = len(new.refused), len(new.acked)
        for _ in range(20):
            new.publish()
        new.answered()
        assert (len(new.refused), len(new.acked)) == (refused + 20, acked), "stored while full"
        assert not new.closed.is_set()
        old.client.reconnect_delay_set(3600, 3600)
        old.publish()
        assert old.closed.wait(PATIENCE), "3.1.1 was not closed"
        assert len(old.acked) == 1, "a false acknowledgement"
        old.client.loop_stop()
        for number in range(100):
            other.publish("now", f"{number}", 0)
        got = [flowing.get(timeout=PATIENCE) for _ in range(100)]
        assert got == [f"{number}" for number in range(100)], got

        # There is room again.
        place.give_room(broker)
        until = time.monotonic() + PATIENCE
        while len(new.acked) == acked:
            assert time.monotonic() < until, "nothing is stored again"
            new.publish()
            new.answered()
            time.sleep(0.05)
        for _ in range(100):
            new.publish()
        new.answered()
        again = len(new.acked)
        assert again > acked + 100

        # And none once more, when it is killed.
        place.fill(broker)
        new.fill()
        new.client.loop_stop()
    finally:
        broker.end()
    place.end()
    broker = Broker(place.directory)
    broker.start()
    try:
        wanted = {f"new {number}" for number in new.acked} | {"old 0"}
        back, got = subscriber("away", 4, broker.port, "load/#", 1)
        end = Publisher("end", 5, broker.port)
        end.publish()
        end.answered()
        found = set()
        while "end 0" not in found:
            found.add(got.get(timeout=PATIENCE).rstrip(" x"))
        for made in (back, end.client):
            made.disconnect()
            made.loop_stop()
    finally:
        broker.end()
    lost = wanted - found
    print(f"acknowledged until it was full    {first}")
    print(f"with room again                   {again - acked}")
    print(f"until it was full again           {len(new.acked) - again}")
    print(f"refused                           {len(new.refused)}")
    print(f"lost                              {len(lost)}")
    return not lost


def refuses(directory):
    """A broker that cannot write says where and why, and does not start."""
    command = [BINARY, "broker", "-p", "0", "--persistence", "true"]
    command += ["--persistence-location", directory]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    text = done.stdout + done.stderr
    assert done.returncode and "listening" not in text, text
    assert str(directory) in text and "status -3" in text, text
    print(text.strip())


def main(how):
    # Told to end, it ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="libmqtt-full-") as directory:
        if how == "limit":
            return run(Limit(directory))
        if how != "mount":
            sys.exit(__doc__)
        with mounted(directory, "size=4m"):
            well = run(Mount(directory))
            mount("-o", "remount,ro", directory)
            refuses(Path(directory))
            refuses(Path(directory) / "new")
        return well


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:] or ["limit"]) else 1)
