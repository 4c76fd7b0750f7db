"""What a broker lets clients do, asked in the same way of any broker.

`Asker` is a client with a name of its own; `answers` asks a broker that has the given files about
every client and every topic, and gives the verdicts.
"""

import itertools
import socket
import threading
from typing import NamedTuple

import paho.mqtt.client as paho
from brokers import Broker
from programs import PATIENCE

# One who may do everything, so that the others can be watched.
ROOT = "user root\ntopic readwrite #\n"


class Who(NamedTuple):
    user: str | None
    client_id: str


class Asker:
    """A 5.0 client that waits for the answer to each thing it does."""

    def __init__(self, port, who, password=None, will=None, version=paho.MQTTv5):
        self.answers, self.happened = [], threading.Condition()
        self.topics = []
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=who.client_id, protocol=version
        )
        if who.user is not None:
            self.client.username_pw_set(who.user, password)
        if will:
            self.client.will_set(will, b"will")
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.answer(reason.value)
        self.client.on_publish = lambda _c, _u, _m, reason, _p: self.answer(reason.value)
        self.client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.answer(reasons[0].value)
        self.client.on_message = lambda _c, _u, message: self.topics.append(message.topic)
        self.client.connect("127.0.0.1", port, keepalive=0)
        self.client.loop_start()
        self.reason = self.wait()

    def answer(self, value):
        with self.happened:
            self.answers.append(value)
            self.happened.notify()

    def wait(self):
        with self.happened:
            assert self.happened.wait_for(lambda: self.answers, PATIENCE), "no answer"
            return self.answers.pop(0)

    def publish(self, *topics):
        """Publishes to these, one after the other, and waits until all are acknowledged."""
        for topic in topics:
            self.client.publish(topic, b"x", qos=1)
        return [self.wait() for _ in topics]

    def subscribe(self, filter_):
        """The Reason Code of its SUBACK."""
        self.client.subscribe(filter_, qos=0)
        return self.wait()

    def seen(self):
        """The topics of the messages since it was asked last, as a set."""
        topics, self.topics = self.topics, []
        return set(topics)

    def vanish(self):
        """Goes without a word."""
        self.client.loop_stop()
        if link := self.client.socket():  # none once a broker that refused it has closed it
            link.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def start(kind, folder, acl, *directives):
    """A broker of one thread, so that what one client did is done when another is answered."""
    file = folder / f"{kind}-acl"
    file.write_text(acl + ROOT)
    more = ["shards 1"] if kind == "libmqtt" else []
    return Broker(kind, f"acl_file {file}", *more, *directives)


def answers(port, clients, topics, filters):
    """What each client may do: a set of ("write" | "read", client, topic), and the Reason Code of
    each (client, filter) that it subscribes to."""
    may, codes = set(), {}
    root = Asker(port, Who("root", "root"))
    assert root.reason == 0 and root.subscribe("#") < 3
    barrier = (f"root/{n}" for n in itertools.count())
    for who in clients:
        asker = Asker(port, who)
        assert asker.reason == 0, who
        asker.publish(*topics)
        root.publish(next(barrier))
        may |= {("write", who, topic) for topic in root.seen() if topic in topics}
        for filter_ in filters:
            codes[who, filter_] = asker.subscribe(filter_)
        asker.seen()
        root.publish(*topics)
        asker.subscribe("none/such")
        may |= {("read", who, topic) for topic in asker.seen() if topic in topics}
        root.seen()
        asker.close()
    root.close()
    return may, codes
