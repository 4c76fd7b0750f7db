"""With other makers' clients and brokers, one test each way."""

from __future__ import annotations

import queue
from typing import Any

import paho.mqtt.client as paho
import pytest
from libmqtt import Broker, Client, Message, Properties, Version

VERSIONS = [Version.V31, Version.V311, Version.V5]


class Paho:
    """A client of paho-mqtt with its own thread."""

    def __init__(self, port: int, version: Version) -> None:
        self.messages: queue.Queue[Any] = queue.Queue()
        self.subscribed: queue.Queue[Any] = queue.Queue()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="paho", protocol=int(version)
        )
        self.client.on_message = lambda client, userdata, message: self.messages.put(message)
        self.client.on_subscribe = lambda *_: self.subscribed.put(True)
        self.client.on_connect = lambda client, *_: client.subscribe("to/paho", 2)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.subscribed.get(timeout=10)

    def __enter__(self) -> Paho:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def exchange(client: Client, other: Paho, version: Version) -> None:
    """Messages at every QoS from our client to paho's, and back."""
    client.subscribe("to/us", 2)
    for qos in (0, 1, 2):
        properties = Properties(content_type="text/plain") if version is Version.V5 else None
        client.publish("to/paho", f"a {qos}", qos, properties=properties).wait(10)
        got = other.messages.get(timeout=10)
        assert (got.payload, got.qos) == (f"a {qos}".encode(), qos)
        if version is Version.V5:
            assert got.properties.ContentType == "text/plain"
        other.client.publish("to/us", f"b {qos}", qos).wait_for_publish(10)
        message = client.receive(10)
        assert (message.text, message.qos) == (f"b {qos}", qos)


@pytest.mark.parametrize("version", VERSIONS)
def test_paho_talks_to_our_broker(broker: Broker, version: Version) -> None:
    with Paho(broker.port, version) as other, broker.client() as client:
        exchange(client, other, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_our_client_talks_to_mosquitto(mosquitto: int, version: Version) -> None:
    will = Message("to/us", "gone")
    with Client(f"127.0.0.1:{mosquitto}", version=version, client_id="ours", will=will) as client:
        assert client.version is version
        with Paho(mosquitto, version) as other:
            exchange(client, other, version)
