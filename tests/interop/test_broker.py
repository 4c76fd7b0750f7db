"""The broker as its operator sees it."""

import os
import socket

import pytest

CONNECT = {
    "3.1.1": bytes.fromhex("10 0c 0004 4d515454 04 02 0000 0000"),
    "5.0": bytes.fromhex("10 0d 0004 4d515454 05 02 0000 00 0000"),
}
DISCONNECT = bytes.fromhex("e000")


@pytest.mark.programs("paho")
@pytest.mark.versions("5.0")
def test_sys_topics_tell_of_the_broker(broker, program, version, name):
    everything = program.subscribe(broker, "#", qos=1, version=version)
    subscriber = program.subscribe(broker, "$SYS/#", version=version)
    seen = {}
    wanted = {
        "$SYS/broker/version",
        "$SYS/broker/uptime",
        "$SYS/broker/clients/connected",
        "$SYS/broker/messages/received",
    }
    # A value may be from before these two came, and is right the next time.
    while not wanted <= seen.keys() or int(seen["$SYS/broker/clients/connected"]) < 2:
        got = subscriber.next()
        seen[got.topic] = got.payload
    program.publish(broker, name, b"last", qos=1, version=version)
    topics = list(iter(lambda: everything.next().topic, name))
    assert not [t for t in topics if t.startswith("$")], "'#' does not match $SYS"
    everything.disconnect()
    subscriber.disconnect()


def greet(broker, version):
    """A bare connection that the broker has accepted."""
    link = broker.connect()
    link.sendall(CONNECT[version])
    head = link.recv(2, socket.MSG_WAITALL)
    rest = link.recv(head[1], socket.MSG_WAITALL)
    assert head[0] == 0x20 and rest[1] == 0
    return link


@pytest.mark.versions("3.1.1", "5.0")
def test_stop_with_1000_clients_takes_no_time(broker, broker_of_its_own, version):
    own = broker_of_its_own()
    links = [greet(own, version) for _ in range(1000)]
    status, took = own.stop()
    assert status == 0
    assert took < 2
    for link in links:
        said = link.recv(100, socket.MSG_WAITALL)
        if version == "5.0" and own.kind == "libmqtt":
            assert (said[0], said[2]) == (0xE0, 0x8B)  # DISCONNECT, Server shutting down
        else:
            assert said == b""
        link.close()


def resident(pid):
    """Resident memory in bytes."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def come_and_go(broker, count, at_once=500):
    """Opens connections and drops them; the broker has closed its ends when this returns."""
    for _ in range(0, count, at_once):
        links = [greet(broker, "3.1.1") for _ in range(at_once)]
        for number, link in enumerate(links):
            if number % 2:
                link.sendall(DISCONNECT)
            link.shutdown(socket.SHUT_WR)
        for link in links:
            assert link.recv(1) == b""
            link.close()


MEMORY_BOUND = 2 << 20


def test_memory_is_where_it_was_after_10000_connections(broker, broker_of_its_own):
    own = broker_of_its_own()
    come_and_go(own, 1000)
    files = len(os.listdir(f"/proc/{own.pid}/fd"))
    before = resident(own.pid)
    come_and_go(own, 10000)
    assert resident(own.pid) - before < MEMORY_BOUND
    # Our shards have one more while they share a thread.
    assert len(os.listdir(f"/proc/{own.pid}/fd")) <= files + 1
    assert own.stop()[0] == 0
