#!/usr/bin/env python3
"""Kills a broker again and again under load from independent clients, and counts what is lost.

`kill.py [ROUNDS]` starts `libmqtt broker` with a data directory of its own. Publishers at QoS 1 and
2 (paho-mqtt, sessions that last) publish without a pause; two subscribers have subscribed at QoS 2,
one of which is away in every second round. Each round ends with `kill -9` at a random time, a new
start on the same data, and a wait until everything that was acknowledged has arrived. It prints
what was acknowledged, lost, duplicated at QoS 2 and out of order, and fails unless the last three
are 0.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5, MQTTv311
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

ROOT = Path(__file__).parent.parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "libmqtt"
PATIENCE = 60  # seconds until what must come counts as lost
AHEAD = 100  # messages of one publisher that may be on their way


class Broker:
    """A broker that can be killed, and started again where it was."""

    def __init__(self, directory, *options, **process):
        self.directory, self.options, self.process_options = directory, options, process
        self.port, self.starts = 0, []

    def start(self):
        began = time.monotonic()
        command = [BINARY, "broker", "-p", str(self.port), "--persistence", "true"]
        command += ["--persistence-location", self.directory, "--sys-interval", "0"]
        self.process = subprocess.Popen(
            [*command, *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **self.process_options,
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line + self.process.stderr.read()
        self.starts.append(time.monotonic() - began)
        self.port = int(line.rsplit(":", 1)[1])

    def end(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


def client(name, version):
    if version == 5:
        made = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv5)
    else:
        made = Client(
            CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv311, clean_session=False
        )
    made.max_inflight_messages_set(AHEAD)
    made.reconnect_delay_set(min_delay=0.05, max_delay=0.2)
    return made


def connect(made, port):
    if made.protocol == MQTTv5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0xFFFFFFFF
        made.connect("127.0.0.1", port, clean_start=False, properties=properties)
    else:
        made.connect("127.0.0.1", port)
    made.loop_start()


class Publisher:
    """Publishes numbers, and notes which were acknowledged."""

    def __init__(self, name, qos, version, port):
        self.name, self.qos = name, qos
        self.next, self.acked, self.waiting = 0, set(), {}
        self.client = client(name, version)
        # paho-mqtt sends what is published between its connection and CONNACK before what it has
        # to send again: nothing new until something of that is acknowledged.
        self.again = False
        self.client.on_disconnect = lambda *_: self.hold(True)
        self.client.on_publish = lambda *_: self.hold(False)
        connect(self.client, port)

    def hold(self, again):
        self.again = again

    def collect(self):
        """How many messages wait for their acknowledgement."""
        for number, info in list(self.waiting.items()):
            if info.is_published():
                self.acked.add(number)
                del self.waiting[number]
        return len(self.waiting)

    def publish(self, until):
        while time.monotonic() < until:
            waiting = self.collect()
            if waiting < AHEAD and not (self.again and waiting):
                payload = f"{self.name} {self.next}"
                info = self.client.publish(f"load/{self.name}", payload, self.qos)
                info.rc = MQTTErrorCode.MQTT_ERR_SUCCESS  # paho has queued it, connected or not
                self.waiting[self.next] = info
                self.next += 1
            else:
                time.sleep(0.002)


class Subscriber:
    """Has subscribed to everything, and notes what comes, in order."""

    def __init__(self, name, version, port):
        self.got, self.count = {}, {}
        self.ready = threading.Event()
        self.client = client(name, version)
        self.client.on_message = self.message
        self.client.on_connect = lambda *_: self.client.subscribe("load/#", 2)
        self.client.on_subscribe = self.subscribed
        connect(self.client, port)
        assert self.ready.wait(PATIENCE), name

    def subscribed(self, *_):
        # Once is enough, if the session lasts.
        self.client.on_connect = None
        self.ready.set()

    def message(self, _client, _userdata, message):
        name, number = message.payload.decode().split()
        key = (name, int(number))
        self.count[key] = self.count.get(key, 0) + 1
        if self.count[key] == 1:
            self.got.setdefault(name, []).append(int(number))

    def pause(self):
        self.client.disconnect()
        self.client.loop_stop()

    def resume(self):
        self.client.reconnect()
        self.client.loop_start()


def wait_for(what):
    until = time.monotonic() + PATIENCE
    while not what() and time.monotonic() < until:
        time.sleep(0.01)


def main(rounds, seed):
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        broker = Broker(directory)
        broker.start()
        try:
            return run(broker, rounds, rng)
        finally:
            broker.end()


def run(broker, rounds, rng):
    subscribers = [Subscriber("s0", 4, broker.port), Subscriber("s1", 5, broker.port)]
    publishers = [
        Publisher("p0", 1, 4, broker.port),
        Publisher("p1", 1, 5, broker.port),
        Publisher("p2", 2, 4, broker.port),
        Publisher("p3", 2, 5, broker.port),
    ]
    for number in range(rounds):
        away = number % 2 == 1
        if away:
            subscribers[1].pause()
        until = time.monotonic() + rng.uniform(0.2, 1.0)
        threads = [threading.Thread(target=p.publish, args=[until + 0.2]) for p in publishers]
        for thread in threads:
            thread.start()
        time.sleep(max(0, until - time.monotonic()))
        broker.end()
        broker.start()
        for thread in threads:
            thread.join()
        if away:
            subscribers[1].resume()
        wait_for(lambda: not any(p.collect() for p in publishers))
        wait_for(lambda: not any(missing(publishers, s) for s in subscribers))
    for made in [*publishers, *subscribers]:
        made.client.disconnect()
        made.client.loop_stop()

    acked = sum(len(p.acked) for p in publishers)
    unanswered = sum(p.collect() for p in publishers)
    lost = sum(len(missing(publishers, s)) for s in subscribers)
    exact = {p.name for p in publishers if p.qos == 2}
    twice = sum(n > 1 for s in subscribers for (name, _), n in s.count.items() if name in exact)
    again = sum(n > 1 for s in subscribers for (name, _), n in s.count.items() if name not in exact)
    wrong = sum(a > b for s in subscribers for got in s.got.values() for a, b in pairwise(got))
    print(f"rounds                      {rounds}")
    print(f"messages acknowledged       {acked}, each for 2 subscribers")
    print(f"never acknowledged          {unanswered}")
    print(f"lost                        {lost}")
    print(f"duplicated at QoS 2         {twice}")
    print(f"duplicated at QoS 1         {again} (which QoS 1 allows)")
    print(f"out of order                {wrong}")
    print(f"slowest start after a kill  {max(broker.starts[1:]) * 1000:.0f} ms")
    return 0 if acked > rounds and not (lost or twice or wrong or unanswered) else 1


def missing(publishers, subscriber):
    """What was acknowledged and has not come."""
    return {
        (p.name, n)
        for p in publishers
        for n in list(p.acked)
        if (p.name, n) not in subscriber.count
    }


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    sys.exit(main(rounds, int(sys.argv[2]) if len(sys.argv) > 2 else 0))
