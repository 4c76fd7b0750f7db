'use strict'
// A broker in the process.

const { EventEmitter } = require('node:events')
const native = require('./native.cjs')
const properties = require('./properties.cjs')
const tls = require('./tls.cjs')
const { MqttClient } = require('./client.cjs')
const { storage } = require('./options.cjs')
const { unsupported } = require('./errors.cjs')

const HOOKS = ['authenticate', 'authorizePublish', 'authorizeSubscribe']
const EVENTS = ['connect', 'disconnect', 'publish', 'subscribe', 'unsubscribe']
const LIMITS = [
  'shards', 'connectTimeout', 'maximumPacketSize', 'receiveMaximum', 'topicAliasMaximum',
  'maximumQoS', 'retainAvailable', 'wildcardSubscriptions', 'sharedSubscriptions', 'keepAliveMax',
  'sessionExpiryMax', 'sessionExpiryV3', 'sessionsMax', 'connectionsMax', 'subscriptionsMax',
  'queueMessagesMax', 'queueBytesMax', 'queueDropOldest', 'queueQoS0Offline', 'backpressure',
  'retainedMax', 'retainedBytesMax', 'dollarTopics', 'assignClientIds', 'sysInterval',
  'pendingMax', 'maximumConnectSize', 'addressConnectionsMax', 'addressConnectsPerMinuteMax',
  'addressFailuresPerMinuteMax', 'clientMessagesPerSecondMax', 'clientBytesPerSecondMax',
  'inflightMax', 'subscriptionBytesMax', 'sharedSubscriptionsMax', 'topicLevelsMax',
  'backlogBytesMax', 'payloadMax', 'anonymous', 'passwordFile', 'aclFile'
]
const LISTENER = [
  'port', 'host', 'path', 'backlog', 'ipv6Only', 'tls', 'certificateUser', 'webSocket',
  'proxyProtocol', 'proxies'
]
const WEB_SOCKET = ['path', 'origins', 'trustedProxies', 'page']
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'].map((host) => `http://${host}:*`)
const PROXY_PROTOCOL = new Map([[undefined, undefined], [false, undefined], [true, 0], [1, 1], [2, 2]])
const NOT_AUTHORIZED = 0x87
const CONTINUE = 0x18
const BATCH = 256
const FOREVER = 0x7fffffff

class Broker extends EventEmitter {
  // Opens the listeners. With port 0, the system chooses one.
  static async start (options = {}) {
    return new Broker(options)
  }

  constructor (options = {}) {
    super()
    const { port, host, listen, listeners, events = [], dataDirectory, durability, ...rest } = options
    const given = storage({ dataDirectory, durability })
    this._hooks = {}
    for (const name of Object.keys(rest)) {
      if (HOOKS.includes(name)) {
        if (typeof rest[name] !== 'function') throw new TypeError(`${name} must be a function`)
        this._hooks[name] = rest[name]
      } else if (LIMITS.includes(name)) {
        given[name] = rest[name]
      } else {
        throw unsupported(`Broker has no option '${name}'`)
      }
    }
    for (const name of events) {
      if (!EVENTS.includes(name)) throw unsupported(`Broker has no event '${name}'`)
    }
    if (this._hooks.authenticate && (given.passwordFile || given.anonymous !== undefined)) {
      throw unsupported('who gets in is said by the hook authenticate, or by passwordFile and anonymous')
    }
    given.listeners = listenersOf({ port, host, listen, listeners })
    given.hooks = [...Object.keys(this._hooks), ...events]
    this._events = new Set(events)
    this._asked = []
    this._native = new native.Broker(given, () => this._drain())
    this._hold = setInterval(() => {}, FOREVER)
    this._closed = null
  }

  get addresses () {
    return this._native.addresses
  }

  get port () {
    return this._native.port ?? undefined
  }

  get url () {
    return this._native.urls[0]
  }

  get urls () {
    return this._native.urls
  }

  get running () {
    return this._native.running
  }

  on (name, listener) {
    this._checkEvent(name)
    return super.on(name, listener)
  }

  addListener (name, listener) {
    this._checkEvent(name)
    return super.addListener(name, listener)
  }

  once (name, listener) {
    this._checkEvent(name)
    return super.once(name, listener)
  }

  // An event costs time for each message or client, so that it has to be asked for.
  _checkEvent (name) {
    if (EVENTS.includes(name) && !this._events.has(name)) {
      throw unsupported(`event '${name}' comes only if option events of Broker.start names it`)
    }
  }

  publish (topic, payload, options = {}) {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload ?? properties.EMPTY
    const section = properties.encode(options.properties)
    this._native.publish(topic, bytes, options.qos ?? 0, options.retain ?? false, section)
  }

  // Reads the files of passwords, rights and certificates again.
  reload () {
    this._native.reload()
  }

  stats () {
    return this._native.stats()
  }

  disconnect (clientId, reasonCode = 0x98) {
    this._native.disconnect(clientId, reasonCode)
  }

  // A client within the process, without a socket.
  client (options = {}) {
    const broker = this._native
    const connector = { make: (settings, wake) => broker.client(settings, wake) }
    const client = new MqttClient(connector, { ...options })
    client.on('error', () => {})
    return client
  }

  // Stops accepting, tells every client, sends what waits within `deadline` milliseconds.
  close ({ deadline = 1000 } = {}) {
    this._closed ??= this._native.stop(deadline).finally(() => {
      clearInterval(this._hold)
      this.emit('close')
    })
    return this._closed
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')] () {
    await this.close()
  }

