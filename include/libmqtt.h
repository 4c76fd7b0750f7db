#ifndef LIBMQTT_H
#define LIBMQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * libmqtt: MQTT 3.1, 3.1.1 and 5.0 for C and C++: client, broker, protocol engine.
 *
 * - Every function that can fail returns an mqtt_status. Outputs are written only on success. An
 *   `error_out`, where there is one, is written only on failure, and may be NULL.
 * - Text and data are a pointer and a length, text is UTF-8, and neither has a NUL at its end.
 *   MQTT_TEXT("a/b") stands for both arguments.
 * - Inputs are copied before a function returns. What is `const` in a result is borrowed: its
 *   comment says for how long.
 * - What `_new`, `_start`, `_ref`, `_keep` or a pointer to a pointer gives, the caller frees with
 *   `_free`, which accepts NULL.
 * - Clients, loops, brokers and engines may be freed at any time, from any thread, also in
 *   callbacks and while other threads use them. A handle that was freed is refused with
 *   MQTT_STATUS_CLOSED.
 * - Thread: `any`, `also in callbacks`, or `one at a time` for one object; `in the hook`: only
 *   there.
 * - Callbacks must not throw or longjmp out.
 * - Getters that return a value give 0, NULL or false if they get NULL.
 *
 * The ABI grows by new functions and constants alone: handles and configurations are opaque, the
 * structs here keep their layout, and the one that will grow, mqtt_hooks, says its own size. The
 * library's soname moves only if something is removed. So a program of an older header needs
 * nothing; one of a newer header that is to work with an older library too asks before it uses
 * what is new: a function that is declared weak, or looked up with dlsym, is NULL, and an option
 * that is not known is MQTT_STATUS_NOT_FOUND.
 */

/* A string, as the two arguments text and length. It is evaluated twice. */
#define MQTT_TEXT(string) (string), strlen(string)


/*
 The answer that lets something happen. The answer that denies it is a Reason Code of 0x80 and
 above, which the client is told if its version can say it.
 */
#define MQTT_VERDICT_ALLOW 0

/*
 The answer comes later, through what `mqtt_question_keep` gave. Until then the client's further
 packets wait.
 */
#define MQTT_VERDICT_LATER -1

/*
 In `authenticate`, for a client with an Authentication Method: send it the data that were set
 and wait for its answer. Elsewhere it denies. MQTT 5.0 §4.12.
 */
#define MQTT_VERDICT_CHALLENGE -2

/*
 Do not send back what this client published. A bit of `mqtt_subscription.options`; 5.0 alone.
 */
#define MQTT_SUBSCRIBE_NO_LOCAL 4

/*
 Keep the RETAIN flag of the publisher. A bit of `mqtt_subscription.options`; 5.0 alone.
 */
#define MQTT_SUBSCRIBE_RETAIN_AS_PUBLISHED 8

/*
 Send retained messages only if the subscription is new. A bit of `mqtt_subscription.options`;
 5.0 alone.
 */
#define MQTT_SUBSCRIBE_RETAINED_IF_NEW 16

/*
 Send no retained messages. A bit of `mqtt_subscription.options`; 5.0 alone.
 */
#define MQTT_SUBSCRIBE_RETAINED_NEVER 32

/*
 For ever, as a time to wait in milliseconds.
 */
#define MQTT_FOREVER UINT32_MAX

/*
 Major number of the version of this header. It moves when something is removed.
 */
#define MQTT_VERSION_MAJOR 0

/*
 Minor number of the version of this header. It moves when something is added.
 */
#define MQTT_VERSION_MINOR 1

/*
 Patch number of the version of this header.
 */
#define MQTT_VERSION_PATCH 0

/*
 MQTT 3.1, as a Protocol Level.
 */
#define MQTT_V31 3

/*
 MQTT 3.1.1, as a Protocol Level.
 */
#define MQTT_V311 4

/*
 MQTT 5.0, as a Protocol Level.
 */
#define MQTT_V5 5

/*
 What came of a call. 0 is success, failures are negative: -1 to -99 misuse, -100 to -199
 network, -200 to -299 session and protocol, -300 to -399 storage and files. A number never
 changes its meaning, and new ones may come. The Reason Codes of MQTT travel beside it.
 */
enum mqtt_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Success.
   */
  MQTT_STATUS_OK = 0,
  /*
   Argument is null.
   */
  MQTT_STATUS_NULL_ARGUMENT = -1,
  /*
   Argument is not valid.
   */
  MQTT_STATUS_BAD_ARGUMENT = -2,
  /*
   Topic name or filter is not valid.
   */
  MQTT_STATUS_BAD_TOPIC = -3,
  /*
   Not possible in this state.
   */
  MQTT_STATUS_BAD_STATE = -4,
  /*
   Handle is closed.
   */
  MQTT_STATUS_CLOSED = -5,
  /*
   Call would wait for its own thread.
   */
  MQTT_STATUS_WOULD_DEADLOCK = -6,
  /*
   Limit is reached.
   */
  MQTT_STATUS_LIMIT_REACHED = -7,
  /*
   Internal error was caught.
   */
  MQTT_STATUS_PANICKED = -8,
  /*
   Not expressible in this protocol version.
   */
  MQTT_STATUS_NOT_IN_VERSION = -9,
  /*
   System refuses a thread, a descriptor or memory.
   */
  MQTT_STATUS_SYSTEM_REFUSED = -10,
  /*
   Nothing there by this name or number.
   */
  MQTT_STATUS_NOT_FOUND = -11,
  /*
   Name cannot be resolved.
   */
  MQTT_STATUS_RESOLVE_FAILED = -100,
  /*
   Connection was refused.
   */
  MQTT_STATUS_CONNECTION_REFUSED = -101,
  /*
   Connection was lost.
   */
  MQTT_STATUS_CONNECTION_LOST = -102,
  /*
   Network or host is unreachable.
   */
  MQTT_STATUS_UNREACHABLE = -103,
  /*
   Address cannot be listened on.
   */
  MQTT_STATUS_LISTEN_FAILED = -104,
  /*
   Network operation failed.
   */
  MQTT_STATUS_NETWORK_FAILED = -105,
  /*
   TLS failed.
   */
  MQTT_STATUS_TLS_FAILED = -106,
  /*
   Certificate has expired or is not valid yet.
   */
  MQTT_STATUS_CERTIFICATE_EXPIRED = -107,
  /*
   Certificate is for another host.
   */
  MQTT_STATUS_CERTIFICATE_FOR_OTHER = -108,
  /*
   Issuer of certificate is not trusted.
   */
  MQTT_STATUS_CERTIFICATE_UNTRUSTED = -109,
  /*
   Certificate is self-signed and not trusted.
   */
  MQTT_STATUS_CERTIFICATE_SELF_SIGNED = -110,
  /*
   Certificate was revoked.
   */
  MQTT_STATUS_CERTIFICATE_REVOKED = -111,
  /*
   Certificate is not for this use.
   */
  MQTT_STATUS_CERTIFICATE_UNFIT = -112,
  /*
   Peer demands a certificate.
   */
  MQTT_STATUS_CERTIFICATE_MISSING = -113,
  /*
   Peer refuses our certificate.
   */
  MQTT_STATUS_CERTIFICATE_REFUSED = -114,
  /*
   Certificate is not valid.
   */
  MQTT_STATUS_CERTIFICATE_INVALID = -115,
  /*
   WebSocket failed.
   */
  MQTT_STATUS_WEB_SOCKET_FAILED = -116,
  /*
   Proxy failed or refuses.
   */
  MQTT_STATUS_PROXY_FAILED = -117,
  /*
   Not connected.
   */
  MQTT_STATUS_NOT_CONNECTED = -200,
  /*
   Deadline has passed.
   */
  MQTT_STATUS_TIMED_OUT = -201,
  /*
   Outgoing queue is full.
   */
  MQTT_STATUS_QUEUE_FULL = -202,
  /*
   Packet is larger than the peer accepts.
   */
  MQTT_STATUS_PACKET_TOO_LARGE = -203,
  /*
   Peer refused with a reason code.
   */
  MQTT_STATUS_REFUSED = -204,
  /*
   Peer sent a malformed packet.
   */
  MQTT_STATUS_MALFORMED = -205,
  /*
   Peer broke the protocol.
   */
  MQTT_STATUS_PROTOCOL_VIOLATED = -206,
  /*
   Message expired before it was sent.
   */
  MQTT_STATUS_EXPIRED = -207,
  /*
   Message was dropped by policy.
   */
  MQTT_STATUS_DROPPED = -208,
  /*
   Operation was abandoned by close.
   */
  MQTT_STATUS_ABANDONED = -209,
  /*
   Session was lost.
   */
  MQTT_STATUS_SESSION_LOST = -210,
  /*
   Storage failed.
   */
  MQTT_STATUS_STORAGE_FAILED = -300,
  /*
   File cannot be read.
   */
  MQTT_STATUS_FILE_UNREADABLE = -301,
  /*
   File is not valid.
   */
  MQTT_STATUS_FILE_INVALID = -302,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_status mqtt_status;
#else
typedef int32_t mqtt_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What an event is about. New kinds may come: pass over those you do not know.
 */
enum mqtt_event_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   No event.
   */
  MQTT_EVENT_TYPE_NONE = 0,
  /*
   The server has accepted the connection. Has: text (the Client Identifier), session_present,
   session_lost, properties, limits.
   */
  MQTT_EVENT_TYPE_CONNECTED = 1,
  /*
   A connection, or an attempt to make one, has ended. Has: status and text (why), reason and
   properties (if the server gave them), retry_in_ms.
   */
  MQTT_EVENT_TYPE_DISCONNECTED = 2,
  /*
   A message has come. Has: message.
   */
  MQTT_EVENT_TYPE_MESSAGE = 3,
  /*
   An operation has ended. Has: token, status, reason, reasons, properties, text, and message
   if it was a request.
   */
  MQTT_EVENT_TYPE_DONE = 4,
  /*
   The server asks for Authentication Data: answer with `…_authenticate`. Has: data,
   properties.
   */
  MQTT_EVENT_TYPE_CHALLENGE = 5,
  /*
   A subscription could not be made again after the server had lost the Session. Has: text
   (the Topic Filter), reason.
   */
  MQTT_EVENT_TYPE_SUBSCRIPTION_LOST = 6,
  /*
   Of an engine alone: open a transport to the server in text, then call
   `mqtt_engine_handle_open`, or `mqtt_engine_handle_closed` if that fails.
   */
  MQTT_EVENT_TYPE_DIAL = 7,
  /*
   Of an engine alone: write what `mqtt_engine_outgoing` still has as far as it goes at once,
   then close the transport, or give up dialling.
   */
  MQTT_EVENT_TYPE_CLOSE = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_event_type mqtt_event_type;
#else
typedef int32_t mqtt_event_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Which part of authentication is asked for.
 */
enum mqtt_auth_step
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   No authentication at all.
   */
  MQTT_AUTH_STEP_NONE = 0,
  /*
   CONNECT.
   */
  MQTT_AUTH_STEP_CONNECT = 1,
  /*
   The answer to a challenge.
   */
  MQTT_AUTH_STEP_CONTINUE = 2,
  /*
   A connected client authenticates again.
   */
  MQTT_AUTH_STEP_REAUTHENTICATE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_auth_step mqtt_auth_step;
#else
typedef int32_t mqtt_auth_step;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 How much a log line matters.
 */
enum mqtt_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Something failed that should not.
   */
  MQTT_LOG_LEVEL_ERROR = 1,
  /*
   Something may go wrong, or went wrong for a peer.
   */
  MQTT_LOG_LEVEL_WARN = 2,
  /*
   Something happens now and then.
   */
  MQTT_LOG_LEVEL_INFO = 3,
  /*
   Details.
   */
  MQTT_LOG_LEVEL_DEBUG = 4,
  /*
   More details.
   */
  MQTT_LOG_LEVEL_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_log_level mqtt_log_level;
