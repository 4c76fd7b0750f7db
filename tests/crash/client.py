#!/usr/bin/env python3
"""Kills a client that keeps its messages again and again, and counts what is lost.

`client.py [ROUNDS] [SEED]` runs `client.rs` with a directory of its own, by turns against `libmqtt
broker` and mosquitto, and kills it with `kill -9` at a random time:

- offline, with 10,000 messages: while it publishes, or after its last flush;
- in flight: connected and publishing;
- receiving, with manual acknowledgement, what paho-mqtt publishes at QoS 1 and 2.

Then clients with the same Client Identifier and directory go on, some of them killed as well, until
everything is where it belongs. In the first two cases a subscriber of paho-mqtt's with a session
that lasts counts what comes. It prints how many messages were said to be durable or acknowledged,
and how many of them were lost, how many came twice at QoS 2 (when receiving: after their
acknowledgement was durable) and how many out of order, and fails unless the last three are 0.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from kill import PATIENCE, ROOT, Broker, Publisher, Subscriber, wait_for

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = TARGET / "release" / "examples" / "crash-client"
COUNT = 10_000  # messages of a client that is killed
HELPERS = 2  # clients that may be killed after it, until one goes on to the end


class Mosquitto:
    """mosquitto with queues that have no limit, and none to what is in flight: it keeps the order
    of no more than that."""

    def __init__(self, directory):
        self.conf = Path(directory) / "mosquitto.conf"

    def start(self):
        command = [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", self.conf]
        for _ in range(10):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            limits = "max_inflight_messages 0\nmax_queued_messages 0\nmax_queued_bytes 0\n"
            listener = f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            self.conf.write_text(f"{listener}{limits}log_dest stderr\nlog_type information\n")
            self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            for line in self.process.stderr:
                if line.rstrip().endswith(" running"):
                    # Nobody reads what else it has to say.
                    threading.Thread(target=self.process.stderr.read, daemon=True).start()
                    return
            self.process.wait(PATIENCE)  # somebody else was faster to take the port
        raise RuntimeError("mosquitto does not start")

    def end(self):
        self.process.kill()
        self.process.wait(PATIENCE)


class Process:
    """A process of client.rs, and what it has said."""

    starts: ClassVar = []

    def __init__(self, *words):
        began = time.monotonic()
        command = [str(word) for word in (BINARY, *words)]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.said, self.changed = [], threading.Condition()
        self.over = False
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.wait(lambda: "ready" in self.said)
        self.starts.append(time.monotonic() - began)

    def read(self):
        for line in self.child.stdout:
            with self.changed:
                # What it was about to say when it was killed does not count.
                if line.endswith("\n"):
                    self.said.append(line.rstrip())
                self.changed.notify()
        with self.changed:
            self.over = True
            self.changed.notify()

    def wait(self, what):
        """Until this is so, or it has ended."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.over or what(), PATIENCE), self.said[-3:]

    def kill(self):
        """Kills it, and gives all that it has said."""
        self.child.kill()
        return self.end(-signal.SIGKILL)

    def end(self, *statuses):
        status = self.child.wait(PATIENCE)
        self.reader.join()
        self.child.stdout.close()
        assert status in statuses, f"ended with {status}"
        return self.said


class Server:
    """A broker, who has subscribed to everything there, and what our clients have published."""

    def __init__(self, broker, directory):
        self.broker, self.directory = broker, directory
        self.url = f"mqtt://127.0.0.1:{broker.port}"
        self.subscriber = Subscriber("all", 5, broker.port)
        self.next = 0
        self.due, self.durable, self.acked = set(), 0, 0

    def publish(self, rng, what, count):
        """A client is killed while it publishes, some that go on as well, and the last drains."""
        version = rng.choice([4, 5])
        name, numbers = f"p{version}", range(self.next, self.next + count)
        self.next += count
        durability = rng.choice(["sync", "interval", "off"]) if what == "offline" else "sync"
        # What nobody listens to, it does not dial.
        who = [self.url, self.directory, name, version]
        process = Process(what, *who, numbers[0], count, durability)
        target = count if rng.random() < 0.5 and what == "offline" else rng.randrange(count)
        first = numbers[0]
        process.wait(lambda: durable(process.said, first) - first >= target)
        time.sleep(rng.uniform(0, 0.02))
        said = process.kill()
        safe = set(range(first, durable(said, first)))
        acked = {int(line.split()[1]) for line in said if line.startswith("acknowledged ")}
        self.durable += len(safe)
        self.acked += len(acked)
        self.due |= {(f"{name}-{1 + number % 2}", number) for number in safe | acked}
        for _ in range(rng.randrange(HELPERS + 1)):
            process = Process("drain", *who)
            time.sleep(rng.uniform(0, 0.3))
            # It may have been faster.
            process.child.kill()
            process.end(0, -signal.SIGKILL)
        process = Process("drain", *who)
        assert process.end(0)[-1] == "drained"
        wait_for(lambda: not self.missing())

    def missing(self):
        return {key for key in self.due if key not in self.subscriber.count}


