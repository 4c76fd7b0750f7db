'use strict'
// The client: MQTT.js's MqttClient over the native one. All that happens comes in one ordered
// stream, batch by batch, and is told in that order.

const native = require('./native.cjs')
const properties = require('./properties.cjs')
const events = require('./events.cjs')
const { DEFAULTS, settings, check } = require('./options.cjs')
const { Incoming } = require('./incoming.cjs')
const { Outbox } = require('./outbox.cjs')
const { MessageStream } = require('./messages.cjs')
const { Store, DefaultMessageIdProvider } = require('./store.cjs')
const { Transport } = require('./transport.cjs')
const { validateTopics } = require('./topics.cjs')
const { ofStatus, left, unsupported } = require('./errors.cjs')

const { EMPTY } = properties
const FOREVER = 0x7fffffff
// What waits at QoS 0 is written before a goodbye, within this time; what an earlier process has
// stored is sent and answered, as long as that takes.
const GOODBYE_MS = 2000

class MqttClient extends Incoming {
  static VERSION = native.version()

  static defaultId () {
    return `mqttjs_${Math.random().toString(16).substr(2, 8)}`
  }

  constructor (connector, options) {
    super()
    if (!connector || typeof connector.make !== 'function') {
      throw unsupported('a stream builder is not supported: use connect()')
    }
    this.options = options || {}
    for (const name of Object.keys(DEFAULTS)) {
      if (typeof this.options[name] === 'undefined') this.options[name] = DEFAULTS[name]
    }
    check(this.options)
    if (typeof this.options.clientId !== 'string') this.options.clientId = MqttClient.defaultId()
    this.log = this.options.log || (() => {})
    this.noop = () => {}
    this.connected = false
    this.disconnecting = false
    this.disconnected = undefined
    this.reconnecting = false
    this.queueQoSZero = this.options.queueQoSZero === undefined ? true : this.options.queueQoSZero
    this.messageIdProvider = this.options.messageIdProvider || new DefaultMessageIdProvider()
    this.outgoingStore = this.options.outgoingStore || new Store()
    this.incomingStore = this.options.incomingStore || new Store()
    this.messageIdToTopic = {}
    this.stream = new Transport(this)
    this.serverProperties = undefined
    this._connector = connector
    this._native = null
    this._key = ''
    // Whether the native client keeps messages beyond the process; and whether there was ever one.
    this._keeps = false
    this._begun = false
    this._index = events.newIndex()
    this._batch = null
    this._topic = ''
    this._waits = null
    this._unacknowledged = 0
    this._outbox = new Outbox(this)
    // Those who wait for the disk, beside those who are asked for now.
    this._flushes = []
    this._flushing = false
    // What is under way: by the native client's token, and by message id.
    this._tokens = new Map()
    this._outgoing = new Map()
    // What was asked for while there was no connection, but for what is in the store.
    this._queue = new Set()
    // What has to be done before 'connect' is emitted.
    this._before = 0
    this._connack = null
    this._attempting = false
    this._showsConnect = false
    this._suppressed = false
    this._reconnectTimer = null
    this._reconnects = 0
    this._hold = null
    this._left = null
    this._deferredReconnect = null
    this._resubscribeTopics = {}
    this._firstConnection = true
    this._streams = new Set()
    if (!this.options.manualConnect) this.connect()
    else if (this.options.dataDirectory) this._open()
  }

  // What is to be seen.

  get keepalive () {
    const asked = this.options.keepalive
    return (this.connected && asked && this.serverProperties?.serverKeepAlive) || asked
  }

  get queue () {
    return [...this._queue].map(({ packet, cb }) => ({ packet, cb }))
  }

  get outgoing () {
    const all = {}
    for (const [id, { volatile, cmd, cb }] of this._outgoing) all[id] = { volatile, cmd, cb }
    return all
  }

  get reconnectTimer () {
    return this._reconnectTimer
  }

  get keepaliveManager () {
    return this.connected && this.keepalive ? { keepalive: this.keepalive * 1000 } : null
  }