#else
typedef uint8_t mqtt_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a server takes on one connection. MQTT 5.0 §3.2.2.3.
 */
enum mqtt_limit
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Protocol Level that is spoken: `MQTT_V31`, `MQTT_V311` or `MQTT_V5`.
   */
  MQTT_LIMIT_PROTOCOL_LEVEL = 1,
  /*
   Seconds between packets of the client at most; 0: no limit.
   */
  MQTT_LIMIT_KEEP_ALIVE_S = 2,
  /*
   Seconds that the Session outlives the connection; 4294967295: for ever.
   */
  MQTT_LIMIT_SESSION_EXPIRY_S = 3,
  /*
   Messages at QoS 1 and 2 that may wait for their acknowledgement.
   */
  MQTT_LIMIT_RECEIVE_MAXIMUM = 4,
  /*
   Bytes of the largest packet.
   */
  MQTT_LIMIT_MAXIMUM_PACKET_SIZE = 5,
  /*
   Highest QoS of a message.
   */
  MQTT_LIMIT_MAXIMUM_QOS = 6,
  /*
   Whether messages may be retained.
   */
  MQTT_LIMIT_RETAIN = 7,
  /*
   Topic Aliases that the client may assign.
   */
  MQTT_LIMIT_TOPIC_ALIAS_MAXIMUM = 8,
  /*
   Whether filters may have wildcards.
   */
  MQTT_LIMIT_WILDCARD_SUBSCRIPTIONS = 9,
  /*
   Whether subscriptions may have identifiers.
   */
  MQTT_LIMIT_SUBSCRIPTION_IDENTIFIERS = 10,
  /*
   Whether subscriptions may be shared.
   */
  MQTT_LIMIT_SHARED_SUBSCRIPTIONS = 11,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_limit mqtt_limit;
#else
typedef int32_t mqtt_limit;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 What a property is about. MQTT 5.0 §2.2.2.2.
 */
enum mqtt_property
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Payload Format Indicator.
   */
  MQTT_PROPERTY_PAYLOAD_FORMAT_INDICATOR = 1,
  /*
   Message Expiry Interval.
   */
  MQTT_PROPERTY_MESSAGE_EXPIRY_INTERVAL = 2,
  /*
   Content Type.
   */
  MQTT_PROPERTY_CONTENT_TYPE = 3,
  /*
   Response Topic.
   */
  MQTT_PROPERTY_RESPONSE_TOPIC = 8,
  /*
   Correlation Data.
   */
  MQTT_PROPERTY_CORRELATION_DATA = 9,
  /*
   Subscription Identifier.
   */
  MQTT_PROPERTY_SUBSCRIPTION_IDENTIFIER = 11,
  /*
   Session Expiry Interval.
   */
  MQTT_PROPERTY_SESSION_EXPIRY_INTERVAL = 17,
  /*
   Assigned Client Identifier.
   */
  MQTT_PROPERTY_ASSIGNED_CLIENT_IDENTIFIER = 18,
  /*
   Server Keep Alive.
   */
  MQTT_PROPERTY_SERVER_KEEP_ALIVE = 19,
  /*
   Authentication Method.
   */
  MQTT_PROPERTY_AUTHENTICATION_METHOD = 21,
  /*
   Authentication Data.
   */
  MQTT_PROPERTY_AUTHENTICATION_DATA = 22,
  /*
   Request Problem Information.
   */
  MQTT_PROPERTY_REQUEST_PROBLEM_INFORMATION = 23,
  /*
   Will Delay Interval.
   */
  MQTT_PROPERTY_WILL_DELAY_INTERVAL = 24,
  /*
   Request Response Information.
   */
  MQTT_PROPERTY_REQUEST_RESPONSE_INFORMATION = 25,
  /*
   Response Information.
   */
  MQTT_PROPERTY_RESPONSE_INFORMATION = 26,
  /*
   Server Reference.
   */
  MQTT_PROPERTY_SERVER_REFERENCE = 28,
  /*
   Reason String.
   */
  MQTT_PROPERTY_REASON_STRING = 31,
  /*
   Receive Maximum.
   */
  MQTT_PROPERTY_RECEIVE_MAXIMUM = 33,
  /*
   Topic Alias Maximum.
   */
  MQTT_PROPERTY_TOPIC_ALIAS_MAXIMUM = 34,
  /*
   Topic Alias.
   */
  MQTT_PROPERTY_TOPIC_ALIAS = 35,
  /*
   Maximum QoS.
   */
  MQTT_PROPERTY_MAXIMUM_QOS = 36,
  /*
   Retain Available.
   */
  MQTT_PROPERTY_RETAIN_AVAILABLE = 37,
  /*
   User Property.
   */
  MQTT_PROPERTY_USER_PROPERTY = 38,
  /*
   Maximum Packet Size.
   */
  MQTT_PROPERTY_MAXIMUM_PACKET_SIZE = 39,
  /*
   Wildcard Subscription Available.
   */
  MQTT_PROPERTY_WILDCARD_SUBSCRIPTION_AVAILABLE = 40,
  /*
   Subscription Identifier Available.
   */
  MQTT_PROPERTY_SUBSCRIPTION_IDENTIFIER_AVAILABLE = 41,
  /*
   Shared Subscription Available.
   */
  MQTT_PROPERTY_SHARED_SUBSCRIPTION_AVAILABLE = 42,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_property mqtt_property;
#else
typedef uint8_t mqtt_property;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 A Reason Code. MQTT 5.0 §2.4; the return codes of 3.x are translated to these. From 0x80 on it
 is a failure. `MQTT_REASON_SUCCESS` is also Normal disconnection and Granted QoS 0.
 */
enum mqtt_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Success.
   */
  MQTT_REASON_SUCCESS = 0,
  /*
   Granted QoS 1.
   */
  MQTT_REASON_GRANTED_QOS1 = 1,
  /*
   Granted QoS 2.
   */
  MQTT_REASON_GRANTED_QOS2 = 2,
  /*
   Disconnect with Will Message.
   */
  MQTT_REASON_DISCONNECT_WITH_WILL = 4,
  /*
   No matching subscribers.
   */
  MQTT_REASON_NO_MATCHING_SUBSCRIBERS = 16,
  /*
   No subscription existed.
   */
  MQTT_REASON_NO_SUBSCRIPTION_EXISTED = 17,
  /*
   Continue authentication.
   */
  MQTT_REASON_CONTINUE_AUTHENTICATION = 24,
  /*
   Re-authenticate.
   */
  MQTT_REASON_RE_AUTHENTICATE = 25,
  /*
   Unspecified error.
   */
  MQTT_REASON_UNSPECIFIED_ERROR = 128,
  /*
   Malformed Packet.
   */
  MQTT_REASON_MALFORMED_PACKET = 129,
  /*
   Protocol Error.
   */
  MQTT_REASON_PROTOCOL_ERROR = 130,
  /*
   Implementation specific error.
   */
  MQTT_REASON_IMPLEMENTATION_SPECIFIC_ERROR = 131,
  /*
   Unsupported Protocol Version.
   */
  MQTT_REASON_UNSUPPORTED_PROTOCOL_VERSION = 132,
  /*
   Client Identifier not valid.
   */
  MQTT_REASON_CLIENT_IDENTIFIER_NOT_VALID = 133,
  /*
   Bad User Name or Password.
   */
  MQTT_REASON_BAD_USER_NAME_OR_PASSWORD = 134,
  /*
   Not authorized.
   */
  MQTT_REASON_NOT_AUTHORIZED = 135,
  /*
   Server unavailable.
   */
  MQTT_REASON_SERVER_UNAVAILABLE = 136,
  /*
   Server busy.
   */
  MQTT_REASON_SERVER_BUSY = 137,
  /*
   Banned.
   */
  MQTT_REASON_BANNED = 138,
  /*
   Server shutting down.
   */
  MQTT_REASON_SERVER_SHUTTING_DOWN = 139,
  /*
   Bad authentication method.
   */
  MQTT_REASON_BAD_AUTHENTICATION_METHOD = 140,
  /*
   Keep Alive timeout.
   */
  MQTT_REASON_KEEP_ALIVE_TIMEOUT = 141,
  /*
   Session taken over.
   */
  MQTT_REASON_SESSION_TAKEN_OVER = 142,
  /*
   Topic Filter invalid.
   */
  MQTT_REASON_TOPIC_FILTER_INVALID = 143,
  /*
   Topic Name invalid.
   */
  MQTT_REASON_TOPIC_NAME_INVALID = 144,
  /*
   Packet Identifier in use.
   */
  MQTT_REASON_PACKET_IDENTIFIER_IN_USE = 145,
  /*
   Packet Identifier not found.
   */
  MQTT_REASON_PACKET_IDENTIFIER_NOT_FOUND = 146,
  /*
   Receive Maximum exceeded.
   */
  MQTT_REASON_RECEIVE_MAXIMUM_EXCEEDED = 147,
  /*
   Topic Alias invalid.
   */
  MQTT_REASON_TOPIC_ALIAS_INVALID = 148,
  /*
   Packet too large.
   */
  MQTT_REASON_PACKET_TOO_LARGE = 149,
  /*
   Message rate too high.
   */
  MQTT_REASON_MESSAGE_RATE_TOO_HIGH = 150,
  /*
   Quota exceeded.
   */
  MQTT_REASON_QUOTA_EXCEEDED = 151,
  /*
   Administrative action.
   */
  MQTT_REASON_ADMINISTRATIVE_ACTION = 152,
  /*
   Payload format invalid.
   */
  MQTT_REASON_PAYLOAD_FORMAT_INVALID = 153,
  /*
   Retain not supported.
   */
  MQTT_REASON_RETAIN_NOT_SUPPORTED = 154,
  /*
   QoS not supported.
   */
  MQTT_REASON_QOS_NOT_SUPPORTED = 155,
  /*
   Use another server.
   */
  MQTT_REASON_USE_ANOTHER_SERVER = 156,
  /*
   Server moved.
   */
  MQTT_REASON_SERVER_MOVED = 157,
  /*
   Shared Subscriptions not supported.
   */
  MQTT_REASON_SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 158,
  /*
   Connection rate exceeded.
   */
  MQTT_REASON_CONNECTION_RATE_EXCEEDED = 159,
  /*
   Maximum connect time.
   */
  MQTT_REASON_MAXIMUM_CONNECT_TIME = 160,
  /*
   Subscription Identifiers not supported.
   */
  MQTT_REASON_SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 161,
  /*
   Wildcard Subscriptions not supported.
   */
  MQTT_REASON_WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 162,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_reason mqtt_reason;
#else
typedef uint8_t mqtt_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 Something that a broker counts, or has now.
 */
enum mqtt_stat
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Clients connected now.
   */
  MQTT_STAT_CONNECTIONS = 1,
  /*
   Clients accepted since the start.
   */
  MQTT_STAT_CONNECTIONS_TOTAL = 2,
  /*
   Sessions, connected or not.
   */
  MQTT_STAT_SESSIONS = 3,
  /*
   Subscriptions of all sessions.
   */
  MQTT_STAT_SUBSCRIPTIONS = 4,
  /*
   Retained messages.
   */
  MQTT_STAT_RETAINED = 5,
  /*
   Bytes of retained messages.
   */
  MQTT_STAT_RETAINED_BYTES = 6,
  /*
   Packets received.
   */
  MQTT_STAT_PACKETS_RECEIVED = 7,
  /*
   Packets written.
   */
  MQTT_STAT_PACKETS_SENT = 8,
  /*
   Bytes received.
   */
  MQTT_STAT_BYTES_RECEIVED = 9,
  /*
   Bytes that transports took.
   */
  MQTT_STAT_BYTES_SENT = 10,
  /*
   PUBLISH packets received.
   */
  MQTT_STAT_PUBLISH_RECEIVED = 11,
  /*
   PUBLISH packets written.
   */
  MQTT_STAT_PUBLISH_SENT = 12,
  /*
   Messages dropped for one receiver: queue full, expired, too large for it.
   */
  MQTT_STAT_PUBLISH_DROPPED = 13,
  /*
   Messages that wait for sessions.
   */
  MQTT_STAT_QUEUED_MESSAGES = 14,
  /*
   Bytes of these, counted once per session.
   */
  MQTT_STAT_QUEUED_BYTES = 15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum mqtt_stat mqtt_stat;
