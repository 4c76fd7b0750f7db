"""What a client keeps in its data directory, across processes that are killed."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import program, run
from libmqtt import Broker, Client, Message, Status, StorageError, UsageError, aio

COUNT = 10_000
LONG = 60.0
"""Seconds for what ten thousand messages at QoS 2 may take on a busy machine."""

NOWHERE = "unix:@libmqtt-nobody-listens-here"


def kept(directory: Path, client_id: str = "me", **more: Any) -> Any:
    """Options of a client that keeps its messages."""
    return {
        "client_id": client_id,
        "session_expiry_s": 3600,
        "data_directory": directory,
        **more,
    }


def qos(number: int) -> int:
    """Messages are at QoS 1 and 2 by turns."""
    return 1 + number % 2


class Receiver:
    """A subscriber that remembers what has come at each QoS, in order."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, client_id="receiver", inbox_max=10 * COUNT)
        self.got: dict[int, list[int]] = {1: [], 2: []}

    def __enter__(self) -> Receiver:
        self.client.connect()
        self.client.subscribe(["kept", "end"], 2)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def take(self, sender: Client) -> None:
        """Take everything that this client still has to send."""
        end = time.monotonic() + LONG
        while sender.queued or sender.in_flight:
            assert time.monotonic() < end, (sender.queued, sender.in_flight)
            time.sleep(0.01)
        sender.publish("end", qos=2).wait(LONG)
        while (message := self.client.receive(LONG)).topic != "end":
            self.got[message.qos].append(int(message.payload))


@pytest.fixture(params=["ours", "mosquitto"])
def server(request: pytest.FixtureRequest) -> str:
    """Brokers of both makes; their URL."""
    if request.param == "ours":
        broker: Broker = request.getfixturevalue("broker")
        return broker.url
    return f"mqtt://127.0.0.1:{request.getfixturevalue('mosquitto')}"


OFFLINE = {
    # It has never reached a server.
    "sync": """
import sys, time
from libmqtt import Client, NetworkError
directory, count = sys.argv[1], int(sys.argv[2])
options = dict(client_id="me", session_expiry_s=3600, data_directory=directory)
client = Client("unix:@libmqtt-nobody-listens-here", **options)
try:
    client.connect()
except NetworkError:
    for n in range(count):
        client.publish("kept", str(n), 1 + n % 2)
    client.flush()
    print("kept", client.queued, flush=True)
    time.sleep(600)
""",
    # Its server has gone.
    "aio": """
import asyncio, sys
from libmqtt import Broker, aio
async def main():
    directory, count = sys.argv[1], int(sys.argv[2])
    options = dict(client_id="me", session_expiry_s=3600, data_directory=directory)
    async with Broker() as broker:
        client = aio.Client(broker.url, **options)
        await client.connect()
        gone = asyncio.Event()
        client.on_disconnect(lambda ended: gone.set())
    await gone.wait()
    tasks = [asyncio.create_task(client.publish("kept", str(n), 1 + n % 2, timeout=600))
        for n in range(count)]
    await client.flush()
    print("kept", client.queued, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
""",
}


def kill_when(lines: int, text: str, *args: str) -> str:
    """Run a program until it has printed so many lines, kill it, and return the last of them."""
    with program(text, *args) as child:
        try:
            assert child.stdout is not None and child.stderr is not None
            line = ""
            for _ in range(lines):
                line = child.stdout.readline()
                assert line, child.stderr.read()
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    return line


@pytest.mark.parametrize("face", OFFLINE)
def test_ten_thousand_messages_of_a_process_killed_offline_arrive_once_and_in_order(
    face: str, server: str, tmp_path: Path
) -> None:
    assert kill_when(1, OFFLINE[face], str(tmp_path), str(COUNT)) == f"kept {COUNT}\n"
    with Receiver(server) as receiver:
        with Client(server, **kept(tmp_path)) as client:
            receiver.take(client)
        assert receiver.got == {1: list(range(0, COUNT, 2)), 2: list(range(1, COUNT, 2))}
        # Nothing of that is left.
        with Client(server, **kept(tmp_path)) as client:
            assert (client.queued, client.in_flight) == (0, 0)
            receiver.take(client)
        assert len(receiver.got[1]) + len(receiver.got[2]) == COUNT


IN_FLIGHT = {
    "sync": """
import sys
from itertools import count
from libmqtt import Client
directory, server, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = dict(client_id="me", session_expiry_s=3600, data_directory=directory)
with Client(server, **options) as client:
    for n in count(first):
        client.publish("kept", str(n), 1 + n % 2, timeout=600)
        if n % 250 == 249:
            client.flush()
            print(n, flush=True)
""",
    "aio": """
import asyncio, sys
from libmqtt import aio
async def main():
    directory, server, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    options = dict(client_id="me", session_expiry_s=3600, data_directory=directory)
    tasks = set()
    async with aio.Client(server, timeout=600, **options) as client:
        while True:
            for n in range(first, first + 250):
                tasks.add(asyncio.create_task(client.publish("kept", str(n), 1 + n % 2)))
            first += 250
            await client.flush()
            print(n, flush=True)
asyncio.run(main())
""",
}