  getLastMessageId () {
    return this.messageIdProvider.getLastAllocated()
  }

  on (name, listener) {
    super.on(name, listener)
    return this._listened(name)
  }

  addListener (name, listener) {
    super.addListener(name, listener)
    return this._listened(name)
  }

  prependListener (name, listener) {
    super.prependListener(name, listener)
    return this._listened(name)
  }

  // Packets are shown only to those who watch.
  _listened (name) {
    if (name === 'packetsend' || name === 'packetreceive') this._native?.watch(true)
    return this
  }

  // Connecting.

  connect () {
    this._clearReconnect()
    this._suppressed = false
    this.serverProperties = undefined
    if (this.disconnected && !this.reconnecting) {
      this.incomingStore = this.options.incomingStore || new Store()
      this.outgoingStore = this.options.outgoingStore || new Store()
      this.disconnecting = false
      this.disconnected = false
    }
    const given = this.options.protocolVersion === 5 && this.options.properties
    if (given && !given.authenticationMethod && given.authenticationData) {
      this.end(() => this.emit('error', new Error('Packet has no Authentication Method')))
      return this
    }
    if (this._attempting) return this
    try {
      this._open()
      this._attempting = true
      this._showsConnect = this.listenerCount('packetsend') > 0
      this._keepProcess()
      this._native.start()
    } catch (error) {
      // What the program has begun with, it hears of at once.
      if (!this._begun) throw error
      this._attempting = false
      // It would be refused again: what is wrong are the options. But a disk may recover.
      this._suppressed = error.code !== 'MQTT_STORAGE_FAILED'
      setImmediate(() => {
        this._releaseProcess()
        this._setUpReconnect()
        this.emit('error', error)
        this.emit('close')
      })
    }
    return this
  }

  // A native client for the options as they are now.
  _open () {
    const wanted = settings(this.options, this)
    const { userName, password, ...rest } = wanted
    const key = JSON.stringify(rest)
    if (!this._native || key !== this._key) this._make(wanted, key)
    else this._native.setCredentials(userName, password)
  }

  // A native client, with what the last one had not done.
  _make (wanted, key) {
    this._close()
    this._native = this._connector.make(wanted, () => this._drain())
    this._begun = true
    this._keeps = wanted.dataDirectory !== undefined
    // Until it is seen whether a program that has just begun listens to them.
    this._native.watch(true)
    this._key = key
    for (const packet of this.outgoingStore._inflights.values()) {
      const id = packet.messageId
      let entry = this._outgoing.get(id)
      if (!entry) {
        entry = { cmd: 'publish', id, cb: this.noop, volatile: false, packet }
        this._outgoing.set(id, entry)
      }
      this._send(entry)
    }
  }

  // Closes the native client. What it keeps beyond the process, the next one goes on with; those
  // who wait for it here hear that.
  _close () {
    if (!this._native) return
    if (this._keeps) this._outbox.flush()
    this._native.close()
    this._native = null
    const entries = this._keeps ? [...this._tokens.values()] : []
    this._tokens.clear()
    for (const callback of this._flushes.splice(0)) process.nextTick(callback, left())
    for (const entry of entries) {
      if (entry.cmd !== 'publish') continue
      this._forget(entry)
      if (entry.cb && entry.cb !== this.noop) process.nextTick(entry.cb, left())
    }
  }

  // Gives what was asked for to the native client.
  _send (entry) {
    const { packet } = entry
    if (packet.cmd === 'publish' || packet.cmd === 'pubrel') {
      const { topic, payload, section, qos, retain } = entry.message ?? packet
      this._outbox.put(topic, payload ?? EMPTY, section ?? EMPTY, qos, retain, entry)
      return
    }
    this._outbox.flush()
    try {
      const section = properties.encode(packet.properties)
      const token = packet.cmd === 'subscribe'
        ? this._native.subscribe(subscriptions(packet.subscriptions), section)
        : this._native.unsubscribe(packet.unsubscriptions, section)
      this._tokens.set(token, entry)
    } catch (error) {
      process.nextTick(() => this._fail(entry, error))
    }
  }

