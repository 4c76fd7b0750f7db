'use strict'
// Messages on their way to the native client: those of one turn of the event loop cross together.

const { unsupported } = require('./errors.cjs')

const WORDS = 6
const MAX = 512
const FIRST_BYTES = 16 * 1024
const BYTES = 256 * 1024
const RETAIN = 1 << 2
const TRACKED = 1 << 3

class Outbox {
  constructor (client) {
    this.client = client
    this.data = Buffer.allocUnsafeSlow(FIRST_BYTES)
    this.index = new Uint32Array(WORDS * MAX)
    this.entries = new Array(MAX)
    this.count = 0
    this.used = 0
    this.scheduled = false
    this.flush = () => this._flush()
  }

  // Puts a message in. With an entry, the client hears what becomes of it.
  put (topic, payload, section, qos, retain, entry) {
    const text = typeof payload === 'string'
    const most = topic.length * 3 + section.length + (text ? payload.length * 3 : payload.length)
    if (this.count === MAX || this.used + most > this.data.length) this._makeRoom(most)
    const { data, index } = this
    const at = this.count * WORDS
    let end = this.used
    index[at] = end
    end += index[at + 1] = data.utf8Write(topic, end)
    if (section.length) data.set(section, end)
    end += index[at + 2] = section.length
    if (text) {
      end += index[at + 3] = data.utf8Write(payload, end)
    } else {
      data.set(payload, end)
      end += index[at + 3] = payload.length
    }
    index[at + 4] = qos | (retain ? RETAIN : 0) | (entry ? TRACKED : 0)
    this.entries[this.count++] = entry
    this.used = end
    if (!this.scheduled) {
      this.scheduled = true
      process.nextTick(this.flush)
    }
  }

  _makeRoom (most) {
    if (this.count === MAX || this.used + most > BYTES) this._flush()
    const wanted = this.used + most
    if (wanted <= this.data.length) return
    if (wanted > 2 ** 31) throw unsupported('message is too large')
    let size = this.data.length
    while (size < wanted) size *= 2
    const data = Buffer.allocUnsafeSlow(size)
    data.set(this.data.subarray(0, this.used))
    this.data = data
  }

  _flush () {
    this.scheduled = false
    const { count, index, entries, client } = this
    if (count === 0) return
    this.count = 0
    this.used = 0
    const good = client._native.publish(this.data, index, count)
    if (this.data.length > BYTES) this.data = Buffer.allocUnsafeSlow(FIRST_BYTES)
    const refused = []
    for (let i = 0; i < count; i++) {
      const entry = entries[i]
      entries[i] = undefined
      const token = index[i * WORDS + 5]
      if (token) {
        client._tokens.set(token, entry)
        if (entry.cbStorePut) client._awaitDisk((error) => error || client._isStored(entry))
      } else if (!good && index[i * WORDS + 4]) {
        // What was refused has the status in place of its flags.
        refused.push([entry, index[i * WORDS + 4] | 0])
      }
    }
    // Listeners run when all is in order.
    for (const [entry, status] of refused) client._refused(entry, status)
  }
}

module.exports = { Outbox }
