/// <reference types="node" />
import { EventEmitter } from 'node:events'

/** Quality of service: 0 at most once, 1 at least once, 2 exactly once. */
export type QoS = 0 | 1 | 2

/** User Properties; a key that stands more than once has a list. Their order is not kept. */
export type UserProperties = { [name: string]: string | string[] }

/** What every packet has. */
export interface IPacket {
  messageId?: number
  /** Remaining Length, of received packets. */
  length?: number
}

/** A PUBLISH. */
export interface IPublishPacket extends IPacket {
  cmd: 'publish'
  qos: QoS
  dup: boolean
  retain: boolean
  topic: string
  payload: string | Buffer
  properties?: {
    payloadFormatIndicator?: boolean
    messageExpiryInterval?: number
    topicAlias?: number
    responseTopic?: string
    correlationData?: Buffer
    userProperties?: UserProperties
    subscriptionIdentifier?: number | number[]
    contentType?: string
  }
}

/** A CONNACK. */
export interface IConnackPacket extends IPacket {
  cmd: 'connack'
  /** 3.x: why the connection was refused, 0 if it was not. */
  returnCode?: number
  /** 5.0: likewise. */
  reasonCode?: number
  sessionPresent: boolean
  properties?: {
    sessionExpiryInterval?: number
    receiveMaximum?: number
    maximumQoS?: number
    retainAvailable?: boolean
    maximumPacketSize?: number
    assignedClientIdentifier?: string
    topicAliasMaximum?: number
    reasonString?: string
    userProperties?: UserProperties
    wildcardSubscriptionAvailable?: boolean
    subscriptionIdentifiersAvailable?: boolean
    sharedSubscriptionAvailable?: boolean
    serverKeepAlive?: number
    responseInformation?: string
    serverReference?: string
    authenticationMethod?: string
    authenticationData?: Buffer
  }
}

/** A filter and its options, as in SUBSCRIBE. */
export interface ISubscription {
  topic: string
  qos: QoS
  nl?: boolean
  rap?: boolean
  rh?: number
}

/** A SUBSCRIBE. */
export interface ISubscribePacket extends IPacket {
  cmd: 'subscribe'
  subscriptions: ISubscription[]
  properties?: { reasonString?: string, subscriptionIdentifier?: number, userProperties?: UserProperties }
}

/** A SUBACK. */
export interface ISubackPacket extends IPacket {
  cmd: 'suback'
  reasonCode?: number
  properties?: { reasonString?: string, userProperties?: UserProperties }
  /** For each filter the granted QoS, or why it was refused (128 and above). */
  granted: number[]
}

/** An UNSUBSCRIBE. */
export interface IUnsubscribePacket extends IPacket {
  cmd: 'unsubscribe'
  properties?: { reasonString?: string, userProperties?: UserProperties }
  unsubscriptions: string[]
}

/** An UNSUBACK. */
export interface IUnsubackPacket extends IPacket {
  cmd: 'unsuback'
  reasonCode?: number
  granted?: number[]
  properties?: { reasonString?: string, userProperties?: UserProperties }
}

/** A PUBACK. */
export interface IPubackPacket extends IPacket {
  cmd: 'puback'
  reasonCode?: number
  properties?: { reasonString?: string, userProperties?: UserProperties }
}

/** A PUBREC. */
export interface IPubrecPacket extends IPacket {
  cmd: 'pubrec'
  reasonCode?: number
  properties?: { reasonString?: string, userProperties?: UserProperties }
}

/** A PUBREL. */
export interface IPubrelPacket extends IPacket {
  cmd: 'pubrel'
  reasonCode?: number
  properties?: { reasonString?: string, userProperties?: UserProperties }
}

/** A PUBCOMP. */
export interface IPubcompPacket extends IPacket {
  cmd: 'pubcomp'
  reasonCode?: number
  properties?: { reasonString?: string, userProperties?: UserProperties }
}

/** A CONNECT. */
export interface IConnectPacket extends IPacket {
  cmd: 'connect'
  clientId: string
  protocolVersion?: 3 | 4 | 5
  protocolId?: string
  clean?: boolean
  keepalive?: number
  username?: string
  password?: Buffer
  will?: IClientWill
  properties?: IClientOptions['properties']
}

/** A PINGREQ. */
export interface IPingreqPacket extends IPacket {
  cmd: 'pingreq'
}

/** A PINGRESP. */
export interface IPingrespPacket extends IPacket {
  cmd: 'pingresp'
}