  // A native client keeps no process alive: this does, while something is open.
  _keepProcess () {
    this._hold ??= setInterval(() => {}, FOREVER)
  }

  _releaseProcess () {
    clearInterval(this._hold)
    this._hold = null
  }

  _clearReconnect () {
    clearTimeout(this._reconnectTimer)
    this._reconnectTimer = null
  }

  _setUpReconnect () {
    const { reconnectPeriod } = this.options
    if (this.disconnecting || this._suppressed || this._reconnectTimer || !(reconnectPeriod > 0)) {
      return
    }
    if (!this.reconnecting) {
      this.emit('offline')
      this.reconnecting = true
    }
    this._reconnectTimer = setTimeout(() => this._reconnect(), this._delay())
  }

  // Milliseconds until the next attempt: always the same, unless the program wants a back-off.
  _delay () {
    const { reconnectPeriod, reconnectBackoff } = this.options
    if (!reconnectBackoff) return reconnectPeriod
    const { max = 60000, factor = 2, jitter = true } = reconnectBackoff
    const delay = Math.min(max, reconnectPeriod * factor ** this._reconnects++)
    return jitter ? Math.random() * delay : delay
  }

  _reconnect () {
    this._reconnectTimer = null
    this.emit('reconnect')
    if (this.connected) this.end(() => this.connect())
    else this.connect()
  }

  reconnect (options) {
    const again = () => {
      this.options.incomingStore = options ? options.incomingStore : null
      this.options.outgoingStore = options ? options.outgoingStore : null
      check(this.options)
      this.incomingStore = this.options.incomingStore || new Store()
      this.outgoingStore = this.options.outgoingStore || new Store()
      // The next native client sends what the stores have.
      if (!this._attempting) this._key = ''
      this.disconnecting = false
      this.disconnected = false
      this._deferredReconnect = null
      this._reconnect()
    }
    if (this.disconnecting && !this.disconnected) this._deferredReconnect = again
    else again()
    return this
  }

  // Publishing.

  publish (topic, message, options, callback) {
    if (typeof options === 'function') {
      callback = options
      options = null
    }
    if (typeof message !== 'string' && !(message instanceof Uint8Array)) {
      if (message !== undefined && message !== null) throw payloadError(message)
      message = EMPTY
    }
    if (this._checkDisconnecting(callback)) return this
    topic = String(topic)
    const qos = options?.qos || 0
    const retain = options?.retain || false
    const version5 = this.options.protocolVersion === 5
    let section = EMPTY
    if (version5 && options?.properties) {
      try {
        section = properties.encode(options.properties)
      } catch (error) {
        return this._tell(error, callback)
      }
    }
    if (qos === 0) {
      this._publishOnce(topic, message, section, retain, options, callback)
      return this
    }
    if (qos !== 1 && qos !== 2) return this._tell(new Error('Invalid qos'), callback)
    const id = this.messageIdProvider.allocate()
    if (id === null) return this._tell(ofStatus(-7, 'publish'), callback)
    const payload = typeof message === 'string' ? message : Buffer.from(message)
    const dup = options.dup || false
    const packet = { cmd: 'publish', topic, payload, qos, retain, messageId: id, dup }
    if (version5) packet.properties = options.properties
    const entry = {
      cmd: 'publish', id, cb: callback || this.noop, volatile: false, packet, message: null, cbStorePut: null
    }
    const keeps = this.options.dataDirectory !== undefined
    if (keeps) entry.cbStorePut = options.cbStorePut
    if (section.length) entry.message = { topic, payload, section, qos, retain }
    this._outgoing.set(id, entry)
    this.outgoingStore._inflights.set(id, packet)
    if (this._native) this._outbox.put(topic, payload, section, qos, retain, entry)
    if (!keeps) options.cbStorePut?.()
    this._flow()
    return this
  }