#else
typedef int32_t mqtt_stat;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 The right to answer a question later, once, from any thread.
 */
typedef struct mqtt_answer mqtt_answer;

/*
 A broker that runs on threads of its own, from start to free. There may be several in a
 process. Every function may be called from any thread, also in hooks.
 */
typedef struct mqtt_broker mqtt_broker;

/*
 How a broker is set up. It may serve for any number of them, which copy it.
 */
typedef struct mqtt_broker_config mqtt_broker_config;

/*
 A client. Every function may be called from any thread, also in callbacks, except that those
 that wait (`…_wait` and `mqtt_client_next_event`) fail in callbacks with
 `MQTT_STATUS_WOULD_DEADLOCK`.
 */
typedef struct mqtt_client mqtt_client;

/*
 How a client or an engine is set up. It may serve for any number of them, which copy it.
 */
typedef struct mqtt_client_config mqtt_client_config;

/*
 A client of a broker, as a hook is told of it. It lives until the hook returns.
 */
typedef struct mqtt_client_info mqtt_client_info;

/*
 An MQTT client without socket, thread and clock. Its program carries the bytes:

 1. `mqtt_engine_connect`, then take events. At `MQTT_EVENT_TYPE_DIAL` open a transport, and say
    `mqtt_engine_handle_open`.
 2. What comes from the transport goes to `mqtt_engine_handle_data`. What `mqtt_engine_outgoing`
    shows goes to the transport, and `mqtt_engine_handle_sent` says how much of it did.
 3. After any call, take events until there are none, write what is outgoing, then sleep until
    the transport has something or `mqtt_engine_timeout` has come, and then call
    `mqtt_engine_handle_timeout`.

 Times are nanoseconds from an epoch of the program's choice.
 */
typedef struct mqtt_engine mqtt_engine;

/*
 Why a call failed.
 */
typedef struct mqtt_error mqtt_error;

/*
 What has happened. It does not change.

 One that a callback gets lives until the callback returns; one that was asked for lives until
 it is freed. What its getters give lives as long. A getter of what an event of its kind does
 not have, or of NULL, gives nothing: 0, NULL or false.
 */
typedef struct mqtt_event mqtt_event;

/*
 Where and how a broker is to listen. It may serve for any number of configurations, which copy
 it.
 */
typedef struct mqtt_listener mqtt_listener;

/*
 A loop that serves any number of clients: on a thread of the library, or run by the program.
 */
typedef struct mqtt_loop mqtt_loop;

/*
 An Application Message that was received, or that a broker is asked about. It does not change,
 and any thread may look at it.
 */
typedef struct mqtt_message mqtt_message;

/*
 A list of properties. Those of a message or an event belong to it, and live as long.
 */
typedef struct mqtt_properties mqtt_properties;

/*
 What a hook is asked. It lives until the hook returns. A getter of what it is not about gives
 nothing: 0 or NULL.
 */
typedef struct mqtt_question mqtt_question;

/*
 What TLS is to be like. It may serve for any number of clients and listeners, which copy it.
 */
typedef struct mqtt_tls mqtt_tls;

/*
 Text that somebody else owns: UTF-8 without a NUL at its end. The function that gives it says
 how long it lives. `data` is never NULL, unless the comment says so.
 */
typedef struct mqtt_text {
  /*
   The first byte.
   */
  const char *data;
  /*
   How many bytes.
   */
  size_t len;
} mqtt_text;

/*
 The callbacks of a broker, each of which may be NULL. They are called on the threads of the
 broker, several at once, must not wait, and must not throw.
 */
typedef struct mqtt_hooks {
  /*
   `sizeof(mqtt_hooks)`: callbacks that come in later versions stand behind, and are not
   looked for in a table that is too small for them.
   */
  uint32_t size;
  /*
   May this client connect? Also asked in each step of enhanced authentication. Returns one of
   `MQTT_VERDICT_…` or a Reason Code. NULL: as the password file says; or everyone.
   */
  int32_t (*authenticate)(void *userdata, struct mqtt_question *question);
  /*
   May it publish this? Also asked for its will, at CONNECT. Returns likewise. NULL: yes.
   */
  int32_t (*authorise_publish)(void *userdata, struct mqtt_question *question);
  /*
   May it subscribe to this? Asked for each filter. Returns likewise. NULL: yes.
   */
  int32_t (*authorise_subscribe)(void *userdata, struct mqtt_question *question);
  /*
   A client was accepted.
   */
  void (*connected)(void *userdata, const struct mqtt_client_info *client);
  /*
   A connection of an accepted client has ended. The Reason Code is 0 if it said goodbye.
   */
  void (*disconnected)(void *userdata, const struct mqtt_client_info *client, uint8_t reason_code);
  /*
   A message was accepted and is about to be routed. `client` is NULL for the host program's
   own.
   */
  void (*published)(void *userdata,
                    const struct mqtt_client_info *client,
                    const struct mqtt_message *message);
  /*
   A subscription was made or renewed. `options` is as in `mqtt_subscription`.
   */
  void (*subscribed)(void *userdata,
                     const struct mqtt_client_info *client,
                     struct mqtt_text filter,
                     uint32_t options);
  /*
   A subscription was ended by its client.
   */
  void (*unsubscribed)(void *userdata,
                       const struct mqtt_client_info *client,
                       struct mqtt_text filter);
} mqtt_hooks;

/*
 Frees what a program registered with its callbacks, once none of them runs or will run again.
 It is called once, on any thread, also if the call that registers fails; NULL: there is nothing
 to free.
 */
typedef void (*mqtt_free_fn)(void *userdata);

/*
 Called with a log line: `level` is one of `MQTT_LOG_LEVEL_…`, `line` lives until it returns.
 It is called on threads that carry traffic, several at once, and should not wait.
 */
typedef void (*mqtt_log_fn)(void *userdata, uint8_t level, struct mqtt_text line);

/*
 Called with an event, which lives until it returns.
 */
typedef void (*mqtt_event_fn)(void *userdata, const struct mqtt_event *event);

/*
 Called when there are events.
 */
typedef void (*mqtt_ready_fn)(void *userdata);

/*
 A Topic Filter to subscribe to, and how. MQTT 5.0 §3.8.3.
 */
typedef struct mqtt_subscription {
  /*
   The Topic Filter; UTF-8, not NUL-terminated.
   */
  const char *filter;
  /*
   Bytes of the filter.
   */
  size_t filter_len;
  /*
   The highest QoS (0, 1 or 2) and perhaps bits `MQTT_SUBSCRIBE_…`.
   */
  uint32_t options;
} mqtt_subscription;

/*
 Bytes that somebody else owns. The function that gives them says how long they live. `data` is
 never NULL, unless the comment says so.
 */
typedef struct mqtt_bytes {
  /*
   The first byte.
   */
  const uint8_t *data;
  /*
   How many.
   */
  size_t len;
} mqtt_bytes;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Starts a broker. On return, clients can connect. The configuration is copied.

 The caller frees it with `mqtt_broker_free`. Returns `MQTT_STATUS_LISTEN_FAILED` if an address
 cannot be had, `MQTT_STATUS_FILE_UNREADABLE` or `MQTT_STATUS_FILE_INVALID` for the password
 file or the access rights, `MQTT_STATUS_STORAGE_FAILED` if the data directory cannot be used,
 `MQTT_STATUS_BAD_ARGUMENT` if options contradict each other; `error_out` (NULL: not wanted) then
 gets an explanation, which the caller frees. Thread: any. Since: 0.1.
 */
mqtt_status mqtt_broker_start(const struct mqtt_broker_config *config,
                              struct mqtt_broker **broker_out,
                              struct mqtt_error **error_out);

/*
 Stops accepting, tells every client, sends what waits for them for as long as `deadline_ms`
 allows, closes everything and ends the threads. The handle stays good for questions.

 Called again, it waits for the first call. In a hook it only asks: the broker stops after the
 hook has returned. It returns at the latest a second after the deadline.
 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_broker_stop(struct mqtt_broker *broker, uint32_t deadline_ms);

/*
 Stops a broker with a deadline of a second and frees it; NULL is nothing, and so is one that
 was freed. Calls of other threads with it end safely. Thread: also in callbacks. Since: 0.1.
 */
void mqtt_broker_free(struct mqtt_broker *broker);

/*
 Whether it runs: not after `mqtt_broker_stop`, or when a hook of it has come to grief.

 Thread: also in callbacks. Since: 0.1.
 */
bool mqtt_broker_is_running(const struct mqtt_broker *broker);

/*
 Sets `port_out` to the port of the listener at `place`, counted from 0 in the order in which
 they were added; 0 only for a Unix socket.

 Returns `MQTT_STATUS_NOT_FOUND` behind the last one. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_broker_port(const struct mqtt_broker *broker, size_t place, uint16_t *port_out);

/*
 Writes what clients can use as URL of the listener at `place`, `mqtts://127.0.0.1:8883` or
 `unix:/run/mqtt.sock`, to `buffer`, which has room for `capacity` bytes, and its length to
 `len_out`. No NUL is written. The URL of a WebSocket listener has no path.

 Returns `MQTT_STATUS_NOT_FOUND` behind the last one, `MQTT_STATUS_LIMIT_REACHED`, writing only
 the length, if there is too little room. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_broker_url(const struct mqtt_broker *broker,
                            size_t place,
                            char *buffer,
                            size_t capacity,
                            size_t *len_out);

/*
 Reads the files of passwords, of access rights and of TLS again. Passwords and certificates
 count for connections to come; access rights count at once. Files of TLS are also looked at by
 the broker itself now and then.

 Returns `MQTT_STATUS_FILE_UNREADABLE` or `MQTT_STATUS_FILE_INVALID` for a file that is of no
 use: what was read before stays in force in its place, and the other files count. `error_out`
 (NULL: not wanted) then gets an explanation, which the caller frees.
 Thread: any. Since: 0.1.
 */
mqtt_status mqtt_broker_reload(struct mqtt_broker *broker, struct mqtt_error **error_out);

/*
 Publishes as the host program: no hook is asked, and messages of one thread keep their order.
 All is copied; `properties` may be NULL. Returns before subscribers have it.

 Returns `MQTT_STATUS_BAD_TOPIC` if the topic is no Topic Name, `MQTT_STATUS_QUEUE_FULL` if 64
 MiB of such messages wait. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_broker_publish(struct mqtt_broker *broker,
                                const char *topic,
                                size_t topic_len,
                                const void *payload,
                                size_t payload_len,
                                uint8_t qos,
                                bool retain,
                                const struct mqtt_properties *properties);

/*
 Ends the connection of the client with this Client Identifier, if there is one, soon after the
 return. `reason_code` is told to clients of 5.0. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_broker_disconnect(struct mqtt_broker *broker,
                                   const char *client_id,
                                   size_t client_id_len,
                                   uint8_t reason_code);

/*
 Sets `value_out` to something that the broker counts, at most a turn of its loops old. `which`
 is one of `MQTT_STAT_…`.

 Returns `MQTT_STATUS_NOT_FOUND` if it does not count that.
 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_broker_stat(const struct mqtt_broker *broker, int which, uint64_t *value_out);

/*
 Makes a client within the process, joined to the broker by memory instead of a socket: servers
 of its configuration are not used. It does nothing before `mqtt_client_connect`.

 Returns `MQTT_STATUS_STORAGE_FAILED` if its file in `data_directory` does not open. The caller
 frees it with `mqtt_client_free`. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_broker_client(struct mqtt_broker *broker,
                               const struct mqtt_client_config *config,
                               struct mqtt_client **client_out,
                               struct mqtt_error **error_out);

/*
 Makes a configuration without listeners: only clients within the process can connect.

 The caller frees it with `mqtt_broker_config_free`. NULL: no memory.
 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_broker_config *mqtt_broker_config_new(void);

/*
 Frees a configuration; NULL is nothing. Brokers made with it go on.

 Thread: one at a time. Since: 0.1.
 */