/** A DISCONNECT. */
export interface IDisconnectPacket extends IPacket {
  cmd: 'disconnect'
  reasonCode?: number
  properties?: {
    sessionExpiryInterval?: number
    reasonString?: string
    userProperties?: UserProperties
    serverReference?: string
  }
}

/** An AUTH. */
export interface IAuthPacket extends IPacket {
  cmd: 'auth'
  reasonCode: number
  properties?: {
    authenticationMethod?: string
    authenticationData?: Buffer
    reasonString?: string
    userProperties?: UserProperties
  }
}

/** Any of the packets that programs meet. */
export type Packet =
  | IConnectPacket | IConnackPacket | IPublishPacket | IPubackPacket | IPubrecPacket | IPubrelPacket
  | IPubcompPacket | ISubscribePacket | ISubackPacket | IUnsubscribePacket | IUnsubackPacket
  | IPingreqPacket | IPingrespPacket | IDisconnectPacket | IAuthPacket

/** What `connect` takes as scheme. `mqtt+unix` is the same as `unix`. */
export type MqttProtocol = 'mqtt' | 'tcp' | 'mqtts' | 'ssl' | 'tls' | 'ws' | 'wss' | 'unix' | 'mqtt+unix'

/** A back-off between attempts to connect. */
export interface ReconnectBackoff {
  /** Longest delay in milliseconds; 60000. */
  max?: number
  /** What the delay is multiplied with after each failure; 2. */
  factor?: number
  /** Full jitter: each delay is drawn between 0 and what it would be; true. */
  jitter?: boolean
}

/** A Will Message. */
export interface IClientWill {
  topic: string
  payload: Buffer | string
  qos?: QoS
  retain?: boolean
  properties?: {
    willDelayInterval?: number
    payloadFormatIndicator?: boolean
    messageExpiryInterval?: number
    contentType?: string
    responseTopic?: string
    correlationData?: Buffer
    userProperties?: UserProperties
  }
}

/** Certificates, keys or lists in PEM. */
export type Pem = string | Buffer | Array<string | Buffer>

/** What a WebSocket request has beyond the usual, and TLS of `wss`. Anything else is refused. */
export interface WebSocketOptions {
  /** Further headers. */
  headers?: Record<string, string | string[]>
  /** The header `Origin`. */
  origin?: string
  /** `user:password` of the header `Authorization`. */
  auth?: string
  /** 13, which is the only one. */
  protocolVersion?: number
  /** Frames are not compressed. */
  perMessageDeflate?: false
  [name: string]: unknown
}