@pytest.mark.parametrize("face", IN_FLIGHT)
def test_processes_killed_under_load_lose_nothing_flushed_and_repeat_no_qos_2(
    face: str, server: str, tmp_path: Path
) -> None:
    flushed: list[int] = []
    with Receiver(server) as receiver:
        for life, lines in enumerate((2, 9, 5)):
            first = life * 1_000_000
            last = int(kill_when(lines, IN_FLIGHT[face], str(tmp_path), server, str(first)))
            assert last == first + 250 * lines - 1
            flushed += range(first, last + 1)
        with Client(server, **kept(tmp_path)) as client:
            receiver.take(client)
    once, twice = receiver.got[1], receiver.got[2]
    assert set(flushed) <= {*once, *twice}
    assert twice == sorted(set(twice))
    # What is repeated at QoS 1 is so in order.
    seen = list(dict.fromkeys(once))
    assert seen == sorted(seen)


def test_a_closed_client_frees_its_file_at_once(broker: Broker, tmp_path: Path) -> None:
    file = tmp_path / "data" / "client-me.db"

    def in_use() -> None:
        with pytest.raises(StorageError) as caught:
            Client(NOWHERE, **kept(file.parent))
        assert caught.value.status is Status.STORAGE_FAILED and str(file) in str(caught.value)

    for n in range(10):
        client = Client(broker.url, **kept(file.parent))
        assert client.queued == n
        in_use()
        client.publish("t", "x", 1)
        client.close()
    # One that was connected; one within the broker's process; one of an event loop.
    with Client(broker.url, **kept(file.parent)):
        in_use()
    with broker.client(**kept(file.parent)) as client:
        in_use()
        client.publish("t", "x", 1).wait(10)

    async def loop() -> None:
        for server in (broker.url, broker):
            async with aio.Client(server, **kept(file.parent)) as client:
                in_use()
                await client.publish("t", "x", 2)
                await client.flush()

    asyncio.run(loop())
    # One that is dropped, and another client beside.
    client = Client(NOWHERE, **kept(file.parent))
    Client(NOWHERE, **kept(file.parent, "you")).close()
    del client
    Client(NOWHERE, **kept(file.parent)).close()


@pytest.mark.parametrize("durability", ["off", 600.0])
def test_what_is_not_on_disk_yet_is_there_when_the_client_ends(
    durability: Any, tmp_path: Path
) -> None:
    options = kept(tmp_path, durability=durability)
    client = Client(NOWHERE, **options)
    client.publish("t", "x", 1)
    client.close()
    text = """
import sys
from libmqtt import Client
how = sys.argv[2] if sys.argv[2] == "off" else float(sys.argv[2])
options = dict(client_id="me", session_expiry_s=3600, data_directory=sys.argv[1], durability=how)
client = Client("unix:@libmqtt-nobody-listens-here", **options)
client.publish("t", "x", 2)
if sys.argv[3] == "kill":
    client.flush()
    client.publish("t", "lost", 2)
    print("flushed", flush=True)
    sys.stdin.read()
    import time
    time.sleep(600)
"""
    code, _, err = run(text, str(tmp_path), str(durability), "end")
    assert code == 0, err
    kill_when(1, text, str(tmp_path), str(durability), "kill")
    client = Client(NOWHERE, **options)
    assert client.queued == 3
    client.close()


