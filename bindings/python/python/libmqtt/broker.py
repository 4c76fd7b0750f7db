"""The broker."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Union

from . import _native, _process
from ._bell import watch
from ._native import ClientInfo, Message, Properties
from .client import Client
from .errors import MqttError, Status, UsageError
from .options import Payload
from .transport import Listener, prepared
from .values import ReasonCode

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .options import BrokerOptions, ClientOptions
    from .transport import AnyTLS

__all__ = ["Attempt", "Broker"]

log = logging.getLogger("libmqtt")

_BATCH = 256
_STOP_S = 1.0

Verdict = Union[bool, ReasonCode, None]
"""What a hook decides: True or None allows, False refuses with Not authorized, a ReasonCode of
0x80 and above refuses with it."""


class Attempt:
    """A client's proof of who it is, for the hook `authenticate`."""

    __slots__ = ("client", "data", "method", "password", "step")

    def __init__(self, question: _native.Question, client: ClientInfo) -> None:
        self.client = client
        """Who it says it is, User Name included."""
        self.password = question.password
        """The Password; None if it gave none."""
        self.method = question.method
        """The Authentication Method, if it wants enhanced authentication."""
        self.data = question.data
        """The Authentication Data of this step."""
        self.step = question.step
        """"connect", "continue" or "reauthenticate"."""

    def __repr__(self) -> str:
        password = "None" if self.password is None else "..."
        return f"Attempt({self.client!r}, step={self.step!r}, password={password})"


Authenticate = Callable[[Attempt], Any]
Authorise = Callable[[ClientInfo, str, str], Any]

_HOOKS = {
    "authenticate": "authenticate",
    "authorise": "authorise",
    "on_connect": "connect",
    "on_disconnect": "disconnect",
    "on_publish": "publish",
    "on_subscribe": "subscribe",
    "on_unsubscribe": "unsubscribe",
}
"""Hooks as they are given, and as they are called by."""

if TYPE_CHECKING:

    class HooksAndOptions(BrokerOptions, total=False):
        """What a broker from a file can be told beside it: see `Broker`."""

        authenticate: Authenticate | None
        authorise: Authorise | None
        on_connect: Callable[[ClientInfo], Any] | None
        on_disconnect: Callable[[ClientInfo, ReasonCode], Any] | None
        on_publish: Callable[[ClientInfo | None, Message], Any] | None
        on_subscribe: Callable[[ClientInfo, str], Any] | None
        on_unsubscribe: Callable[[ClientInfo, str], Any] | None


