"""A client for asyncio: streams with bounds of their own, requests and responses.

python asyncio_client.py mqtt://localhost
"""

import asyncio
import sys

from libmqtt import aio


async def serve(client: aio.Client) -> None:
    """Answer requests."""
    async with client.stream("square") as requests:
        await client.subscribe("square", qos=1)
        async for request in requests:
            await client.respond(request, str(int(request.text) ** 2))


async def main() -> None:
    """Publish, receive, ask."""
    server = sys.argv[1] if len(sys.argv) > 1 else "mqtt://localhost"
    async with aio.Client(server) as client:
        # Only the newest readings matter here.
        newest = client.stream("sensors/#", inbox_max=10, overflow="drop_oldest")
        await client.subscribe("sensors/#", qos=1)
        for number in range(100):
            await client.publish("sensors/hall", str(number), qos=1)
        print("newest:", [(await newest.get()).text for _ in range(len(newest))])

        server_task = asyncio.create_task(serve(client))
        await asyncio.sleep(0)
        async with aio.Client(server) as other:
            print("12 squared is", (await other.request("square", "12", timeout=5)).text)
        server_task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
