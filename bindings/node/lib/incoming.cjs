'use strict'
// What comes from the native client, batch by batch in one ordered stream, and what it means to
// the program: the half of MqttClient that listens.

const { EventEmitter } = require('node:events')
const properties = require('./properties.cjs')
const events = require('./events.cjs')
const packets = require('./packets.cjs')
const { KIND, CAUSE, FLAG, WORDS } = events
const {
  ReasonCodes, ErrorWithReasonCode, ErrorWithSubackPacket, ofStatus, ofFailure, closed, left
} = require('./errors.cjs')

const { EMPTY } = properties
const CUSTOM_REASONS = [0, 16, 128, 131, 135, 144, 145, 151, 153]

class Incoming extends EventEmitter {
  // To be replaced by programs.

  handleMessage (packet, callback) {
    callback()
  }

  handleAuth (packet, callback) {
    callback()
  }

  // What the native client has to say.

  _drain () {
    if (!this._native) return
    if (this._batch) {
      this._batch.more = true
      return
    }
    const buffer = this._native.drain(this._index)
    const count = this._index[this._index.length - 1]
    if (!count) return
    this._batch = { buffer, next: 0, count, more: count === events.MAX }
    this._go()
  }

  // Remaining Length of a packet with a property section of so many bytes.
  _length (rest, section) {
    return this.options.protocolVersion === 5 ? rest + events.sectionLength(section) : rest
  }

  // Goes through the batch. A listener that throws ends the turn, and the rest comes in the next.
  _go () {
    const batch = this._batch
    if (!batch || this._waits) return
    let whole = false
    try {
      while (batch.next < batch.count && !this._waits && this._batch === batch) {
        this._take(batch.buffer, batch.next++ * WORDS)
      }
      whole = true
    } finally {
      this._acknowledge()
      if (this._batch === batch && !this._waits) {
        if (batch.next >= batch.count) this._batch = null
        if (!whole || batch.more) {
          setImmediate(() => this._batch ? this._go() : this._drain())
        }
      }
    }
  }

  _acknowledge () {
    if (!this._unacknowledged) return
    const count = this._unacknowledged
    this._unacknowledged = 0
    this._native?.acknowledge(count, 0)
  }

  _take (buffer, at) {
    const index = this._index
    switch (index[at] & 0xff) {
      case KIND.MESSAGE:
        return this._message(buffer, at)
      case KIND.DONE:
        return this._done(buffer, at)
      case KIND.CONNECTED: {
        const section = events.sectionOf(buffer, index, at)
        const length = this._length(2, index[at + 2])
        return this._onConnected((index[at] & FLAG) !== 0, section, length)
      }
      case KIND.DISCONNECTED: {
        const section = events.sectionOf(buffer, index, at)
        const words = events.secondOf(buffer, index, at).toString()
        const length = index[at + 2] ? 1 + events.sectionLength(index[at + 2]) : 1
        const ended = { cause: index[at + 5], reason: index[at + 6], section, length, words }
        return this._onDisconnected({ ...ended, atOnce: index[at + 7] === 1 })
      }
      case KIND.CHALLENGE:
        return this._onChallenge(events.sectionOf(buffer, index, at))
      case KIND.SENT:
        return this._onPacket('packetsend', events.firstOf(buffer, index, at))
      case KIND.RECEIVED:
        return this._onPacket('packetreceive', events.firstOf(buffer, index, at))
    }
  }

  // A packet, for those who watch. As long as nobody does, no other comes.
  _onPacket (name, bytes) {
    if (!this._isWatched()) {
      this._native.watch(false)
      return
    }
    if (!this.listenerCount(name)) return
    const decode = name === 'packetsend' ? packets.sent : packets.received
    const packet = decode(bytes, this.options.protocolVersion)
    // MQTT.js sends it before `connect()` returns, so that who listens since hears nothing of it.
    if (packet.cmd === 'connect' && !this._showsConnect) return
    this.emit(name, packet)
  }

  _isWatched () {
    return this.listenerCount('packetsend') + this.listenerCount('packetreceive') > 0
  }

  _message (buffer, at) {
    const index = this._index
    const version = this.options.protocolVersion
    const packet = events.publish(buffer, index, at, version, this._topic)
    const { topic, payload } = packet
    this._topic = topic
    const acknowledged = (index[at] & events.WANTS_ACK) !== 0
    if (version === 5 && this.options.customHandleAcks && packet.qos > 0) {
      return this._askProgram(packet)
    }
    if (this.handleMessage === Incoming.prototype.handleMessage) {
      if (acknowledged) this._unacknowledged++
      this.emit('message', topic, payload, packet)
      return
    }
    this.emit('message', topic, payload, packet)
    this._handle(packet, acknowledged ? 0 : undefined)
  }

  // Nothing else comes until `_resume`.
  _pause () {
    this._waits = { later: false }
    return this._waits
  }

  _resume (pause) {
    this._waits = null
    if (pause.later) setImmediate(() => this._go())
  }

