'use strict'
// Messages as an async iterable.

const { matches } = require('./topics.cjs')

const ASYNC_DISPOSE = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')

class MessageStream {
  // `bound`: messages that may wait; then the server waits too.
  constructor (client, topics, { bound = 1000, ...options } = {}) {
    if (!(bound > 0)) throw new RangeError('bound must be above 0')
    this._client = client
    this._filters = typeof topics === 'string'
      ? [topics]
      : Array.isArray(topics) ? topics : Object.keys(topics)
    this._bound = bound
    this._list = []
    this._waiting = []
    this._full = false
    this._ended = false
    this._error = null
    this._take = (topic, payload, packet) => this._put(topic, payload, packet)
    client.on('message', this._take)
    client._streams.add(this)
    this.subscribed = client.subscribeAsync(topics, options)
    this.subscribed.catch((error) => this._end(error))
  }

  _put (topic, payload, packet) {
    if (!this._filters.some((filter) => matches(filter, topic))) return
    const { qos, retain, dup, properties } = packet
    const message = { topic, payload, qos, retain, dup, properties, packet }
    const next = this._waiting.shift()
    if (next) return next.resolve({ value: message, done: false })
    this._list.push(message)
    if (this._list.length >= this._bound && !this._full) {
      this._full = true
      this._client._flow()
    }
  }

  next () {
    if (this._list.length) {
      const value = this._list.shift()
      if (this._full && this._list.length <= this._bound / 2) {
        this._full = false
        this._client._flow()
      }
      return Promise.resolve({ value, done: false })
    }
    if (this._error) {
      const error = this._error
      this._error = null
      return Promise.reject(error)
    }
    if (this._ended) return Promise.resolve({ value: undefined, done: true })
    return new Promise((resolve, reject) => this._waiting.push({ resolve, reject }))
  }

  // The loop was left.
  async return (value) {
    const { _client: client } = this
    const over = this._ended
    this._list = []
    this._end()
    if (!over && !client.disconnecting && !client.disconnected) {
      // A connection that is lost meanwhile has no subscription either.
      await client.unsubscribeAsync(this._filters).catch(() => {})
    }
    return { value, done: true }
  }

  async [ASYNC_DISPOSE] () {
    await this.return()
  }

  [Symbol.asyncIterator] () {
    return this
  }

  // No more messages come; those that wait can be had.
  _end (error = null) {
    if (this._ended) return
    this._ended = true
    const { _client: client } = this
    client.off('message', this._take)
    this._full = false
    client._flow()
    client._streams.delete(this)
    const waiting = this._waiting.splice(0)
    if (error && waiting.length) waiting.shift().reject(error)
    else this._error = error
    for (const next of waiting) next.resolve({ value: undefined, done: true })
  }
}

module.exports = { MessageStream }
