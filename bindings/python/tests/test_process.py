"""What belongs to the process: its end, forks, signals, and threads in each other's way."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from pathlib import Path

import pytest
from conftest import PATIENCE, program, run, until
from libmqtt import Broker, Client, MqttError

END_WITH_EVERYTHING_ALIVE = """
import asyncio, sys, threading
from libmqtt import Broker, Client, aio
broker = Broker(on_publish=lambda client, message: None)
clients = []
for number in range(3):
    client = Client(broker.url)
    client.connect()
    client.subscribe("t", 1, callback=lambda message: None)
    clients.append(client)
def publish(client):
    while True:
        client.publish("t", "x", 1).wait()
def iterate(client):
    for message in client:
        pass
for client in clients:
    threading.Thread(target=publish, args=(client,), daemon=True).start()
    threading.Thread(target=iterate, args=(client,), daemon=True).start()
async def main():
    global other
    other = aio.Client(broker.url)
    await other.connect()
    await other.subscribe("t")
    async for message in other.messages:
        break
asyncio.run(main())
print("ending", flush=True)
if sys.argv[1] == "exit":
    sys.exit(3)
if sys.argv[1] == "raise":
    raise LookupError("ends by this")
"""


@pytest.mark.parametrize("way", ["return", "exit", "raise"])
def test_the_interpreter_ends_with_everything_alive(way: str) -> None:
    # Twenty runs in all.
    for _ in range({"return": 10, "exit": 5, "raise": 5}[way]):
        code, out, err = run(END_WITH_EVERYTHING_ALIVE, way)
        assert out == "ending\n"
        assert code == {"return": 0, "exit": 3, "raise": 1}[way], err
        assert "Fatal" not in err and "panicked" not in err and "Aborted" not in err, err


def test_a_fork_leaves_the_parent_alone_and_the_child_usable() -> None:
    code, out, err = run(
        """
import os, sys
from libmqtt import Broker, Client, MqttError
with Broker() as broker, Client(broker.url, client_id="parent") as client:
    client.subscribe("t", 1, callback=lambda message: print(message.text, flush=True))
    child = os.fork()
    if child == 0:
        for use in (lambda: client.publish("t", "no"), lambda: client.connected,
                    lambda: client.receive(1), lambda: broker.port and broker.stats()):
            try:
                use()
                os._exit(1)
            except MqttError as error:
                assert "fork" in str(error), error
        with Client(broker.url, client_id="child") as own:
            own.publish("t", "from the child", 1).wait(10)
        del client, broker
        sys.exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert client.connected
    client.publish("t", "from the parent", 1).wait(10)
    client.disconnect()
"""
    )
    assert code == 0, err
    assert out.splitlines() == ["from the child", "from the parent"], err


def test_multiprocessing_with_fork_works() -> None:
    code, out, err = run(
        """
import multiprocessing
from libmqtt import Broker, Client
def work(url, number):
    with Client(url) as client:
        client.publish("t", str(number), 1).wait(10)
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with Broker() as broker, Client(broker.url) as client:
        client.subscribe("t", 1)
        workers = [context.Process(target=work, args=(broker.url, n)) for n in range(4)]
        for worker in workers: worker.start()
        print(sorted(client.receive(10).text for _ in workers))
        for worker in workers: worker.join()
        print([worker.exitcode for worker in workers])
"""
    )
    assert (code, out) == (0, "['0', '1', '2', '3']\n[0, 0, 0, 0]\n"), err


def test_threads_publish_while_another_closes(broker: Broker) -> None:
    for _ in range(20):
        client = Client(broker.url)
        client.connect()
        client.subscribe("t", 1)
        ended: list[MqttError] = []

        def publish(client: Client = client, ended: list[MqttError] = ended) -> None:
            try:
                while True:
                    client.publish("t", "x", 1).wait()
            except MqttError as error:
                ended.append(error)

        def iterate(client: Client = client) -> None:
            for _ in client:
                pass

        threads = [threading.Thread(target=publish) for _ in range(4)]
        threads.append(threading.Thread(target=iterate))
        for thread in threads:
            thread.start()
        until(lambda client=client: client.in_flight > 0 or client.queued > 0)  # type: ignore[misc]
        client.close(0)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert len(ended) == 4


BLOCKING = {
    "connect": "Client(silent).connect(60)",
    "with": "Client(silent).__enter__()",
    "wait": "offline.publish('t', 'x', 1).wait()",
    "subscribe": "offline.subscribe('t', timeout=60)",
    "unsubscribe": "offline.unsubscribe('t', timeout=60)",
    "request": "offline.request('t', timeout=60)",
    "room": "[offline.publish('t', timeout=60) for _ in range(100)]",
    "receive": "client.receive(60)",
    "get": "client.messages.get()",
    "iterate": "next(iter(client))",
    "stream": "next(iter(client.stream('t')))",
    "disconnect": "(client.publish('t', 'x', 1), client.disconnect(60))",
    "close": "(client.publish('t', 'x', 1), client.close(60))",
    "stop": "(block(), broker.stop(60))",
}

INTERRUPTED = """
import socket, threading
from libmqtt import Broker, Client
listener = socket.create_server(("127.0.0.1", 0))
silent = f"127.0.0.1:{listener.getsockname()[1]}"
offline = Client(silent, queue_messages_max=10)
gate = threading.Event()
broker = Broker(authorise=lambda client, action, topic: action == "subscribe" or gate.wait(60))
client = Client(broker.url)
client.connect()
def block():
    # A subscriber that does not read what the broker has for it.
    global lazy
    lazy = socket.create_connection(("127.0.0.1", broker.port))
    lazy.sendall(b"\\x10\\x0d\\0\\4MQTT\\4\\2\\0\\0\\0\\1x\\x82\\6\\0\\1\\0\\1t\\1")
    lazy.recv(4, socket.MSG_WAITALL), lazy.recv(5, socket.MSG_WAITALL)
    for _ in range(40):
        broker.publish("t", b"x" * 1_000_000, 1)
try:
    print("waiting", flush=True)
    CALL
except KeyboardInterrupt:
    print("interrupted", flush=True)
gate.set()
"""


@pytest.mark.parametrize("call", BLOCKING)
def test_ctrl_c_ends_every_wait(call: str) -> None:
    with program(INTERRUPTED.replace("CALL", BLOCKING[call])) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            assert process.stdout.readline() == "waiting\n", process.stderr.read()
            until(lambda: waits(process.pid), "the call")
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n", process.stderr.read()
            assert time.monotonic() - begin < 1
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def waits(pid: int) -> bool:
    """Whether the main thread of a process waits in a timed wait of a native call."""
    with contextlib.suppress(OSError):
        call = Path(f"/proc/{pid}/syscall").read_text().split()
        # futex(address, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, value, deadline, ...): std's Condvar,
        # while Python's own locks do not wait with a deadline here.
        return call[0] == "202" and int(call[2], 16) & 0x7F == 9 and call[4] != "0x0"
    return False


def test_ctrl_c_ends_asyncio_run() -> None:
    text = """
import asyncio
from libmqtt import Broker, aio
async def main():
    async with Broker() as broker, aio.Client(broker.url) as client:
        await client.subscribe("t")
        print("waiting", flush=True)
        async for message in client.messages:
            pass
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with program(text) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "waiting\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
