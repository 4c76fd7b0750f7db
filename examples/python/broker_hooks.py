"""A broker inside a program, with its own idea of who may do what.

python broker_hooks.py
"""

import asyncio

from libmqtt import Attempt, Broker, ClientInfo, Message, ReasonCode, SessionError, aio

USERS = {"ada": b"engine", "bob": b"builder"}


def authenticate(attempt: Attempt) -> ReasonCode:
    """Let in who knows the password."""
    if attempt.client.user_name in USERS and attempt.password == USERS[attempt.client.user_name]:
        return ReasonCode.SUCCESS
    return ReasonCode.BAD_USER_NAME_OR_PASSWORD


async def authorise(client: ClientInfo, action: str, topic: str) -> bool:
    """Let everybody read, and write below a topic of their own; this may ask a database."""
    await asyncio.sleep(0)
    return action == "subscribe" or topic.startswith(f"users/{client.user_name}/")


def on_publish(client: "ClientInfo | None", message: Message) -> None:
    """See every message."""
    if client is not None:
        print(f"{client.user_name} published {message}")


async def main() -> None:
    """Run the broker, and clients that may and may not."""
    broker = Broker(authenticate=authenticate, authorise=authorise, on_publish=on_publish)
    async with broker:
        try:
            await aio.Client(broker.url, user_name="eve", password="?").connect()
        except SessionError as error:
            print(f"eve: {error}")
        async with aio.Client(broker.url, user_name="ada", password="engine") as ada:
            await ada.publish("users/ada/note", "hello", qos=1)
            try:
                await ada.publish("users/bob/note", "hello", qos=1)
            except SessionError as error:
                print(f"ada: {error}")
        print(broker.stats()["publish_received"], "messages were received")


if __name__ == "__main__":
    asyncio.run(main())
