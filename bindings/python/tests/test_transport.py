from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from conftest import PATIENCE, program
from libmqtt import (
    TLS,
    Broker,
    Client,
    ClientInfo,
    Listener,
    NetworkError,
    SessionError,
    Status,
    StorageError,
    UsageError,
    Version,
    aio,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> TLS:
    cert, key = authority.issue("server")
    return TLS(cert_file=cert, key_file=key)


@pytest.fixture(scope="module")
def mutual(authority: Authority) -> TLS:
    cert, key = authority.issue("server2")
    return TLS(cert_file=cert, key_file=key, ca_file=authority.file, client_certificates="required")


@pytest.fixture(scope="module")
def mine(authority: Authority) -> TLS:
    cert, key = authority.issue("ada", client=True)
    return TLS(ca_file=authority.file, cert_data=cert.read_bytes(), key_data=key.read_text())


def test_every_transport_carries_messages(
    authority: Authority, server: TLS, mutual: TLS, mine: TLS, tmp_path: Path
) -> None:
    seen: list[tuple[str | None, str | None]] = []

    def on_connect(client: ClientInfo) -> None:
        assert (client.certificate is None) == (client.certificate_subject is None)
        seen.append((client.user_name, client.certificate_name))

    trusting: Any = {"tls": TLS(ca_file=authority.file)}
    ways: list[tuple[str | Listener, Any]] = [
        ("mqtt://127.0.0.1:0", {}),
        (Listener("mqtts://127.0.0.1:0", tls=server), trusting),
        (
            Listener("mqtts://127.0.0.1:0", tls=mutual, certificate_user="common_name"),
            {"tls": mine},
        ),
        ("ws://127.0.0.1:0/mqtt", {"web_socket_headers": {"Authorization": "Bearer x"}}),
        (Listener("wss://127.0.0.1:0", tls=server), trusting),
        (f"unix:{tmp_path}/mqtt.sock", {}),
    ]
    with Broker(listeners=[where for where, _ in ways], on_connect=on_connect) as broker:
        schemes = [url.split(":")[0] for url in broker.urls]
        assert schemes == ["mqtt", "mqtts", "mqtts", "ws", "wss", "unix"]
        assert broker.url == broker.urls[0]
        for url, (_, options) in zip(broker.urls, ways):
            for version in (Version.V311, Version.V5):
                with Client(url, version=version, **options) as client:
                    client.subscribe("there", 1)
                    client.publish("there", "and back", 1).wait(10)
                    assert client.receive(10).text == "and back"
        assert seen.count(("ada", "ada")) == 2

        async def natively() -> None:
            for url, (_, options) in zip(broker.urls, ways):
                async with aio.Client(url, **options) as client:
                    await client.subscribe("there", 1)
                    await client.publish("there", url, 1)
                    async for message in client.messages:
                        assert message.text == url
                        break

        asyncio.run(natively())
    assert not (tmp_path / "mqtt.sock").exists()


def test_tls_can_be_said_shortly(authority: Authority, server: TLS) -> None:
    with Broker(tls=server) as broker:
        assert broker.url.startswith("mqtts://")
        bare = f"127.0.0.1:{broker.port}"
        for tls in (str(authority.file), authority.file, {"ca_file": authority.file}):
            with Client(bare, tls=tls) as client:
                assert client.connected
        with pytest.raises(NetworkError) as caught, Client(bare, tls=True):
            pass
        assert caught.value.status is Status.CERTIFICATE_UNTRUSTED


def test_wrong_certificates_are_told_apart(authority: Authority, mutual: TLS, mine: TLS) -> None:
    other = Authority(authority.folder, "other")
    stranger = other.issue("stranger", client=True)
    expired = authority.issue("old", expired=True)

    def status(url: str, tls: TLS) -> Status:
        with pytest.raises(NetworkError) as caught, Client(url, tls=tls):
            pass
        assert str(caught.value)
        return caught.value.status

    with Broker(tls=mutual) as broker:
        # With TLS 1.3 a client is told after the handshake, if the connection still stands.
        v12: Any = {"ca_file": authority.file, "versions": "1.2"}
        trusting = TLS(ca_file=authority.file)
        assert status(broker.url, TLS(**v12)) is Status.CERTIFICATE_MISSING
        assert status(broker.url, TLS(ca_file=other.file)) is Status.CERTIFICATE_UNTRUSTED
        named = TLS(ca_file=authority.file, server_name="example.org")
        assert status(broker.url, named) is Status.CERTIFICATE_FOR_OTHER
        strange = TLS(cert_file=stranger[0], key_file=stranger[1], **v12)
        assert status(broker.url, strange) is Status.CERTIFICATE_REFUSED
        with Client(broker.url, tls=mine):
            pass
    with Broker(tls=TLS(cert_file=expired[0], key_file=expired[1])) as broker:
        assert status(broker.url, trusting) is Status.CERTIFICATE_EXPIRED
        anyone = TLS(ca_file=authority.file, dangerous_verification="nothing")
        with Client(broker.url, tls=anyone) as client:
            assert client.connected


def test_what_does_not_fit_is_refused(authority: Authority, server: TLS, tmp_path: Path) -> None:
    def refused(kind: type[Exception], what: str, call: Any) -> None:
        with pytest.raises(kind, match=what):
            call()

    context: Any = ssl.create_default_context()
    refused(UsageError, "ssl.SSLContext cannot be used", lambda: Client("mqtts://x", tls=context))
    refused(UsageError, "tls is 7", lambda: Client("mqtts://x", tls=7))  # type: ignore[arg-type]
    trusting = TLS(ca_file=authority.file)
    refused(UsageError, "no server is mqtts", lambda: Client("mqtt://x", tls=trusting))
    refused(UsageError, "no server is ws", lambda: Client("x", web_socket_headers={"A": "b"}))
    refused(UsageError, "Host", lambda: Client("ws://x", web_socket_headers={"Host": "b"}))
    refused(UsageError, "proxy", lambda: Client("x", proxy="ftp://x"))
    refused(UsageError, "Unix socket", lambda: Client("unix:/x", proxy="http://x"))
    refused(StorageError, "nowhere", lambda: Client("mqtts://x", tls="/nowhere/ca.pem"))
    refused(StorageError, "certificate", lambda: Client("mqtts://x", tls=TLS(ca_data="none")))
    refused(UsageError, "needs TLS", lambda: Broker(listeners=["mqtts://127.0.0.1:0"]))
    refused(UsageError, "host, port and tls", lambda: Broker(port=7, listeners=["unix:@x"]))
    refused(UsageError, "page", lambda: Broker(listeners=[Listener("mqtt://[::1]:0", page=True)]))
    user = Listener("mqtts://127.0.0.1:0", tls=server, certificate_user="subject")
    refused(UsageError, "required", lambda: Broker(listeners=[user]))
    refused(UsageError, "data_directory", lambda: Broker(durability="off"))
    with Broker(port=None) as broker:
        refused(UsageError, "no socket", lambda: broker.client(tls=trusting))
    assert "secret" not in repr(TLS(key_data="secret")) and "Listener(" in repr(user)


def test_certificates_and_passwords_are_reloaded(authority: Authority, tmp_path: Path) -> None:
    old, new = authority.issue("first"), Authority(authority.folder, "next").issue("second")
    cert, key, users = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "users"
    passwd = [sys.executable, "-m", "libmqtt", "passwd", "-b", "-c", str(users)]

    def put(pair: tuple[Path, Path], name: str) -> None:
        cert.write_bytes(pair[0].read_bytes())
        key.write_bytes(pair[1].read_bytes())
        subprocess.run([*passwd, name, "word"], check=True)

    put(old, "ada")
    with Broker(tls=TLS(cert_file=cert, key_file=key), password_file=users) as broker:
        with Client(broker.url, tls=authority.file, user_name="ada", password="word") as first:
            put(new, "bob")
            broker.reload()
            newer = authority.folder / "next.pem"
            with Client(broker.url, tls=newer, user_name="bob", password="word"):
                assert first.connected
            with pytest.raises(SessionError):
                Client(broker.url, tls=newer, user_name="ada", password="word").connect()
            key.write_text("rubbish")
            with pytest.raises(StorageError):
                broker.reload()
            with Client(broker.url, tls=newer, user_name="bob", password="word"):
                assert first.connected


def test_the_page_is_served_only_when_asked() -> None:
    places = ["ws://127.0.0.1:0", Listener("ws://127.0.0.1:0", page=True)]
    with Broker(listeners=places) as broker:
        pages = [url.replace("ws://", "http://") for url in broker.urls]
        with pytest.raises(OSError):
            urllib.request.urlopen(pages[0], timeout=PATIENCE)
        with urllib.request.urlopen(pages[1], timeout=PATIENCE) as page:
            assert b"<html" in page.read().lower()


def test_a_proxy_is_gone_through(broker: Broker) -> None:
    asked: list[bytes] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client, socket.create_connection((broker.host, broker.port)) as onward:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += client.recv(4096)
                asked.append(head)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pump, args=(onward, client))
                back.start()
                pump(client, onward)
                back.join()

        thread = threading.Thread(target=serve)
        thread.start()
        proxy = f"http://user:word@127.0.0.1:{listening.getsockname()[1]}"
        with Client("far.example:1883", proxy=proxy) as client:
            client.publish("t", "x", 1).wait(10)
        thread.join()
    assert asked[0].startswith(b"CONNECT far.example:1883 ") and b"Proxy-Authorization" in asked[0]


