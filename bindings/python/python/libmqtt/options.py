"""The options of clients and brokers, as keyword arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

from .values import QoS, RetainHandling, Version

if TYPE_CHECKING:
    from ._native import Message
    from .transport import AnyTLS

__all__ = ["BrokerOptions", "ClientOptions", "Overflow", "Payload", "Subscription"]

Payload = Union[bytes, bytearray, memoryview, str, None]
"""What a message may carry; text is sent as UTF-8, None as nothing."""

Overflow = Literal["wait", "drop_newest", "drop_oldest"]
"""What happens at the bound of a queue of messages that came: the server waits, as nothing is
read from the socket, or a message is dropped and counted."""


class ClientOptions(TypedDict, total=False):
    """The options of a client. What is not given is as by default, which is meant for real use."""

    client_id: str
    """Client Identifier; by default the server assigns one."""
    version: Version
    """The version to speak; by default 5.0."""
    step_down: bool
    """Whether to speak 3.1.1 with a server that does not take 5.0."""
    clean_start: bool | Literal["first", "always", "never"]
    """When to start with a clean Session: "first" (when this client has none; the default),
    "always" or True, "never" or False."""
    session_expiry_s: int
    """Seconds that the Session outlives its connection. 3.x: 0 is Clean Session 1."""
    accept_unknown_session: bool
    """Whether to go on with a Session of which this client knows nothing."""
    will: Message
    """The Will Message."""
    will_delay_s: int
    """Seconds before it is sent; 5.0 only."""
    user_name: str
    """User Name."""
    password: str | bytes
    """Password."""
    authentication_method: str
    """Method of enhanced authentication; 5.0 only."""
    authentication_data: str | bytes
    """What that method begins with."""
    user_properties: Sequence[tuple[str, str]]
    """User Properties of CONNECT."""
    request_response_information: bool
    """Whether to ask for Response Information."""
    request_problem_information: bool
    """Whether the server may explain failures."""
    receive_maximum: int
    """Messages at QoS 1 and 2 that may be on their way to this client."""
    maximum_packet_size: int
    """Largest packet taken from the server."""
    topic_alias_maximum: int
    """Topic Aliases that the server may assign."""
    topic_alias_out_max: int
    """Topic Aliases that this client assigns at most."""
    lost_session: Literal["republish_qos1", "republish", "abandon"]
    """What becomes of messages in flight when the server has lost the Session."""
    resubscribe: bool
    """Whether to subscribe again then; by default yes."""
    manual_ack: bool
    """Whether the program calls `acknowledge` for messages at QoS 1 and 2."""
    keep_alive_s: int
    """Keep Alive in seconds; 0: none; by default 60."""
    ping_timeout: float
    """Seconds that the server may take to answer a ping."""
    connect_timeout: float
    """Seconds from dialling to CONNACK; by default 30."""
    reconnect: bool
    """Whether a lost connection is made again; by default yes."""
    reconnect_first: bool
    """Whether that also holds before a connection has succeeded; by default no."""
    reconnect_min: float
    """The delay before the first attempt, in seconds; by default 1."""
    reconnect_max: float
    """The longest delay; by default 60."""
    reconnect_growth: Literal["exponential", "constant"]
    """Whether the delay doubles from attempt to attempt (the default) or stays."""
    reconnect_stable_after: float
    """Seconds after which a connection makes the delay short again; by default 30."""
    reconnect_jitter: bool
    """Whether the delay is drawn between zero and what it would be; by default yes."""
    reconnect_attempts: int
    """Attempts in a row before giving up; 0: no limit."""
    reconnect_even_if_refused: bool
    """Whether to go on after a refusal that will hardly change."""
    follow_server_reference: bool
    """Whether to go where a Server Reference points."""
    inflight_max: int
    """Messages at QoS 1 and 2 on their way to the server at most."""
    output_bytes_max: int
    """Bytes that wait for the socket before messages wait in the queue; by default 1 MiB."""
    requests_max: int
    """Operations other than publishing without an answer at most; by default 10,000."""
    tls: AnyTLS
    """TLS, for servers that are reached with it: a `TLS`; its arguments in a dictionary; the path
    of its `ca_file` alone; or True: as by default, which trusts whom the system trusts."""
    web_socket_headers: Mapping[str, str] | Sequence[tuple[str, str]]
    """Headers of the requests that open WebSocket connections, such as `Authorization`."""
    proxy: str
    """A proxy through which all servers are reached: `http://HOST:PORT`,
    `socks5://USER:PASSWORD@HOST:PORT`."""
    no_delay: bool
    """TCP_NODELAY; by default yes. Not for a client in the broker's process."""
    queue_messages_max: int
    """Messages that wait to be sent at most, for example while offline; by default 100,000."""
    queue_bytes_max: int
    """Bytes of these; by default 64 MiB."""
    queue_full: Literal["wait", "refuse", "drop_oldest"]
    """What happens at these bounds: `publish` waits for room (the default), raises QueueFull, or
    the oldest message is dropped."""
    data_directory: str | os.PathLike[str]
    """Where messages at QoS 1 and 2 are kept until they are delivered, across processes; by default
    they are kept in memory alone. What was published and not acknowledged is sent by the next
    client with this `client_id`, in order; what was received at QoS 2 does not come twice. Wants a
    `client_id`, a `session_expiry_s`, and no `clean_start` of "always". The directory is made if
    it is not there, and may be shared: each Client Identifier has a file of its own in it, which
    one client at a time has open, until it is closed."""
    durability: Literal["sync", "off"] | float
    """With `data_directory`: "sync" (the default): QoS 2 is exactly once even if the process is
    killed; seconds: what is kept is on disk so long after at the latest; "off": when the client is
    closed. With the last two, what came since is lost or repeated when the process is killed;
    `flush` writes it at any time."""
    offline_qos0: Literal["queue", "drop", "refuse"]
    """What happens to messages at QoS 0 that cannot be sent at once; by default they wait."""
    inbox_max: int
    """Messages that wait for the program at most, in each queue; by default 10,000."""
    overflow: Overflow
    """What happens at that bound; by default the server waits. But messages that neither a
    callback nor a stream takes do not hold these up as long as nobody has asked for them: the
    oldest are dropped."""