/** How a client connects. Options that cannot be honoured are refused with an error. */
export interface IClientOptions {
  /** The Client Identifier; `mqttjs_` and random digits. */
  clientId?: string
  username?: string
  password?: Buffer | string
  /** Keep Alive in seconds, 0 for none; 60. */
  keepalive?: number
  /** Whether every connection starts with a clean session; true. */
  clean?: boolean
  /** Milliseconds until the next attempt, 0 for none; 1000. */
  reconnectPeriod?: number
  /** Makes the delay grow from `reconnectPeriod`; without it, it stays. Not in MQTT.js. */
  reconnectBackoff?: ReconnectBackoff
  /** Milliseconds until CONNACK; 30000. */
  connectTimeout?: number
  /** 4 is 3.1.1, 5 is 5.0, 3 is 3.1; 4. */
  protocolVersion?: 3 | 4 | 5
  protocolId?: string
  will?: IClientWill
  /** Properties of CONNECT; 5.0. */
  properties?: {
    sessionExpiryInterval?: number
    receiveMaximum?: number
    maximumPacketSize?: number
    topicAliasMaximum?: number
    requestResponseInformation?: boolean
    requestProblemInformation?: boolean
    userProperties?: UserProperties
    authenticationMethod?: string
    authenticationData?: Buffer
  }
  /** Whether to subscribe again after a reconnect; true. */
  resubscribe?: boolean
  /** Whether messages at QoS 0 wait for a connection; true. */
  queueQoSZero?: boolean
  /** Bytes of messages that may wait to be sent; 1 GiB. Not in MQTT.js. */
  queueBytesMax?: number
  /** Whether to connect again after CONNACK refused it; false. */
  reconnectOnConnackError?: boolean
  /** Whether to wait for a call of `connect()`; false. */
  manualConnect?: boolean
  /** Filters in one SUBSCRIBE at most; all. */
  subscribeBatchSize?: number | null
  /** 5.0: aliases are assigned to topics as the server allows. */
  autoUseTopicAlias?: boolean
  /** 5.0: likewise. */
  autoAssignTopicAlias?: boolean
  /**
   * A directory where messages at QoS 1 and 2 are kept until they are delivered, across processes;
   * none: in memory alone. What was published is sent by the next client with this `clientId`, in
   * order; what was received at QoS 2 and handled does not come twice. Each Client Identifier has a
   * file of its own there, which one client at a time has open, until it has ended. Wants a
   * `clientId`, `clean: false` and with 5.0 a `sessionExpiryInterval`. What is wrong with the file
   * is thrown with the code `MQTT_STORAGE_FAILED`. Not in MQTT.js.
   */
  dataDirectory?: string
  /**
   * When what is kept in `dataDirectory` is on disk. sync: before anything depends on it, so that QoS
   * 2 is exactly once even if the process is killed; off: when the client ends; or so many
   * milliseconds later at most. The last two may lose or repeat what came since, unless `flush` was
   * called. sync. Not in MQTT.js.
   */
  durability?: 'sync' | 'off' | number
  /** Only the in-memory `Store` of this package; to keep messages beyond the process: `dataDirectory`. */
  incomingStore?: Store
  /** Likewise. */
  outgoingStore?: Store
  /** Only the providers of this package. */
  messageIdProvider?: DefaultMessageIdProvider | UniqueMessageIdProvider
  /** 5.0: decides on the Reason Code of PUBACK and PUBREC. */
  customHandleAcks?: (
    topic: string,
    message: Buffer,
    packet: IPublishPacket,
    done: (error: Error | number | null | undefined, code?: number) => void
  ) => void
  /** Tried in turn. */
  servers?: Array<{ host: string, port: number, protocol?: MqttProtocol, path?: string }>
  host?: string
  hostname?: string
  port?: number
  protocol?: MqttProtocol
  defaultProtocol?: MqttProtocol
  /** What a WebSocket server is asked for (`/`), or the path of a Unix socket (`@` and a name on Linux). */
  path?: string
  /** Whether `path` is a Unix socket; false. */
  unixSocket?: boolean
  /** Who issues servers' certificates; whom Node trusts, with NODE_EXTRA_CA_CERTS. */
  ca?: Pem
  /** Files of such. Not in MQTT.js. */
  caFile?: string | string[]
  /** The client's certificate and those that vouch for it. */
  cert?: Pem
  /** A file of that. Not in MQTT.js. */
  certFile?: string
  /** The key of `cert`. */
  key?: string | Buffer | Array<string | Buffer | { pem: string | Buffer, passphrase?: string }>
  /** A file of that, not encrypted. Not in MQTT.js. */
  keyFile?: string
  /** What `key` is encrypted with. */
  passphrase?: string
  /** Lists of revoked certificates, by every issuer of servers' certificates. */
  crl?: Pem
  /** Files of such. Not in MQTT.js. */
  crlFile?: string | string[]
  /** false: the server's certificate is not checked, and **anyone can pose as the server**; true. */
  rejectUnauthorized?: boolean
  /** The name that the server's certificate must have; the host. */
  servername?: string
  /** Application protocols: names, or a Buffer as on the wire. */
  ALPNProtocols?: string[] | Uint8Array[] | Uint8Array
  /** TLSv1.2 or TLSv1.3. */
  minVersion?: string
  /** TLSv1.2 or TLSv1.3. */
  maxVersion?: string
  /** Cipher suites, with `:` between them; all of rustls's. */
  ciphers?: string
  /** Further headers and the like for `ws` and `wss`. */
  wsOptions?: WebSocketOptions
  /** Makes the URL of each attempt over WebSocket; may change `client.options`. */
  transformWsUrl?: (url: string, options: any, client: any) => string
  /** A proxy: `socks5://user:password@host:1080`; also from MQTTJS_SOCKS_PROXY. It resolves names. */
  socksProxy?: string
  /** A proxy: `http://host:8080`, which is asked to CONNECT, or `socks5://`. Not in MQTT.js. */
  proxy?: string
  /** `user:password`. */
  auth?: string
  query?: Record<string, string>
  log?: (...args: any[]) => void
  /** Accepted; pings follow the specification. */
  reschedulePings?: boolean
  /** Accepted, without effect. */
  writeCache?: boolean
  /** Accepted, without effect. */
  timerVariant?: string
  [name: string]: unknown
}

/** How a message is published. */
export interface IClientPublishOptions {
  /** 0. */
  qos?: QoS
  /** false. */
  retain?: boolean
  /** Accepted; DUP is set when a packet is sent again, and only then. */
  dup?: boolean
  /** 5.0. */
  properties?: IPublishPacket['properties']
  /**
   * Called when a message at QoS 1 or 2 is kept, before its callback: with `dataDirectory`, when it is
   * on disk, whatever the `durability`; not if it cannot be stored.
   */
  cbStorePut?: () => void
}

