"""What can go wrong: one exception class for each group of statuses."""

from __future__ import annotations

from enum import IntEnum

from .values import ReasonCode

__all__ = [
    "MqttError",
    "NetworkError",
    "QueueFull",
    "SessionError",
    "Status",
    "StorageError",
    "TimedOut",
    "UsageError",
]


class Status(IntEnum):
    """What came of an operation, as a number that never changes its meaning."""

    OK = 0
    NULL_ARGUMENT = -1
    BAD_ARGUMENT = -2
    BAD_TOPIC = -3
    BAD_STATE = -4
    CLOSED = -5
    WOULD_DEADLOCK = -6
    LIMIT_REACHED = -7
    PANICKED = -8
    NOT_IN_VERSION = -9
    SYSTEM_REFUSED = -10
    NOT_FOUND = -11
    RESOLVE_FAILED = -100
    CONNECTION_REFUSED = -101
    CONNECTION_LOST = -102
    UNREACHABLE = -103
    LISTEN_FAILED = -104
    NETWORK_FAILED = -105
    TLS_FAILED = -106
    CERTIFICATE_EXPIRED = -107
    CERTIFICATE_FOR_OTHER = -108
    CERTIFICATE_UNTRUSTED = -109
    CERTIFICATE_SELF_SIGNED = -110
    CERTIFICATE_REVOKED = -111
    CERTIFICATE_UNFIT = -112
    CERTIFICATE_MISSING = -113
    CERTIFICATE_REFUSED = -114
    CERTIFICATE_INVALID = -115
    WEB_SOCKET_FAILED = -116
    PROXY_FAILED = -117
    NOT_CONNECTED = -200
    TIMED_OUT = -201
    QUEUE_FULL = -202
    PACKET_TOO_LARGE = -203
    REFUSED = -204
    MALFORMED = -205
    PROTOCOL_VIOLATED = -206
    EXPIRED = -207
    DROPPED = -208
    ABANDONED = -209
    SESSION_LOST = -210
    STORAGE_FAILED = -300
    FILE_UNREADABLE = -301
    FILE_INVALID = -302


class MqttError(Exception):
    """Something went wrong. All exceptions of libmqtt are of this class."""

    status: Status
    """Its stable number."""
    reason: ReasonCode | None
    """The Reason Code, if the server gave one."""

    def __init__(
        self,
        message: str,
        *,
        status: Status = Status.BAD_STATE,
        reason: ReasonCode | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (int(self.status), str(self), self.reason)


class UsageError(MqttError, ValueError):
    """The program has asked wrongly, or of what is closed. Statuses -1 to -99."""


class NetworkError(MqttError, ConnectionError):
    """The network does not lead to the server, or not any more. Statuses -100 to -199."""

    def __str__(self) -> str:
        return str(self.args[0])


class SessionError(MqttError):
    """Client and server do not get on: refusals, limits, time. Statuses -200 to -299."""


class TimedOut(SessionError, TimeoutError):
    """The time for it has passed. Status -201."""

    def __str__(self) -> str:
        return str(self.args[0])


class QueueFull(SessionError):
    """More messages wait than may wait. Status -202."""


class StorageError(MqttError):
    """A file or a store does not do. Statuses -300 to -399."""


def _make(status: int, message: str, reason: int | None) -> MqttError:
    """Make the exception for a status, as the native module wants it."""
    kind: type[MqttError]
    if status == Status.TIMED_OUT:
        kind = TimedOut
    elif status == Status.QUEUE_FULL:
        kind = QueueFull
    elif status > -100:
        kind = UsageError
    elif status > -200:
        kind = NetworkError
    elif status > -300:
        kind = SessionError
    else:
        kind = StorageError
    code = None if reason is None else ReasonCode(reason)
    return kind(message, status=Status(status), reason=code)