  // A listener that throws ends the turn, and the rest comes in the next, in its order.
  _drain () {
    let again = this._asked.length > 0
    if (!again) this._asked = this._native.take(BATCH).reverse()
    try {
      while (this._asked.length) this._take(this._asked.pop())
    } finally {
      again ||= this._asked.length > 0
      if (again) setImmediate(() => this._drain())
    }
  }

  _take (asked) {
    const { kind, ticket, client } = asked
    if (ticket !== undefined && ticket !== null) {
      this._decide(asked)
      return
    }
    switch (kind) {
      case 'publish':
        return this.emit('publish', packetOf(asked), client ?? null)
      case 'subscribe':
        return this.emit('subscribe', { topic: asked.topic, qos: asked.qos }, client)
      case 'unsubscribe':
        return this.emit('unsubscribe', asked.topic, client)
      case 'connect':
        return this.emit('connect', client)
      case 'disconnect':
        return this.emit('disconnect', client, asked.reason)
    }
  }

  // A hook that throws or rejects denies, and the program hears of it.
  _decide (asked) {
    const { ticket } = asked
    const failed = (error) => {
      this._native.answer(ticket, NOT_AUTHORIZED)
      process.nextTick(() => this.emit('error', error))
    }
    let verdict
    try {
      verdict = this._ask(asked)
    } catch (error) {
      return failed(error)
    }
    if (typeof verdict?.then === 'function') {
      verdict.then((verdict) => this._answer(ticket, verdict)).catch(failed)
    } else {
      try {
        this._answer(ticket, verdict)
      } catch (error) {
        failed(error)
      }
    }
  }

  _ask (asked) {
    const { kind, client } = asked
    switch (kind) {
      case 'authenticate': {
        const { step, password, method, data } = asked
        return this._hooks.authenticate({
          ...client,
          step,
          password: password ?? undefined,
          authenticationMethod: method ?? undefined,
          authenticationData: data ?? undefined
        })
      }
      case 'authorizePublish':
        return this._hooks.authorizePublish(client, packetOf(asked))
      case 'authorizeSubscribe':
        return this._hooks.authorizeSubscribe(client, { topic: asked.topic, qos: asked.qos })
    }
  }

  // true allows, false denies, a number is a reason code; an object has a reason code and data of
  // the authentication method.
  _answer (ticket, verdict) {
    if (verdict === true) return this._native.answer(ticket, 0)
    if (verdict === false) return this._native.answer(ticket, NOT_AUTHORIZED)
    if (typeof verdict === 'number') return this._native.answer(ticket, verdict)
    if (verdict && typeof verdict === 'object') {
      const { reasonCode, challenge, authenticationData } = verdict
      if (challenge !== undefined) {
        return this._native.answer(ticket, CONTINUE, Buffer.from(challenge))
      }
      const data = authenticationData === undefined ? undefined : Buffer.from(authenticationData)
      return this._native.answer(ticket, reasonCode ?? 0, data)
    }
    throw new TypeError(`a hook answered ${String(verdict)}`)
  }
}

function known (options, names, what) {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw unsupported(`${what} has no option '${name}'`)
  }
}

function addressOf (port = 1883, host = '127.0.0.1') {
  const at = host === 'localhost' ? '127.0.0.1' : host
  return at.includes(':') ? `[${at}]:${port}` : `${at}:${port}`
}

// One way of saying where to listen, as a list.
function listenersOf ({ port, host, listen, listeners }) {
  const ways = [port ?? host, listen, listeners].filter((way) => way !== undefined)
  if (ways.length > 1) throw unsupported('port and host, listen, and listeners exclude each other')
  if (listen) return listen.map((address) => ({ address, proxies: [] }))
  return (listeners ?? [{ port, host }]).map(listenerOf)
}

function listenerOf (options) {
  known(options, LISTENER, 'a listener')
  const { port, host, path, backlog, ipv6Only, certificateUser, webSocket, proxies = [] } = options
  if (path !== undefined && (port ?? host) !== undefined) {
    throw unsupported('a listener has either a path or port and host')
  }
  if (!PROXY_PROTOCOL.has(options.proxyProtocol)) {
    throw unsupported('proxyProtocol is none of true, 1 and 2')
  }
  if (proxies.length && !options.proxyProtocol) throw unsupported('proxies want proxyProtocol')
  if (certificateUser !== undefined && !options.proxyProtocol && options.tls?.clientCertificates !== 'required') {
    throw unsupported('certificateUser wants clientCertificates required')
  }
  return {
    address: path === undefined ? addressOf(port, host) : undefined,
    path,
    backlog,
    ipv6Only,
    tls: options.tls && tls.ofListener(options.tls),
    certificateUser,
    webSocket: webSocket ? webSocketOf(webSocket === true ? {} : webSocket) : undefined,
    proxyProtocol: PROXY_PROTOCOL.get(options.proxyProtocol),
    proxies
  }
}

// The page may be used from this machine's own pages, unless others are named.
function webSocketOf (options) {
  known(options, WEB_SOCKET, 'webSocket')
  const { path, page = false, trustedProxies = [] } = options
  return { path, page, trustedProxies, origins: options.origins ?? (page ? LOOPBACK : []) }
}

function packetOf ({ topic, payload, qos, retain, properties: section }) {
  const packet = { cmd: 'publish', topic, payload, qos, retain }
  if (section?.length) packet.properties = properties.decode(section, 0, section.length)
  return packet
}

module.exports = { Broker }