class Broker:
    """An MQTT broker inside this process, on threads of its own.

        with Broker() as broker, Client(broker.url) as client:
            ...

    It runs from its making until `stop`, or until the `with` or `async with` block is left. By
    default it listens on a free port of 127.0.0.1 and lets everybody in who can reach that.
    `host` may be an IP address or several, and with `tls` it listens with TLS; `listeners`, URLs
    or each a `Listener`, say it all instead. With `port` None it does not listen at all, and there
    are only clients in this process: see `client`.

    Hooks are functions, plain or `async`. They decide and watch; the broker goes on meanwhile,
    and only the client that is asked about waits. Under `async with` they run on the event loop,
    else on one thread of their own. What they raise is logged, and refuses.

    - `authenticate(attempt)`: may this client connect? `bytes` answer enhanced authentication:
      True ends it, and bytes are a challenge.
    - `authorise(client, action, topic)`: may it "publish" to or "subscribe" to this?
    - `on_connect(client)`, `on_disconnect(client, reason)`
    - `on_publish(client, message)`: a message was accepted; `client` is None for the program's own
    - `on_subscribe(client, filter)`, `on_unsubscribe(client, filter)`

    For the options see `libmqtt.options.BrokerOptions`; for a configuration file, `from_file`.
    """

    def __init__(
        self,
        host: str | Sequence[str] = "127.0.0.1",
        port: int | None = 0,
        *,
        tls: AnyTLS = None,
        listeners: Sequence[str | Listener] | None = None,
        shards: int | None = None,
        authenticate: Authenticate | None = None,
        authorise: Authorise | None = None,
        on_connect: Callable[[ClientInfo], Any] | None = None,
        on_disconnect: Callable[[ClientInfo, ReasonCode], Any] | None = None,
        on_publish: Callable[[ClientInfo | None, Message], Any] | None = None,
        on_subscribe: Callable[[ClientInfo, str], Any] | None = None,
        on_unsubscribe: Callable[[ClientInfo, str], Any] | None = None,
        **options: Unpack[BrokerOptions],
    ) -> None:
        hosts = [host] if isinstance(host, str) else list(host)
        if listeners is None:
            scheme = "mqtt" if tls is None or tls is False else "mqtts"
            at = [f"[{one}]" if ":" in one else one for one in hosts]
            several = [] if port is None else [f"{scheme}://{one}:{port}" for one in at]
            listeners = [Listener(url, tls=tls) for url in several]
        elif tls is not None or (host, port) != ("127.0.0.1", 0):
            why = "listeners say where to listen and with what: host, port and tls are not for them"
            raise UsageError(why, status=Status.BAD_ARGUMENT)
        place = [(one if isinstance(one, Listener) else Listener(one))._spec for one in listeners]
        hooks: dict[str, Callable[..., Any] | None] = {
            "authenticate": authenticate,
            "authorise": authorise,
            "on_connect": on_connect,
            "on_disconnect": on_disconnect,
            "on_publish": on_publish,
            "on_subscribe": on_subscribe,
            "on_unsubscribe": on_unsubscribe,
        }
        self._begin(place, shards, hooks, dict(options))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        shards: int | None = None,
        **options: Unpack[HooksAndOptions],
    ) -> Self:
        """Start a broker with a configuration file in mosquitto's format.

        The file says where to listen, with what transports, and where to keep messages: without a
        listener in it, at port 1883 (or its `port`) of 127.0.0.1 and ::1, with everybody let in.
        Options and hooks given here come on top.

        Directives that are not supported are errors, as are those for the process (`pid_file`,
        `log_dest`...). Raises StorageError with file, line and directive.
        """
        given: dict[str, Any] = dict(options)
        self = cls.__new__(cls)
        self._begin(path, shards, {name: given.pop(name, None) for name in _HOOKS}, given)
        return self

    def _begin(
        self,
        place: Sequence[_native._ListenerSpec] | str | os.PathLike[str],
        shards: int | None,
        hooks: dict[str, Callable[..., Any] | None],
        options: dict[str, Any],
    ) -> None:
        self._hooks = {_HOOKS[name]: hook for name, hook in hooks.items() if hook is not None}
        self._core = _native.Broker(place, shards, list(self._hooks), options)
        self._addresses = self._core.addresses
        self._urls = self._core.urls
        self._caller: threading.Thread | None = None
        self._unwatch: Callable[[], None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()
        _process.opened(self)
        if self._hooks:
            # Until an event loop takes over, if one does.
            self._caller = threading.Thread(target=self._calls, name="libmqtt-hooks", daemon=True)
            self._caller.start()

    # Where it is.

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens: address and port."""
        return list(self._addresses)

    @property
    def host(self) -> str:
        """The address of the first listener that has one, as a client on this machine uses it."""
        if not self._addresses:
            raise MqttError("broker listens at no address")
        host = self._addresses[0][0]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

    @property
    def urls(self) -> list[str]:
        """Where clients on this machine find its listeners, in their order.

        `mqtt://127.0.0.1:PORT`, `wss://127.0.0.1:PORT` (without path), `unix:PATH`...
        """
        return [
            url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
            for url in self._urls
        ]

    @property
    def port(self) -> int:
        """The port of the first listener that has one."""
        if not self._addresses:
            raise MqttError("broker listens at no address")
        return self._addresses[0][1]

    @property
    def url(self) -> str:
        """Where a client on this machine finds the first listener: `mqtt://127.0.0.1:PORT`."""
        if not self._urls:
            raise MqttError("broker does not listen")
        return self.urls[0]

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._core.running

    def __repr__(self) -> str:
        where = ", ".join(self._urls) or "no listener"
        return f"<libmqtt.Broker on {where}>"

    # What it does.

    def publish(
        self,
        topic: str,
        payload: Payload = None,
        qos: int = 0,
        *,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> None:
        """Publish as the host program: no hook is asked. Does not wait."""
        self._core.publish(Message(topic, payload, qos, retain, properties))

    def reload(self) -> None:
        """Read the files of passwords, of access rights and of TLS again.

        Passwords and certificates count for connections to come; access rights count at once.
        Raises StorageError or UsageError for a file that is of no use: what was read before stays
        in force in its place, and the other files count.
        """
        self._core.reload()

    def stats(self) -> dict[str, int]:
        """Return its counters."""
        return self._core.stats()

    def disconnect(self, client_id: str, reason: int = ReasonCode.ADMINISTRATIVE_ACTION) -> None:
        """End the connection of this client, if there is one."""
        self._core.disconnect(client_id, int(reason))

    def client(self, *, timeout: float = 30.0, **options: Unpack[ClientOptions]) -> Client:
        """Return a client in this process, joined by memory: full sessions, no socket."""
        return Client._over(self._core.client(prepared(options)), timeout, options)

    # Its end.

    def stop(self, timeout: float | None = None) -> None:
        """Tell every client, send what waits for them within `timeout` seconds, and end.

        May be called at any time, by any thread, repeatedly.
        """
        self._core.stop(_STOP_S if timeout is None else timeout)
        caller = self._caller
        if caller is not None and caller is not threading.current_thread():
            caller.join(_STOP_S)

    def _abandon(self) -> None:
        with contextlib.suppress(MqttError):
            self._core.stop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(0 if kind is not None and issubclass(kind, KeyboardInterrupt) else None)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        if self._hooks:
            self._core.hand_over()
            self._unwatch = watch(self._loop, self._core, self._wake)
            self._wake()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Hooks go on meanwhile.
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.stop))
        finally:
            if self._unwatch is not None:
                self._unwatch()

    # Hooks.

    def _calls(self) -> None:
        """Call hooks, on a thread."""
        loop: asyncio.AbstractEventLoop | None = None
        try:
            with contextlib.suppress(MqttError):
                while questions := self._core.take_questions(_BATCH):
                    for question in questions:
                        result = self._ask(question)
                        if not inspect.isawaitable(result):
                            continue
                        if loop is None:
                            loop = asyncio.new_event_loop()
                            threading.Thread(
                                target=loop.run_forever, name="libmqtt-async-hooks", daemon=True
                            ).start()
                        asyncio.run_coroutine_threadsafe(self._await(question, result), loop)
        finally:
            if loop is not None:
                loop.call_soon_threadsafe(loop.stop)

    def _wake(self) -> None:
        """Call hooks, on the event loop."""
        assert self._loop is not None
        while questions := self._core.take_questions_or_arm(_BATCH):
            for question in questions:
                result = self._ask(question)
                if inspect.isawaitable(result):
                    task = self._loop.create_task(self._await(question, result))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    def _ask(self, question: _native.Question) -> Any:
        """Call the hook for a question, and answer, unless the result is to be awaited."""
        try:
            result = self._call(question)
            if not inspect.isawaitable(result):
                self._answer(question, result)
            return result
        except Exception:
            self._failed(question)
            return None

    async def _await(self, question: _native.Question, result: Any) -> None:
        try:
            self._answer(question, await result)
        except Exception:
            self._failed(question)

    def _call(self, question: _native.Question) -> Any:
        kind, client = question.kind, question.client
        hook = self._hooks[kind]
        if kind == "authenticate":
            assert client is not None
            return hook(Attempt(question, client))
        if kind == "authorise":
            return hook(client, question.action, question.topic)
        if kind == "connect":
            return hook(client)
        if kind == "disconnect":
            return hook(client, question.reason)
        if kind == "publish":
            return hook(client, question.message)
        return hook(client, question.topic)

    def _answer(self, question: _native.Question, verdict: Any) -> None:
        if not question.wants_answer:
            return
        if verdict is None or verdict is True:
            question.allow()
        elif verdict is False:
            question.deny(ReasonCode.NOT_AUTHORIZED)
        elif isinstance(verdict, bytes):
            question.challenge(verdict)
        elif isinstance(verdict, ReasonCode):
            if verdict.is_error:
                question.deny(verdict)
            else:
                question.allow()
        else:
            raise TypeError(f"hook {question.kind!r} returned {verdict!r}")

    def _failed(self, question: _native.Question) -> None:
        log.exception("the hook %r of %r has failed", question.kind, self)
        if question.wants_answer:
            question.deny(ReasonCode.NOT_AUTHORIZED)
