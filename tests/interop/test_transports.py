"""The same scenario over every transport: other makers' clients with our broker, and our client
with mosquitto."""

import json
import queue
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from brokers import free
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5, MQTTv311
from pki import Pki
from programs import BINARY, PATIENCE, Process
from proxies import V1, V2, HeaderProxy, HttpProxy, SocksProxy

HERE = Path(__file__).parent
PROTOCOLS = {"3.1.1": MQTTv311, "5.0": MQTTv5}


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def tls_of(pki):
    crt, key = pki.of("server")
    return [f"certfile {crt}", f"keyfile {key}"]


def mutual_of(pki):
    return [*tls_of(pki), f"cafile {pki.ca}", "require_certificate true"]


class Server:
    """A broker with these listeners, told by name: `(directives...)` behind its port."""

    def __init__(self, command, folder, listeners, ports):
        self.folder, self.lines, self.places = folder, queue.Queue(), {}
        conf = folder / "broker.conf"
        text = ["allow_anonymous true", "persistence false"]
        if command[0] != str(BINARY):
            text += ["user root", "log_dest stderr", "log_type all"]
        for (name, directives), port in zip(listeners.items(), ports, strict=True):
            where = f"0 {folder}/{name}.sock" if name == "unix" else f"{port} 127.0.0.1"
            text += [f"listener {where}", *directives]
        conf.write_text("\n".join(text) + "\n")
        self.process = Process([*command, "-c", str(conf)], self.lines.put)

    def until(self, pattern):
        """The next line that has this."""
        while True:
            line = self.lines.get(timeout=PATIENCE)
            assert line is not None, "the broker has ended"
            if found := re.search(pattern, line):
                return found

    def stop(self):
        self.process.end()


@pytest.fixture(scope="session")
def ours(pki, tmp_path_factory):
    listeners = {
        "tcp": [],
        "tls": [*tls_of(pki), "tls_alpn mqtt"],
        "mtls": [*mutual_of(pki), "use_identity_as_username true"],
        "ws": ["protocol websockets"],
        "wss": [*tls_of(pki), "protocol websockets"],
        "unix": [],
        "proxied1": ["enable_proxy_protocol 1"],
        "proxied2": [*tls_of(pki), "enable_proxy_protocol 2", "trusted_proxy 127.0.0.1"],
    }
    folder = tmp_path_factory.mktemp("ours")
    server = Server([str(BINARY), "broker"], folder, listeners, [0] * len(listeners))
    for name in listeners:
        server.places[name] = server.until(r"^listening on (?:.*:(\d+)$|unix:(.*))")
        number, path = server.places[name].groups()
        server.places[name] = int(number) if number else path
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mosquitto(pki, tmp_path_factory):
    listeners = {
        "tcp": [],
        "tls": tls_of(pki),
        "mtls": mutual_of(pki),
        "ws": ["protocol websockets"],
        "wss": [*tls_of(pki), "protocol websockets"],
        "unix": [],
    }
    folder = tmp_path_factory.mktemp("mosquitto")
    ports = [free() for _ in listeners]
    command = [shutil.which("mosquitto") or "/usr/sbin/mosquitto"]
    server = Server(command, folder, listeners, ports)
    server.until(r" running$")
    server.places = dict(zip(listeners, ports, strict=True))
    server.places["unix"] = str(folder / "unix.sock")
    yield server
    server.stop()


# ---- clients


def tool_options(pki, transport, place):
    """Options of mosquitto_pub and of our own command."""
    if transport == "unix":
        return ["--unix", place]
    options = ["-h", "localhost" if "tls" in transport else "127.0.0.1", "-p", str(place)]
    if transport in ("tls", "mtls", "wss"):
        options += ["--cafile", str(pki.ca)]
    if transport == "mtls":
        crt, key = pki.of("ada")
        options += ["--cert", str(crt), "--key", str(key)]
    if transport in ("ws", "wss"):
        options += ["--ws"]
    return options


