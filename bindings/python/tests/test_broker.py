from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import until
from libmqtt import (
    Attempt,
    Broker,
    Client,
    ClientInfo,
    Message,
    MqttError,
    NetworkError,
    ReasonCode,
    SessionError,
    Status,
    StorageError,
    UsageError,
    Version,
    aio,
)
from libmqtt.options import BrokerOptions, ClientOptions


def test_a_broker_listens_on_a_free_port() -> None:
    with Broker() as one, Broker() as other:
        assert one.port != other.port and one.running
        assert one.url == f"mqtt://127.0.0.1:{one.port}"
        assert one.addresses == [("127.0.0.1", one.port)] and str(one.port) in repr(one)
        with pytest.raises(NetworkError) as caught:
            Broker(port=one.port)
        assert caught.value.status is Status.LISTEN_FAILED
    assert not one.running
    one.stop()


def test_a_broker_without_listeners_serves_clients_in_its_process() -> None:
    with Broker(port=None, shards=2) as broker, broker.client(client_id="in") as client:
        assert broker.addresses == []
        with pytest.raises(MqttError):
            _ = broker.url
        client.subscribe("t/#", 2)
        client.publish("t/1", "from the client", 2).wait(10)
        broker.publish("t/2", "from the program", 1, retain=True)
        assert [client.receive(10).text for _ in range(2)] == [
            "from the client",
            "from the program",
        ]
        until(lambda: broker.stats()["retained"] > 0)
        assert broker.stats()["connections"] == 1


def test_wrong_settings_are_refused() -> None:
    for settings in ({"host": "elsewhere"}, {"shards": 0}, {"sky": "blue"}, {"maximum_qos": 3}):
        with pytest.raises(UsageError):
            Broker(**settings)  # type: ignore[arg-type]


def test_a_file_configures_a_broker(tmp_path: Path) -> None:
    users, rights, file = tmp_path / "users", tmp_path / "rights", tmp_path / "broker.conf"
    subprocess.run(
        [sys.executable, "-m", "libmqtt", "passwd", "-b", "-c", users, "ada", "secret"], check=True
    )
    rights.write_text("user ada\ntopic readwrite open/#\n")
    file.write_text(f"listener 0 127.0.0.1\npassword_file {users}\nacl_file {rights}\n")
    heard: list[str] = []
    with Broker.from_file(
        file, shards=1, on_publish=lambda _, message: heard.append(message.topic)
    ) as broker:
        with pytest.raises(SessionError) as caught, Client(broker.url):
            pass
        assert caught.value.reason == ReasonCode.NOT_AUTHORIZED
        with Client(broker.url, user_name="ada", password="secret") as client:
            client.subscribe("open/#", 1)
            client.publish("open/door", "come in", 1).wait(10)
            assert client.receive(10).text == "come in"
            with pytest.raises(SessionError):
                client.publish("shut/door", "let me in", 1).wait(10)
        until(lambda: "open/door" in heard)


def test_a_file_that_does_not_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        Broker.from_file(tmp_path / "nowhere.conf")
    assert caught.value.status is Status.FILE_UNREADABLE
    file = tmp_path / "broker.conf"
    for line in ("sky blue", "pid_file /run/broker.pid"):
        file.write_text(f"listener 0 127.0.0.1\n{line}\n")
        with pytest.raises(StorageError, match=r"broker.conf: line 2: ") as caught:
            Broker.from_file(str(file))
        assert caught.value.status is Status.FILE_INVALID
    file.write_text("listener 0 127.0.0.1\n")
    with pytest.raises(UsageError, match="no option"):
        Broker.from_file(file, sky="blue")  # type: ignore[call-arg]


def test_who_gets_in_can_be_said_without_a_file(tmp_path: Path) -> None:
    with Broker(allow_anonymous=False) as broker:
        with pytest.raises(SessionError), Client(broker.url):
            pass
    users = tmp_path / "users"
    users.touch()
    with pytest.raises(UsageError, match="exclude"):
        Broker(password_file=users, authenticate=lambda _: True)
    with Broker(payload_max=3) as broker, Client(broker.url) as client:
        client.subscribe("t")
        client.publish("t", "four")
        client.publish("t", "six")
        assert client.receive(10).text == "six"


