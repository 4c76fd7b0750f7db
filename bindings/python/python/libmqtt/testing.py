"""Fixtures for pytest, there as soon as libmqtt is installed.

`mqtt_broker` is a broker of the test's own, on a free port of 127.0.0.1; `mqtt_client` is a client
connected to it. No server, no container and no port number is needed:

    def test_a_reading_is_published(mqtt_broker, mqtt_client):
        mqtt_client.subscribe("sensors/#")
        run_my_program(mqtt_broker.host, mqtt_broker.port)
        assert mqtt_client.receive(timeout=5).payload == b"21.5"
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .broker import Broker
from .client import Client

__all__ = ["mqtt_broker", "mqtt_client"]


@pytest.fixture
def mqtt_broker() -> Iterator[Broker]:
    """Run a broker for one test."""
    with Broker() as broker:
        yield broker


@pytest.fixture
def mqtt_client(mqtt_broker: Broker) -> Iterator[Client]:
    """Connect a client to the broker of this test."""
    with Client(mqtt_broker.url) as client:
        yield client