def by_tools(sub, pub, options, version, topic):
    """Retained messages are there for whoever subscribes, whenever that is."""
    protocol = {"3.1.1": "mqttv311", "5.0": "mqttv5"}[version]
    common = [*options, "-V", protocol, "-q", "1"]
    payloads = ["x" * (i * 900) + str(i) for i in range(12)]
    for i, payload in enumerate(payloads):
        command = [*pub, *common, "-t", f"{topic}/{i:02}", "-r", "-m", payload]
        subprocess.run(command, check=True, timeout=PATIENCE)
    command = [*sub, *common, "-t", f"{topic}/#", "-C", "12", "-W", str(PATIENCE), "-F", "%t %p"]
    done = subprocess.run(command, check=True, timeout=2 * PATIENCE, capture_output=True, text=True)
    wanted = [f"{topic}/{i:02} {payload}" for i, payload in enumerate(payloads)]
    assert sorted(done.stdout.splitlines()) == wanted


def by_paho(pki, transport, place, version, topic):
    how = {"ws": "websockets", "wss": "websockets", "unix": "unix"}.get(transport, "tcp")
    client = Client(
        CallbackAPIVersion.VERSION2,
        protocol=PROTOCOLS[version],
        transport=how,
        reconnect_on_failure=False,
    )
    if transport in ("tls", "mtls", "wss"):
        crt, key = map(str, pki.of("ada")) if transport == "mtls" else (None, None)
        client.tls_set(str(pki.ca), crt, key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    subscribed, got = queue.Queue(), queue.Queue()
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.on_subscribe = lambda *_: subscribed.put(True)
    client.on_message = lambda _client, _data, message: got.put(message.payload)
    host, port = (place, 1) if transport == "unix" else ("localhost", place)
    client.connect(host, port)
    client.loop_start()
    try:
        assert subscribed.get(timeout=PATIENCE)
        sent = [bytes([i]) * (i * i * 500) for i in range(20)]
        for payload in sent:
            client.publish(topic, payload, 1)
        assert [got.get(timeout=PATIENCE) for _ in sent] == sent
    finally:
        client.disconnect()
        client.loop_stop()


def by_mqttjs(pki, transport, place, version):
    scheme = {"tcp": "mqtt", "tls": "mqtts", "mtls": "mqtts"}.get(transport, transport)
    options = {"protocolVersion": {"3.1.1": 4, "5.0": 5}[version]}
    if transport in ("tls", "mtls", "wss"):
        options["ca"] = str(pki.ca)
    if transport == "mtls":
        options["cert"], options["key"] = map(str, pki.of("ada"))
    url = f"{scheme}://localhost:{place}"
    command = ["node", str(HERE / "drivers/mqttjs_once.mjs"), url, json.dumps(options)]
    subprocess.run(command, check=True, timeout=2 * PATIENCE)


OURS = [str(BINARY), "sub"], [str(BINARY), "pub"]
THEIRS = ["mosquitto_sub"], ["mosquitto_pub"]
VERSIONS = pytest.mark.versions("3.1.1", "5.0")


@VERSIONS
@pytest.mark.parametrize("transport", ["tcp", "tls", "mtls", "unix"])
def test_mosquittos_clients_reach_our_broker(ours, pki, transport, version):
    options = tool_options(pki, transport, ours.places[transport])
    by_tools(*THEIRS, options, version, f"tools/{transport}/{version}")


@VERSIONS
@pytest.mark.parametrize("transport", ["tcp", "tls", "mtls", "ws", "wss", "unix"])
def test_our_client_reaches_our_broker(ours, pki, transport, version):
    options = tool_options(pki, transport, ours.places[transport])
    by_tools(*OURS, options, version, f"ours/{transport}/{version}")


@VERSIONS
@pytest.mark.parametrize("transport", ["tcp", "tls", "mtls", "ws", "wss", "unix"])
def test_our_client_reaches_mosquitto(mosquitto, pki, transport, version):
    options = tool_options(pki, transport, mosquitto.places[transport])
    by_tools(*OURS, options, version, f"ours/{transport}/{version}")


@VERSIONS
@pytest.mark.parametrize("transport", ["tls", "mtls", "ws", "wss", "unix"])
def test_paho_reaches_our_broker(ours, pki, transport, version):
    by_paho(pki, transport, ours.places[transport], version, f"paho/{transport}/{version}")


@VERSIONS
@pytest.mark.parametrize("transport", ["tls", "mtls", "ws", "wss"])
def test_mqttjs_reaches_our_broker(ours, pki, transport, version):
    by_mqttjs(pki, transport, ours.places[transport], version)


@pytest.mark.parametrize("proxy", [HttpProxy, SocksProxy])
@pytest.mark.parametrize("transport", ["tcp", "tls", "ws", "wss"])
def test_our_client_goes_through_a_proxy(ours, pki, transport, proxy):
    through = proxy()
    scheme = "http" if proxy is HttpProxy else "socks5h"
    options = tool_options(pki, transport, ours.places[transport])
    options += ["--proxy", f"{scheme}://u:p@127.0.0.1:{through.port}"]
    by_tools(*OURS, options, "5.0", f"{scheme}/{transport}")
    assert through.served == 13
    refused = [*OURS[1], *options[:-1], options[-1].replace("u:p", "u:x"), "-t", "t", "-m", "x"]
    done = subprocess.run(refused, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 14 and "proxy refuses our login" in done.stderr, done.stderr
    through.close()


@pytest.mark.parametrize(
    "name,header,client",
    [("proxied1", V1, "192.0.2.1:5000"), ("proxied2", V2, "192.0.2.2:5000")],
)
def test_a_proxy_in_front_says_who_the_client_is(ours, pki, name, header, client):
    through = HeaderProxy(ours.places[name], header)
    transport = "tls" if name == "proxied2" else "tcp"
    options = tool_options(pki, transport, through.port)
    by_tools(*THEIRS, options, "5.0", name)
    ours.until(rf"connected from {re.escape(client)} ")
    through.close()
    # Without a header nobody is let in.
    direct = [*THEIRS[1], *tool_options(pki, transport, ours.places[name]), "-t", "t", "-m", "x"]
    assert subprocess.run(direct, capture_output=True, timeout=PATIENCE).returncode != 0


def test_the_certificate_is_the_user(ours, pki):
    options = tool_options(pki, "mtls", ours.places["mtls"])
    command = [*THEIRS[1], *options, "-i", "with-certificate", "-t", "t", "-m", "x"]
    subprocess.run(command, check=True, timeout=PATIENCE)
    ours.until(r"client with-certificate connected .* user 'ada'")
    command = [*OURS[1], *tool_options(pki, "tls", ours.places["mtls"]), "-t", "t", "-m", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 8 and "demands a client certificate" in done.stderr, done.stderr


@pytest.mark.parametrize("protocol", ["-tls1_2", "-tls1_3"])
def test_openssl_agrees_with_our_broker(ours, pki, tmp_path, protocol):
    session = str(tmp_path / "session")

    def connect(*more):
        command = ["openssl", "s_client", "-connect", f"localhost:{ours.places['tls']}"]
        command += ["-CAfile", str(pki.ca), "-verify_hostname", "localhost", protocol]
        command += ["-servername", "localhost", "-verify_return_error", "-alpn", "mqtt", *more]
        # CONNECT and PINGREQ, so that tickets come too; then DISCONNECT.
        packets = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01s\xc0\0\xe0\0"
        done = subprocess.run(
            [*command, "-ign_eof"], input=packets, capture_output=True, timeout=PATIENCE
        )
        return done.stdout

    first = connect("-sess_out", session)
    assert b"Verify return code: 0 (ok)" in first
    assert b"ALPN protocol: mqtt" in first
    assert b"\x20\x02\0\0" in first and b"\xd0\0" in first
    assert b"Reused, " in connect("-sess_in", session)


def test_openssl_is_told_what_is_wrong(ours, pki):
    """With other protocols or versions there is no handshake, and alerts say so."""

    def failed(*more):
        command = ["openssl", "s_client", "-connect", f"localhost:{ours.places['tls']}", *more]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE)
        return done.stderr + done.stdout

    assert b"no application protocol" in failed("-alpn", "h2")
    assert b" alert " in failed("-tls1_1", "-cipher", "ALL@SECLEVEL=0")
