"""The client for threads."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, TypeVar, overload

from . import _native, _process
from ._native import Connected, Disconnected, Message, Properties, Publication
from .errors import MqttError, QueueFull, SessionError, Status, TimedOut, UsageError
from .options import Filters, Overflow, Payload, names, wanted
from .transport import prepared
from .values import ReasonCode, Version

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .options import ClientOptions

__all__ = ["Client", "Messages"]

log = logging.getLogger("libmqtt")

_BATCH = 256
_CLOSE_S = 5.0

OnMessage = Callable[[Message], object]
OnConnect = Callable[[Connected], object]
OnDisconnect = Callable[[Disconnected], object]
OnSubscriptionLost = Callable[[str, ReasonCode], object]
OnChallenge = Callable[[bytes], bytes]
_Function = TypeVar("_Function", bound=Callable[..., object])


class Messages:
    """Messages that have come and wait to be taken, by any number of threads.

    Iterating waits for the next one. It ends when the client is closed or told to disconnect,
    and raises when the connection was lost for good; a connection that is made again goes
    unnoticed.
    """

    def __init__(self, core: _native.Client, queue: int = 0) -> None:
        self._core = core
        self._queue = queue
        self._taken: deque[Message] = deque()

    def __iter__(self) -> Iterator[Message]:
        take = self._taken.popleft
        while True:
            try:
                message = take()
            except IndexError:
                if not self._fill(None):
                    return
                continue
            yield message

    def _fill(self, timeout: float | None) -> bool:
        batch = self._core.take(self._queue, _BATCH, timeout)
        if batch is None:
            return False
        self._taken.extend(batch)
        return True

    def get(self, timeout: float | None = None) -> Message:
        """Wait for the next message and take it.

        Raises TimedOut if none comes within `timeout` seconds, and UsageError (closed) after the
        last one.
        """
        while True:
            with contextlib.suppress(IndexError):
                return self._taken.popleft()
            if not self._fill(timeout):
                raise UsageError("there are no more messages", status=Status.CLOSED)
            if not self._taken and timeout is not None:
                raise TimedOut("no message came in time", status=Status.TIMED_OUT)

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._taken) + self._core.queue_counts(self._queue)[0]

    @property
    def dropped(self) -> int:
        """Messages that were dropped at the bound."""
        return self._core.queue_counts(self._queue)[1]

    def close(self) -> None:
        """Take no more messages. What waits is dropped."""
        if self._queue:
            self._core.close_queue(self._queue)
        self._taken.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """An MQTT client, for any number of threads.

    As a context manager it connects, and at the end says goodbye. A lost connection is made again
    in the background; meanwhile messages to be published wait, in bounds.

        with Client("mqtt://localhost") as client:
            client.subscribe("sensors/#", qos=1)
            client.publish("sensors/hall", "21.5", qos=1).wait()
            for message in client:
                print(message.topic, message.payload)

    `servers` is one server or a list that is tried in turn: `mqtt://HOST:PORT` (or `tcp:`),
    `mqtts://HOST:PORT` (or `ssl:`, `tls:`), `ws://HOST:PORT/PATH`, `wss://...`, `unix:PATH`,
    `unix:@NAME`. Without a scheme, `HOST:PORT` and `HOST` are reached over TCP, or with TLS if
    `tls` is given. For the options see `libmqtt.options.ClientOptions`. `timeout` is for every call
    that waits and is not told otherwise; `math.inf` is for ever.
    """

    def __init__(
        self,
        servers: str | Sequence[str] = "mqtt://localhost",
        *,
        timeout: float = 30.0,
        **options: Unpack[ClientOptions],
    ) -> None:
        several = [servers] if isinstance(servers, str) else list(servers)
        if not several:
            raise UsageError("there is no server to connect to", status=Status.BAD_ARGUMENT)
        self._begin(_native.Client(several, prepared(options)), timeout, options)

    @classmethod
    def _over(cls, core: _native.Client, timeout: float, options: ClientOptions) -> Self:
        self = cls.__new__(cls)
        self._begin(core, timeout, options)
        return self

    def _begin(self, core: _native.Client, timeout: float, options: ClientOptions) -> None:
        self.timeout = timeout
        """Seconds that calls wait which are not told otherwise."""
        self._core = core
        self._publish = core.publish
        self._started = False
        self._waits_for_room = options.get("queue_full", "wait") == "wait"
        self._messages = Messages(core)
        self._lock = threading.Lock()
        self._caller: threading.Thread | None = None
        self._on_message: dict[int, OnMessage] = {}
        self._on_connect: list[OnConnect] = []
        self._on_disconnect: list[OnDisconnect] = []
        self._on_subscription_lost: list[OnSubscriptionLost] = []
        self._on_challenge: OnChallenge | None = None
        _process.opened(self)

    # The connection.

    def connect(self, timeout: float | None = None) -> Connected:
        """Connect, and wait for the server's answer. Does nothing if there is a connection.

        Raises NetworkError if no server is reached, and SessionError if it refuses.
        """
        self._started = True
        self._core.connect_start()
        try:
            return self._core.connect_wait(self._time(timeout))
        except BaseException:
            with contextlib.suppress(MqttError):
                self._core.disconnect_start(0)
            raise

    def disconnect(
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
        with contextlib.suppress(MqttError):
            self._core.disconnect_start(time, int(reason), properties)
            if self._started:
                self._core.disconnect_wait(time + 1)

    def close(self, timeout: float | None = None) -> None:
        """Disconnect, and end the client. May be called at any time, by any thread, repeatedly.

        Messages that are kept in a data directory stay there, which is free for the next client.
        """
        try:
            self.disconnect(timeout)
        finally:
            self._abandon()
        caller = self._caller
        if caller is not None and caller is not threading.current_thread():
            caller.join(_CLOSE_S if timeout is None else timeout)

    def _abandon(self) -> None:
        with contextlib.suppress(MqttError):
            self._core.close(0)

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.close(0)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Who presses Ctrl-C wants an end.
        self.close(0 if kind is not None and issubclass(kind, KeyboardInterrupt) else None)

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
            return f"<libmqtt.Client {self.client_id!r} connected={self.connected}>"
        return "<libmqtt.Client out of use>"

    # Publishing.

    def publish(
        self,
        topic: str,
        payload: Payload = None,
        qos: int = 0,
        *,
        retain: bool = False,
        properties: Properties | None = None,
        timeout: float | None = None,
    ) -> Publication:
        """Publish a message, and return a handle whose `wait()` tells what became of it.

        Without a connection the message waits. If too many wait already, this call waits for
        room, `timeout` seconds at most (see the option `queue_full`).
        """
        while True:
            try:
                return self._publish(topic, payload, qos, retain, properties)
            except QueueFull:
                if not self._waits_for_room or not self._core.wait_for_room(self._time(timeout)):
                    raise

    def flush(self, timeout: float | None = None) -> None:
        """Wait until all that was published so far at QoS 1 and 2 is on disk.

        It is sent then whatever becomes of this process, if need be by the next client with this
        `client_id` and `data_directory`, without which this raises UsageError. Raises StorageError
        when nothing can be stored, and TimedOut after `timeout` seconds.
        """
        self._core.flush(self._time(timeout))

    def request(
        self,
        topic: str,
        payload: Payload = None,
        qos: int = 0,
        *,
        properties: Properties | None = None,
        timeout: float | None = None,
    ) -> Message:
        """Publish a request, wait for the response, and return it. Needs 5.0."""
        time = self._time(timeout)
        return self._core.request(topic, payload, qos, properties, time)

    def respond(self, request: Message, payload: Payload = None) -> Publication:
        """Publish the response to a request: to its Response Topic, with its Correlation Data."""
        reply = request.reply(payload)
        if reply is None:
            raise UsageError("message has no response topic", status=Status.BAD_ARGUMENT)
        return self.publish(reply.topic, reply.payload, reply.qos, properties=reply.properties)

    # Subscribing.

    def subscribe(
        self,
        filters: Filters,
        qos: int = 0,
        *,
        callback: OnMessage | None = None,
        properties: Properties | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> list[ReasonCode]:
        """Subscribe to one filter or several, and wait for the server's answer.

        Bare filters are subscribed to with this QoS, and the options of `Subscription`. With a
        `callback`, messages that match go there, and not to whoever iterates.

        Raises SessionError if the server refuses a filter; what it has granted stays.
        """
        several = wanted(filters, qos, options)
        callbacks = [] if callback is None else [self._add(one[0], callback) for one in several]
        try:
            reasons = self._core.subscribe(several, properties, self._time(timeout))
            check([one[0] for one in several], reasons)
        except BaseException:
            for number in callbacks:
                self._remove(number)
            raise
        return reasons

    def unsubscribe(
        self,
        filters: str | Iterable[str],
        *,
        properties: Properties | None = None,
        timeout: float | None = None,
    ) -> list[ReasonCode]:
        """Unsubscribe from one filter or several, and wait for the server's answer."""
        return self._core.unsubscribe(names(filters), properties, self._time(timeout))

    # Receiving.

    def __iter__(self) -> Iterator[Message]:
        """Iterate over the messages that no callback and no stream takes."""
        return iter(self._messages)

    @property
    def messages(self) -> Messages:
        """The messages that no callback and no stream takes."""
        return self._messages

    def receive(self, timeout: float | None = None) -> Message:
        """Wait for a message that no callback and no stream takes, and return it."""
        return self._messages.get(self._time(timeout))

    def stream(
        self,
        filters: str | Iterable[str],
        *,
        inbox_max: int = 10_000,
        overflow: Overflow = "wait",
    ) -> Messages:
        """Return a queue of its own for messages that match. It does not subscribe."""
        return Messages(self._core, self._core.open_queue(names(filters), inbox_max, overflow))

    def acknowledge(self, message: Message, reason: int = ReasonCode.SUCCESS) -> None:
        """Acknowledge a message, or refuse it: with the option `manual_ack`."""
        self._core.acknowledge(message, int(reason))

    # Callbacks.

    @overload
    def on_message(self, filter: str) -> Callable[[_Function], _Function]: ...

    @overload
    def on_message(self, filter: str, callback: _Function) -> _Function: ...

    def on_message(self, filter: str, callback: Any = None) -> Any:
        """Have messages that match given to a function, directly or as a decorator.

        All callbacks of a client run on one thread of its own, one at a time, and may call
        everything, also what waits. What they raise is logged. This does not subscribe.
        """
        if callback is None:
            return lambda function: self.on_message(filter, function)
        self._add(filter, callback)
        return callback

    def on_connect(self, callback: _Function) -> _Function:
        """Have every accepted connection told: `callback(connected)`."""
        return self._append(self._on_connect, callback)

    def on_disconnect(self, callback: _Function) -> _Function:
        """Have every end of a connection or attempt told: `callback(disconnected)`."""
        return self._append(self._on_disconnect, callback)

    def on_subscription_lost(self, callback: _Function) -> _Function:
        """Have it told when a subscription could not be made again: `callback(filter, reason)`."""
        return self._append(self._on_subscription_lost, callback)

    def on_challenge(self, callback: OnChallenge) -> OnChallenge:
        """Have Authentication Data answered: `callback(data)` returns the client's."""
        self._on_challenge = callback
        self._call()
        return callback

    def remove_callback(self, callback: Callable[..., object]) -> None:
        """Call this function no more."""
        with self._lock:
            numbers = [n for n, known in self._on_message.items() if known == callback]
        for number in numbers:
            self._remove(number)
        for known in (self._on_connect, self._on_disconnect, self._on_subscription_lost):
            while callback in known:
                known.remove(callback)

    def _append(self, known: list[Any], callback: _Function) -> _Function:
        known.append(callback)
        self._call()
        return callback

    def _add(self, filter: str, callback: OnMessage) -> int:
        with self._lock:
            number = self._core.add_callback(filter)
            self._on_message[number] = callback
        self._call()
        return number

    def _remove(self, number: int) -> None:
        self._core.remove_callback(number)
        with self._lock:
            self._on_message.pop(number, None)

    def _call(self) -> None:
        """Have the thread of the callbacks run."""
        with self._lock:
            if self._caller is None:
                self._core.want_items()
                self._caller = threading.Thread(
                    target=self._calls, name="libmqtt-callbacks", daemon=True
                )
                self._caller.start()

    def _calls(self) -> None:
        take, on_message = self._core.take_items, self._on_message
        with contextlib.suppress(MqttError):
            while items := take(_BATCH):
                for item in items:
                    try:
                        if item[0] == "message":
                            callback = on_message.get(item[1])
                            if callback is not None:
                                callback(item[2])
                        else:
                            self._tell(item)
                    except Exception:
                        log.exception("a callback of %r has failed", self)

    def _tell(self, item: tuple[Any, ...]) -> None:
        kind = item[0]
        if kind == "challenge":
            if self._on_challenge is not None:
                self._core.authenticate(self._on_challenge(item[1]))
            return
        known: dict[str, list[Any]] = {
            "connected": self._on_connect,
            "disconnected": self._on_disconnect,
            "subscription_lost": self._on_subscription_lost,
        }
        for callback in list(known.get(kind, ())):
            try:
                callback(*item[1:])
            except Exception:
                log.exception("a callback of %r has failed", self)

    def _time(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else timeout


def check(filters: Sequence[str], reasons: Sequence[ReasonCode]) -> None:
    """Raise if the server has refused one of these filters."""
    for filter, reason in zip(filters, reasons):
        if reason.is_error:
            raise SessionError(
                f"the server refuses {filter!r}: {reason.name}",
                status=Status.REFUSED,
                reason=reason,
            )
