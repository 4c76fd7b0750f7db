from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Callable

import pytest
from conftest import until
from libmqtt import (
    Broker,
    Message,
    NetworkError,
    QueueFull,
    ReasonCode,
    SessionError,
    Status,
    TimedOut,
    UsageError,
    Version,
    aio,
)

Main = Callable[[], Coroutine[Any, Any, None]]


class NoReaderLoop(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, like Windows' proactor loop."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


def plain(main: Main) -> None:
    asyncio.run(asyncio.wait_for(main(), 30))


def debug(main: Main) -> None:
    asyncio.run(asyncio.wait_for(main(), 30), debug=True)


def uv(main: Main) -> None:
    import uvloop

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()


def proactor(main: Main) -> None:
    loop = NoReaderLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()


loops = pytest.mark.parametrize("run", [plain, debug, uv, proactor])


@loops
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_go_round(broker: Broker, run: Callable[[Main], None], qos: int) -> None:
    async def main() -> None:
        async with aio.Client(broker.url, client_id="a") as client:
            assert client.connected and client.client_id == "a" and client.version is Version.V5
            assert await client.subscribe("t/#", qos) == [qos]
            for number in range(1000):
                assert await client.publish("t/1", str(number), qos) is ReasonCode.SUCCESS
            got = [(await client.messages.get()).text for _ in range(1000)]
            assert got == [str(number) for number in range(1000)]
            assert await client.unsubscribe("t/#") == [ReasonCode.SUCCESS]
        assert not client.connected

    run(main)


@loops
def test_streams_have_bounds_of_their_own(broker: Broker, run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Client(broker.url) as client, client.stream("a/+") as every:
            newest = client.stream("a/+", inbox_max=2, overflow="drop_oldest")
            await client.subscribe("#", 1)
            for number in range(10):
                await client.publish("a/1", str(number), 1)
            await client.publish("b", "end", 1)
            assert (await client.messages.get()).topic == "b"
            assert [(await every.get()).text for _ in range(10)] == list("0123456789")
            assert [(await newest.get()).text for _ in range(2)] == ["8", "9"]
            assert newest.dropped == 8 and every.dropped == 0 and len(every) == 0

    run(main)


def test_cancelling_the_wait_for_a_message_loses_none(broker: Broker) -> None:
    async def main() -> None:
        async with aio.Client(broker.url) as client:
            await client.subscribe("t", 1)
            got: list[str] = []
            sender = asyncio.create_task(send(client))
            while len(got) < 500:
                waiting = asyncio.ensure_future(client.messages.get())
                await asyncio.sleep(0)
                waiting.cancel()
                try:
                    got.append((await waiting).text)
                except asyncio.CancelledError:
                    if len(got) % 2:
                        got.append((await client.messages.get()).text)
                    else:
                        await asyncio.sleep(0.0001)
                        if len(client.messages):
                            got.append((await client.messages.get()).text)
            await sender
            assert got == [str(number) for number in range(500)]

    async def send(client: aio.Client) -> None:
        for number in range(500):
            await client.publish("t", str(number), 1)

    plain(main)


def test_cancelled_operations_leave_nothing_behind(broker: Broker) -> None:
    async def main() -> None:
        async with aio.Client(broker.url) as client:
            for _ in range(50):
                for call in (
                    client.publish("t", "x", 2),
                    client.subscribe("t"),
                    client.unsubscribe("t"),
                    client.request("nobody", timeout=5),
                ):
                    task = asyncio.ensure_future(call)
                    await asyncio.sleep(0)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
            assert not client._operations
            assert await client.publish("t", "after", 1) in (0, 16)
            with pytest.raises(TimedOut):
                await client.request("nobody", timeout=0.01)

    plain(main)


def test_leaving_by_cancellation_says_goodbye(broker: Broker) -> None:
    async def main() -> None:
        async def body() -> None:
            async with aio.Client(broker.url, will=Message("will", "gone")):
                await asyncio.Event().wait()

        async with aio.Client(broker.url) as watcher:
            await watcher.subscribe("will")
            task = asyncio.ensure_future(body())
            while broker.stats()["connections"] < 2:
                await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            broker.publish("will", "no will")
            assert (await watcher.messages.get()).text == "no will"

    plain(main)


def test_several_tasks_share_the_messages(broker: Broker) -> None:
    async def main() -> None:
        got: list[str] = []

        async def take(client: aio.Client) -> None:
            async for message in client.messages:
                got.append(message.text)
                await asyncio.sleep(0)

        async with aio.Client(broker.url) as client:
            await client.subscribe("t", 1)
            tasks = [asyncio.ensure_future(take(client)) for _ in range(5)]
            for number in range(200):
                await client.publish("t", str(number), 1)
            while len(got) < 200:
                await asyncio.sleep(0.002)
        await asyncio.gather(*tasks)
        assert sorted(got, key=int) == [str(number) for number in range(200)]

    plain(main)


def test_an_endless_stream_leaves_time_for_others(broker: Broker) -> None:
    async def main() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with aio.Client(broker.url) as client:
            await client.subscribe("t")
            task = asyncio.ensure_future(others())
            for number in range(20_000):
                await client.publish("t", str(number))
            published = turns
            for _ in range(20_000):
                await client.messages.get()
            assert published >= 20 and turns - published >= 20
            task.cancel()

    plain(main)


def test_iteration_survives_a_lost_connection_and_raises_when_it_is_for_good(
    broker: Broker,
) -> None:
    async def main() -> None:
        told: list[object] = []
        async with aio.Client(broker.url, client_id="x", reconnect_min=0.01) as client:
            client.on_connect(told.append)
            client.on_disconnect(told.append)
            await client.subscribe("t", 1)
            broker.disconnect("x")
            while len(told) < 2:
                await asyncio.sleep(0.002)
            await client.publish("t", "again", 1)
            async for message in client.messages:
                assert message.text == "again"
                break
        async with aio.Client(broker.url, client_id="y", reconnect=False) as client:
            waiting = asyncio.ensure_future(client.messages.get())
            await asyncio.sleep(0)
            broker.disconnect("y")
            with pytest.raises(NetworkError, match="Administrative action"):
                await waiting

    plain(main)


def test_failures_are_plain_exceptions(broker: Broker) -> None:
    async def main() -> None:
        with pytest.raises(NetworkError):
            async with aio.Client("127.0.0.1:1"):
                pass
        client = aio.Client(broker.url, queue_messages_max=1, queue_full="refuse")
        await client.publish("t")
        with pytest.raises(QueueFull):
            await client.publish("t")
        patient = aio.Client(broker.url, queue_messages_max=1)
        await patient.publish("t")
        with pytest.raises(TimedOut):
            await patient.publish("t", timeout=0.01)
        await patient.close(0)
        await client.close(0)
        with pytest.raises(UsageError) as caught:
            await client.publish("t")
        assert caught.value.status is Status.CLOSED
        with Broker(authenticate=lambda attempt: False) as strict:
            with pytest.raises(SessionError) as refused:
                await aio.Client(strict.url).connect()
        assert refused.value.reason is ReasonCode.NOT_AUTHORIZED

    plain(main)


def test_publish_waits_for_room(broker: Broker) -> None:
    async def main() -> None:
        async with aio.Client(broker.url, queue_messages_max=20) as client:
            await client.subscribe("t", 1)
            await asyncio.gather(*(client.publish("t", str(n), 1) for n in range(3000)))
            got = sorted([int((await client.messages.get()).text) for _ in range(3000)])
            assert got == list(range(3000))

    plain(main)


def test_a_client_belongs_to_its_loop(broker: Broker) -> None:
    client = aio.Client(broker.url)
    plain(lambda: connect(client))
    with pytest.raises(UsageError, match="another event loop"):
        plain(lambda: connect(client))
    client._abandon()


async def connect(client: aio.Client) -> None:
    await client.connect()


def test_a_loop_that_ends_with_a_live_client_harms_nothing(broker: Broker) -> None:
    for run in (plain, proactor):
        client = aio.Client(broker.url, client_id=run.__name__)

        async def main(client: aio.Client = client) -> None:
            await client.connect()
            await client.subscribe("t")

        run(main)
        broker.publish("t", "nobody is there")
        assert client.connected
        client._abandon()
    until(lambda: broker.stats()["connections"] == 0)


def test_in_process_clients_and_request_response() -> None:
    async def main() -> None:
        async with Broker(port=None) as broker:
            async with aio.Client(broker) as server, aio.Client(broker) as client:
                await server.subscribe("twice")

                async def serve() -> None:
                    async for request in server.messages:
                        await server.respond(request, request.payload * 2)

                task = asyncio.ensure_future(serve())
                for text in ("a", "b"):
                    assert (await client.request("twice", text)).text == text * 2
            await task

    plain(main)