/** How a subscription is made. */
export interface IClientSubscribeOptions {
  /** 0. */
  qos?: QoS
  /** 5.0: no messages of one's own. */
  nl?: boolean
  /** 5.0: RETAIN as it was published. */
  rap?: boolean
  /** 5.0: 0 sends retained messages, 1 only for a new subscription, 2 never. */
  rh?: number
  /** 5.0. */
  properties?: ISubscribePacket['properties']
}

/** How a subscription is ended. */
export interface IClientUnsubscribeProperties {
  properties?: { userProperties?: UserProperties }
}

/** A filter with its options, as it was asked for and, after SUBACK, granted. */
export interface ISubscriptionRequest extends IClientSubscribeOptions {
  topic: string
  qos: QoS
}

/** What SUBACK has granted. */
export interface ISubscriptionGrant extends Omit<ISubscriptionRequest, 'qos'> {
  qos: QoS | number
}

/** Filters with their options. */
export interface ISubscriptionMap {
  [topic: string]: { qos: QoS, nl?: boolean, rap?: boolean, rh?: number }
}

/** What `reconnect` goes on with. */
export interface IClientReconnectOptions {
  incomingStore?: Store
  outgoingStore?: Store
}

/** How DISCONNECT is said. */
export interface DisconnectOptions {
  reasonCode?: number
  properties?: IDisconnectPacket['properties']
}

export type OnConnectCallback = (packet: IConnackPacket) => void
export type OnDisconnectCallback = (packet: IDisconnectPacket) => void
export type OnMessageCallback = (topic: string, payload: Buffer, packet: IPublishPacket) => void
export type OnErrorCallback = (error: Error | ErrorWithReasonCode) => void
export type OnCloseCallback = () => void
/** Of `publish`: what was published at QoS 1 and 2; or why it was not. */
export type PacketCallback = (error?: Error, packet?: Packet) => any
export type DoneCallback = (error?: Error) => void
export type CloseCallback = (error?: Error) => void
export type ClientSubscribeCallback =
  (error: Error | null, granted?: ISubscriptionGrant[], packet?: ISubackPacket) => void

/** The events of a client. */
export interface MqttClientEventCallbacks {
  connect: OnConnectCallback
  message: OnMessageCallback
  disconnect: OnDisconnectCallback
  error: OnErrorCallback
  close: OnCloseCallback
  end: () => void
  reconnect: () => void
  offline: () => void
  outgoingEmpty: () => void
  /** A packet is on its way to the server. Costs time for each while there is a listener. */
  packetsend: (packet: Packet) => void
  /** A packet has come; what it brings follows. Likewise. */
  packetreceive: (packet: Packet) => void
}

/** A message from a stream of them. */
export interface StreamedMessage {
  topic: string
  payload: Buffer
  qos: QoS
  retain: boolean
  dup: boolean
  properties?: IPublishPacket['properties']
  /** The whole PUBLISH. */
  packet: IPublishPacket
}

/** How messages are streamed. */
export interface StreamOptions extends IClientSubscribeOptions {
  /** Messages that may wait before the server has to wait too; 1000. */
  bound?: number
}

/**
 * Messages that match filters, one after the other. Leaving the loop unsubscribes.
 *
 * While `bound` messages wait, nothing is read from the server, unless the client waits for an
 * answer of it.
 */
export class MessageStream implements AsyncIterableIterator<StreamedMessage> {
  /** Resolved when the subscription stands. */
  readonly subscribed: Promise<ISubscriptionGrant[]>
  next (): Promise<IteratorResult<StreamedMessage, undefined>>
  return (value?: any): Promise<IteratorResult<StreamedMessage, any>>
  [Symbol.asyncIterator] (): this
}

/** What stands for the connection of a client: its events and its end, but no bytes. */
export interface Transport extends EventEmitter {
  destroyed: boolean
  end (callback?: () => void): this
  destroy (error?: Error): this
}

/** A client. */
export class MqttClient extends EventEmitter {
  static VERSION: string
  /** A Client Identifier: `mqttjs_` and random digits. */
  static defaultId (): string