def durable(said, first):
    """What comes before this number is."""
    return max(
        (int(line.split()[1]) for line in said if line.startswith("durable ")), default=first
    )


class Receiver:
    """A client that receives, as often as it was killed, and what was published for it."""

    def __init__(self, server, number):
        self.server = server
        self.who = [server.url, server.directory, f"receiver-{number}", 4 + number % 2]
        self.got, self.taken, self.twice = set(), set(), 0
        self.order = {}
        self.acked = set()

    def run(self, rng):
        process = self.start()
        process.wait(lambda: "subscribed" in process.said)
        publishers = [
            Publisher(f"r{version}-{qos}-{self.who[2]}", qos, version, self.server.broker.port)
            for version, qos in [(4, 1), (5, 2)]
        ]
        until = time.monotonic() + rng.uniform(0.3, 0.8)
        threads = [threading.Thread(target=it.publish, args=[until]) for it in publishers]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or rng.random() < 0.5:
            time.sleep(rng.uniform(0, 0.15))
            self.note(process.kill())
            process = self.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: not any(it.collect() for it in publishers))
        self.acked = {(it.name, number) for it in publishers for number in it.acked}
        for it in publishers:
            assert not it.collect(), "never acknowledged"
            it.client.disconnect()
            it.client.loop_stop()
        # What it has taken and had no time to say does not come again.
        due = {f"got {name} {number}" for name, number in self.acked - self.got}
        wait_for(lambda: due <= set(process.said))
        self.note(process.kill())

    def start(self):
        return Process("receive", *self.who)

    def note(self, said):
        for line in said:
            word, *text = line.split()
            if word not in ("got", "taken"):
                continue
            key = (text[0], int(text[1]))
            if word == "taken":
                self.taken.add(key)
            elif key in self.taken:
                self.twice += "-2-" in key[0]
            elif key not in self.got:
                self.got.add(key)
                self.order.setdefault(key[0], []).append(key[1])


def disorder(numbers):
    return sum(a > b for a, b in pairwise(numbers))


def main(rounds, seed):
    print(f"seed                        {seed}")
    rng = random.Random(seed)
    with ExitStack() as stack:
        servers = []
        for make in (Broker, Mosquitto):
            data, directory = (stack.enter_context(tempfile.TemporaryDirectory()) for _ in "ab")
            broker = make(data)
            broker.start()
            stack.callback(broker.end)
            server = Server(broker, directory)
            servers.append(server)
            stack.callback(server.subscriber.pause)
        receivers = []
        for number in range(rounds):
            server = servers[number % 2]
            what = ("offline", "online", "receive")[number // 2 % 3]
            if what == "receive":
                receivers.append(Receiver(server, number))
                receivers[-1].run(rng)
            else:
                server.publish(rng, what, COUNT)
        return report(rounds, servers, receivers)


def report(rounds, servers, receivers):
    subscribers = [server.subscriber for server in servers]
    lost = sum(len(server.missing()) for server in servers)
    lost += sum(len(it.acked - it.got) for it in receivers)
    counts = [(name, n) for it in subscribers for (name, _), n in it.count.items()]
    twice = sum(n > 1 for name, n in counts if name.startswith("p") and name.endswith("-2"))
    twice += sum(it.twice for it in receivers)
    again = sum(n > 1 for name, n in counts if name.startswith("p") and name.endswith("-1"))
    wrong = sum(
        disorder(numbers)
        for it in subscribers
        for name, numbers in it.got.items()
        if name.startswith("p")
    )
    wrong += sum(disorder(numbers) for it in receivers for numbers in it.order.values())
    due = sum(server.durable for server in servers)
    print(f"rounds                      {rounds}")
    print(f"messages published          {sum(server.next for server in servers)}")
    print(f"said to be durable          {due}")
    print(f"acknowledged before a kill  {sum(server.acked for server in servers)}")
    print(f"received between kills      {sum(len(it.got) for it in receivers)}")
    print(f"lost                        {lost}")
    print(f"duplicated at QoS 2         {twice}")
    print(f"duplicated at QoS 1         {again} (which QoS 1 allows)")
    print(f"out of order                {wrong}")
    print(f"clients started             {len(Process.starts)}")
    print(f"slowest start               {max(Process.starts) * 1000:.0f} ms")
    return 0 if due > rounds and not (lost or twice or wrong) else 1


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    sys.exit(main(rounds, seed))
