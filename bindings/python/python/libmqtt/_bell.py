"""How an event loop learns that there is something to take."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Callable, Protocol

from .errors import MqttError


class _Bell(Protocol):
    def descriptor(self) -> int: ...

    def hush(self) -> None: ...

    def wait_for_bell(self) -> bool: ...


def watch(
    loop: asyncio.AbstractEventLoop, bell: _Bell, wake: Callable[[], None]
) -> Callable[[], None]:
    """Have `wake` called on the loop whenever the bell rings, until the result is called.

    The loop watches a descriptor; where it cannot (Windows' proactor loop), a thread waits.
    """
    over = False

    def rung() -> None:
        if not over:
            bell.hush()
            wake()

    try:
        descriptor = bell.descriptor()
        loop.add_reader(descriptor, rung)
    except (NotImplementedError, OSError):

        def wait() -> None:
            with contextlib.suppress(MqttError, RuntimeError):  # closed: the client, the loop
                while bell.wait_for_bell() and not over:
                    loop.call_soon_threadsafe(rung)

        threading.Thread(target=wait, name="libmqtt-bell", daemon=True).start()

        def unwatch() -> None:
            nonlocal over
            over = True

        return unwatch

    def unwatch_descriptor() -> None:
        nonlocal over
        over = True
        if not loop.is_closed():
            loop.remove_reader(descriptor)

    return unwatch_descriptor
