from __future__ import annotations

import gc
import logging
import math
import pickle
import socket
import threading
import weakref

import libmqtt
import pytest
from conftest import until
from libmqtt import (
    Broker,
    Client,
    Message,
    MqttError,
    NetworkError,
    Properties,
    QoS,
    QueueFull,
    ReasonCode,
    RetainHandling,
    SessionError,
    Status,
    Subscription,
    TimedOut,
    UsageError,
    Version,
)


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("qos", list(QoS))
def test_messages_go_round_in_every_version_and_qos(
    broker: Broker, version: Version, qos: QoS
) -> None:
    with Client(broker.url, version=version, client_id="round") as client:
        assert client.connected and client.version is version and client.client_id == "round"
        assert client.subscribe("a/+", qos) == [ReasonCode(qos)]
        handle = client.publish("a/b", b"\0payload", qos)
        assert handle.wait(10) in (ReasonCode.SUCCESS,)
        assert handle.done and handle.error is None
        message = client.receive(10)
    assert (message.topic, message.payload, message.qos) == ("a/b", b"\0payload", qos)
    assert message.qos is qos and not message.retain and not message.dup


@pytest.mark.parametrize(
    ("payload", "wire"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view")[1:], b"iew"),
        ("text é", "text é".encode()),
        (None, b""),
        (b"", b""),
        (b"x" * 300_000, b"x" * 300_000),
    ],
)
def test_payloads_of_every_kind(
    broker: Broker, payload: libmqtt.options.Payload, wire: bytes
) -> None:
    with Client(broker.url) as client:
        client.subscribe("t")
        client.publish("t", payload)
        assert client.receive(10).payload == wire


def test_other_payloads_are_refused(broker: Broker) -> None:
    with Client(broker.url) as client, pytest.raises(UsageError, match="payload is int"):
        client.publish("t", 1)  # type: ignore[arg-type]


def test_properties_travel(broker: Broker) -> None:
    properties = Properties(
        payload_format_indicator=True,
        message_expiry_interval=60,
        content_type="text/plain",
        response_topic="r",
        correlation_data=b"\1\2",
        user_properties=[("a", "1"), ("a", "2")],
    )
    with Client(broker.url) as client:
        client.subscribe("t", properties=Properties(subscription_identifier=7))
        client.publish("t", "x", properties=properties)
        got = client.receive(10).properties
    assert got.content_type == "text/plain" and got.correlation_data == b"\1\2"
    assert got.user_properties == [("a", "1"), ("a", "2")]
    assert got.subscription_identifiers == [7]
    assert got.payload_format_indicator is True and got.response_topic == "r"
    assert got.reason_string is None and bool(got) and not Properties()
    text = repr(properties)
    assert "content_type='text/plain'" in text and "('a', '2')" in text
    assert "payload_format_indicator=True" in text


def test_values_compare_hash_print_and_pickle() -> None:
    properties = Properties(content_type="x", user_properties=[("k", "v")])
    message = Message("a/b", b"x" * 100, qos=2, retain=True, properties=properties)
    assert pickle.loads(pickle.dumps(message)) == message
    assert pickle.loads(pickle.dumps(properties)) == properties
    assert hash(message) == hash(pickle.loads(pickle.dumps(message)))
    assert message != Message("a/b", b"x" * 100, qos=1, retain=True, properties=properties)
    assert message != "message"
    assert repr(message).startswith("Message(topic='a/b', payload=b'xxx")
    assert "... of 100 bytes, qos=2, retain=True, properties=Properties(" in repr(message)
    assert Message("t", "text").text == "text"
    with pytest.raises(UnicodeDecodeError):
        _ = Message("t", b"\xff").text
    with pytest.raises(UsageError, match="wildcard"):
        Message("a/#")
    with pytest.raises(ValueError, match="QoS 3"):
        Message("a", qos=3)
    assert Subscription("a", 1) == Subscription("a", 1) != Subscription("a", 1, no_local=True)
    assert repr(Subscription("a", 1, no_local=True)) == "Subscription('a', qos=1, no_local=True)"
    error = pickle.loads(pickle.dumps(TimedOut("late", status=Status.TIMED_OUT)))
    assert (type(error), error.status, str(error)) == (TimedOut, Status.TIMED_OUT, "late")