class BrokerOptions(TypedDict, total=False):
    """Limits and policies of a broker. What is not given is as by default."""

    allow_anonymous: bool
    """Whether clients without User Name get in; by default if there is no password file and all
    listeners are at loopback."""
    password_file: str | os.PathLike[str]
    """Users and passwords in mosquitto's format; read at the start and by `reload`.
    Excludes `authenticate`."""
    acl_file: str | os.PathLike[str]
    """Access rights in mosquitto's format; read likewise, and asked before `authorise`."""
    data_directory: str | os.PathLike[str]
    """Where sessions and messages are kept across restarts; by default they are kept in memory
    alone. It belongs to one broker at a time."""
    durability: Literal["sync", "off"] | float
    """With `data_directory`: "sync" (the default): what is acknowledged is on disk; seconds: it is
    so long after at the latest; "off": when the broker stops. With the last two, what came since is
    lost when the process is killed."""
    payload_max: int
    """Largest payload that is passed on, in bytes."""
    connect_timeout: float
    """Seconds until a connection's CONNECT must be complete; by default 10."""
    maximum_packet_size: int
    """Largest packet taken from a client; by default 16 MiB."""
    maximum_connect_size: int
    """Largest packet before a client is authenticated; by default 64 KiB."""
    pending_max: int
    """Connections that have not come through CONNECT."""
    address_connections_max: int
    """Connections of one address; 0: any."""
    address_connects_per_min_max: int
    """Connections that one address may open per minute; 0: any."""
    address_failures_per_min_max: int
    """Logins of one address that may fail per minute; 0: any."""
    client_messages_per_s_max: int
    """Messages that a client may send per second; 0: any."""
    client_bytes_per_s_max: int
    """Bytes that a client may send per second; 0: any."""
    receive_maximum: int
    """Unacknowledged messages that a client may have sent."""
    inflight_max: int
    """Unacknowledged messages sent to a client at most."""
    topic_alias_maximum: int
    """Topic Aliases that a client may assign."""
    topic_alias_out_max: int
    """Topic Aliases assigned towards a client."""
    maximum_qos: int
    """Highest QoS."""
    retain_available: bool
    """Whether messages may be retained."""
    wildcard_subscriptions: bool
    """Whether filters may have wildcards."""
    subscription_identifiers: bool
    """Whether subscriptions may have identifiers."""
    shared_subscriptions: bool
    """Whether subscriptions may be shared."""
    keep_alive_max_s: int
    """Longest Keep Alive in seconds; 0: whatever the client wants."""
    session_expiry_max_s: int
    """Longest Session Expiry Interval in seconds."""
    session_expiry_v3_s: int
    """Seconds that 3.x sessions with Clean Session 0 are kept."""
    sessions_max: int
    """Sessions in all."""
    connections_max: int
    """Connections in all."""
    subscriptions_max: int
    """Subscriptions per session."""
    subscription_bytes_max: int
    """Bytes of the Topic Filters of one session."""
    shared_subscriptions_max: int
    """Shared ones among the subscriptions of one session."""
    topic_levels_max: int
    """Levels of a topic or filter."""
    queue_messages_max: int
    """Messages that wait for one session; by default 100,000."""
    queue_bytes_max: int
    """Bytes that wait for one session; by default 64 MiB."""
    queue_full: Literal["drop_newest", "drop_oldest"]
    """What is dropped at these bounds."""
    queue_qos0_offline: bool
    """Whether QoS 0 messages wait for a session that is not connected."""
    backlog_bytes_max: int
    """Bytes that wait for all sessions together."""
    overload: Literal["drop", "backpressure"]
    """What happens beyond: sessions' own bounds decide, or publishers wait."""
    retained_max: int
    """Retained messages."""
    retained_bytes_max: int
    """Bytes of retained messages."""
    dollar_topics: bool
    """Whether clients may publish to topics that begin with `$`."""
    assign_client_ids: bool
    """Whether an empty Client Identifier is accepted."""
    assigned_id_prefix: str
    """How the one begins that is assigned then; by default `auto-`."""
    sys_interval: float
    """Seconds between updates of `$SYS`; 0: no `$SYS`."""
    response_information: str
    """Response Information given to clients that ask."""