  _publishOnce (topic, payload, section, retain, options, callback) {
    if (this.connected) {
      const entry = callback ? { cmd: 'publish', id: 0, cb: callback, packet: undefined } : undefined
      this._outbox.put(topic, payload, section, 0, retain, entry)
      return
    }
    if (!this.queueQoSZero) {
      callback?.(new Error('No connection to broker'))
      return
    }
    if (typeof payload !== 'string') payload = Buffer.from(payload)
    const dup = options?.dup || false
    const packet = { cmd: 'publish', topic, payload, qos: 0, retain, messageId: 0, dup }
    if (this.options.protocolVersion === 5) packet.properties = options?.properties
    const entry = { cmd: 'publish', id: 0, cb: callback, packet, message: null }
    if (section.length) entry.message = { topic, payload, section, qos: 0, retain }
    this._queue.add(entry)
  }

  publishAsync (topic, message, options) {
    return promised((done) => this.publish(topic, message, options, done))
  }

  // Storing.

  flush (callback) {
    if (this._checkDisconnecting(callback)) return this
    if (!this._native || !this._keeps) {
      const error = this._native
        ? unsupported('flush wants option dataDirectory')
        : ofStatus(-5, 'flush')
      return this._tell(error, callback)
    }
    this._outbox.flush()
    this._awaitDisk((error) => {
      if (callback) callback(error)
      else if (error) this.emit('error', error)
    })
    return this
  }

  flushAsync () {
    return promised((done) => this.flush(done))
  }

  // Has `callback` called when all so far is on disk, or it cannot be. It is asked for once at a
  // time, for all who have come meanwhile.
  _awaitDisk (callback) {
    this._flushes.push(callback)
    if (!this._flushing) this._flush()
  }

  // What is still on its way to the disk would hold up the event loop when the file is closed.
  _whenWritten (callback) {
    if (!this._native || !this._keeps) return callback()
    this._outbox.flush()
    this._awaitDisk(callback)
  }

  async _flush () {
    this._flushing = true
    const callbacks = this._flushes.splice(0)
    const status = await this._native.flush()
    this._flushing = false
    const error = status === 0 ? undefined : ofStatus(status, 'flush')
    for (const callback of callbacks) process.nextTick(callback, error)
    if (this._flushes.length) this._flush()
  }

  _isStored (entry) {
    const { cbStorePut } = entry
    entry.cbStorePut = null
    cbStorePut?.()
  }

  // Subscribing.

  subscribe (topics, options, callback) {
    if (typeof options === 'function') callback = options
    callback = callback || this.noop
    const version = this.options.protocolVersion
    if (typeof topics === 'string') topics = [topics]
    let again = false
    if (!Array.isArray(topics) && typeof topics === 'object') {
      again = topics.resubscribe
      delete topics.resubscribe
    }
    const invalid = validateTopics(Array.isArray(topics) ? topics : Object.keys(topics))
    if (invalid !== null) {
      setImmediate(callback, new Error(`Invalid topic ${invalid}`))
      return this
    }
    if (this._checkDisconnecting(callback)) return this
    const byDefault = version === 5 ? { qos: 0, nl: false, rap: false, rh: 0 } : { qos: 0 }
    options = { ...byDefault, ...(typeof options === 'function' ? null : options) }
    const wanted = []
    const want = (topic, one) => {
      // The short form of old programs: {'a/b': 1}.
      if (typeof one === 'number') one = { ...byDefault, qos: one }
      one = one || options
      const known = Object.prototype.hasOwnProperty.call(this._resubscribeTopics, topic)
      if (known && this._resubscribeTopics[topic].qos >= one.qos && !again) return
      const subscription = { topic, qos: one.qos }
      if (version === 5) {
        const { nl, rap, rh } = one
        Object.assign(subscription, { nl, rap, rh, properties: options.properties })
      }
      wanted.push(subscription)
    }
    if (Array.isArray(topics)) topics.forEach((topic) => want(topic))
    else Object.keys(topics).forEach((topic) => want(topic, topics[topic]))
    if (!wanted.length) {
      callback(null, [])
      return this
    }
    this._subscribe(wanted, options.properties, callback)
    return this
  }