STORING = """
import sys
from libmqtt import Broker, Client
with Broker(data_directory=sys.argv[1]) as broker:
    options = dict(client_id="lasting", session_expiry_s=3600, clean_start=False)
    with Client(broker.url, **options) as client:
        client.subscribe("kept/#", 2)
    with Client(broker.url) as client:
        handles = [client.publish(f"kept/{n}", str(n), 1 + n % 2) for n in range(500)]
        for handle in handles:
            handle.wait(10)
        client.publish("state", "on", 1, retain=True).wait(10)
    print("stored", flush=True)
    sys.stdin.read()
    import time
    time.sleep(60)
"""


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    with program(STORING, str(tmp_path / "data")) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "stored\n"
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    options: Any = {"client_id": "lasting", "session_expiry_s": 3600, "clean_start": False}
    with Broker(data_directory=tmp_path / "data", durability=0.25) as broker:
        with pytest.raises(StorageError) as caught:
            Broker(data_directory=tmp_path / "data")
        assert caught.value.status is Status.STORAGE_FAILED
        with Client(broker.url, **options, accept_unknown_session=True) as client:
            got = [client.receive(10).text for _ in range(500)]
        assert sorted(map(int, got)) == list(range(500))
        with Client(broker.url) as client:
            client.subscribe("state")
            assert client.receive(10).retain


def test_a_file_configures_transports_and_storage(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("filed")
    file = tmp_path / "broker.conf"
    file.write_text(
        f"listener 0 127.0.0.1\nallow_anonymous true\ncertfile {cert}\nkeyfile {key}\n"
        f"persistence true\npersistence_location {tmp_path / 'data'}\n"
    )
    with Broker.from_file(file) as broker:
        with Client(broker.url, tls=authority.file) as client:
            client.publish("t", "x", 1).wait(10)
        assert list((tmp_path / "data").iterdir())