  /** Whether CONNACK has accepted a connection that stands. */
  connected: boolean
  /** Whether `end` was called. */
  disconnecting: boolean
  /** Whether the client has ended. */
  disconnected: boolean
  /** Whether it tries to connect again. */
  reconnecting: boolean
  /** Looked at before every connection: changes count from the next one on. */
  options: IClientOptions
  incomingStore: Store
  outgoingStore: Store
  queueQoSZero: boolean
  messageIdProvider: DefaultMessageIdProvider | UniqueMessageIdProvider
  /** Properties of the last CONNACK. */
  serverProperties: IConnackPacket['properties'] | undefined
  readonly stream: Transport
  /** Keep Alive in seconds: the server's, or that of the options. */
  readonly keepalive: number
  /** What was asked for without a connection. */
  readonly queue: Array<{ packet: Packet, cb?: PacketCallback }>
  /** What waits for an answer, by message id. */
  readonly outgoing: { [messageId: number]: { volatile: boolean, cmd: string, cb: PacketCallback } }

  on<E extends keyof MqttClientEventCallbacks> (event: E, listener: MqttClientEventCallbacks[E]): this
  once<E extends keyof MqttClientEventCallbacks> (event: E, listener: MqttClientEventCallbacks[E]): this
  off<E extends keyof MqttClientEventCallbacks> (event: E, listener: MqttClientEventCallbacks[E]): this
  addListener<E extends keyof MqttClientEventCallbacks> (event: E, listener: MqttClientEventCallbacks[E]): this
  removeListener<E extends keyof MqttClientEventCallbacks> (event: E, listener: MqttClientEventCallbacks[E]): this

  /** Starts connecting, for option `manualConnect`. */
  connect (): this

  /** Publishes a message; it is copied before the call returns. */
  publish (topic: string, message: string | Buffer | Uint8Array | null | undefined): this
  publish (topic: string, message: string | Buffer | Uint8Array | null | undefined, callback?: PacketCallback): this
  publish (
    topic: string,
    message: string | Buffer | Uint8Array | null | undefined,
    opts?: IClientPublishOptions | null,
    callback?: PacketCallback
  ): this
  /** Likewise; resolved with what was published, at QoS 0 with nothing. */
  publishAsync (
    topic: string,
    message: string | Buffer | Uint8Array | null | undefined,
    opts?: IClientPublishOptions
  ): Promise<Packet | undefined>

  /**
   * Has all that was published so far at QoS 1 and 2 written to `dataDirectory`, whatever the
   * `durability`: when it calls back, it will be sent whatever becomes of this process. An error with
   * the code `MQTT_STORAGE_FAILED` when nothing can be stored at present. Not in MQTT.js.
   */
  flush (callback?: DoneCallback): this
  /** Likewise. */
  flushAsync (): Promise<void>

  /** Subscribes. */
  subscribe (topic: string | string[] | ISubscriptionMap): this
  subscribe (topic: string | string[] | ISubscriptionMap, callback?: ClientSubscribeCallback): this
  subscribe (
    topic: string | string[] | ISubscriptionMap,
    opts?: IClientSubscribeOptions,
    callback?: ClientSubscribeCallback
  ): this
  /** Likewise; resolved with what SUBACK has granted. */
  subscribeAsync (
    topic: string | string[] | ISubscriptionMap,
    opts?: IClientSubscribeOptions
  ): Promise<ISubscriptionGrant[]>

  /** Unsubscribes. */
  unsubscribe (topic: string | string[]): this
  unsubscribe (topic: string | string[], callback?: PacketCallback): this
  unsubscribe (topic: string | string[], opts?: IClientUnsubscribeProperties, callback?: PacketCallback): this
  /** Likewise; resolved with UNSUBACK. */
  unsubscribeAsync (topic: string | string[], opts?: IClientUnsubscribeProperties): Promise<Packet | undefined>

  /**
   * Messages that match filters, which are subscribed to:
   *
   *     for await (const { topic, payload } of client.messages('a/#')) …
   */
  messages (topic: string | string[] | ISubscriptionMap, options?: StreamOptions): MessageStream

  /**
   * Ends the client: after what is under way, or at once with `force`. With `dataDirectory` and a
   * connection, what earlier processes have left is under way too; and what is not delivered stays for
   * the next client, so that its callback has an error with the code `MQTT_ABANDONED`.
   */
  end (callback?: DoneCallback): this
  end (force?: boolean | null): this
  end (opts?: DisconnectOptions, callback?: DoneCallback): this
  end (force?: boolean | null, callback?: DoneCallback): this
  end (force?: boolean | null, opts?: DisconnectOptions | null, callback?: DoneCallback): this
  /** Likewise. */
  endAsync (force?: boolean, opts?: DisconnectOptions): Promise<void>

