"""MQTT for Python: a client for threads, a client for asyncio, and a broker.

    from libmqtt import Broker, Client

    with Broker() as broker, Client(broker.url) as client:
        client.subscribe("greetings/#")
        client.publish("greetings/world", "hello")
        print(client.receive().text)

MQTT 3.1, 3.1.1 and 5.0. `libmqtt.aio` has the client for asyncio, `libmqtt.testing` fixtures for
pytest, and `python -m libmqtt` is the command line.
"""

from . import aio, errors, options, transport, values
from ._native import (
    ClientInfo,
    Connected,
    Disconnected,
    Message,
    Properties,
    Publication,
    __version__,
    topic_matches,
)
from .broker import Attempt, Broker
from .client import Client, Messages
from .errors import (
    MqttError,
    NetworkError,
    QueueFull,
    SessionError,
    Status,
    StorageError,
    TimedOut,
    UsageError,
)
from .options import Subscription
from .transport import TLS, Listener
from .values import QoS, ReasonCode, RetainHandling, Version

__all__ = [
    "TLS",
    "Attempt",
    "Broker",
    "Client",
    "ClientInfo",
    "Connected",
    "Disconnected",
    "Listener",
    "Message",
    "Messages",
    "MqttError",
    "NetworkError",
    "Properties",
    "Publication",
    "QoS",
    "QueueFull",
    "ReasonCode",
    "RetainHandling",
    "SessionError",
    "Status",
    "StorageError",
    "Subscription",
    "TimedOut",
    "UsageError",
    "Version",
    "__version__",
    "aio",
    "errors",
    "options",
    "topic_matches",
    "transport",
    "values",
]