  // Has the program handle a message, before the next one comes.
  _handle (packet, reason) {
    const pause = this._pause()
    this.handleMessage(packet, (error) => {
      // Of a connection that has ended, it answers nobody.
      if (this._waits !== pause) return
      if (reason !== undefined) this._answer(error, reason)
      this._resume(pause)
    })
    pause.later = true
  }

  // The client leaves while its program handles a message, and hears no more.
  _leaveMessage () {
    if (!this._left) return
    this._waits = null
    this._batch = null
    this._onDisconnected({ cause: CAUSE.REQUESTED, atOnce: false })
  }

  _answer (error, reason) {
    this._acknowledge()
    if (error) this._native?.forgo()
    else this._native?.acknowledge(1, reason)
  }

  _askProgram (packet) {
    const pause = this._pause()
    this.options.customHandleAcks(packet.topic, packet.payload, packet, (error, code) => {
      if (this._waits !== pause) return
      if (typeof error === 'number') {
        code = error
        error = null
      }
      if (!error && !CUSTOM_REASONS.includes(code)) {
        error = new Error(`Wrong reason code for ${packet.qos === 1 ? 'puback' : 'pubrec'}`)
      }
      if (error) {
        this._answer(error)
        this._resume(pause)
        this.emit('error', error)
        return
      }
      if (!code) this.emit('message', packet.topic, packet.payload, packet)
      this._handle(packet, code)
      if (!this._waits) this._resume(pause)
    })
    pause.later = true
  }

  _onConnected (sessionPresent, section, length) {
    const version = this.options.protocolVersion
    const packet = events.packet('connack', { length, sessionPresent }, section)
    packet[version === 5 ? 'reasonCode' : 'returnCode'] = 0
    this._connack = packet
    this.serverProperties = section
    this.connected = true
    this.reconnecting = false
    this._reconnects = 0
    this._clearReconnect()
    this.stream._open()
    this._await([...this._tokens.values()])
    if (this._before === 0) this._deliverQueue()
  }

  // The program hears of the connection when these messages are done.
  _await (entries) {
    for (const entry of entries) {
      entry.before = !entry.volatile
      if (entry.before) this._before++
    }
  }

  // What the stores had is done: what was asked for meanwhile follows, in its order.
  _deliverQueue () {
    const entries = [...this._queue]
    this._queue.clear()
    this._await(entries)
    for (const entry of entries) this._send(entry)
    if (this._before === 0) this._announce()
  }

  _announce () {
    this._resubscribe()
    this.emit('connect', this._connack)
  }

  // One of those messages is done.
  _isDone () {
    if (!this.connected || --this._before > 0) return
    if (this._queue.size) this._deliverQueue()
    else this._announce()
  }

  _done (buffer, at) {
    const token = this._index[at + 5]
    const entry = this._tokens.get(token)
    if (!entry) return
    this._tokens.delete(token)
    const status = this._index[at + 6] | 0
    const before = entry.before
    entry.before = false
    try {
      this._finish(entry, status, buffer, at)
    } finally {
      if (before) this._isDone()
    }
  }

  _finish (entry, status, buffer, at) {
    if (status === 0 && entry.id === 0) {
      // As MQTT.js calls it for a message that has waited.
      if (entry.packet) entry.cb?.(undefined)
      else entry.cb?.()
      return
    }
    // It stays with us, for the next connection; or on disk, for the next client.
    const stays = status === -209 && entry.id
    if (stays && !(this._keeps && entry.cmd === 'publish')) return
    // An acknowledgement may be faster than the disk.
    if (status === 0 && entry.cbStorePut) this._isStored(entry)
    entry.cbStorePut = null
    const reason = this._index[at + 7]
    const packet = this._forget(entry)
    const section = events.sectionOf(buffer, this._index, at)
    if (status === 0) {
      if (entry.cmd === 'publish') {
        const done = packet?.qos === 2 ? { cmd: 'pubrel', qos: 2, messageId: entry.id } : packet
        entry.cb(null, done)
      } else {
        const granted = [...events.secondOf(buffer, this._index, at)]
        const length = this._length(2 + granted.length, this._index[at + 2])
        this._answered(entry, granted, section, length)
      }
    } else if (entry.cmd === 'publish' && reason >= 0x80) {
      const cmd = packet?.qos === 2 ? 'pubrec' : 'puback'
      const length = 3 + (section ? events.sectionLength(this._index[at + 2]) : 0)
      const fields = { length, messageId: entry.id, reasonCode: reason }
      const answer = events.packet(cmd, fields, section)
      entry.cb?.(new ErrorWithReasonCode(`Publish error: ${ReasonCodes[reason]}`, reason), answer)
    } else {
      const lost = status === -102 || status === -209
      entry.cb?.(stays ? left() : lost ? closed() : ofStatus(status, entry.cmd))
    }
    this._afterAnswer()
  }

  _afterAnswer () {
    if (this._outgoing.size !== 0) return
    this._flow()
    if (this.disconnecting) this.emit('outgoingEmpty')
  }