def some(annotation: str, file: Path) -> object:
    """A value of this type."""
    if annotation.startswith("Literal["):
        return annotation.split("'")[1]
    if "PathLike" in annotation:
        return file
    values = {"int": 2, "bool": True, "float": 1.0, "str": "text", "str | bytes": b"bytes"}
    return values[annotation]


def test_every_option_that_is_written_down_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.touch()
    for name, hint in BrokerOptions.__annotations__.items():
        options = {name: some(hint.__forward_arg__, file)}
        if name in ("data_directory", "durability"):
            options["data_directory"] = tmp_path / "data"
        with Broker(port=None, **options):  # type: ignore[arg-type]
            pass
    given: dict[str, object] = {
        "version": Version.V5,
        "clean_start": "always",
        "will": Message("t"),
        "will_delay_s": None,  # only with a Will
        "user_properties": [("a", "b")],
        "overflow": "wait",
        "tls": False,  # only with a server of mqtts or wss
        "web_socket_headers": {},  # only with one of ws or wss
        "proxy": "socks5://localhost:1",
        "authentication_data": None,  # only with a method
    }
    for name, hint in ClientOptions.__annotations__.items():
        options = {name: given[name] if name in given else some(hint.__forward_arg__, file)}
        if name in ("data_directory", "durability"):
            kept = {"client_id": "me", "session_expiry_s": 1, "data_directory": tmp_path / "data"}
            options = {**options, **kept}
        Client("mqtt://localhost", **options).close()  # type: ignore[arg-type]