class Subscription:
    """A Topic Filter with its options."""

    __slots__ = ("filter", "no_local", "qos", "retain_as_published", "retain_handling")

    def __init__(
        self,
        filter: str,
        qos: int = 0,
        *,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = RetainHandling.SEND,
    ) -> None:
        self.filter = filter
        """The Topic Filter."""
        self.qos = QoS(qos)
        """The highest QoS at which messages are sent."""
        self.no_local = no_local
        """Whether what this client publishes is not sent back; 5.0 only."""
        self.retain_as_published = retain_as_published
        """Whether messages keep the RETAIN flag of their publisher; 5.0 only."""
        self.retain_handling = RetainHandling(retain_handling)
        """Whether retained messages are sent now; 5.0 only."""

    def __repr__(self) -> str:
        parts = [repr(self.filter), f"qos={int(self.qos)}"]
        if self.no_local:
            parts.append("no_local=True")
        if self.retain_as_published:
            parts.append("retain_as_published=True")
        if self.retain_handling:
            parts.append(f"retain_handling={int(self.retain_handling)}")
        return f"Subscription({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subscription) and self._wanted() == other._wanted()

    def __hash__(self) -> int:
        return hash(self._wanted())

    def _wanted(self) -> tuple[str, int, bool, bool, int]:
        return (
            self.filter,
            int(self.qos),
            self.no_local,
            self.retain_as_published,
            int(self.retain_handling),
        )


Filters = Union[str, Subscription, Iterable[Union[str, Subscription]]]
"""One filter or several."""


def wanted(
    filters: Filters, qos: int, options: dict[str, Any]
) -> list[tuple[str, int, bool, bool, int]]:
    """Make subscriptions of filters; those that are bare text have this QoS and options."""
    several = [filters] if isinstance(filters, (str, Subscription)) else list(filters)
    return [
        (one if isinstance(one, Subscription) else Subscription(one, qos, **options))._wanted()
        for one in several
    ]


def names(filters: str | Iterable[str]) -> list[str]:
    """One filter or several, as a list."""
    return [filters] if isinstance(filters, str) else list(filters)