void mqtt_broker_config_free(struct mqtt_broker_config *config);

/*
 Adds a listener at an address of this machine, `127.0.0.1`, `::1`, `0.0.0.0`, …, and a port;
 0: any free port, which `mqtt_broker_port` tells.

 Unless `allow_anonymous` is set, clients without User Name get in only if all listeners are at
 loopback addresses.
 Returns `MQTT_STATUS_BAD_ARGUMENT` if the text is no address.
 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_broker_config_listen(struct mqtt_broker_config *config,
                                      const char *address,
                                      size_t address_len,
                                      uint16_t port);

/*
 Does what a configuration file in mosquitto's format says, on top of what is set: all of it, or
 nothing if there is something wrong with it.

 Listeners are added; a file without any adds `127.0.0.1` and `::1` at port 1883 or what `port`
 says, unless there are listeners already; TLS, WebSocket and Unix sockets are as it says. A file that opens listeners refuses clients without
 User Name unless `allow_anonymous` is set. Directives that are not supported are errors, and so
 are those for the process: `pid_file`, `user`, `connection_messages`, `log_…`.
 Returns `MQTT_STATUS_FILE_UNREADABLE`, `MQTT_STATUS_FILE_INVALID`, or
 `MQTT_STATUS_LISTEN_FAILED` if the name of a listener is not known; `error_out` (NULL: not
 wanted) then gets an explanation with file, line and directive, which the caller frees.
 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_broker_config_load(struct mqtt_broker_config *config,
                                    const char *path,
                                    size_t path_len,
                                    struct mqtt_error **error_out);

/*
 Sets the callbacks that decide and watch; NULL: none. The table is copied.

 `userdata` is handed to each; `free_userdata` is called when the configuration and all brokers
 made with it have gone. Returns `MQTT_STATUS_BAD_ARGUMENT` if `hooks->size` cannot be right.
 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_broker_config_set_hooks(struct mqtt_broker_config *config,
                                         const struct mqtt_hooks *hooks,
                                         void *userdata,
                                         mqtt_free_fn free_userdata);

/*
 Has log lines of brokers made with this configuration handed to `callback`; NULL: to nobody.

 `free_userdata` is called when the configuration and all brokers made with it have gone.
 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_broker_config_set_log(struct mqtt_broker_config *config,
                                       mqtt_log_fn callback,
                                       void *userdata,
                                       mqtt_free_fn free_userdata);

/*
 Sets an option by its name. Values are text: numbers, `true` and `false`, or the words below,
 the default first or in brackets.

 | name | value |
 |------|-------|
 | `shards` | threads, 1 to 128 (as many as cores) |
 | `password_file` | users and passwords in mosquitto's format; read at the start and by `mqtt_broker_reload` |
 | `acl_file` | access rights in mosquitto's format; read likewise |
 | `allow_anonymous` | clients without User Name get in (without password file, if all listeners are at loopback) |
 | `data_directory` | keep sessions and messages there, across restarts; it belongs to one broker at a time; empty: in memory alone |
 | `durability` | with it: `sync`: what is acknowledged is on disk; `250ms`: it is so long after at the latest; `off`: when the broker stops; the last two lose what came since when the process is killed |
 | `payload_max` | largest payload that is passed on; 0: any (0) |
 | `connect_timeout_ms` | until CONNECT is complete (10000) |
 | `maximum_packet_size` | largest packet from a client (16777216) |
 | `maximum_connect_size` | largest packet before a client is authenticated (16384) |
 | `pending_max` | connections that have not come through CONNECT (10000) |
 | `address_connections_max` | connections of one address; 0: any (0) |
 | `address_connects_per_min_max` | that one address may open; 0: any (0) |
 | `address_failures_per_min_max` | logins of one address that may fail; 0: any (0) |
 | `client_messages_per_s_max`, `client_bytes_per_s_max` | that a client may send; 0: any (0) |
 | `receive_maximum` | messages at QoS 1 and 2 on their way from a client (1024) |
 | `inflight_max` | messages at QoS 1 and 2 on their way to a client (1024) |
 | `topic_alias_maximum`, `topic_alias_out_max` | Topic Aliases from and to a client (64) |
 | `maximum_qos` | `2`, `1`, `0` |
 | `retain_available`, `wildcard_subscriptions`, `subscription_identifiers`, `shared_subscriptions` | whether clients may (`true`) |
 | `keep_alive_max_s` | longest Keep Alive; 0: any (0) |
 | `session_expiry_max_s` | longest Session Expiry Interval; 4294967295: for ever (4294967295) |
 | `session_expiry_v3_s` | of 3.x sessions with Clean Session 0 (4294967295) |
 | `sessions_max`, `connections_max` | in all (1000000) |
 | `subscriptions_max` | per session (100000) |
 | `subscription_bytes_max`, `shared_subscriptions_max` | bytes of their filters, and shared ones among them (16777216, 1000) |
 | `topic_levels_max` | of a topic or a filter (200) |
 | `queue_messages_max`, `queue_bytes_max` | what waits for one session (100000, 67108864) |
 | `queue_full` | `drop_newest`, `drop_oldest` |
 | `queue_qos0_offline` | QoS 0 waits for sessions without connection (`false`) |
 | `backlog_bytes_max` | what waits for all sessions (1073741824) |
 | `overload` | beyond that: `drop`, `backpressure` |
 | `retained_max`, `retained_bytes_max` | retained messages (1000000, 1073741824) |
 | `dollar_topics` | clients may publish to topics that begin with `$` (`false`) |
 | `assign_client_ids` | an empty Client Identifier gets one (`true`) |
 | `assigned_id_prefix` | how that begins (`auto-`) |
 | `sys_interval_ms` | between updates of `$SYS`; 0: none (10000) |
 | `response_information` | given to clients that ask; empty: none |

 Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
 value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
 frees. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_broker_config_set(struct mqtt_broker_config *config,
                                   const char *name,
                                   size_t name_len,
                                   const char *value,
                                   size_t value_len,
                                   struct mqtt_error **error_out);

/*
 Makes a client, which does nothing before it is told to connect. The configuration is copied.

 `served_by` is the loop that serves it; NULL: it gets one of its own, on a thread of the
 library. The caller frees the client with `mqtt_client_free`. Returns
 `MQTT_STATUS_BAD_ARGUMENT` if a server cannot be used, `MQTT_STATUS_SYSTEM_REFUSED` if there is
 no thread or descriptor left, `MQTT_STATUS_STORAGE_FAILED` if its file in `data_directory` does
 not open, which stays as it is; `error_out` (NULL: not wanted) then gets an explanation, which
 the caller frees. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_new(const struct mqtt_client_config *config,
                            struct mqtt_loop *served_by,
                            struct mqtt_client **client_out,
                            struct mqtt_error **error_out);

/*
 Frees a client; NULL is nothing, and so is one that was freed. If it is connected, it says
 DISCONNECT first. What waits to be sent is lost: for that, `mqtt_client_close` comes before.

 Calls of other threads with it end safely. On return its callback is not running and will not
 be called again, with two exceptions: in the callback itself, and when the callback takes
 longer than 5 seconds; `free_userdata` tells. Thread: also in callbacks. Since: 0.1.
 */
void mqtt_client_free(struct mqtt_client *client);

/*
 Has `callback` called with every event from now on, and those that wait, on the loop's thread.
 Called again, it replaces the callback. NULL is refused.

 Every function may be called in it, `mqtt_client_free` too. It must not throw. Events come one
 after the other. `free_userdata` is called once the callback is not running and will not be
 called any more. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_on_event(struct mqtt_client *client,
                                 mqtt_event_fn callback,
                                 void *userdata,
                                 mqtt_free_fn free_userdata);

/*
 Has `callback` called when events come while none wait, on the loop's thread; again only after
 `mqtt_client_next_event` has taken them all. For programs that poll events: let it write to an
 eventfd or a pipe. Otherwise as `mqtt_client_on_event`, which excludes it.

 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_on_ready(struct mqtt_client *client,
                                 mqtt_ready_fn callback,
                                 void *userdata,
                                 mqtt_free_fn free_userdata);

/*
 Starts connecting, and connecting again as the configuration says; while a retry is pending, it
 comes at once. `MQTT_EVENT_TYPE_CONNECTED` or `MQTT_EVENT_TYPE_DISCONNECTED` follows.

 Returns `MQTT_STATUS_BAD_ARGUMENT` if the configuration does not do or the client is connected
 or connecting already; `error_out` (NULL: not wanted) then gets an explanation, which the
 caller frees. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_connect(struct mqtt_client *client, struct mqtt_error **error_out);

/*
 Publishes a message: topic, payload, QoS (0, 1, 2), RETAIN, properties (NULL: none), all of
 which are copied. Without connection it waits for one.

 `token_out` gets a number that `MQTT_EVENT_TYPE_DONE` repeats: after the write for QoS 0, after
 PUBACK for 1, after PUBCOMP for 2. NULL: nobody asks, and there is no such event.
 Returns, keeping nothing, `MQTT_STATUS_BAD_TOPIC`, `MQTT_STATUS_BAD_ARGUMENT`,
 `MQTT_STATUS_QUEUE_FULL` when too much waits, `MQTT_STATUS_PACKET_TOO_LARGE` or
 `MQTT_STATUS_REFUSED` when the server does not take it.
 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.3.
 */
mqtt_status mqtt_client_publish(struct mqtt_client *client,
                                const char *topic,
                                size_t topic_len,
                                const void *payload,
                                size_t payload_len,
                                uint8_t qos,
                                bool retain,
                                const struct mqtt_properties *properties,
                                uint64_t *token_out);

/*
 Publishes a message, and waits for at most `timeout_ms` until it is written (QoS 0) or
 acknowledged. `reason_out` (NULL: not wanted) gets the Reason Code of the acknowledgement.

 Returns what `mqtt_client_publish` does, `MQTT_STATUS_REFUSED` if the server refused it,
 `MQTT_STATUS_TIMED_OUT` (it goes on, and `MQTT_EVENT_TYPE_DONE` comes),
 `MQTT_STATUS_WOULD_DEADLOCK` in a callback; `error_out` (NULL: not wanted) then gets an
 explanation, which the caller frees. Thread: any. Since: 0.1.
 */
mqtt_status mqtt_client_publish_wait(struct mqtt_client *client,
                                     const char *topic,
                                     size_t topic_len,
                                     const void *payload,
                                     size_t payload_len,
                                     uint8_t qos,
                                     bool retain,
                                     const struct mqtt_properties *properties,
                                     uint32_t timeout_ms,
                                     uint8_t *reason_out,
                                     struct mqtt_error **error_out);