  /** Connects again, now; with stores, with what they keep. */
  reconnect (opts?: IClientReconnectOptions): this
  /** Forgets a message that waits for its acknowledgement. */
  removeOutgoingMessage (messageId: number): this
  /** The last message id. */
  getLastMessageId (): number
  /** Sends PINGREQ. */
  sendPing (): void
  /** To be replaced: handles a message before the next one comes. */
  handleMessage (packet: IPublishPacket, callback: DoneCallback): void
  /** To be replaced: answers AUTH. */
  handleAuth (packet: IAuthPacket, callback: (error?: Error | null, packet?: IAuthPacket) => void): void
}

export { MqttClient as Client }

/** The in-memory store. */
export class Store {
  constructor (options?: { clean?: boolean })
  put (packet: Packet, cb: DoneCallback): this
  get (packet: Pick<Packet, 'messageId'>, cb: PacketCallback): this
  del (packet: Pick<Packet, 'messageId'>, cb: PacketCallback): this
  createStream (): NodeJS.ReadableStream
  close (cb: DoneCallback): void
}

/** Message ids from a random start. */
export class DefaultMessageIdProvider {
  allocate (): number | null
  getLastAllocated (): number | null
  register (messageId: number): boolean
  deallocate (messageId: number): void
  clear (): void
}

/** The lowest message id that is free. */
export class UniqueMessageIdProvider extends DefaultMessageIdProvider {}

/** An error with a Reason Code of the server. */
export class ErrorWithReasonCode extends Error {
  code: number
  constructor (message: string, code: number)
}

/** A refused subscription. */
export class ErrorWithSubackPacket extends Error {
  packet: ISubackPacket
  constructor (message: string, packet: ISubackPacket)
}

/** What Reason Codes mean. */
export const ReasonCodes: { [code: number]: string }
/** The version of this package. */
export const MQTTJS_VERSION: string
/** Whether this is a valid filter. */
export function validateTopic (topic: string): boolean
/** The first filter that is not valid; null if all are. */
export function validateTopics (topics: string[]): string | null

/** A client, which begins to connect. An `error` without a listener does no harm. */
export function connect (brokerUrl: string, options?: IClientOptions): MqttClient
export function connect (options: IClientOptions): MqttClient
/** Likewise; resolved when it has connected, rejected at the first error. */
export function connectAsync (brokerUrl: string, options?: IClientOptions, allowRetries?: boolean): Promise<MqttClient>
export function connectAsync (options: IClientOptions): Promise<MqttClient>

/** A client as the broker knows it. */
export interface BrokerClient {
  clientId: string
  username?: string
  protocolVersion: 3 | 4 | 5
  /** IP address; none for a client within the process. */
  address?: string
  port?: number
  /** What it has shown in TLS, and was found to be good. */
  certificate?: ClientCertificate
}

/** The certificate of a client. */
export interface ClientCertificate {
  /** Its Subject in the form of RFC 4514: `CN=ada,O=Example`. */
  subject: string
  /** The Common Name in it. */
  commonName?: string
  /** All of it, in DER; empty if only a proxy in front has seen it. */
  raw: Buffer
}

/** TLS of a listener. Files are read again by `reload()`, what is given as PEM is not. */
export interface ListenerTls {
  /** Its certificate and those that vouch for it, in PEM. */
  cert?: Pem
  certFile?: string
  /** The key of that. */
  key?: string | Buffer
  keyFile?: string
  /** What `key` is encrypted with. */
  passphrase?: string
  /** Whether clients show certificates: not asked for; who shows one must show a good one; who shows none is refused. none. */
  clientCertificates?: 'none' | 'optional' | 'required'
  /** Who issues clients' certificates. */
  ca?: Pem
  caFile?: string | string[]
  /** Lists of revoked certificates of clients. */
  crl?: Pem
  crlFile?: string | string[]
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  maxVersion?: 'TLSv1.2' | 'TLSv1.3'
  ciphers?: string
  ALPNProtocols?: string[]
}

/** WebSocket of a listener. */
export interface ListenerWebSocket {
  /** The path that clients ask for; any. */
  path?: string
  /** Pages whose scripts may connect: `https://example.org`, with `:*` for any port; all. */
  origins?: string[]
  /** Networks of proxies whose `X-Forwarded-For` is believed: `10.0.0.0/8`. */
  trustedProxies?: string[]
  /** Whether a page that shows the broker is served to browsers; then only pages of this machine may connect, unless `origins` says otherwise. false. */
  page?: boolean
}