  _answered (entry, granted, section, length) {
    const { cmd, id, packet: { subscriptions: wanted } } = entry
    const version5 = this.options.protocolVersion === 5
    const answer = cmd === 'subscribe' ? 'suback' : 'unsuback'
    const packet = events.packet(answer, { length, messageId: id }, section)
    if (cmd === 'unsubscribe') {
      if (version5) packet.granted = granted
      else packet.length = 2
      entry.cb(null, packet)
      return
    }
    packet.granted = granted
    const topics = this.messageIdToTopic[id]
    delete this.messageIdToTopic[id]
    const refused = granted.find((code) => code >= 0x80)
    if (refused !== undefined) {
      topics?.forEach((topic) => delete this._resubscribeTopics[topic])
      entry.cb(new ErrorWithSubackPacket(`Subscribe error: ${ReasonCodes[refused]}`, packet), packet)
      return
    }
    granted.forEach((code, i) => { wanted[i].qos = code })
    entry.cb(null, packet)
  }

  // It is no longer under way. Returns what the store had of it.
  _forget ({ id }) {
    this._outgoing.delete(id)
    this.messageIdProvider.deallocate(id)
    const kept = this.outgoingStore._inflights
    const packet = kept.get(id)
    kept.delete(id)
    return packet
  }

  _fail (entry, error) {
    this._forget(entry)
    this._queue.delete(entry)
    if (entry.cb && entry.cb !== this.noop) entry.cb(error)
    else this.emit('error', error)
    this._afterAnswer()
  }

  // The native client did not take a message.
  _refused (entry, status) {
    const error = ofStatus(status, 'publish')
    if (entry) this._fail(entry, error)
    else this.emit('error', error)
  }

  _onDisconnected ({ cause, reason, section, length, words, atOnce }) {
    this._attempting = atOnce
    this.connected = false
    this._before = 0
    this._unacknowledged = 0
    this.serverProperties = undefined
    const left = this._left
    this._left = null
    if (cause === CAUSE.DISCONNECT) {
      this.emit('disconnect', events.packet('disconnect', { length, reasonCode: reason }, section))
    }
    if (!this.disconnecting) this._explain(cause, reason, words)
    if (!this.disconnecting || this.options.reconnectPeriod > 0) this._flushVolatile()
    this.stream._close()
    try {
      left?.()
      if (atOnce) this._goesOn()
      else this._setUpReconnect()
    } finally {
      if (!this._attempting) this._releaseProcess()
      this.emit('close')
      if (atOnce) this.emit('reconnect')
    }
  }

  // The native client tries the next server already.
  _goesOn () {
    if (this.reconnecting) return
    this.emit('offline')
    this.reconnecting = true
  }

  // Why it has ended, as an error, if it is one.
  _explain (cause, reason, words) {
    switch (cause) {
      case CAUSE.UNREACHABLE:
      case CAUSE.FAILED: {
        const failure = this._native.failure()
        if (failure) this.emit('error', ofFailure(failure))
        break
      }
      case CAUSE.CONNECT_TIMEOUT:
        this._setUpReconnect()
        this.emit('error', new Error('connack timeout'))
        break
      case CAUSE.SILENT:
        this._setUpReconnect()
        this.emit('error', new Error('Keepalive timeout'))
        break
      case CAUSE.REFUSED: {
        const code = this.options.protocolVersion === 5 ? reason : v3Code(reason)
        this._suppressed = !this.options.reconnectOnConnackError
        const text = `Connection refused: ${ReasonCodes[code]}`
        this.emit('error', new ErrorWithReasonCode(text, code))
        break
      }
      case CAUSE.VIOLATION:
        this._setUpReconnect()
        this.emit('error', new ErrorWithReasonCode(`Protocol error: ${words}`, reason))
    }
  }

  _onChallenge (section) {
    const packet = events.packet('auth', { reasonCode: 0x18 }, section)
    this.handleAuth(packet, (error, answer) => {
      if (error) return this.emit('error', error)
      if (!answer) return
      const data = answer.properties?.authenticationData
      this._native.authenticate(data === undefined ? EMPTY : Buffer.from(data))
    })
  }

  // Whoever waits for an answer that was under way will not have one.
  _flushVolatile () {
    for (const [id, entry] of this._outgoing) {
      if (!entry.volatile || this._queue.has(entry)) continue
      this._outgoing.delete(id)
      const { cb } = entry
      entry.cb = this.noop
      if (entry.cmd === 'subscribe') {
        const error = new ErrorWithSubackPacket('Connection closed', undefined)
        queueMicrotask(() => cb(error, undefined))
      } else {
        cb(new Error('Connection closed'))
      }
    }
  }

  _flushAll () {
    for (const [id, entry] of this._outgoing) {
      this._outgoing.delete(id)
      const { cb } = entry
      entry.cb = this.noop
      cb(new Error('Connection closed'))
    }
  }

  // Stops reading while a stream of messages is full, unless an answer is waited for, which would
  // come the same way.
  _flow () {
    if (!this._streams.size || !this._native) return
    const full = [...this._streams].some((stream) => stream._full)
    this._native.setReading(!full || this._outgoing.size > 0)
  }
}

// The return code of CONNACK in 3.x for a Reason Code.
function v3Code (reason) {
  return { 0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5 }[reason] ?? 3
}

module.exports = { Incoming }