/*
 Waits for at most `timeout_ms` until all that was published before at QoS 1 and 2 is on disk in
 the client's `data_directory`, and so will be sent whatever becomes of this process; and what was
 acknowledged by the program at QoS 2, and so does not come again.

 Returns `MQTT_STATUS_BAD_STATE` without a `data_directory`, `MQTT_STATUS_STORAGE_FAILED` when
 nothing can be stored, `MQTT_STATUS_TIMED_OUT`, `MQTT_STATUS_WOULD_DEADLOCK` in a callback;
 `error_out` (NULL: not wanted) then gets an explanation, which the caller frees. Thread: any.
 Since: 0.1.
 */
mqtt_status mqtt_client_flush_wait(struct mqtt_client *client,
                                   uint32_t timeout_ms,
                                   struct mqtt_error **error_out);

/*
 Publishes a message and awaits a reply to it. Response Topic and Correlation Data are set, and
 the topic of the reply is subscribed to, by the client. MQTT 5.0 alone.

 `MQTT_EVENT_TYPE_DONE` with this token has the reply as its message, or the status
 `MQTT_STATUS_TIMED_OUT` after `timeout_ms`. Otherwise as `mqtt_client_publish`.
 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.10.
 */
mqtt_status mqtt_client_request(struct mqtt_client *client,
                                const char *topic,
                                size_t topic_len,
                                const void *payload,
                                size_t payload_len,
                                uint8_t qos,
                                const struct mqtt_properties *properties,
                                uint32_t timeout_ms,
                                uint64_t *token_out);

/*
 Publishes a message, and waits for at most `timeout_ms` for a reply to it, which the caller
 frees with `mqtt_message_free`.

 Returns what `mqtt_client_publish_wait` does. Thread: any. Since: 0.1.
 */
mqtt_status mqtt_client_request_wait(struct mqtt_client *client,
                                     const char *topic,
                                     size_t topic_len,
                                     const void *payload,
                                     size_t payload_len,
                                     uint8_t qos,
                                     const struct mqtt_properties *properties,
                                     uint32_t timeout_ms,
                                     struct mqtt_message **reply_out,
                                     struct mqtt_error **error_out);

/*
 Publishes the reply to a request that was received: to its Response Topic, with its Correlation
 Data, at its QoS.

 Returns `MQTT_STATUS_BAD_ARGUMENT` if the message has no Response Topic. Otherwise as
 `mqtt_client_publish`. Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.10.
 */
mqtt_status mqtt_client_respond(struct mqtt_client *client,
                                const struct mqtt_message *request,
                                const void *payload,
                                size_t payload_len,
                                uint64_t *token_out);

/*
 Subscribes to `count` Topic Filters with one SUBSCRIBE. A Subscription Identifier and User
 Properties stand in `properties` (NULL: none). All is copied. Without connection it waits for
 one; what was granted is asked for again when the server has lost the Session.

 `token_out` (NULL: not wanted) gets a number that `MQTT_EVENT_TYPE_DONE` repeats after SUBACK,
 with a Reason Code for each filter. Returns, asking for nothing, `MQTT_STATUS_BAD_TOPIC` if a
 filter is none, `MQTT_STATUS_REFUSED` if the connected server does not take it.
 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.8.
 */
mqtt_status mqtt_client_subscribe(struct mqtt_client *client,
                                  const struct mqtt_subscription *wanted,
                                  size_t count,
                                  const struct mqtt_properties *properties,
                                  uint64_t *token_out);

/*
 Subscribes to `count` Topic Filters, and waits for at most `timeout_ms` for SUBACK.
 `reasons_out` (NULL: not wanted) has room for `count` bytes and gets a Reason Code for each
 filter, also when one is refused.

 Returns `MQTT_STATUS_REFUSED` if one of them is refused. Otherwise as `mqtt_client_subscribe`
 and `mqtt_client_publish_wait`. Thread: any. Since: 0.1.
 */
mqtt_status mqtt_client_subscribe_wait(struct mqtt_client *client,
                                       const struct mqtt_subscription *wanted,
                                       size_t count,
                                       uint32_t timeout_ms,
                                       uint8_t *reasons_out,
                                       struct mqtt_error **error_out);

/*
 Unsubscribes from `count` Topic Filters with one UNSUBSCRIBE. User Properties stand in
 `properties` (NULL: none). Otherwise as `mqtt_client_subscribe`.

 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.10.
 */
mqtt_status mqtt_client_unsubscribe(struct mqtt_client *client,
                                    const struct mqtt_text *unwanted,
                                    size_t count,
                                    const struct mqtt_properties *properties,
                                    uint64_t *token_out);

/*
 Unsubscribes from `count` Topic Filters, and waits for at most `timeout_ms` for UNSUBACK.
 Otherwise as `mqtt_client_subscribe_wait`. Thread: any. Since: 0.1.
 */
mqtt_status mqtt_client_unsubscribe_wait(struct mqtt_client *client,
                                         const struct mqtt_text *unwanted,
                                         size_t count,
                                         uint32_t timeout_ms,
                                         uint8_t *reasons_out,
                                         struct mqtt_error **error_out);

/*
 Sends PINGREQ, which the client also does by itself as Keep Alive demands.

 `token_out` (NULL: not wanted) gets a number that `MQTT_EVENT_TYPE_DONE` repeats after
 PINGRESP. Returns `MQTT_STATUS_NOT_CONNECTED` without connection.
 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_ping(struct mqtt_client *client, uint64_t *token_out);

/*
 Acknowledges a message at QoS 1 or 2 that was received with the option `manual_ack`; a
 `reason_code` of 0x80 and above refuses it, which only 5.0 can say.

 Returns `MQTT_STATUS_BAD_STATE` if it does not wait for that (any more).
 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_acknowledge(struct mqtt_client *client,
                                    const struct mqtt_message *message,
                                    uint8_t reason_code);

/*
 Answers `MQTT_EVENT_TYPE_CHALLENGE` with Authentication Data, which are copied.

 Returns `MQTT_STATUS_BAD_STATE` if the server does not wait for that.
 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.12.
 */
mqtt_status mqtt_client_authenticate(struct mqtt_client *client, const void *data, size_t data_len);

/*
 Authenticates again on the standing connection, beginning with these Authentication Data (NULL:
 none), which are copied.

 `token_out` (NULL: not wanted) gets a number that `MQTT_EVENT_TYPE_DONE` repeats at the end.
 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.12.1.
 */
mqtt_status mqtt_client_reauthenticate(struct mqtt_client *client,
                                       const void *data,
                                       size_t data_len,
                                       uint64_t *token_out);

/*
 Replaces User Name and Password (NULL: none), from the next CONNECT on. Both are copied.

 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_set_credentials(struct mqtt_client *client,
                                        const char *user_name,
                                        size_t user_name_len,
                                        const void *password,
                                        size_t password_len);

/*
 Ends the connection, or the attempts to make one, for good: until `mqtt_client_connect`. A
 `reason_code` other than 0 makes the server publish the will; `properties` (NULL: none) may
 have a Session Expiry Interval, Reason String and User Properties.

 Before DISCONNECT it waits for at most `wait_ms` until what was asked for is sent and answered;
 the call itself does not wait. `MQTT_EVENT_TYPE_DISCONNECTED` follows.
 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §3.14.
 */
mqtt_status mqtt_client_disconnect(struct mqtt_client *client,
                                   uint8_t reason_code,
                                   const struct mqtt_properties *properties,
                                   uint32_t wait_ms);

/*
 Ends a client for good: says DISCONNECT after what waits was sent and answered, within
 `deadline_ms`; what is left ends with `MQTT_STATUS_ABANDONED`. Later calls return
 `MQTT_STATUS_CLOSED`, after the last event also `mqtt_client_next_event`.

 It returns when that is over, at the latest a second after the deadline; in a callback at once.
 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_client_close(struct mqtt_client *client, uint32_t deadline_ms);

/*
 Connects, and waits for at most `timeout_ms` for CONNACK, through retries if they are
 configured. `event_out` (NULL: not wanted) gets `MQTT_EVENT_TYPE_CONNECTED`, which the caller
 frees with `mqtt_event_free`.

 Returns `MQTT_STATUS_REFUSED` with a Reason Code in the error if the server refused,
 `MQTT_STATUS_CONNECTION_REFUSED`, `MQTT_STATUS_RESOLVE_FAILED` or another of the network if it
 was not reached, `MQTT_STATUS_TIMED_OUT` (attempts go on), `MQTT_STATUS_WOULD_DEADLOCK` in a
 callback; `error_out` (NULL: not wanted) then gets an explanation, which the caller frees.
 Thread: any. Since: 0.1. Spec: MQTT 5.0 §3.1.
 */
mqtt_status mqtt_client_connect_wait(struct mqtt_client *client,
                                     uint32_t timeout_ms,
                                     struct mqtt_event **event_out,
                                     struct mqtt_error **error_out);

/*
 Waits for at most `timeout_ms` (0: not at all) for the next event, which the caller frees with
 `mqtt_event_free`. What a `…_wait` function waited for does not come as an event too.

 Returns `MQTT_STATUS_TIMED_OUT` if none came, `MQTT_STATUS_CLOSED` after the last event of a
 client that was closed, `MQTT_STATUS_WOULD_DEADLOCK` in a callback unless `timeout_ms` is 0.
 Thread: any. Since: 0.1.
 */
mqtt_status mqtt_client_next_event(struct mqtt_client *client,
                                   uint32_t timeout_ms,
                                   struct mqtt_event **event_out);

/*
 Whether there is a connection that CONNACK has opened. Thread: also in callbacks. Since: 0.1.
 */
bool mqtt_client_is_connected(const struct mqtt_client *client);

/*
 Messages that wait to be sent. Thread: also in callbacks. Since: 0.1.
 */
size_t mqtt_client_queued(const struct mqtt_client *client);

/*
 Messages at QoS 1 and 2 that were sent and wait for their acknowledgement.

 Thread: also in callbacks. Since: 0.1.
 */
size_t mqtt_client_in_flight(const struct mqtt_client *client);

/*
 Makes a configuration: MQTT 5.0, Keep Alive 60 s, no server yet.

 The caller frees it with `mqtt_client_config_free`. NULL: no memory.
 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_client_config *mqtt_client_config_new(void);

/*
 Frees a configuration; NULL is nothing. Clients made with it go on.

 Thread: one at a time. Since: 0.1.
 */
void mqtt_client_config_free(struct mqtt_client_config *config);

/*
 Adds a server, to be tried after those before: `mqtt://HOST:PORT` or `tcp://…` (TCP),
 `mqtts://…`, `ssl://…` or `tls://…` (TLS), `ws://HOST:PORT/PATH` and `wss://…` (WebSocket),
 `unix:PATH` and `unix:@NAME` (a name of Linux's abstract namespace). The port may be left out:
 1883, 8883, 80, 443; and so may the path: `/mqtt`. Without a scheme, `HOST:PORT` and `HOST` are
 reached over TCP, or with TLS if the configuration has options of it. IPv6 addresses stand in
 brackets. For an engine, any text that its program understands.

 What is no server is told when a client is made. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_client_config_add_server(struct mqtt_client_config *config,
                                          const char *server,
                                          size_t server_len);

/*
 Sets TLS of servers that are reached with it; NULL: as by default, which trusts whom the system
 trusts. Files are read now, and again when they have changed; the rest is copied.

 Returns `MQTT_STATUS_FILE_UNREADABLE` or `MQTT_STATUS_FILE_INVALID` for a file or what is in
 it, `MQTT_STATUS_BAD_ARGUMENT` if the options do not fit a client; `error_out` (NULL: not
 wanted) then gets an explanation, which the caller frees. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_client_config_set_tls(struct mqtt_client_config *config,
                                       const struct mqtt_tls *tls,
                                       struct mqtt_error **error_out);

/*
 Adds a header to the requests that open WebSocket connections, such as `Authorization`.

 Returns `MQTT_STATUS_BAD_ARGUMENT` if it is no header, or one that WebSocket itself needs.
 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_client_config_add_header(struct mqtt_client_config *config,
                                          const char *name,
                                          size_t name_len,
                                          const char *value,
                                          size_t value_len);

/*
 Sets the Client Identifier; empty (the default): the server assigns one.

 Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.3.1.
 */