def test_a_refused_connection_says_why() -> None:
    with Broker(authenticate=lambda attempt: ReasonCode.BANNED) as broker:
        with pytest.raises(SessionError) as caught:
            Client(broker.url).connect()
        assert caught.value.status is Status.REFUSED
        assert caught.value.reason is ReasonCode.BANNED


def test_no_server_is_a_connection_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(ConnectionError) as caught:
            Client(f"127.0.0.1:{port}").connect()
    assert isinstance(caught.value, NetworkError)
    assert caught.value.status is Status.CONNECTION_REFUSED
    assert str(port) in str(caught.value)


def test_servers_are_tried_in_turn(broker: Broker) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{probe.getsockname()[1]}"
        options = {"reconnect_first": True, "reconnect_min": 0.01}
        with Client([dead, broker.url], **options) as client:  # type: ignore[arg-type]
            assert client.connected


def test_a_server_that_says_nothing_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TimeoutError) as caught:
            client.connect(0.1)
        assert isinstance(caught.value, TimedOut) and caught.value.status is Status.TIMED_OUT
        client.close()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"colour": "red"}, "no option 'colour'"),
        ({"queue_full": "explode"}, "wait, refuse, drop_oldest"),
        ({"version": 7}, "no MQTT version 7"),
        ({"ssl": True}, "no option 'ssl'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Client(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("server", ["http://host", "ws://host/a b", "", "host:99999", "a b"])
def test_wrong_servers_are_refused(server: str) -> None:
    with pytest.raises(UsageError):
        Client(server)


def test_subscriptions_that_are_refused_raise() -> None:
    def authorise(client: libmqtt.ClientInfo, action: str, topic: str) -> bool:
        return action != "subscribe" or topic.startswith("ok")

    with Broker(authorise=authorise) as broker, Client(broker.url) as client:
        assert client.subscribe(["ok/1", Subscription("ok/2", 2)], 1) == [1, 2]
        with pytest.raises(SessionError, match="'no/1': NOT_AUTHORIZED") as caught:
            client.subscribe(["ok/3", "no/1"])
        assert caught.value.reason is ReasonCode.NOT_AUTHORIZED
        assert client.unsubscribe(["ok/1", "never"]) == [0, ReasonCode.NO_SUBSCRIPTION_EXISTED]


def test_subscription_options(broker: Broker) -> None:
    broker.publish("t", "old", retain=True)
    with Client(broker.url) as client:
        client.subscribe("t", retain_handling=RetainHandling.DO_NOT_SEND, no_local=True)
        client.publish("t", "mine", 1).wait(10)
        broker.publish("t", "others")
        assert client.receive(10).text == "others"


def test_callbacks_and_streams_take_what_matches(broker: Broker) -> None:
    called: list[str] = []
    here = threading.Event()
    with Client(broker.url) as client, client.stream("a/+") as stream:

        @client.on_message("#")
        def everything(message: Message) -> None:
            called.append(message.topic)
            if message.topic == "end":
                here.set()

        client.subscribe("#")
        for topic in ("a/1", "b/1", "a/2", "end"):
            client.publish(topic)
        assert here.wait(10)
        assert called == ["a/1", "b/1", "a/2", "end"]
        assert [stream.get(10).topic for _ in range(2)] == ["a/1", "a/2"]
        client.remove_callback(everything)
        client.publish("c")
        assert client.receive(10).topic == "c"
        with pytest.raises(TimedOut):
            stream.get(0.01)
        assert len(stream) == 0 and len(client.messages) == 0


def test_a_callback_may_call_everything(broker: Broker) -> None:
    got: list[object] = []
    done = threading.Event()
    with Client(broker.url) as client:

        def answer(message: Message) -> None:
            got.append(client.publish("log", message.payload, 2).wait(10))
            got.append(client.subscribe("more", 1))
            got.append(client.request("echo", b"?", timeout=10).payload)
            client.disconnect()
            client.close()
            done.set()

        with Client(broker.url) as other:
            other.subscribe("echo", callback=lambda m: other.respond(m, m.payload + b"!"))
            client.subscribe("in", callback=answer)
            client.publish("in", "x")
            assert done.wait(20)
    assert got == [ReasonCode.SUCCESS, [ReasonCode.GRANTED_QOS_1], b"?!"]


def test_exceptions_in_callbacks_are_reported_and_nothing_is_lost(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[bytes] = []
    with Client(broker.url) as client:

        def fail(message: Message) -> None:
            seen.append(message.payload)
            raise ZeroDivisionError(message.payload)

        @client.on_disconnect
        def also_fail(_: object) -> None:
            raise KeyError("also")

        client.subscribe("t", 1, callback=fail)
        with caplog.at_level(logging.ERROR, "libmqtt"):
            for number in range(100):
                client.publish("t", str(number), 1)
            until(lambda: len(seen) == 100)
            until(lambda: len(caplog.records) == 100)
        assert seen == [str(number).encode() for number in range(100)]
        assert all(r.exc_info and r.exc_info[0] is ZeroDivisionError for r in caplog.records)
        assert client.publish("t", "after", 1).wait(10) is ReasonCode.SUCCESS


def test_reconnecting_goes_unnoticed(broker: Broker) -> None:
    told: list[object] = []
    with Client(broker.url, client_id="r", session_expiry_s=60, reconnect_min=0.01) as client:
        client.on_connect(told.append)
        client.on_disconnect(told.append)
        client.subscribe("t", 1)
        broker.disconnect("r")
        until(lambda: len(told) == 2)
        client.publish("t", "again", 1).wait(10)
        assert client.receive(10).text == "again"
        ended, connected = told
        assert isinstance(ended, libmqtt.Disconnected) and ended.was_connected
        assert ended.retry_in is not None and isinstance(ended.error, MqttError)
        assert ended.error.reason is ReasonCode.ADMINISTRATIVE_ACTION
        assert isinstance(connected, libmqtt.Connected) and connected.session_present
        assert "session_present=True" in repr(connected) and "retry_in" in repr(ended)


def test_iterating_ends_with_an_error_when_the_connection_is_lost_for_good(broker: Broker) -> None:
    with Client(broker.url, client_id="x", reconnect=False) as client:
        client.subscribe("t")
        client.publish("t", "last")
        broker_knows = client.receive(10)
        assert broker_knows.text == "last"
        broker.disconnect("x")
        with pytest.raises(NetworkError, match="Administrative action"):
            next(iter(client))


def test_iterating_ends_when_the_client_is_closed(broker: Broker) -> None:
    client = Client(broker.url)
    client.connect()
    client.subscribe("t")
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend(m.text for m in client))
    thread.start()
    client.publish("t", "one")
    until(lambda: got == ["one"])
    client.close()
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(UsageError) as caught:
        client.receive(1)
    assert caught.value.status is Status.CLOSED
    with pytest.raises(UsageError):
        client.publish("t")
    client.close()
    assert "connected=False" in repr(client)


def test_offline_messages_wait_and_the_bound_holds() -> None:
    with Broker() as broker:
        client = Client(broker.url, queue_messages_max=10, queue_full="refuse", timeout=0.1)
        for number in range(10):
            client.publish("t", str(number), 1)
        with pytest.raises(QueueFull):
            client.publish("t", "too many", 1)
        assert client.queued == 10
        with client.stream("t") as stream, client:
            client.subscribe("t", 1, timeout=10)
            client.publish("t", "end", 1).wait(10)
            until(lambda: len(stream) > 0)
            assert stream.get(10).payload in (b"end", b"0")
        patient = Client(broker.url, queue_messages_max=2)
        patient.publish("t")
        patient.publish("t")
        with pytest.raises(QueueFull):
            patient.publish("t", timeout=0.05)
        patient.close(0)


def test_publish_waits_for_room(broker: Broker) -> None:
    with Client(broker.url) as receiver, Client(broker.url, queue_messages_max=50) as sender:
        receiver.subscribe("t", 1)
        handles = [sender.publish("t", str(number), 1) for number in range(3000)]
        assert [receiver.receive(10).text for _ in handles] == [str(n) for n in range(3000)]
        assert all(handle.wait(10) is ReasonCode.SUCCESS for handle in handles)


def test_a_full_queue_holds_the_server_up_and_loses_nothing(broker: Broker) -> None:
    total = 5000
    with Client(broker.url, inbox_max=10, receive_maximum=20) as client:
        stream = client.stream("t", inbox_max=10)
        client.subscribe("t", 1)
        with Client(broker.url) as sender:
            for number in range(total):
                sender.publish("t", str(number), 1)
            got = [stream.get(10).text for _ in range(total)]
        assert got == [str(number) for number in range(total)] and stream.dropped == 0
        # Even so, what is asked for is answered.
        for _ in range(100):
            broker.publish("t", "more")
        assert client.publish("other", "x", 1).wait(10) is ReasonCode.NO_MATCHING_SUBSCRIBERS


@pytest.mark.parametrize(("overflow", "kept"), [("drop_oldest", "7 8 9"), ("drop_newest", "0 1 2")])
def test_other_policies_drop_and_count(broker: Broker, overflow: str, kept: str) -> None:
    with Client(broker.url) as client:
        stream = client.stream("t", inbox_max=3, overflow=overflow)  # type: ignore[arg-type]
        client.subscribe(["t", "end"], 1)
        for number in range(10):
            client.publish("t", str(number), 1)
        client.publish("end", "", 1)
        assert client.receive(10).topic == "end"
        assert len(stream) == 3 and stream.dropped == 7
        assert " ".join(stream.get(1).text for _ in range(3)) == kept


def test_manual_acknowledgement(broker: Broker) -> None:
    options = {"client_id": "m", "session_expiry_s": 60, "manual_ack": True}
    with Client(broker.url, **options) as client:  # type: ignore[arg-type]
        client.subscribe("t", 1)
        client.publish("t", "1", 1).wait(10)
        client.publish("t", "2", 1).wait(10)
        client.acknowledge(client.receive(10))
        assert client.receive(10).text == "2"
    with Client(broker.url, accept_unknown_session=True, clean_start=False, **options) as client:  # type: ignore[arg-type]
        again = client.receive(10)
        assert again.text == "2" and again.dup
        client.acknowledge(again)
        with pytest.raises(UsageError):
            client.acknowledge(Message("t"))


def test_request_and_response(broker: Broker) -> None:
    with Client(broker.url) as server, Client(broker.url) as client:
        server.subscribe("square", callback=lambda m: server.respond(m, str(int(m.text) ** 2)))
        assert [client.request("square", str(n), timeout=10).text for n in range(5)] == [
            "0", "1", "4", "9", "16",
        ]  # fmt: skip
        with pytest.raises(TimedOut):
            client.request("nobody", "", timeout=0.05)
        with pytest.raises(UsageError, match="no response topic"):
            server.respond(Message("t"))
    with Client(broker.url, version=Version.V311) as old, pytest.raises(UsageError) as caught:
        old.request("square", "1")
    assert caught.value.status is Status.NOT_IN_VERSION


def test_the_will_is_published(broker: Broker) -> None:
    with Client(broker.url) as watcher:
        watcher.subscribe("will")
        will = Message("will", "gone", qos=1)
        with Client(broker.url, client_id="w", reconnect=False, will=will):
            broker.disconnect("w")
            assert watcher.receive(10).text == "gone"
        with Client(broker.url, will=will) as polite:
            polite.disconnect()
        with Client(broker.url, will=will) as rude:
            rude.disconnect(reason=ReasonCode.DISCONNECT_WITH_WILL_MESSAGE)
        assert watcher.receive(10).text == "gone"
        broker.publish("will", "only one")
        assert watcher.receive(10).text == "only one"


def test_a_client_connects_again_after_disconnecting(broker: Broker) -> None:
    with Client(broker.url) as client:
        for _ in range(3):
            client.disconnect()
            assert not client.connected
            assert client.connect().client_id == client.client_id
            assert client.connect() is not None
            client.publish("t", "", 1).wait(10)


def test_a_publication_that_is_not_acknowledged_times_out_and_is_abandoned() -> None:
    client = Client("127.0.0.1:1", timeout=math.inf)
    handle = client.publish("t", "x", 1)
    assert not handle.done and handle.error is None and "under way" in repr(handle)
    with pytest.raises(TimedOut):
        handle.wait(0.02)
    client.close(0)
    with pytest.raises(SessionError) as caught:
        handle.wait()
    assert caught.value.status is Status.ABANDONED
    assert isinstance(handle.error, SessionError) and "failed" in repr(handle)


def test_clients_that_nobody_holds_go_away(broker: Broker) -> None:
    client = Client(broker.url)
    client.connect()
    until(lambda: broker.stats()["connections"] == 1)
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    until(lambda: broker.stats()["connections"] == 0)