/** Where and how to listen. */
export interface BrokerListener {
  /** 1883; 0 for any that is free. */
  port?: number
  /** An IP address; 127.0.0.1. At others, nobody gets in but by `authenticate`, `passwordFile` or `anonymous`. */
  host?: string
  /** Instead of both: a Unix socket, or with `@` a name that is abstract. */
  path?: string
  backlog?: number
  ipv6Only?: boolean
  tls?: ListenerTls
  /** What of a client's certificate is its User Name, which then needs no password. */
  certificateUser?: 'commonName' | 'subject'
  webSocket?: boolean | ListenerWebSocket
  /** Whether a proxy is in front that sends headers of the PROXY protocol (true: version 1 or 2). */
  proxyProtocol?: boolean | 1 | 2
  /** Networks of these proxies: `10.0.0.0/8`; everyone. */
  proxies?: string[]
}

/** A client that wants to connect. */
export interface Authentication extends BrokerClient {
  /** CONNECT, an answer to a challenge, or a new authentication on a standing connection. */
  step: 'connect' | 'continue' | 'reauthenticate'
  password?: Buffer
  authenticationMethod?: string
  authenticationData?: Buffer
}

/** true allows; false denies with Not authorized, a number with that Reason Code. */
export type Verdict = boolean | number

/** A verdict on a client: also data for its authentication method, or a challenge. */
export type AuthenticationVerdict =
  | Verdict
  | { reasonCode?: number, authenticationData?: Buffer | string }
  | { challenge: Buffer | string }

/** The events of a broker, to be named in `events`. */
export type BrokerEvent = 'connect' | 'disconnect' | 'publish' | 'subscribe' | 'unsubscribe'

/** A message as the broker shows it. */
export interface BrokerMessage {
  cmd: 'publish'
  topic: string
  payload: Buffer
  qos: QoS
  retain: boolean
  properties?: IPublishPacket['properties']
}

/** How a broker is set up. A hook that throws or rejects denies, and `error` is emitted. */
export interface BrokerOptions {
  /** 1883; 0 for any that is free. */
  port?: number
  /** An IP address; 127.0.0.1. */
  host?: string
  /** Instead of both: addresses with ports. Empty: only clients within the process. */
  listen?: string[]
  /** Instead of these: listeners of any kind. */
  listeners?: BrokerListener[]
  /** Whether clients without User Name get in; only if all listeners are at loopback and there is no `passwordFile`. Not together with `authenticate`. */
  anonymous?: boolean
  /** Users and passwords in mosquitto's format, as `npx libmqtt passwd` makes it. Not together with `authenticate`. */
  passwordFile?: string
  /** Access rights in mosquitto's format; what they allow, hooks are asked about. */
  aclFile?: string
  /** Largest payload that is passed on. */
  payloadMax?: number
  /** Where sessions and messages are kept, beyond the broker's life; none: in memory alone. */
  dataDirectory?: string
  /** When they are on disk: before they are acknowledged; when the broker stops; or so many milliseconds later at most. sync. */
  durability?: 'sync' | 'off' | number
  /** Threads; as many as there are cores. */
  shards?: number
  /** May this client connect? */
  authenticate?: (client: Authentication) => AuthenticationVerdict | Promise<AuthenticationVerdict>
  /** May it publish this? */
  authorizePublish?: (client: BrokerClient, message: BrokerMessage) => Verdict | Promise<Verdict>
  /** May it subscribe to this? */
  authorizeSubscribe?: (
    client: BrokerClient,
    subscription: { topic: string, qos: QoS }
  ) => Verdict | Promise<Verdict>
  /** Events to be emitted; each costs time. None. */
  events?: BrokerEvent[]
  /** Milliseconds until CONNECT. */
  connectTimeout?: number
  maximumPacketSize?: number
  receiveMaximum?: number
  topicAliasMaximum?: number
  maximumQoS?: QoS
  retainAvailable?: boolean
  wildcardSubscriptions?: boolean
  sharedSubscriptions?: boolean
  /** Longest Keep Alive in seconds; 0: any. */
  keepAliveMax?: number
  /** Longest Session Expiry Interval in seconds. */
  sessionExpiryMax?: number
  /** Session Expiry Interval of 3.x sessions that are not clean, in seconds. */
  sessionExpiryV3?: number
  sessionsMax?: number
  connectionsMax?: number
  subscriptionsMax?: number
  /** Messages that may wait for one session. */
  queueMessagesMax?: number
  /** Bytes of these. */
  queueBytesMax?: number
  /** Whether a full queue drops its oldest message rather than the newest; false. */
  queueDropOldest?: boolean
  queueQoS0Offline?: boolean
  /** Whether publishers wait for slow subscribers; false. */
  backpressure?: boolean
  retainedMax?: number
  retainedBytesMax?: number
  /** Whether clients may publish below `$`; false. */
  dollarTopics?: boolean
  assignClientIds?: boolean
  /** Milliseconds between updates of `$SYS`; 0: no `$SYS`. */
  sysInterval?: number
  /** Connections of one thread that are not through CONNECT. */
  pendingMax?: number
  /** Largest packet before a client is authenticated. */
  maximumConnectSize?: number
  /** Connections of one address; 0: any number. */
  addressConnectionsMax?: number
  /** Connections that one address may open in a minute; 0: any number. */
  addressConnectsPerMinuteMax?: number
  /** Logins of one address that may fail in a minute; 0: any number. */
  addressFailuresPerMinuteMax?: number
  /** Messages that a client may send in a second; beyond, it waits. 0: any number. */
  clientMessagesPerSecondMax?: number
  /** Bytes that a client may send in a second; likewise. */
  clientBytesPerSecondMax?: number
  /** Unacknowledged messages sent to a client. */
  inflightMax?: number
  /** Bytes of the filters of a session. */
  subscriptionBytesMax?: number
  /** Shared subscriptions of a session. */
  sharedSubscriptionsMax?: number
  /** Levels of a topic. */
  topicLevelsMax?: number
  /** Bytes that wait for all sessions together. */
  backlogBytesMax?: number
}