mqtt_status mqtt_client_config_set_client_id(struct mqtt_client_config *config,
                                             const char *client_id,
                                             size_t client_id_len);

/*
 Sets the version to speak: `MQTT_V31`, `MQTT_V311` or `MQTT_V5` (the default).

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_client_config_set_version(struct mqtt_client_config *config, uint8_t level);

/*
 Sets User Name and Password, which are copied. NULL: none.

 Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.3.5.
 */
mqtt_status mqtt_client_config_set_credentials(struct mqtt_client_config *config,
                                               const char *user_name,
                                               size_t user_name_len,
                                               const void *password,
                                               size_t password_len);

/*
 Sets the Will Message, which the server publishes when the client is lost: its topic, payload,
 QoS, RETAIN, Will Properties (NULL: none) and Will Delay Interval in seconds. All is copied.

 Returns `MQTT_STATUS_BAD_TOPIC` if the topic is no Topic Name.
 Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.2.5.
 */
mqtt_status mqtt_client_config_set_will(struct mqtt_client_config *config,
                                        const char *topic,
                                        size_t topic_len,
                                        const void *payload,
                                        size_t payload_len,
                                        uint8_t level,
                                        bool retain,
                                        const struct mqtt_properties *properties,
                                        uint32_t delay_s);

/*
 Sets the Authentication Method of enhanced authentication and its first data (NULL: none),
 which are copied. MQTT 5.0 alone.

 Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §4.12.
 */
mqtt_status mqtt_client_config_set_authentication(struct mqtt_client_config *config,
                                                  const char *method,
                                                  size_t method_len,
                                                  const void *data,
                                                  size_t data_len);

/*
 Sets the User Properties of CONNECT, which are copied. NULL: none.

 Other properties are told when the client connects; they have options of their own.
 Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.1.2.11.8.
 */
mqtt_status mqtt_client_config_set_user_properties(struct mqtt_client_config *config,
                                                   const struct mqtt_properties *properties);

/*
 Sets an option by its name. Values are text: numbers, `true` and `false`, or the words below,
 the default first or in brackets.

 | name | value |
 |------|-------|
 | `client_id` | as `mqtt_client_config_set_client_id` |
 | `keep_alive_s` | Keep Alive; 0: none (60) |
 | `session_expiry_s` | seconds that the Session outlives its connection; 4294967295: for ever; 3.x: 0 is Clean Session 1, all else 0 (0) |
 | `clean_start` | `first`: when the client has no Session; `always`; `never` |
 | `step_down` | speak 3.1.1 with a server that does not take 5.0 (`false`) |
 | `accept_unknown_session` | go on with a Session of an earlier run (`false`) |
 | `connect_timeout_ms` | from dialling to CONNACK (30000) |
 | `ping_timeout_ms` | time for PINGRESP (20000) |
 | `no_delay` | TCP_NODELAY (`true`); only with a socket |
 | `proxy` | `http://HOST:PORT` or `socks5://USER:PASSWORD@HOST:PORT`, through which all servers are reached; empty: none; only with a socket |
 | `events_max` | events that may wait for the program before the socket is not read (65536); not for an engine |
 | `data_directory` | a directory in which messages at QoS 1 and 2 are kept until they are delivered, across processes: what was published is sent by the next client with this `client_id`, in order, and what was received at QoS 2 does not come twice. Each Client Identifier has a file of its own there, which one client at a time has open. Wants a `client_id`, `session_expiry_s` and no `clean_start` of `always`; empty: none; not for an engine |
 | `durability` | with it: `sync`: QoS 2 is exactly once even if the process is killed; `250ms`: what is kept is on disk so long after at the latest; `off`: when the client ends; the last two may lose or repeat what came since when the process is killed |
 | `request_response_information` | ask for Response Information (`false`) |
 | `request_problem_information` | let the server explain failures (`true`) |
 | `receive_maximum` | messages at QoS 1 and 2 on their way to the client (1024) |
 | `maximum_packet_size` | largest packet taken (268435460) |
 | `topic_alias_maximum` | Topic Aliases that the server may assign (64) |
 | `topic_alias_out_max` | Topic Aliases assigned towards the server (64) |
 | `inflight_max` | messages at QoS 1 and 2 on their way to the server (1024) |
 | `reconnect` | make a lost connection again (`true`) |
 | `reconnect_first` | also before the first one has succeeded (`false`) |
 | `reconnect_base_ms`, `reconnect_cap_ms` | first and longest delay (1000, 60000) |
 | `reconnect_growth` | `exponential`, `constant` |
 | `reconnect_jitter` | draw the delay between 0 and what it would be (`true`) |
 | `reconnect_attempts_max` | attempts in a row; 0: no limit (0) |
 | `reconnect_stable_after_ms` | a connection this old makes the delay short again (30000) |
 | `reconnect_even_if_refused` | also after a refusal that will hardly change (`false`) |
 | `follow_server_reference` | go where the server points (`true`) |
 | `queue_messages_max`, `queue_bytes_max` | what waits to be sent (100000, 67108864) |
 | `queue_full` | `refuse_newest`, `drop_oldest` |
 | `offline_qos0` | `queue`, `drop`, `refuse`: what to do with QoS 0 that cannot be sent at once |
 | `output_bytes_max` | bytes for the transport before messages wait (1048576) |
 | `requests_max` | SUBSCRIBE, UNSUBSCRIBE, pings, requests without answer (10000) |
 | `lost_session` | `republish_qos1`, `republish`, `abandon`: messages in flight of a lost Session |
 | `resubscribe` | subscribe again when the Session was lost (`true`) |
 | `manual_ack` | the program acknowledges QoS 1 and 2 (`false`) |
 | `inbox_messages_max`, `inbox_bytes_max` | received messages that wait for the program before the socket is not read (10000, 16777216) |

 Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
 value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
 frees. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_client_config_set(struct mqtt_client_config *config,
                                   const char *name,
                                   size_t name_len,
                                   const char *value,
                                   size_t value_len,
                                   struct mqtt_error **error_out);

/*
 Makes an engine, which does nothing yet. `seed` decides delays and generated names: give a
 random number. The configuration is copied.

 The caller frees it with `mqtt_engine_free`. Returns `MQTT_STATUS_BAD_ARGUMENT` if the
 configuration has an option that means nothing to an engine.
 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_engine_new(const struct mqtt_client_config *config,
                            uint64_t seed,
                            struct mqtt_engine **engine_out,
                            struct mqtt_error **error_out);

/*
 Frees an engine; NULL is nothing, and so is one that was freed. What it has shown as outgoing
 goes with it. Thread: any. Since: 0.1.
 */
void mqtt_engine_free(struct mqtt_engine *engine);

/*
 Connects: the next event is `MQTT_EVENT_TYPE_DIAL`. While a retry is pending, it comes at once.

 Returns `MQTT_STATUS_BAD_ARGUMENT` if the configuration does not do, which `error_out` (NULL:
 not wanted) explains; the caller frees that. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_connect(struct mqtt_engine *engine,
                                uint64_t now_ns,
                                struct mqtt_error **error_out);

/*
 Input: the transport that `MQTT_EVENT_TYPE_DIAL` asked for is open.

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_handle_open(struct mqtt_engine *engine, uint64_t now_ns);

/*
 Input: bytes came from the server; any split will do. They are copied as far as needed.

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_handle_data(struct mqtt_engine *engine,
                                    uint64_t now_ns,
                                    const void *data,
                                    size_t data_len);

/*
 Input: the transport has closed by itself, or could not be opened. `failed`: by an error.

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_handle_closed(struct mqtt_engine *engine, uint64_t now_ns, bool failed);

/*
 Input: the transport took this many bytes of what `mqtt_engine_outgoing` showed.

 Returns `MQTT_STATUS_BAD_ARGUMENT`, doing nothing, if that was not so many.
 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_handle_sent(struct mqtt_engine *engine, uint64_t now_ns, size_t len);

/*
 Input: `mqtt_engine_timeout` has come. Calling it early does no harm.

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_handle_timeout(struct mqtt_engine *engine, uint64_t now_ns);

/*
 Output: when to call `mqtt_engine_handle_timeout`; 18446744073709551615: not at all.

 Thread: one at a time. Since: 0.1.
 */
uint64_t mqtt_engine_timeout(const struct mqtt_engine *engine);

/*
 Output: bytes for the transport, perhaps none. They live until the next call with this engine.

 Thread: one at a time. Since: 0.1.
 */
struct mqtt_bytes mqtt_engine_outgoing(const struct mqtt_engine *engine);

/*
 Whether the program should read the transport: not while more messages wait as events than the
 configuration allows. Thread: one at a time. Since: 0.1.
 */
bool mqtt_engine_wants_data(const struct mqtt_engine *engine);

/*
 Output: the next event, or NULL. The caller frees it with `mqtt_event_free`.

 Thread: one at a time. Since: 0.1.
 */
struct mqtt_event *mqtt_engine_next_event(struct mqtt_engine *engine);

/*
 Whether CONNACK has opened a connection that has not ended.

 Thread: one at a time. Since: 0.1.
 */
bool mqtt_engine_is_connected(const struct mqtt_engine *engine);

/*
 Publishes: see `mqtt_client_publish`. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_publish(struct mqtt_engine *engine,
                                uint64_t now_ns,
                                const char *topic,
                                size_t topic_len,
                                const void *payload,
                                size_t payload_len,
                                uint8_t qos,
                                bool retain,
                                const struct mqtt_properties *properties,
                                uint64_t *token_out);

/*
 Publishes a request and awaits its reply: see `mqtt_client_request`.

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_request(struct mqtt_engine *engine,
                                uint64_t now_ns,
                                const char *topic,
                                size_t topic_len,
                                const void *payload,
                                size_t payload_len,
                                uint8_t qos,
                                const struct mqtt_properties *properties,
                                uint32_t timeout_ms,
                                uint64_t *token_out);

/*
 Publishes the reply to a request that was received: see `mqtt_client_respond`.

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_respond(struct mqtt_engine *engine,
                                uint64_t now_ns,
                                const struct mqtt_message *request,
                                const void *payload,
                                size_t payload_len,
                                uint64_t *token_out);

/*
 Subscribes: see `mqtt_client_subscribe`. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_subscribe(struct mqtt_engine *engine,
                                  uint64_t now_ns,
                                  const struct mqtt_subscription *wanted,
                                  size_t count,
                                  const struct mqtt_properties *properties,
                                  uint64_t *token_out);

/*
 Unsubscribes: see `mqtt_client_unsubscribe`. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_unsubscribe(struct mqtt_engine *engine,
                                    uint64_t now_ns,
                                    const struct mqtt_text *unwanted,
                                    size_t count,
                                    const struct mqtt_properties *properties,
                                    uint64_t *token_out);

/*
 Sends PINGREQ: see `mqtt_client_ping`. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_ping(struct mqtt_engine *engine, uint64_t now_ns, uint64_t *token_out);

/*
 Acknowledges a message: see `mqtt_client_acknowledge`. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_acknowledge(struct mqtt_engine *engine,
                                    uint64_t now_ns,
                                    const struct mqtt_message *message,
                                    uint8_t reason_code);

/*
 Answers a challenge: see `mqtt_client_authenticate`. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_authenticate(struct mqtt_engine *engine,
                                     uint64_t now_ns,
                                     const void *data,
                                     size_t data_len);

/*
 Authenticates again: see `mqtt_client_reauthenticate`. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_reauthenticate(struct mqtt_engine *engine,
                                       uint64_t now_ns,
                                       const void *data,
                                       size_t data_len,
                                       uint64_t *token_out);

/*
 Says goodbye: see `mqtt_client_disconnect`. The engine can connect again.

 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_disconnect(struct mqtt_engine *engine,
                                   uint64_t now_ns,
                                   uint8_t reason_code,
                                   const struct mqtt_properties *properties,
                                   uint32_t wait_ms);

/*
 Ends everything at once, without DISCONNECT: the server publishes the will. The engine can
 connect again. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_engine_close(struct mqtt_engine *engine, uint64_t now_ns);

/*
 Frees an error; NULL is nothing. Thread: one at a time. Since: 0.1.
 */
