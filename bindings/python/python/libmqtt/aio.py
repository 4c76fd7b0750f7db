"""The client for asyncio: no thread, one wake-up for everything that has come meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from . import _native, _process
from ._bell import watch
from ._native import Connected, Disconnected, Message, Properties
from .client import check
from .errors import MqttError, QueueFull, Status, TimedOut, UsageError
from .options import Filters, Overflow, Payload, names, wanted
from .transport import prepared
from .values import ReasonCode, Version

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .broker import Broker
    from .options import ClientOptions

__all__ = ["Client", "Messages"]

log = logging.getLogger("libmqtt")

_BATCH = 256
_CLOSE_S = 5.0
_NEVER = float("inf")

_Function = TypeVar("_Function", bound=Callable[..., object])


class Messages:
    """Messages that have come and wait to be taken, by any number of tasks.

    `async for` waits for the next one. It ends when the client is closed or told to disconnect,
    and raises when the connection was lost for good; a connection that is made again goes
    unnoticed. Cancelling loses no message.
    """

    def __init__(self, client: Client, queue: int = 0) -> None:
        self._client = client
        self._core = client._core
        self._queue = queue
        self._taken: deque[Message] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._in_a_row = 0
        client._streams.add(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        taken = self._taken
        while not taken:
            if not self._fill():
                raise StopAsyncIteration
            if not taken:
                self._in_a_row = 0
                await self._wait()
            elif (in_a_row := self._in_a_row + len(taken)) < _BATCH:
                self._in_a_row = in_a_row
            else:
                # Others have their turn now and then, also when messages never end.
                self._in_a_row = 0
                await asyncio.sleep(0)
        return taken.popleft()

    def _fill(self) -> bool:
        batch = self._core.take_or_arm(self._queue, _BATCH)
        if batch is None:
            return False
        self._taken.extend(batch)
        return True

    async def _wait(self) -> None:
        future = self._client._running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)

    def _wake(self) -> None:
        """Look for messages for those who wait."""
        if not self._waiting:
            return
        if not self._taken:
            try:
                if self._fill() and not self._taken:
                    return
            except MqttError:
                pass  # Everyone who waits finds out.
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def get(self) -> Message:
        """Wait for the next message and take it.

        Raises UsageError (closed) after the last one.
        """
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise UsageError("there are no more messages", status=Status.CLOSED) from None

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._taken) + self._core.queue_counts(self._queue)[0]

    @property
    def dropped(self) -> int:
        """Messages that were dropped at the bound."""
        return self._core.queue_counts(self._queue)[1]

    def close(self) -> None:
        """Take no more messages. What waits is dropped, and iterating ends."""
        if self._queue:
            self._core.close_queue(self._queue)
            self._client._streams.discard(self)
        self._taken.clear()
        self._wake()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Client:
    """An MQTT client for asyncio.

        async with aio.Client("mqtt://localhost") as client:
            await client.subscribe("sensors/#", qos=1)
            await client.publish("sensors/hall", "21.5", qos=1)
            async for message in client.messages:
                print(message.topic, message.payload)

    Servers, `timeout` and options are those of `libmqtt.Client`; a `Broker` of this process will do
    as a server, without a socket. It belongs to the event loop that
    it connects on. A lost connection is made again in the background. Every call may be cancelled;
    a message that was being published then is published nevertheless.
    """

    def __init__(
        self,
        servers: str | Sequence[str] | Broker = "mqtt://localhost",
        *,
        timeout: float = 30.0,
        **options: Unpack[ClientOptions],
    ) -> None:
        from .broker import Broker

        if isinstance(servers, Broker):
            self._core = servers._core.client(prepared(options))
        else:
            several = [servers] if isinstance(servers, str) else list(servers)
            if not several:
                raise UsageError("there is no server to connect to", status=Status.BAD_ARGUMENT)
            self._core = _native.Client(several, prepared(options))
        self.timeout = timeout
        """Seconds that calls wait which are not told otherwise."""
        self._core.want_items()
        self._idle = True
        self._kept = options.get("data_directory") is not None
        self._waits_for_room = options.get("queue_full", "wait") == "wait"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unwatch: Callable[[], None] | None = None
        self._streams: set[Messages] = set()
        # By token: what is awaited, and until when. One timer serves them all.
        self._operations: dict[int, tuple[asyncio.Future[Any], float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._room: list[asyncio.Future[None]] = []
        self._connecting: list[asyncio.Future[Connected]] = []
        self._leaving: list[asyncio.Future[None]] = []
        self._said: Connected | None = None
        self._sent = 0
        self._on_connect: list[Callable[[Connected], object]] = []
        self._on_disconnect: list[Callable[[Disconnected], object]] = []
        self._on_subscription_lost: list[Callable[[str, ReasonCode], object]] = []
        self._on_challenge: Callable[[bytes], bytes] | None = None
        self._messages = Messages(self)
        _process.opened(self)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the client belongs to, if we are on it."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._unwatch = watch(loop, self._core, self._wake)
            self._wake()
        elif loop is not self._loop:
            raise UsageError("client belongs to another event loop", status=Status.BAD_STATE)
        return loop

    # The connection.

    async def connect(self, timeout: float | None = None) -> Connected:
        """Connect, and wait for the server's answer. Does nothing if there is a connection.

        Raises NetworkError if no server is reached, and SessionError if it refuses.
        """
        loop = self._running_loop()
        self._wake()
        if self._said is not None and self._core.connected:
            return self._said
        future: asyncio.Future[Connected] = loop.create_future()
        self._connecting.append(future)
        self._idle = False
        try:
            self._core.connect_start()
            said: Connected = await self._until(future, timeout)
            return said
        except BaseException:
            with contextlib.suppress(MqttError):
                self._core.disconnect_start(0)
            raise
        finally:
            self._connecting.remove(future)

    async def disconnect(
        self,
        timeout: float | None = None,
        *,
        reason: int = ReasonCode.SUCCESS,
        properties: Properties | None = None,
    ) -> None:
        """Disconnect, after what waits was sent and answered, for `timeout` seconds at most.

        The client may connect again later.
        """
        time = _CLOSE_S if timeout is None else timeout
        future: asyncio.Future[None] = self._running_loop().create_future()
        self._leaving.append(future)
        try:
            with contextlib.suppress(MqttError):
                self._core.disconnect_start(time, int(reason), properties)
                if not self._idle:
                    await self._until(future, time + 1)
        finally:
            self._leaving.remove(future)

    async def close(self, timeout: float | None = None) -> None:
        """Disconnect, and end the client. May be called at any time, repeatedly.

        Messages that are kept in a data directory stay there, which is free for the next client.
        """
        loop = asyncio.get_running_loop()
        try:
            await self.disconnect(timeout)
            if self._kept:
                # It writes the rest, which the loop does not wait for.
                await asyncio.shield(loop.run_in_executor(None, self._abandon))
        finally:
            self._abandon()
            if self._unwatch is not None:
                self._unwatch()
            self._wake()
            if self._timer is not None:
                self._timer.cancel()

    def _abandon(self) -> None:
        with contextlib.suppress(MqttError):
            self._core.close(0)

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close(0)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Who cancels wants an end, but a goodbye too.
        hurry = kind is not None and issubclass(kind, (asyncio.CancelledError, KeyboardInterrupt))
        await self.close(0 if hurry else None)

    @property
    def connected(self) -> bool:
        """Whether there is a connection that the server has accepted."""
        return self._core.connected

    @property
    def client_id(self) -> str:
        """The Client Identifier: given, or assigned by the server, or empty."""
        return self._core.client_id

    @property
    def version(self) -> Version:
        """The version of the connection, or of the next one."""
        return self._core.version

    @property
    def queued(self) -> int:
        """Messages that wait to be sent."""
        return self._core.queued

    @property
    def in_flight(self) -> int:
        """Messages at QoS 1 and 2 that wait for their acknowledgement."""
        return self._core.in_flight

    def set_credentials(self, user_name: str | None, password: str | bytes | None = None) -> None:
        """Replace User Name and Password, from the next attempt to connect on."""
        secret = password.encode() if isinstance(password, str) else password
        self._core.set_credentials(user_name, secret)

    def __repr__(self) -> str:
        with contextlib.suppress(MqttError):
            return f"<libmqtt.aio.Client {self.client_id!r} connected={self.connected}>"
        return "<libmqtt.aio.Client out of use>"

    # Publishing.

    async def publish(
        self,
        topic: str,
        payload: Payload = None,
        qos: int = 0,
        *,
        retain: bool = False,
        properties: Properties | None = None,
        timeout: float | None = None,
    ) -> ReasonCode:
        """Publish a message.

        At QoS 1 and 2, wait until it is acknowledged, and return the Reason Code; at QoS 0, only
        until there is room for it: the option `queue_full` says what happens without.
        """
        loop = self._running_loop()
        while True:
            try:
                if qos:
                    token = self._core.publish_start(topic, payload, qos, retain, properties)
                    reason: ReasonCode = await self._end(loop, token, timeout)
                    return reason
                self._core.send(topic, payload, retain, properties)
                self._sent += 1
                if self._sent % _BATCH == 0:
                    # Others have their turn now and then.
                    await asyncio.sleep(0)
                return ReasonCode.SUCCESS
            except QueueFull:
                if not self._waits_for_room:
                    raise
            await self._wait_for_room(timeout)

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until all that was published so far at QoS 1 and 2 is on disk.

        Also what tasks publish that were made before this call. It is sent then whatever becomes
        of this process, if need be by the next client with this `client_id` and `data_directory`,
        without which this raises UsageError. Raises StorageError when nothing can be stored, and
        TimedOut after `timeout` seconds.
        """
        loop = self._running_loop()
        # Tasks that are new begin first.
        await asyncio.sleep(0)
        await self._end(loop, self._core.flush_start(), timeout)

    async def _wait_for_room(self, timeout: float | None) -> None:
        if self._core.ask_for_room():
            return
        future: asyncio.Future[None] = self._running_loop().create_future()
        self._room.append(future)
        self._core.begin_patience()
        try:
            await self._until(future, timeout)
        finally:
            self._room.remove(future)
            self._core.end_patience()

    async def request(
        self,
        topic: str,
        payload: Payload = None,
        qos: int = 0,
        *,
        properties: Properties | None = None,
        timeout: float | None = None,
    ) -> Message:
        """Publish a request, wait for the response, and return it. Needs 5.0."""
        loop = self._running_loop()
        time = self.timeout if timeout is None else timeout
        token = self._core.request_start(topic, payload, qos, properties, time)
        reply: Message = await self._end(loop, token, time + 1)
        return reply

    async def respond(self, request: Message, payload: Payload = None) -> ReasonCode:
        """Publish the response to a request: to its Response Topic, with its Correlation Data."""
        reply = request.reply(payload)
        if reply is None:
            raise UsageError("message has no response topic", status=Status.BAD_ARGUMENT)
        return await self.publish(
            reply.topic, reply.payload, reply.qos, properties=reply.properties
        )

    # Subscribing.

    async def subscribe(
        self,
        filters: Filters,
        qos: int = 0,
        *,
        properties: Properties | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> list[ReasonCode]:
        """Subscribe to one filter or several, and wait for the server's answer.

        Bare filters are subscribed to with this QoS, and the options of `Subscription`.

        Raises SessionError if the server refuses a filter; what it has granted stays.
        """
        loop = self._running_loop()
        several = wanted(filters, qos, options)
        token = self._core.subscribe_start(several, properties)
        reasons: list[ReasonCode] = await self._end(loop, token, timeout)
        check([one[0] for one in several], reasons)
        return reasons

    async def unsubscribe(
        self,
        filters: str | Iterable[str],
        *,
        properties: Properties | None = None,
        timeout: float | None = None,
    ) -> list[ReasonCode]:
        """Unsubscribe from one filter or several, and wait for the server's answer."""
        loop = self._running_loop()
        token = self._core.unsubscribe_start(names(filters), properties)
        reasons: list[ReasonCode] = await self._end(loop, token, timeout)
        return reasons

    # Receiving.

    @property
    def messages(self) -> Messages:
        """The messages that no stream takes."""
        return self._messages

    def stream(
        self,
        filters: str | Iterable[str],
        *,
        inbox_max: int = 10_000,
        overflow: Overflow = "wait",
    ) -> Messages:
        """Return a queue of its own for messages that match. It does not subscribe."""
        return Messages(self, self._core.open_queue(names(filters), inbox_max, overflow))

    def acknowledge(self, message: Message, reason: int = ReasonCode.SUCCESS) -> None:
        """Acknowledge a message, or refuse it: with the option `manual_ack`."""
        self._core.acknowledge(message, int(reason))

    # Callbacks.

    def on_connect(self, callback: _Function) -> _Function:
        """Have every accepted connection told, on the event loop: `callback(connected)`."""
        self._on_connect.append(callback)
        return callback

    def on_disconnect(self, callback: _Function) -> _Function:
        """Have every end of a connection or attempt told: `callback(disconnected)`."""
        self._on_disconnect.append(callback)
        return callback

    def on_subscription_lost(self, callback: _Function) -> _Function:
        """Have it told when a subscription could not be made again: `callback(filter, reason)`."""
        self._on_subscription_lost.append(callback)
        return callback

    def on_challenge(self, callback: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
        """Have Authentication Data answered: `callback(data)` returns the client's."""
        self._on_challenge = callback
        return callback

    def _tell(self, known: list[Any], *what: object) -> None:
        for callback in list(known):
            try:
                callback(*what)
            except Exception:
                log.exception("a callback of %r has failed", self)

    # What the client tells.

    async def _end(self, loop: asyncio.AbstractEventLoop, token: int, timeout: float | None) -> Any:
        """Wait for the end of an operation, on the running loop."""
        operations, timer = self._operations, self._timer
        future: asyncio.Future[Any] = loop.create_future()
        until = loop.time() + (self.timeout if timeout is None else timeout)
        if not operations:
            # Their ends may lie behind messages that nobody takes.
            self._core.begin_patience()
        operations[token] = future, until
        if timer is None or until < timer.when():
            self._expect(until)
        try:
            return await future
        except BaseException:
            # One that has ended is forgotten already.
            self._forget(token)
            raise

    def _forget(self, token: int) -> asyncio.Future[Any] | None:
        """Wait for the end of an operation no more."""
        operations = self._operations
        operation = operations.pop(token, None)
        if operation is None:
            return None
        if not operations:
            self._core.end_patience()
        return operation[0]

    def _expect(self, until: float) -> None:
        """Have operations expire from then on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if until < _NEVER:
            self._timer = self._running_loop().call_at(until, self._expire)

    def _expire(self) -> None:
        """End the operations whose time is over."""
        self._timer = None
        now = self._running_loop().time()
        for future, until in self._operations.values():
            if until <= now:
                _expire(future)
        self._expect(min((t for _, t in self._operations.values() if t > now), default=_NEVER))

    async def _until(self, future: asyncio.Future[Any], timeout: float | None) -> Any:
        time = self.timeout if timeout is None else timeout
        if time == _NEVER:
            return await future
        timer = self._running_loop().call_later(time, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    def _wake(self) -> None:
        """Take what the client tells."""
        with contextlib.suppress(MqttError):  # out of use after fork()
            while items := self._core.take_items_or_arm(_BATCH):
                for item in items:
                    if item[0] == "done":
                        if (future := self._forget(item[1])) is not None:
                            _settle(future, item[2], item[3])
                    else:
                        self._take(item)
            for stream in list(self._streams):
                stream._wake()

    def _take(self, item: tuple[Any, ...]) -> None:
        kind = item[0]
        if kind == "connected":
            self._said = item[1]
            for connecting in self._connecting:
                _settle(connecting, item[1], None)
            self._tell(self._on_connect, item[1])
        elif kind == "disconnected":
            ended: Disconnected = item[1]
            self._said = None
            if ended.retry_in is None:
                self._idle = True
                for connecting in self._connecting:
                    _settle(connecting, None, ended.error)
                for leaving in self._leaving:
                    _settle(leaving, None, None)
            self._tell(self._on_disconnect, ended)
        elif kind == "room":
            for waiting in self._room:
                _settle(waiting, None, None)
        elif kind == "subscription_lost":
            self._tell(self._on_subscription_lost, item[1], item[2])
        elif kind == "challenge" and self._on_challenge is not None:
            try:
                self._core.authenticate(self._on_challenge(item[1]))
            except Exception:
                log.exception("a callback of %r has failed", self)


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _expire(future: asyncio.Future[Any]) -> None:
    _settle(future, None, TimedOut("deadline has passed", status=Status.TIMED_OUT))