  // Subscribes in as many packets as the program wants; `callback` hears of all of them at once.
  _subscribe (wanted, section, callback) {
    const size = this.options.subscribeBatchSize ?? wanted.length
    let open = Math.ceil(wanted.length / size)
    const finish = (error, suback) => {
      if (open <= 0) return
      open = error ? 0 : open - 1
      if (open === 0) callback(error, wanted, suback)
    }
    for (let i = 0; i < wanted.length; i += size) {
      const subscriptions = wanted.slice(i, i + size)
      const id = this.messageIdProvider.allocate()
      const packet = { cmd: 'subscribe', subscriptions, messageId: id }
      if (section) packet.properties = section
      if (this.options.resubscribe) this._remember(subscriptions, id)
      this._ask({ cmd: 'subscribe', id, volatile: true, packet, cb: finish })
    }
  }

  _remember (subscriptions, id) {
    const topics = []
    for (const { topic, qos, nl, rap, rh, properties: section } of subscriptions) {
      if (!(this.options.reconnectPeriod > 0)) continue
      this._resubscribeTopics[topic] = this.options.protocolVersion === 5
        ? { qos, nl: nl || false, rap: rap || false, rh: rh || 0, properties: section }
        : { qos }
      topics.push(topic)
    }
    this.messageIdToTopic[id] = topics
  }

  _ask (entry) {
    this._outgoing.set(entry.id, entry)
    if (this.connected) this._send(entry)
    else this._queue.add(entry)
    this._flow()
  }

  subscribeAsync (topics, options) {
    return promised((done) => this.subscribe(topics, options, done))
  }

  unsubscribe (topics, options, callback) {
    if (typeof topics === 'string') topics = [topics]
    if (typeof options === 'function') callback = options
    callback = callback || this.noop
    const invalid = validateTopics(topics)
    if (invalid !== null) {
      setImmediate(callback, new Error(`Invalid topic ${invalid}`))
      return this
    }
    if (this._checkDisconnecting(callback)) return this
    const id = this.messageIdProvider.allocate()
    const packet = { cmd: 'unsubscribe', messageId: id, unsubscriptions: topics }
    if (this.options.resubscribe) topics.forEach((topic) => delete this._resubscribeTopics[topic])
    if (options && typeof options === 'object' && options.properties) {
      packet.properties = options.properties
    }
    this._ask({ cmd: 'unsubscribe', id, volatile: true, packet, cb: callback })
    return this
  }

  unsubscribeAsync (topics, options) {
    return promised((done) => this.unsubscribe(topics, options, done))
  }

  _resubscribe () {
    const { clean, protocolVersion, resubscribe } = this.options
    const first = this._firstConnection
    this._firstConnection = false
    if (first || !(clean || (protocolVersion >= 4 && !this._connack.sessionPresent))) return
    if (!resubscribe) {
      this._resubscribeTopics = {}
      return
    }
    // What the native client asks for again itself, as it was not answered.
    const asked = new Set()
    for (const { packet } of this._tokens.values()) {
      packet?.subscriptions?.forEach(({ topic }) => asked.add(topic))
    }
    const names = Object.keys(this._resubscribeTopics).filter((name) => !asked.has(name))
    if (!names.length) return
    if (protocolVersion === 5) {
      for (const name of names) {
        const topic = this._resubscribeTopics[name]
        const { properties: section } = topic
        this.subscribe({ [name]: topic, resubscribe: true }, { properties: section })
      }
    } else {
      const topics = Object.fromEntries(names.map((name) => [name, this._resubscribeTopics[name]]))
      this.subscribe({ ...topics, resubscribe: true })
    }
  }

  // Messages that match a filter, one after the other.
  messages (topics, options) {
    return new MessageStream(this, topics, options)
  }

  // Ending.