void mqtt_error_free(struct mqtt_error *error);

/*
 The status that the call returned. For NULL: `MQTT_STATUS_NULL_ARGUMENT`.

 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_error_status(const struct mqtt_error *error);

/*
 The Reason Code that the peer gave; 0 if it gave none, or for NULL.

 Thread: also in callbacks. Since: 0.1.
 */
uint8_t mqtt_error_reason(const struct mqtt_error *error);

/*
 What went wrong, in words for people. It lives as long as the error. For NULL: nothing.

 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_text mqtt_error_message(const struct mqtt_error *error);

/*
 Frees an event that was asked for; NULL is nothing. Never for one that a callback got.

 Thread: one at a time. Since: 0.1.
 */
void mqtt_event_free(struct mqtt_event *event);

/*
 What it is about. For NULL: `MQTT_EVENT_TYPE_NONE`. Thread: also in callbacks. Since: 0.1.
 */
mqtt_event_type mqtt_event_get_type(const struct mqtt_event *event);

/*
 The token of the operation that has ended. Thread: also in callbacks. Since: 0.1.
 */
uint64_t mqtt_event_token(const struct mqtt_event *event);

/*
 What became of an operation, or why a connection ended; else `MQTT_STATUS_OK`. An operation on
 several Topic Filters is refused if one of them is.

 Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_event_status(const struct mqtt_event *event);

/*
 The Reason Code that came with it; of several the highest. Thread: also in callbacks.
 Since: 0.1.
 */
uint8_t mqtt_event_reason(const struct mqtt_event *event);

/*
 The Reason Codes of a SUBACK or UNSUBACK, one byte for each Topic Filter in order.

 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_bytes mqtt_event_reasons(const struct mqtt_event *event);

/*
 The message that has come, or the reply to a request. It belongs to the event:
 `mqtt_message_ref` keeps it longer. Thread: also in callbacks. Since: 0.1.
 */
const struct mqtt_message *mqtt_event_message(const struct mqtt_event *event);

/*
 The properties of the packet that it came with (not those of a message). They belong to the
 event. Thread: also in callbacks. Since: 0.1.
 */
const struct mqtt_properties *mqtt_event_properties(const struct mqtt_event *event);

/*
 The text of an event, as its kind says. Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_text mqtt_event_text(const struct mqtt_event *event);

/*
 The Authentication Data of a challenge, if it has some. Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_bytes mqtt_event_data(const struct mqtt_event *event);

/*
 Whether the server went on with the Session. Thread: also in callbacks. Since: 0.1.
 */
bool mqtt_event_session_present(const struct mqtt_event *event);

/*
 Whether messages and subscriptions of an earlier connection were lost with the Session.

 Thread: also in callbacks. Since: 0.1.
 */
bool mqtt_event_session_lost(const struct mqtt_event *event);

/*
 Milliseconds until the next attempt to connect; -1: there will be none.

 Thread: also in callbacks. Since: 0.1.
 */
int64_t mqtt_event_retry_in_ms(const struct mqtt_event *event);

/*
 Sets `value_out` to a limit of the connection that was accepted. `limit` is one of
 `MQTT_LIMIT_…`.

 Returns `MQTT_STATUS_NOT_FOUND` if the event is of another kind, `MQTT_STATUS_BAD_ARGUMENT` if
 there is no such limit. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_event_limit(const struct mqtt_event *event, int which, uint32_t *value_out);

/*
 Who is asking. Thread: in the hook. Since: 0.1.
 */
const struct mqtt_client_info *mqtt_question_client(const struct mqtt_question *question);

/*
 Which part of authentication is asked for. Thread: in the hook. Since: 0.1.
 */
mqtt_auth_step mqtt_question_step(const struct mqtt_question *question);

/*
 The Password of CONNECT; `data` is NULL if there is none. Thread: in the hook. Since: 0.1.
 */
struct mqtt_bytes mqtt_question_password(const struct mqtt_question *question);

/*
 The Authentication Method; `data` is NULL if there is none. Thread: in the hook. Since: 0.1.
 */
struct mqtt_text mqtt_question_method(const struct mqtt_question *question);

/*
 The Authentication Data; `data` is NULL if there are none. Thread: in the hook. Since: 0.1.
 */
struct mqtt_bytes mqtt_question_data(const struct mqtt_question *question);

/*
 The message that is to be published. It lives until the hook returns; `mqtt_message_ref` keeps
 it longer. Thread: in the hook. Since: 0.1.
 */
const struct mqtt_message *mqtt_question_message(const struct mqtt_question *question);

/*
 The Topic Filter that is to be subscribed to. Thread: in the hook. Since: 0.1.
 */
struct mqtt_text mqtt_question_filter(const struct mqtt_question *question);

/*
 The options of the subscription, as in `mqtt_subscription`. Thread: in the hook. Since: 0.1.
 */
uint32_t mqtt_question_options(const struct mqtt_question *question);

/*
 Sets the Authentication Data that go with the verdict of an `authenticate` hook, and copies
 them. Thread: in the hook. Since: 0.1. Spec: MQTT 5.0 §4.12.
 */
mqtt_status mqtt_question_set_data(struct mqtt_question *question,
                                   const void *data,
                                   size_t data_len);

/*
 Takes the right to answer later: the hook then returns `MQTT_VERDICT_LATER`.

 The caller gives the answer with `mqtt_answer_give`, or denies with `mqtt_answer_free`. NULL
 for NULL. Thread: in the hook. Since: 0.1.
 */
struct mqtt_answer *mqtt_question_keep(struct mqtt_question *question);

/*
 Answers a question that was kept, and frees the right to do so. `verdict` is
 `MQTT_VERDICT_ALLOW`, `MQTT_VERDICT_CHALLENGE` or a Reason Code; `data` (NULL: none) are
 Authentication Data for the first two. An answer to a client that has gone does nothing.

 Thread: any. Since: 0.1.
 */
mqtt_status mqtt_answer_give(struct mqtt_answer *answer,
                             int32_t verdict_code,
                             const void *data,
                             size_t data_len);

/*
 Denies a question that was kept (Not authorized), and frees the right to answer it; NULL is
 nothing. Thread: any. Since: 0.1.
 */
void mqtt_answer_free(struct mqtt_answer *answer);

/*
 Its Client Identifier, given or assigned. Thread: in the hook. Since: 0.1.
 */
struct mqtt_text mqtt_client_info_client_id(const struct mqtt_client_info *client);

/*
 Its User Name; `data` is NULL if it has none. Thread: in the hook. Since: 0.1.
 */
struct mqtt_text mqtt_client_info_user_name(const struct mqtt_client_info *client);

/*
 The version it speaks: `MQTT_V31`, `MQTT_V311` or `MQTT_V5`. Thread: in the hook. Since: 0.1.
 */
uint8_t mqtt_client_info_version(const struct mqtt_client_info *client);

/*
 Writes its address, `127.0.0.1:40000`, or the one that a trusted proxy has named, to `buffer`, which has room for `capacity` bytes, and
 its length to `len_out`; 64 bytes are always enough. No NUL is written.

 Returns `MQTT_STATUS_NOT_FOUND` for a client of a Unix socket or within the process,
 `MQTT_STATUS_LIMIT_REACHED`,
 writing only the length, if there is too little room. Thread: in the hook. Since: 0.1.
 */
mqtt_status mqtt_client_info_peer(const struct mqtt_client_info *client,
                                  char *buffer,
                                  size_t capacity,
                                  size_t *len_out);

/*
 The Subject of its certificate, `CN=ada,O=Example`; `data` is NULL if it has shown none.

 Thread: in the hook. Since: 0.1.
 */
struct mqtt_text mqtt_client_info_certificate_subject(const struct mqtt_client_info *client);

/*
 The Common Name in the Subject of its certificate; `data` is NULL if there is none.

 Thread: in the hook. Since: 0.1.
 */
struct mqtt_text mqtt_client_info_certificate_name(const struct mqtt_client_info *client);

/*
 Its certificate in DER; `data` is NULL if it has shown none, or if a proxy in front has seen it
 and told only the names. Thread: in the hook. Since: 0.1.
 */
struct mqtt_bytes mqtt_client_info_certificate(const struct mqtt_client_info *client);

/*
 Makes a listener at `mqtt://ADDRESS:PORT`, `mqtts://ADDRESS:PORT`, `ws://ADDRESS:PORT`,
 `wss://ADDRESS:PORT`, `unix:PATH` or `unix:@NAME` (a name of Linux's abstract namespace). The
 address is an IP address of this machine, IPv6 in brackets, or `localhost`, which is 127.0.0.1;
 port 0 is any free port. With a path in its URL, a listener of WebSocket serves that path alone.

 `tls` is for `mqtts` and `wss`, with a certificate and its key, and NULL for others.

 The caller frees the listener with `mqtt_listener_free`. Returns `MQTT_STATUS_BAD_ARGUMENT` if
 the URL is none, or the options do not fit; `MQTT_STATUS_FILE_UNREADABLE` or
 `MQTT_STATUS_FILE_INVALID` for the files of TLS; `error_out` (NULL: not wanted) then gets an
 explanation, which the caller frees. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_listener_new(const char *url,
                              size_t url_len,
                              const struct mqtt_tls *tls,
                              struct mqtt_listener **listener_out,
                              struct mqtt_error **error_out);

/*
 Frees a listener; NULL is nothing. Configurations that it was added to keep theirs.

 Thread: one at a time. Since: 0.1.
 */
void mqtt_listener_free(struct mqtt_listener *listener);

/*
 Sets an option of a listener by its name.

 | name | value |
 |------|-------|
 | `certificate_user` | whether clients' certificates, which must then be required, say who they are: `no`, `common_name`, `subject` |
 | `proxy_protocol` | a proxy in front sends headers of the PROXY protocol: `1`, `2`, `any` |
 | `trusted_proxy` | address or network of a proxy that is believed, in those and in `X-Forwarded-For`; each adds |
 | `origin` | WebSocket: pages whose scripts may connect, `https://example.org`; each adds; none: all |
 | `head_bytes_max` | WebSocket: of the head of a request (8192) |
 | `page` | WebSocket: serve the page that shows the broker in a browser (`false`) |
 | `backlog` | connections that may wait to be accepted (1024) |
 | `v6_only` | IPv6: whether IPv4 peers are kept out; not set: as the system does |
 | `no_delay` | TCP_NODELAY (`true`) |

 With the page, and no `origin`, only scripts of pages of this machine may connect.

 Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
 value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
 frees. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_listener_set(struct mqtt_listener *listener,
                              const char *name,
                              size_t name_len,
                              const char *value,
                              size_t value_len,
                              struct mqtt_error **error_out);

/*
 Adds a listener, which is copied, to a broker's configuration.

 Unless `allow_anonymous` is set, clients without User Name get in only if all listeners are at
 loopback addresses or Unix sockets. Returns `MQTT_STATUS_BAD_ARGUMENT` if its options do not go
 together; `error_out` (NULL: not wanted) then gets an explanation, which the caller frees.
 Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_broker_config_add_listener(struct mqtt_broker_config *config,
                                            const struct mqtt_listener *listener,
                                            struct mqtt_error **error_out);

/*
 Keeps a message longer than the callback or the event that it came with.

 Its memory is shared, not copied (in hooks of a broker it is copied). The caller frees the
 result with `mqtt_message_free`. NULL for NULL. Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_message *mqtt_message_ref(const struct mqtt_message *message);

/*
 Frees a message that `mqtt_message_ref` gave; NULL is nothing.

 Thread: one at a time. Since: 0.1.
 */