class Seen:
    """Hooks that remember."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.threads: set[str] = set()

    def authenticate(self, attempt: Attempt) -> bool:
        self.threads.add(threading.current_thread().name)
        self.calls.append(("authenticate", attempt.client.user_name, attempt.password))
        return attempt.password == b"secret"

    def authorise(self, client: ClientInfo, action: str, topic: str) -> ReasonCode | None:
        self.calls.append(("authorise", client.client_id, action, topic))
        return ReasonCode.QUOTA_EXCEEDED if topic == "secret" else None

    def on_connect(self, client: ClientInfo) -> None:
        assert client.address is not None and client.address[0] == "127.0.0.1"
        self.calls.append(("connect", client.client_id, int(client.version)))

    def on_disconnect(self, client: ClientInfo, reason: ReasonCode) -> None:
        self.calls.append(("disconnect", client.client_id, reason))

    def on_publish(self, client: ClientInfo | None, message: Message) -> None:
        if not message.topic.startswith("$"):
            self.calls.append(("publish", client and client.client_id, message.topic))

    def on_subscribe(self, client: ClientInfo, filter: str) -> None:
        self.calls.append(("subscribe", client.client_id, filter))

    def on_unsubscribe(self, client: ClientInfo, filter: str) -> None:
        self.calls.append(("unsubscribe", client.client_id, filter))

    def hooks(self) -> dict[str, object]:
        names = ["authenticate", "authorise", "on_connect", "on_disconnect", "on_publish"]
        names += ["on_subscribe", "on_unsubscribe"]
        return {name: getattr(self, name) for name in names}


EXPECTED = [
    ("authenticate", "me", b"wrong"),
    ("authenticate", "me", b"secret"),
    ("connect", "c", 5),
    ("authorise", "c", "subscribe", "t"),
    ("subscribe", "c", "t"),
    ("authorise", "c", "publish", "t"),
    ("publish", "c", "t"),
    ("authorise", "c", "publish", "secret"),
    ("unsubscribe", "c", "t"),
    ("publish", None, "own"),
    ("disconnect", "c", ReasonCode.SUCCESS),
]


def converse(broker: Broker) -> None:
    """What EXPECTED is the story of."""
    with pytest.raises(SessionError) as refused:
        Client(broker.url, client_id="c", user_name="me", password="wrong").connect()
    assert refused.value.reason is ReasonCode.NOT_AUTHORIZED
    with Client(broker.url, client_id="c", user_name="me", password="secret") as client:
        client.subscribe("t", 1)
        client.publish("t", "x", 1).wait(10)
        with pytest.raises(SessionError) as caught:
            client.publish("secret", "x", 1).wait(10)
        assert caught.value.reason is ReasonCode.QUOTA_EXCEEDED
        client.unsubscribe("t")
        broker.publish("own")
        assert client.publish("$nothing", "", 0).wait(10) is ReasonCode.SUCCESS


def test_hooks_are_called_in_order_on_one_thread() -> None:
    seen = Seen()
    with Broker(**seen.hooks()) as broker:  # type: ignore[arg-type]
        converse(broker)
        until(lambda: ("disconnect", "c", ReasonCode.SUCCESS) in seen.calls)
    asked = [call for call in seen.calls if call[-1] != "$nothing"]
    assert sorted(map(str, asked)) == sorted(map(str, EXPECTED))
    assert [c for c in asked if c[0] != "publish"] == [c for c in EXPECTED if c[0] != "publish"]
    assert seen.threads == {"libmqtt-hooks"}


def test_hooks_run_on_the_event_loop_of_an_async_with() -> None:
    seen = Seen()

    async def main() -> None:
        async with Broker(**seen.hooks()) as broker:  # type: ignore[arg-type]
            await asyncio.get_running_loop().run_in_executor(None, converse, broker)
            while ("disconnect", "c", ReasonCode.SUCCESS) not in seen.calls:
                await asyncio.sleep(0.002)

    asyncio.run(asyncio.wait_for(main(), 20))
    asked = [call for call in seen.calls if call[-1] != "$nothing"]
    assert sorted(map(str, asked)) == sorted(map(str, EXPECTED))
    assert seen.threads == {"MainThread"}


def test_async_hooks_hold_up_only_the_client_they_are_about() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def authorise(client: ClientInfo, action: str, topic: str) -> bool:
            if client.client_id == "slow":
                await gate.wait()
            return True

        async with Broker(authorise=authorise) as broker:
            async with aio.Client(broker.url, client_id="slow") as slow:
                async with aio.Client(broker.url, client_id="quick") as quick:
                    held = asyncio.create_task(slow.publish("t", "", 1))
                    for _ in range(10):
                        await quick.publish("t", "", 1)
                    assert not held.done()
                    gate.set()
                    await held

    asyncio.run(asyncio.wait_for(main(), 20))


def test_async_hooks_work_without_an_event_loop() -> None:
    async def authorise(client: ClientInfo, action: str, topic: str) -> bool:
        await asyncio.sleep(0)
        return topic == "yes"

    with Broker(authorise=authorise) as broker, Client(broker.url) as client:
        client.subscribe("yes")
        with pytest.raises(SessionError):
            client.subscribe("no")


def test_hooks_that_fail_refuse_and_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    def authorise(client: ClientInfo, action: str, topic: str) -> object:
        if topic == "raise":
            raise ZeroDivisionError
        return "perhaps" if topic == "odd" else True

    with Broker(authorise=authorise) as broker, Client(broker.url) as client:
        with caplog.at_level(logging.ERROR, "libmqtt"):
            for topic in ("raise", "odd"):
                with pytest.raises(SessionError) as caught:
                    client.subscribe(topic)
                assert caught.value.reason is ReasonCode.NOT_AUTHORIZED
        assert len(caplog.records) == 2
        client.subscribe("good")


def test_a_broker_stopped_inside_a_hook_ends() -> None:
    stopped = threading.Event()

    def on_connect(client: ClientInfo) -> None:
        broker.stop()
        stopped.set()

    broker = Broker(on_connect=on_connect)
    client = Client(broker.url, reconnect=False)
    with contextlib.suppress(NetworkError):  # It may be told of both at once.
        client.connect()
    assert stopped.wait(10) and not broker.running
    client.close(0)


def test_enhanced_authentication_goes_to_and_fro() -> None:
    def authenticate(attempt: Attempt) -> object:
        if attempt.method != "riddle":
            return ReasonCode.BAD_AUTHENTICATION_METHOD
        if attempt.step == "connect":
            return b"what is 6 * 7?"
        return attempt.data == b"42"

    with Broker(authenticate=authenticate) as broker:
        client = Client(broker.url, authentication_method="riddle")
        client.on_challenge(lambda data: b"42" if data == b"what is 6 * 7?" else b"?")
        with client:
            assert client.connected
        wrong = Client(broker.url, authentication_method="riddle")
        wrong.on_challenge(lambda data: b"41")
        with pytest.raises(SessionError):
            wrong.connect()
        wrong.close(0)
