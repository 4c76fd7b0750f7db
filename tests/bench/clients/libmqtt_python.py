#!/usr/bin/env python3
"""libmqtt for Python, as a driver: CPU per message of the client's own process.

libmqtt_python.py [--aio] pub|sub HOST PORT QOS COUNT SIZE TOPIC

Publishing ends when every message is written (QoS 0) or acknowledged (QoS 1). A subscriber prints
READY once its subscription stands; its time and CPU run from the first message to the last. The
last line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import libmqtt
from libmqtt import aio

NAME = "libmqtt-python"


class Meter:
    """Time and CPU since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def report(self, count: int) -> None:
        """Print the line."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        line = {
            "lib": NAME,
            "version": libmqtt.__version__,
            "mode": mode,
            "qos": qos,
            "size": len(payload),
            "count": count,
            "secs": round(wall, 4),
            "msgs_per_s": round(count / wall, 1),
            "cpu_us_per_msg": round(cpu / count * 1e6, 4),
        }
        print(json.dumps(line), flush=True)


def publish(client: libmqtt.Client) -> None:
    """Publish everything, and wait for the end of it."""
    meter = Meter()
    for _ in range(count):
        handle = client.publish(topic, payload, qos)
    handle.wait()  # The last to be written, and, as this broker keeps order, to be acknowledged.
    while client.in_flight or client.queued:
        time.sleep(0.001)
    meter.report(count)


def subscribe(client: libmqtt.Client) -> None:
    """Take everything."""
    client.subscribe(topic, qos)
    print("READY", flush=True)
    for seen, _ in enumerate(client, 1):
        if seen == 1:
            meter = Meter()
        elif seen == count:
            meter.report(count - 1)
            return


async def publish_async(client: aio.Client) -> None:
    """Publish everything: QoS 1 by 100 tasks at a time."""

    async def some(number: int) -> None:
        for _ in range(number):
            await client.publish(topic, payload, qos)

    meter = Meter()
    tasks = 100 if qos else 1
    await asyncio.gather(*(some(count // tasks) for _ in range(tasks)))
    while client.queued:
        await asyncio.sleep(0.001)
    meter.report(count // tasks * tasks)


async def subscribe_async(client: aio.Client) -> None:
    """Take everything."""
    await client.subscribe(topic, qos)
    print("READY", flush=True)
    seen = 0
    async for _ in client.messages:
        seen += 1
        if seen == 1:
            meter = Meter()
        elif seen == count:
            meter.report(count - 1)
            return


async def main_async() -> None:
    """Do it with asyncio."""
    async with aio.Client(server) as client:
        await (publish_async if mode == "pub" else subscribe_async)(client)


words = sys.argv[1:]
if words[0] == "--aio":
    NAME = "libmqtt-asyncio"
    words = words[1:]
mode, host, port, *numbers, topic = words
qos, count, size = map(int, numbers)
payload = b"x" * size
server = f"mqtt://{host}:{port}"
if NAME == "libmqtt-asyncio":
    asyncio.run(main_async())
else:
    with libmqtt.Client(server) as client:
        (publish if mode == "pub" else subscribe)(client)