def test_a_fork_keeps_no_file_open(tmp_path: Path) -> None:
    code, out, err = run(
        """
import os, sys
from libmqtt import Client, MqttError, StorageError
options = dict(client_id="me", session_expiry_s=3600, data_directory=sys.argv[1])
client = Client("unix:@libmqtt-nobody-listens-here", **options)
client.publish("t", "x", 1)
told, tell = os.pipe()
done, do = os.pipe()
child = os.fork()
if child == 0:
    try:
        client.flush()
    except MqttError as error:
        assert "fork" in str(error), error
    try:
        Client("unix:@libmqtt-nobody-listens-here", **options)
    except StorageError:
        os.write(tell, b"in use")
    assert os.read(done, 9) == b"closed"
    Client("unix:@libmqtt-nobody-listens-here", **options).close()
    sys.exit(7)
assert os.read(told, 9) == b"in use"
client.flush()
client.close()
# While the child lives.
client = Client("unix:@libmqtt-nobody-listens-here", **options)
print(client.queued)
client.close()
os.write(do, b"closed")
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
        str(tmp_path),
    )
    assert (code, out) == (0, "1\n7\n"), err


def test_a_message_at_qos_2_is_not_received_again_after_a_kill(
    broker: Broker, tmp_path: Path
) -> None:
    text = """
import sys
from libmqtt import Client
options = dict(client_id="me", session_expiry_s=3600, data_directory=sys.argv[1])
with Client(sys.argv[2], manual_ack=len(sys.argv) > 3, **options) as client:
    client.subscribe("t", 2)
    print("ready", flush=True)
    print(client.receive(60).text, flush=True)
    sys.stdin.read()
    import time
    time.sleep(600)
"""
    with Client(broker.url) as publisher:
        for manual in ([], ["manual"]):
            words = (str(tmp_path), broker.url, *manual)
            with program(text, *words) as child:
                try:
                    assert child.stdout is not None and child.stderr is not None
                    assert child.stdout.readline() == "ready\n", child.stderr.read()
                    publisher.publish("t", "once", 2).wait(10)
                    assert child.stdout.readline() == "once\n", child.stderr.read()
                finally:
                    child.send_signal(signal.SIGKILL)
                    child.wait()
            publisher.publish("t", "next", 2).wait(10)
            with Client(broker.url, **kept(tmp_path, manual_ack=bool(manual))) as client:
                # What was not acknowledged by the program comes again.
                expected = ["once", "next"] if manual else ["next"]
                got: list[Message] = [client.receive(10) for _ in expected]
                assert [message.text for message in got] == expected
                for message in got if manual else ():
                    client.acknowledge(message)


def test_options_that_do_not_fit_are_refused(broker: Broker, tmp_path: Path) -> None:
    def refused(kind: type[Exception], what: str, **options: Any) -> None:
        for make in (lambda: Client(NOWHERE, **options), lambda: broker.client(**options)):
            with pytest.raises(kind, match=what):
                make()

    data = tmp_path / "data"
    refused(UsageError, "durability: it wants a data_directory", durability="sync")
    refused(UsageError, "data_directory: it wants a client_id", **kept(data, client_id=""))
    for unfit in ({"session_expiry_s": 0}, {"clean_start": True}):
        options = {**kept(data), **unfit}
        refused(UsageError, "data_directory: it wants a session_expiry_s", **options)
    refused(
        UsageError, "durability is 'full', not one of sync, off", **kept(data, durability="full")
    )
    refused(UsageError, "-1 is no time in seconds", **kept(data, durability=-1.0))
    refused(TypeError, "os.PathLike", **kept(7))  # type: ignore[arg-type]
    assert not data.exists()
    # What is there and is no such file stays as it is.
    data.write_text("precious")
    refused(StorageError, str(data / "client-me.db"), **kept(data))
    file = tmp_path / "client-me.db"
    file.write_text("precious")
    refused(StorageError, str(file), **kept(tmp_path))
    assert (data.read_text(), file.read_text()) == ("precious", "precious")
    with Client(broker.url) as client, pytest.raises(UsageError, match="no persistence"):
        client.flush()

    async def flush() -> None:
        async with aio.Client(broker.url) as client:
            with pytest.raises(UsageError, match="no persistence"):
                await client.flush()

    asyncio.run(flush())


def test_a_disk_that_takes_no_more_is_told_and_recovered_from(tmp_path: Path) -> None:
    code, out, err = run(
        """
import asyncio, resource, sys, time
from pathlib import Path
from libmqtt import Client, StorageError, aio
directory = Path(sys.argv[1])
options = dict(client_id="me", session_expiry_s=3600, data_directory=directory)
client = Client("unix:@libmqtt-nobody-listens-here", **options)
client.publish("t", "x", 1)
client.flush()
size = (directory / "client-me.db").stat().st_size
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
taken = 1
try:
    while True:
        client.publish("t", bytes(100_000), 1)
        taken += 1
        client.flush()
except StorageError as error:
    print(error.status.name)
try:
    client.publish("t", "not while nothing can be stored", 1)
except StorageError as error:
    print(error.status.name)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
while True:
    try:
        client.flush()
        break
    except StorageError:
        time.sleep(0.01)
client.publish("t", "x", 1)
client.close()

async def main():
    client = aio.Client("unix:@libmqtt-nobody-listens-here", **options)
    assert client.queued == taken + 1, (client.queued, taken)
    size = (directory / "client-me.db").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    tasks = set()
    try:
        while True:
            tasks.add(asyncio.create_task(client.publish("t", bytes(100_000), 1, timeout=60)))
            await client.flush()
    except StorageError as error:
        print(error.status.name)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await client.close()
    await asyncio.gather(*tasks, return_exceptions=True)
asyncio.run(main())
""",
        str(tmp_path),
    )
    assert (code, out) == (0, "STORAGE_FAILED\n" * 3), err