/** Counters of a broker. */
export interface BrokerStats {
  connections: number
  connectionsTotal: number
  sessions: number
  subscriptions: number
  retained: number
  retainedBytes: number
  packetsReceived: number
  packetsSent: number
  bytesReceived: number
  bytesSent: number
  publishReceived: number
  publishSent: number
  publishDropped: number
  queuedMessages: number
  queuedBytes: number
  /** Events that were not emitted, as too many waited. */
  eventsDropped: number
}

/** The events of a broker. */
export interface BrokerEventCallbacks {
  connect: (client: BrokerClient) => void
  disconnect: (client: BrokerClient, reasonCode: number) => void
  /** `client` is null for the program's own messages. */
  publish: (message: BrokerMessage, client: BrokerClient | null) => void
  subscribe: (subscription: { topic: string, qos: QoS }, client: BrokerClient) => void
  unsubscribe: (topic: string, client: BrokerClient) => void
  /** A hook has failed. */
  error: (error: Error) => void
  close: () => void
}

/** A broker in the process, on threads of its own. It keeps the process until it is closed. */
export class Broker extends EventEmitter {
  /** Starts one; when it is resolved, clients can connect. */
  static start (options?: BrokerOptions): Promise<Broker>
  private constructor ()

  /** The first port; none if there are only Unix sockets. */
  readonly port: number
  /** The URL of the first listener: `mqtt://127.0.0.1:1883`. */
  readonly url: string
  /** The URLs of all listeners. Those of WebSocket have no path. */
  readonly urls: string[]
  /** All addresses with their ports. */
  readonly addresses: string[]
  readonly running: boolean

  on<E extends keyof BrokerEventCallbacks> (event: E, listener: BrokerEventCallbacks[E]): this
  once<E extends keyof BrokerEventCallbacks> (event: E, listener: BrokerEventCallbacks[E]): this

  /** Publishes; no hook is asked. */
  publish (
    topic: string,
    payload: string | Uint8Array | null,
    options?: { qos?: QoS, retain?: boolean, properties?: IPublishPacket['properties'] }
  ): void
  /** Reads the files of passwords, rights and certificates again. If one is of no use, it throws, and what was read before stays in force. */
  reload (): void
  stats (): BrokerStats
  /** Ends the connection of a client, for this reason. */
  disconnect (clientId: string, reasonCode?: number): void
  /** A client within the process, without a socket. */
  client (options?: IClientOptions): MqttClient
  /** Stops it; what waits is sent for `deadline` milliseconds (1000). */
  close (options?: { deadline?: number }): Promise<void>
}

declare const mqtt: {
  connect: typeof connect
  connectAsync: typeof connectAsync
  MqttClient: typeof MqttClient
  Client: typeof MqttClient
  Broker: typeof Broker
  MessageStream: typeof MessageStream
  Store: typeof Store
  DefaultMessageIdProvider: typeof DefaultMessageIdProvider
  UniqueMessageIdProvider: typeof UniqueMessageIdProvider
  ErrorWithReasonCode: typeof ErrorWithReasonCode
  ErrorWithSubackPacket: typeof ErrorWithSubackPacket
  ReasonCodes: typeof ReasonCodes
  MQTTJS_VERSION: typeof MQTTJS_VERSION
  validateTopic: typeof validateTopic
  validateTopics: typeof validateTopics
}
export default mqtt
