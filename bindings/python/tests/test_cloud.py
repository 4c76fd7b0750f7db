"""The cloud profiles, against brokers that check what the clouds check."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from certificates import Authority
from conftest import PATIENCE, ROOT
from libmqtt import (
    TLS,
    Attempt,
    Broker,
    Client,
    ClientInfo,
    Listener,
    Message,
    NetworkError,
    SessionError,
    Version,
)

EXAMPLES = ROOT / "examples/python"
KEY = base64.b64encode(b"the key of the device").decode()


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(name: str, *words: str) -> list[str]:
    words = (sys.executable, str(EXAMPLES / f"{name}.py"), *words)
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class IotHub:
    """What Azure IoT Hub lets devices do."""

    def __init__(self, tls: TLS) -> None:
        self.heard: list[Message] = []
        self.broker = Broker(
            tls=tls,
            authenticate=self.authenticate,
            authorise=self.authorise,
            on_publish=self.on_publish,
            on_subscribe=self.on_subscribe,
            maximum_qos=1,
        )

    def authenticate(self, attempt: Attempt) -> bool:
        device, password = attempt.client.client_id, (attempt.password or b"").decode()
        if attempt.client.user_name != f"localhost/{device}/?api-version=2021-04-12":
            return False
        kind, _, fields = password.partition(" ")
        parts = {name: value[0] for name, value in parse_qs(fields).items()}
        if kind != "SharedAccessSignature" or parts["sr"] != f"localhost/devices/{device}":
            return False
        signed = fields.split("&")[0].removeprefix("sr=") + "\n" + parts["se"]
        right = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
        fresh = int(parts["se"]) > time.time()
        return fresh and base64.b64encode(right).decode() == parts["sig"]

    def authorise(self, client: ClientInfo, action: str, topic: str) -> bool:
        own = f"devices/{client.client_id}/messages/"
        if action == "publish":
            return topic.startswith(own + "events/")
        return topic == own + "devicebound/#"

    def on_publish(self, client: ClientInfo | None, message: Message) -> None:
        if client is not None:
            self.heard.append(message)
            self.broker.publish(
                f"devices/{client.client_id}/messages/devicebound/%24.to=x", "cool down", 1
            )

    def on_subscribe(self, client: ClientInfo, filter: str) -> None:
        assert client.version == Version.V311


def test_azure_iot_hub(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("hub")
    hub = IotHub(TLS(cert_file=cert, key_file=key))
    azure, ca = example("azure_iot_hub"), str(authority.file)
    with hub.broker as broker:
        host = f"localhost:{broker.port}"
        lines = shown("azure_iot_hub", host, "lamp", KEY, ca)
        assert lines == ["the hub has it", "the cloud says 'cool down'"]
        assert hub.heard[0].topic.startswith("devices/lamp/messages/events/$.ct=")
        with pytest.raises(SessionError):
            azure.device(host, "lamp", base64.b64encode(b"another key").decode(), ca).connect()
        azure.sas_token.__defaults__ = (-1,)
        with pytest.raises(SessionError):
            azure.device(host, "lamp", KEY, ca).connect()


def test_aws_iot(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("endpoint")
    mine = authority.issue("client", client=True)
    heard: list[str] = []

    def authorise(client: ClientInfo, action: str, topic: str) -> bool:
        own = f"{client.client_id}/"
        shadow = f"$aws/things/{client.client_id}/shadow/update"
        return client.certificate is not None and (topic.startswith(own) or topic == shadow)

    def on_publish(client: ClientInfo | None, message: Message) -> None:
        heard.append(message.topic)
        if client is not None and message.topic.endswith("/readings"):
            broker.publish(f"{client.client_id}/commands", "on", 1)

    listener = Listener(
        "mqtts://127.0.0.1:0",
        tls=TLS(
            cert_file=cert,
            key_file=key,
            ca_file=authority.file,
            client_certificates="required",
            alpn=["x-amzn-mqtt-ca", "mqtt"],
        ),
    )
    options: Any = {"authorise": authorise, "on_publish": on_publish, "maximum_qos": 1}
    with Broker(listeners=[listener], dollar_topics=True, **options) as broker:
        lines = shown("aws_iot", "localhost", "lamp", str(tmp_path), str(broker.port))
        assert lines == ["the cloud has it", "the cloud says 'on'"]
        assert heard[:2] == ["$aws/things/lamp/shadow/update", "lamp/readings"]

        def tls(**more: Any) -> TLS:
            return TLS(ca_file=authority.file, **more)

        url = f"mqtts://localhost:{broker.port}"
        wrong = tls(cert_file=mine[0], key_file=mine[1], alpn="http/1.1")
        for refused in (wrong, tls(alpn="mqtt")):
            with pytest.raises(NetworkError):
                Client(url, tls=refused).connect()