void mqtt_message_free(struct mqtt_message *message);

/*
 Its Topic Name. It lives as long as the message. For NULL: nothing.

 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_text mqtt_message_topic(const struct mqtt_message *message);

/*
 Its payload. It lives as long as the message. For NULL: nothing.

 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_bytes mqtt_message_payload(const struct mqtt_message *message);

/*
 Its QoS: 0, 1 or 2. Thread: also in callbacks. Since: 0.1.
 */
uint8_t mqtt_message_qos(const struct mqtt_message *message);

/*
 Its RETAIN flag. Thread: also in callbacks. Since: 0.1.
 */
bool mqtt_message_retain(const struct mqtt_message *message);

/*
 Its DUP flag: whether the peer had tried to send it before.

 Thread: also in callbacks. Since: 0.1.
 */
bool mqtt_message_dup(const struct mqtt_message *message);

/*
 Its properties, perhaps none. They belong to the message and live as long. NULL for NULL.

 Thread: also in callbacks. Since: 0.1.
 */
const struct mqtt_properties *mqtt_message_properties(const struct mqtt_message *message);

/*
 Makes an empty list.

 The caller frees it with `mqtt_properties_free`. NULL: no memory.
 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §2.2.2.
 */
struct mqtt_properties *mqtt_properties_new(void);

/*
 Frees a list that `mqtt_properties_new` made; NULL is nothing.

 Thread: one at a time. Since: 0.1.
 */
void mqtt_properties_free(struct mqtt_properties *properties);

/*
 Adds a property whose value is a number; flags are 0 or 1, times are seconds, sizes bytes.
 `property` is one of `MQTT_PROPERTY_…`.

 Returns `MQTT_STATUS_BAD_ARGUMENT`, adding nothing, if the property has no number, the number
 is out of its range, or the property may stand only once and is there.
 Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §2.2.2.2.
 */
mqtt_status mqtt_properties_add_number(struct mqtt_properties *properties,
                                       uint8_t property,
                                       uint32_t number);

/*
 Adds a property whose value is text (UTF-8) or data, which is copied. `property` is one of
 `MQTT_PROPERTY_…`.

 Returns `MQTT_STATUS_BAD_ARGUMENT`, adding nothing, if the property has no such value, the
 value is not valid or longer than 65535 bytes, or the property may stand only once and is
 there. Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §2.2.2.2.
 */
mqtt_status mqtt_properties_add_bytes(struct mqtt_properties *properties,
                                      uint8_t property,
                                      const void *data,
                                      size_t data_len);

/*
 Adds a User Property: a name and a value, which are copied. There may be many, also of one
 name.

 Returns `MQTT_STATUS_BAD_ARGUMENT`, adding nothing, if one is not UTF-8, has a U+0000 or is
 longer than 65535 bytes. Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.3.2.3.7.
 */
mqtt_status mqtt_properties_add_user(struct mqtt_properties *properties,
                                     const char *name,
                                     size_t name_len,
                                     const char *value,
                                     size_t value_len);

/*
 Goes through a list: sets `property_out` to what the one at `place`, counted from 0, is about.

 Returns `MQTT_STATUS_NOT_FOUND` behind the last one.
 Thread: also in callbacks, while nobody changes the list. Since: 0.1.
 */
mqtt_status mqtt_properties_at(const struct mqtt_properties *properties,
                               size_t place,
                               uint8_t *property_out);

/*
 Sets `number_out` to the value of the `nth` property of this kind, counted from 0: a number, or
 a flag as 0 or 1.

 Returns `MQTT_STATUS_NOT_FOUND` if there is none, `MQTT_STATUS_BAD_ARGUMENT` if it has no
 number. Thread: also in callbacks, while nobody changes the list. Since: 0.1.
 */
mqtt_status mqtt_properties_number(const struct mqtt_properties *properties,
                                   uint8_t property,
                                   size_t nth,
                                   uint32_t *number_out);

/*
 Sets `bytes_out` to the value of the `nth` property of this kind, counted from 0: text or data,
 which live until the list is changed or freed.

 Returns `MQTT_STATUS_NOT_FOUND` if there is none, `MQTT_STATUS_BAD_ARGUMENT` if it has no such
 value. Thread: also in callbacks, while nobody changes the list. Since: 0.1.
 */
mqtt_status mqtt_properties_bytes(const struct mqtt_properties *properties,
                                  uint8_t property,
                                  size_t nth,
                                  struct mqtt_bytes *bytes_out);

/*
 Sets `name_out` and `value_out` to those of the `nth` User Property, counted from 0. They live
 until the list is changed or freed.

 Returns `MQTT_STATUS_NOT_FOUND` behind the last one.
 Thread: also in callbacks, while nobody changes the list. Since: 0.1.
 */
mqtt_status mqtt_properties_user(const struct mqtt_properties *properties,
                                 size_t nth,
                                 struct mqtt_text *name_out,
                                 struct mqtt_text *value_out);

/*
 The name that the specification gives a Reason Code: `Not authorized`. For a number that is
 none: `Unknown`.

 The text lives for ever. Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §2.4.
 */
struct mqtt_text mqtt_reason_name(uint8_t reason);

/*
 Starts a loop on a thread of the library. What it has to say goes to `on_log` (NULL: nowhere).

 The caller frees it with `mqtt_loop_free`. Returns `MQTT_STATUS_SYSTEM_REFUSED` if there is no
 thread or descriptor left; `error_out` (NULL: not wanted) then gets an explanation, which the
 caller frees. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_loop_start(mqtt_log_fn on_log,
                            void *userdata,
                            mqtt_free_fn free_userdata,
                            struct mqtt_loop **loop_out,
                            struct mqtt_error **error_out);

/*
 Makes a loop that the program runs: wait until `mqtt_loop_fd` is readable or
 `mqtt_loop_timeout_ms` have passed, then call `mqtt_loop_process`. Callbacks of its clients are
 called in there.

 The thread that makes it is the one to run it. The caller frees it with `mqtt_loop_free`.
 Returns `MQTT_STATUS_SYSTEM_REFUSED` if there is no descriptor left; `error_out` (NULL: not
 wanted) then gets an explanation, which the caller frees. Thread: any. Since: 0.1.
 */
mqtt_status mqtt_loop_new(struct mqtt_loop **loop_out, struct mqtt_error **error_out);

/*
 Frees a loop; NULL is nothing, and so is one that was freed. Clients of a loop with a thread go
 on, and the thread ends with the last; clients of one that the program runs are closed.

 Thread: also in callbacks. Since: 0.1.
 */
void mqtt_loop_free(struct mqtt_loop *freed);

/*
 Sets `fd_out` to a descriptor that is readable when there is something to process, be it to
 read or to write: put it into poll, epoll, libuv, GLib. It belongs to the loop, and is the same
 as long as that lives.

 Returns `MQTT_STATUS_BAD_STATE` if the loop has a thread of its own.
 Thread: the loop's, not in callbacks. Since: 0.1.
 */
mqtt_status mqtt_loop_fd(const struct mqtt_loop *own, int *fd_out);

/*
 Milliseconds for which `mqtt_loop_process` may be put off while the descriptor is not readable;
 -1: for ever. It is what poll and epoll_wait take as their timeout.

 Thread: the loop's, not in callbacks. Since: 0.1.
 */
int mqtt_loop_timeout_ms(const struct mqtt_loop *own);

/*
 Serves every client that has something, once; before that it waits for at most `timeout_ms` (0:
 not at all) until one has. Callbacks are called in here.

 Returns `MQTT_STATUS_WOULD_DEADLOCK` in such a callback, `MQTT_STATUS_BAD_STATE` if the loop has
 a thread of its own. Thread: the loop's. Since: 0.1.
 */
mqtt_status mqtt_loop_process(struct mqtt_loop *own, uint32_t timeout_ms);

/*
 The name of a status, such as `MQTT_STATUS_QUEUE_FULL` without the first two words:
 `QueueFull`. For a number that is no status: `Unknown`.

 The text lives for ever. Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_text mqtt_status_name(int status);

/*
 What a status means, in a few words: `outgoing queue is full`.

 The text lives for ever. Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_text mqtt_status_message(int status);

/*
 Goes through all statuses: sets `status_out` to the one at `place`, counted from 0.

 Returns `MQTT_STATUS_NOT_FOUND` behind the last one. Thread: also in callbacks. Since: 0.1.
 */
mqtt_status mqtt_status_at(size_t place, int *status_out);

/*
 Makes options of TLS: 1.2 and 1.3; a client checks everything and trusts whom the system
 trusts.

 The caller frees them with `mqtt_tls_free`. NULL: no memory.
 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_tls *mqtt_tls_new(void);

/*
 Frees options of TLS; NULL is nothing. What was made with them goes on.

 Thread: one at a time. Since: 0.1.
 */
void mqtt_tls_free(struct mqtt_tls *tls);

/*
 Sets an option of TLS by its name. Files are read when the options are given to a client's
 configuration or to a listener, and again, for later connections, when they have changed: for a
 listener at once with `mqtt_broker_reload`.

 | name | value |
 |------|-------|
 | `ca_file`, `ca_folder` | whose certificates are trusted, in PEM or DER; each adds |
 | `system_roots` | also those that the system trusts; a client's default if no others are named |
 | `cert_file` | our certificate and those between it and its root |
 | `key_file` | its private key, not encrypted |
 | `crl_file` | revoked certificates, by every issuer; each adds |
 | `versions` | `1.2+1.3`, `1.2`, `1.3` |
 | `ciphers` | names of IANA or OpenSSL with `:` between them |
 | `alpn` | application protocols with `,` between them, best first |
 | `server_name` | client: the name to ask for and to expect, instead of the host |
 | `dangerous_verification` | client: `any_host_name`: WHOEVER HAS ANY TRUSTED CERTIFICATE CAN POSE AS THE SERVER; `nothing`: ANYONE CAN |
 | `client_certificates` | listener: `none`, `optional`, `required` |

 A listener may have several certificates and, in the same order, their keys: the first for the
 host that a client names is shown.

 Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
 value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
 frees. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_tls_set(struct mqtt_tls *tls,
                         const char *name,
                         size_t name_len,
                         const char *value,
                         size_t value_len,
                         struct mqtt_error **error_out);

/*
 Sets an option of TLS to what is in memory instead of a file, in PEM or DER: `ca`, `cert`,
 `key` or `crl`. The data are copied.

 Returns `MQTT_STATUS_NOT_FOUND` if there is no such option; `error_out` (NULL: not wanted) then
 gets an explanation, which the caller frees. Thread: one at a time. Since: 0.1.
 */
mqtt_status mqtt_tls_set_data(struct mqtt_tls *tls,
                              const char *name,
                              size_t name_len,
                              const void *data,
                              size_t data_len,
                              struct mqtt_error **error_out);

/*
 Whether a Topic Filter matches a Topic Name; of a Shared Subscription (`$share/name/filter`)
 the filter counts. Not if one of them is not valid.

 Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §4.7.
 */
bool mqtt_topic_matches(const char *filter, size_t filter_len, const char *topic, size_t topic_len);

/*
 The version of the library that is linked: `0.1.0`. It lives for ever.

 Thread: also in callbacks. Since: 0.1.
 */
struct mqtt_text mqtt_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LIBMQTT_H */