  end (force, options, callback) {
    if (force == null || typeof force !== 'boolean') {
      callback = callback || options
      options = force
      force = false
    }
    if (typeof options !== 'object') {
      callback = callback || options
      options = null
    }
    if (typeof callback !== 'function') callback = this.noop
    if (this.disconnecting) {
      callback()
      return this
    }
    this._clearReconnect()
    this.disconnecting = true
    const over = () => process.nextTick(() => this._closeStores(callback))
    const finish = () => this._leave(force, options, () => this._whenWritten(over))
    if (!force && this.connected && this._outgoing.size > 0) {
      this.once('outgoingEmpty', () => setTimeout(finish, 10))
    } else {
      finish()
    }
    return this
  }

  endAsync (force, options) {
    return promised((done) => this.end(force, options, done))
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')] () {
    await this.endAsync()
  }

  // Ends the connection, or the attempt; `done` is called when it is over.
  _leave (force, options, done) {
    if (force && this.options.reconnectPeriod === 0 && this.options.clean) this._flushAll()
    if (!this._attempting) return done()
    if (!this.connected) {
      this._attempting = false
      done()
      setImmediate(() => this.emit('close'))
      return
    }
    this._left = done
    if (force) this._cut()
    else this._sayGoodbye(options)
    if (this._waits) setImmediate(() => this._leaveMessage())
  }

  _sayGoodbye (options) {
    this._outbox.flush()
    const { reasonCode = 0, properties: section } = options ?? {}
    try {
      this._native.disconnect({
        reason: reasonCode,
        sessionExpiry: section?.sessionExpiryInterval,
        properties: properties.encode(section, ['sessionExpiryInterval']),
        wait: this._keeps ? FOREVER : GOODBYE_MS
      })
    } catch (error) {
      this.emit('error', error)
      this._cut()
    }
  }

  _closeStores (callback) {
    this.disconnected = true
    this._letGo()
    this.incomingStore.close((first) => {
      this.outgoingStore.close((second) => {
        for (const stream of this._streams) stream._end()
        this.emit('end')
        callback(first || second)
      })
    })
    if (this._deferredReconnect) this._deferredReconnect()
    else if (this.options.reconnectPeriod === 0 || this.options.manualConnect) {
      this.disconnecting = false
    }
  }

  _letGo () {
    this._close()
    this._batch = null
    this._releaseProcess()
  }

  _cut () {
    this._outbox.flush()
    this._native.cut()
  }

  // The program closes the transport itself, as if it had been lost.
  _drop () {
    if (!this._attempting || this._left) return
    this._left = () => this._close()
    this._cut()
    if (this._waits) setImmediate(() => this._leaveMessage())
  }

  removeOutgoingMessage (id) {
    const entry = this._outgoing.get(id)
    if (!entry) return this
    this._forget(entry)
    const { cb } = entry
    entry.cb = this.noop
    cb(new Error('Message removed'))
    return this
  }

  reschedulePing () {}

  sendPing () {
    if (this.connected) this._native.ping()
  }

  _checkDisconnecting (callback) {
    if (this.disconnecting) {
      const error = new Error('client disconnecting')
      if (callback && callback !== this.noop) callback(error)
      else this.emit('error', error)
    }
    return this.disconnecting
  }

  // Tells an error of a call, soon.
  _tell (error, callback) {
    process.nextTick(() => callback ? callback(error) : this.emit('error', error))
    return this
  }
}

function payloadError (message) {
  const kind = message === null ? 'null' : typeof message
  return new TypeError(
    `The payload must be a string, a Buffer or a Uint8Array, but it is of type ${kind}`
  )
}

// The payload of SUBSCRIBE. MQTT 5.0 §3.8.3.
function subscriptions (wanted) {
  const parts = []
  for (const { topic, qos, nl, rap, rh } of wanted) {
    const filter = Buffer.from(topic)
    const head = Buffer.alloc(2)
    head.writeUInt16BE(filter.length)
    const options = (qos || 0) | (nl ? 4 : 0) | (rap ? 8 : 0) | ((rh || 0) << 4)
    parts.push(head, filter, Buffer.from([options]))
  }
  return Buffer.concat(parts)
}

function promised (start) {
  return new Promise((resolve, reject) => {
    start((error, result) => error ? reject(error) : resolve(result))
  })
}

module.exports = { MqttClient }
