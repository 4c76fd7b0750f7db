'use strict'
// What programs find at `client.stream`: not the bytes, which the native client has, but its
// events and its end.

const { EventEmitter } = require('node:events')

class Transport extends EventEmitter {
  constructor (client) {
    super()
    this.setMaxListeners(1000)
    this.destroyed = false
    Object.defineProperty(this, '_client', { value: client })
  }

  // Closes the connection; the client connects again as its options say.
  end (callback) {
    if (typeof callback === 'function') this.once('close', callback)
    this._client._drop()
    return this
  }

  destroy (error) {
    if (error) process.nextTick(() => this._client.emit('error', error))
    return this.end()
  }

  _open () {
    this.destroyed = false
    this.emit('connect')
  }

  _close () {
    this.destroyed = true
    this.emit('close')
  }
}

module.exports = { Transport }
