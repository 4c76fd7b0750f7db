'use strict'
// MQTT.js's in-memory store, and its providers of message ids.

const { Readable } = require('node:stream')

class Store {
  constructor (options) {
    this.options = { clean: true, ...options }
    this._inflights = new Map()
  }

  put (packet, cb) {
    this._inflights.set(packet.messageId, packet)
    cb?.()
    return this
  }

  createStream () {
    return Readable.from([...this._inflights.values()], { objectMode: true })
  }

  del (packet, cb) {
    const kept = this._inflights.get(packet.messageId)
    if (kept) {
      this._inflights.delete(packet.messageId)
      cb(null, kept)
    } else {
      cb?.(new Error('missing packet'))
    }
    return this
  }

  get (packet, cb) {
    const kept = this._inflights.get(packet.messageId)
    if (kept) cb(null, kept)
    else cb?.(new Error('missing packet'))
    return this
  }

  close (cb) {
    if (this.options.clean) this._inflights.clear()
    cb?.()
  }
}

class DefaultMessageIdProvider {
  constructor () {
    this.nextId = Math.max(1, Math.floor(Math.random() * 65535))
  }

  allocate () {
    const id = this.nextId++
    if (this.nextId === 65536) this.nextId = 1
    return id
  }

  getLastAllocated () {
    return this.nextId === 1 ? 65535 : this.nextId - 1
  }

  register (_messageId) {
    return true
  }

  deallocate (_messageId) {}

  clear () {}
}

class UniqueMessageIdProvider {
  constructor () {
    this.clear()
    this.lastId = undefined
  }

  allocate () {
    let id = 1
    while (this.used.has(id)) id++
    if (id > 65535) return null
    this.used.add(id)
    this.lastId = id
    return id
  }

  getLastAllocated () {
    return this.lastId
  }

  register (messageId) {
    if (this.used.has(messageId)) return false
    this.used.add(messageId)
    return true
  }

  deallocate (messageId) {
    this.used.delete(messageId)
  }

  clear () {
    this.used = new Set()
  }
}

module.exports = { Store, DefaultMessageIdProvider, UniqueMessageIdProvider }
