"""The native core of libmqtt. Private, but for the classes that `libmqtt` exports."""

import os
from collections.abc import Sequence
from typing import Any, final

from .options import Overflow, Payload
from .values import QoS, ReasonCode, Version

__version__: str

_Wanted = tuple[str, int, bool, bool, int]

def after_fork() -> None: ...
def reasons() -> list[tuple[int, str]]: ...
def run_cli(words: Sequence[str]) -> int: ...
def shut_down() -> None: ...
def statuses() -> list[tuple[int, str, str]]: ...
def topic_matches(filter: str, topic: str) -> bool:
    """Whether a Topic Filter matches a Topic Name; `$share/NAME/` before it is set aside."""

def versions() -> list[tuple[int, str]]: ...

@final
class Properties:
    """The properties of a packet of MQTT 5.0; immutable. What is not there is None."""

    def __new__(
        cls,
        *,
        payload_format_indicator: bool | None = None,
        message_expiry_interval: int | None = None,
        content_type: str | None = None,
        response_topic: str | None = None,
        correlation_data: bytes | None = None,
        subscription_identifier: int | None = None,
        reason_string: str | None = None,
        user_properties: Sequence[tuple[str, str]] = ...,
    ) -> Properties: ...
    @property
    def user_properties(self) -> list[tuple[str, str]]:
        """All User Properties, in order."""

    @property
    def subscription_identifiers(self) -> list[int]:
        """All Subscription Identifiers: of every subscription that the message was sent for."""

    @property
    def correlation_data(self) -> bytes | None:
        """Binary data by which the requester knows the response."""

    @property
    def authentication_data(self) -> bytes | None:
        """Data of the authentication method."""

    @property
    def payload_format_indicator(self) -> bool | None:
        """Whether the payload is UTF-8 text."""

    @property
    def message_expiry_interval(self) -> int | None:
        """Seconds after which the message is of no use."""

    @property
    def content_type(self) -> str | None:
        """What the payload is, for example a MIME type."""

    @property
    def response_topic(self) -> str | None:
        """The topic for a response."""

    @property
    def session_expiry_interval(self) -> int | None:
        """Seconds that the Session outlives its connection."""

    @property
    def assigned_client_identifier(self) -> str | None:
        """The Client Identifier that the server has given."""

    @property
    def server_keep_alive(self) -> int | None:
        """The Keep Alive that the server wants, in seconds."""

    @property
    def authentication_method(self) -> str | None:
        """The method of enhanced authentication."""

    @property
    def request_problem_information(self) -> bool | None:
        """Whether explanations are wanted."""

    @property
    def will_delay_interval(self) -> int | None:
        """Seconds before the Will Message is sent."""

    @property
    def request_response_information(self) -> bool | None:
        """Whether Response Information is wanted."""

    @property
    def response_information(self) -> str | None:
        """What response topics are made from."""

    @property
    def server_reference(self) -> str | None:
        """Another server to use."""

    @property
    def reason_string(self) -> str | None:
        """An explanation, for people."""

    @property
    def receive_maximum(self) -> int | None:
        """Unacknowledged messages that the sender takes."""

    @property
    def topic_alias_maximum(self) -> int | None:
        """Topic Aliases that the sender takes."""

    @property
    def topic_alias(self) -> int | None:
        """The number that stands for the topic on this connection."""

    @property
    def maximum_qos(self) -> int | None:
        """The highest QoS that the server takes."""

    @property
    def retain_available(self) -> bool | None:
        """Whether the server retains messages."""

    @property
    def maximum_packet_size(self) -> int | None:
        """The largest packet that the sender takes."""

    @property
    def wildcard_subscription_available(self) -> bool | None:
        """Whether the server knows wildcards."""

    @property
    def subscription_identifier_available(self) -> bool | None:
        """Whether the server knows Subscription Identifiers."""

    @property
    def shared_subscription_available(self) -> bool | None:
        """Whether the server knows Shared Subscriptions."""

    def __bool__(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class Message:
    """An Application Message; immutable."""

    def __new__(
        cls,
        topic: str,
        payload: Payload = None,
        qos: int = 0,
        retain: bool = False,
        properties: Properties | None = None,
    ) -> Message: ...
    @property
    def topic(self) -> str:
        """The Topic Name."""

    @property
    def payload(self) -> bytes:
        """The payload."""

    @property
    def text(self) -> str:
        """The payload as text; UnicodeDecodeError if it is none."""

    @property
    def qos(self) -> QoS:
        """The Quality of Service."""

    @property
    def retain(self) -> bool:
        """Whether it is to be kept, or was kept before."""

    @property
    def dup(self) -> bool:
        """Whether the sender had tried to send it before."""

    @property
    def properties(self) -> Properties:
        """Its properties; empty before MQTT 5.0."""

    def reply(self, payload: Payload = None) -> Message | None:
        """The reply to this message, if it is a request: to its Response Topic, with its
        Correlation Data, at its QoS. None if it has no Response Topic."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[str, bytes, int, bool, Properties]: ...

@final
class Connected:
    """What the server said when it accepted the connection."""

    @property
    def session_present(self) -> bool:
        """Whether the server went on with the Session."""

    @property
    def session_lost(self) -> bool:
        """Whether messages and subscriptions of an earlier connection of this client were lost."""

    @property
    def version(self) -> Version:
        """The version that is spoken."""

    @property
    def client_id(self) -> str:
        """The Client Identifier, given or assigned."""

    @property
    def keep_alive_s(self) -> int:
        """Seconds between packets of the client at most; 0: no limit."""

    @property
    def session_expiry_s(self) -> int:
        """Seconds that the Session outlives the connection."""

    @property
    def receive_maximum(self) -> int:
        """Messages at QoS 1 and 2 that may wait for their acknowledgement."""

    @property
    def maximum_packet_size(self) -> int:
        """The largest packet that the server takes."""

    @property
    def maximum_qos(self) -> QoS:
        """The highest QoS of a message that the server takes."""

    @property
    def retain_available(self) -> bool:
        """Whether messages may be retained."""

    @property
    def wildcard_subscriptions(self) -> bool:
        """Whether filters may have wildcards."""

    @property
    def subscription_identifiers(self) -> bool:
        """Whether subscriptions may have identifiers."""

    @property
    def shared_subscriptions(self) -> bool:
        """Whether subscriptions may be shared."""

    @property
    def properties(self) -> Properties:
        """All properties of CONNACK."""

@final
class Disconnected:
    """How a connection, or an attempt to make one, has ended."""

    @property
    def error(self) -> Exception:
        """Why, as an exception that may be raised."""

    @property
    def requested(self) -> bool:
        """Whether the program itself has ended it."""

    @property
    def was_connected(self) -> bool:
        """Whether there was a connection, and not just an attempt."""

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt; None if there will be none."""

@final
class Publication:
    """A message on its way to the server."""

    def wait(self, timeout: float | None = None) -> ReasonCode:
        """Waits until the message is written (QoS 0), or acknowledged (QoS 1 and 2), and returns
        the Reason Code. Raises what has prevented that, and TimedOut after `timeout` seconds."""

    @property
    def done(self) -> bool:
        """Whether it has come to its end, good or bad."""

    @property
    def error(self) -> Exception | None:
        """The exception that `wait` would raise; None while it is under way, or all went well."""

@final
class ClientInfo:
    """A client as the broker knows it."""

    @property
    def client_id(self) -> str:
        """The Client Identifier, assigned or given."""

    @property
    def user_name(self) -> str | None:
        """The User Name."""

    @property
    def version(self) -> Version:
        """The version that it speaks."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Its address and port; None for a client of a Unix socket or in the same process."""

    @property
    def certificate_subject(self) -> str | None:
        """The Subject of its certificate, `CN=ada,O=Example`; None if it has shown none."""

    @property
    def certificate_name(self) -> str | None:
        """The Common Name in that."""

    @property
    def certificate(self) -> bytes | None:
        """Its certificate in DER; None if only a proxy in front has seen it."""

@final
class Question:
    """Something that a broker asks, or tells."""

    @property
    def kind(self) -> str: ...
    @property
    def client(self) -> ClientInfo | None: ...
    @property
    def wants_answer(self) -> bool: ...
    @property
    def action(self) -> str | None: ...
    @property
    def topic(self) -> str | None: ...
    @property
    def message(self) -> Message | None: ...
    @property
    def reason(self) -> ReasonCode | None: ...
    @property
    def password(self) -> bytes | None: ...
    @property
    def method(self) -> str | None: ...
    @property
    def data(self) -> bytes | None: ...
    @property
    def step(self) -> str | None: ...
    def allow(self) -> None: ...
    def allow_with(self, data: bytes) -> None: ...
    def challenge(self, data: bytes) -> None: ...
    def deny(self, reason: int) -> None: ...

@final
class Client:
    """The native core of a client."""

    def __new__(cls, servers: Sequence[str], options: dict[str, Any]) -> Client: ...
    def connect_start(self) -> None: ...
    def connect_wait(self, timeout: float | None) -> Connected: ...
    def disconnect_start(
        self,
        wait: float,
        reason: int = 0,
        properties: Properties | None = None,
        session_expiry_s: int | None = None,
    ) -> None: ...
    def disconnect_wait(self, timeout: float | None) -> bool: ...
    def close(self, deadline: float) -> None: ...
    @property
    def connected(self) -> bool: ...
    @property
    def client_id(self) -> str: ...
    @property
    def version(self) -> Version: ...
    @property
    def queued(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    def set_credentials(self, user_name: str | None, password: bytes | None) -> None: ...
    def authenticate(self, data: bytes) -> None: ...
    def publish(
        self, topic: str, payload: Payload, qos: int, retain: bool, properties: Properties | None
    ) -> Publication: ...
    def wait_for_room(self, timeout: float | None) -> bool: ...
    def subscribe(
        self, wanted: Sequence[_Wanted], properties: Properties | None, timeout: float | None
    ) -> list[ReasonCode]: ...
    def unsubscribe(
        self, filters: Sequence[str], properties: Properties | None, timeout: float | None
    ) -> list[ReasonCode]: ...
    def request(
        self,
        topic: str,
        payload: Payload,
        qos: int,
        properties: Properties | None,
        timeout: float,
    ) -> Message: ...
    def flush(self, timeout: float | None) -> ReasonCode: ...
    def acknowledge(self, message: Message, reason: int = 0) -> None: ...
    def publish_start(
        self, topic: str, payload: Payload, qos: int, retain: bool, properties: Properties | None
    ) -> int: ...
    def send(
        self, topic: str, payload: Payload, retain: bool, properties: Properties | None
    ) -> None: ...
    def ask_for_room(self) -> bool: ...
    def subscribe_start(self, wanted: Sequence[_Wanted], properties: Properties | None) -> int: ...
    def unsubscribe_start(self, filters: Sequence[str], properties: Properties | None) -> int: ...
    def request_start(
        self,
        topic: str,
        payload: Payload,
        qos: int,
        properties: Properties | None,
        timeout: float,
    ) -> int: ...
    def flush_start(self) -> int: ...
    def begin_patience(self) -> None: ...
    def end_patience(self) -> None: ...
    def open_queue(self, filters: Sequence[str], max: int, overflow: Overflow) -> int: ...
    def close_queue(self, queue: int) -> None: ...
    def queue_counts(self, queue: int) -> tuple[int, int]: ...
    def take(self, queue: int, max: int, timeout: float | None) -> list[Message] | None: ...
    def take_or_arm(self, queue: int, max: int) -> list[Message] | None: ...
    def add_callback(self, filter: str) -> int: ...
    def remove_callback(self, callback: int) -> None: ...
    def want_items(self) -> None: ...
    def take_items(self, max: int) -> list[tuple[Any, ...]]: ...
    def take_items_or_arm(self, max: int) -> list[tuple[Any, ...]]: ...
    def descriptor(self) -> int: ...
    def wait_for_bell(self) -> bool: ...
    def hush(self) -> None: ...

_ListenerSpec = tuple[str, list[tuple[str, str | bytes]] | None, list[tuple[str, str]]]

@final
class Broker:
    """The native core of a broker."""

    def __new__(
        cls,
        place: Sequence[_ListenerSpec] | str | os.PathLike[str],
        shards: int | None,
        hooks: Sequence[str],
        options: dict[str, Any],
    ) -> Broker: ...
    @property
    def addresses(self) -> list[tuple[str, int]]: ...
    @property
    def urls(self) -> list[str]: ...
    @property
    def running(self) -> bool: ...
    def reload(self) -> None: ...
    def publish(self, message: Message) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def disconnect(self, client_id: str, reason: int) -> None: ...
    def client(self, options: dict[str, Any]) -> Client: ...
    def stop(self, deadline: float) -> None: ...
    def hand_over(self) -> None: ...
    def take_questions(self, max: int) -> list[Question]: ...
    def take_questions_or_arm(self, max: int) -> list[Question]: ...
    def descriptor(self) -> int: ...
    def wait_for_bell(self) -> bool: ...
    def hush(self) -> None: ...
