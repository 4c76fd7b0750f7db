'use strict'
// Whole packets as they went over the wire, for those who watch, in the shapes that MQTT.js gives
// them. They were checked before. MQTT 5.0 §3, MQTT 3.1.1 §3.

const properties = require('./properties.cjs')

const NAMES = [
  null, 'connect', 'connack', 'publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe',
  'suback', 'unsubscribe', 'unsuback', 'pingreq', 'pingresp', 'disconnect', 'auth'
]

class Reader {
  constructor (buffer, at, version) {
    this.buffer = buffer
    this.at = at
    this.version = version
  }

  get left () {
    return this.buffer.length - this.at
  }

  byte () {
    return this.buffer[this.at++]
  }

  two () {
    this.at += 2
    return this.buffer.readUInt16BE(this.at - 2)
  }

  varint () {
    let value = 0
    let factor = 1
    let byte
    do {
      byte = this.byte()
      value += (byte & 0x7f) * factor
      factor *= 128
    } while (byte & 0x80)
    return value
  }

  binary () {
    return this.bytes(this.two())
  }

  text () {
    return this.binary().toString()
  }

  bytes (length) {
    this.at += length
    return this.buffer.subarray(this.at - length, this.at)
  }

  // The properties, where the version has them and the packet does not end before.
  section (packet) {
    if (this.version !== 5 || this.left === 0) return
    const length = this.varint()
    const section = properties.decode(this.buffer, this.at, this.at + length)
    this.at += length
    if (section) packet.properties = section
  }
}

function connect (reader, packet) {
  packet.protocolId = reader.text()
  packet.protocolVersion = reader.version = reader.byte()
  const flags = reader.byte()
  packet.clean = (flags & 2) !== 0
  packet.keepalive = reader.two()
  reader.section(packet)
  packet.clientId = reader.text()
  if (flags & 4) {
    packet.will = { retain: (flags & 0x20) !== 0, qos: (flags >> 3) & 3 }
    reader.section(packet.will)
    packet.will.topic = reader.text()
    packet.will.payload = reader.binary()
  }
  if (flags & 0x80) packet.username = reader.text()
  if (flags & 0x40) packet.password = reader.binary()
}

function connack (reader, packet) {
  packet.sessionPresent = (reader.byte() & 1) !== 0
  packet[reader.version === 5 ? 'reasonCode' : 'returnCode'] = reader.byte()
  reader.section(packet)
}

function publish (reader, packet) {
  packet.topic = reader.text()
  if (packet.qos) packet.messageId = reader.two()
  reader.section(packet)
  packet.payload = reader.bytes(reader.left)
}

// PUBACK, PUBREC, PUBREL, PUBCOMP.
function ack (reader, packet) {
  packet.messageId = reader.two()
  reason(reader, packet)
}

function reason (reader, packet) {
  if (reader.version !== 5) return
  if (reader.left) packet.reasonCode = reader.byte()
  reader.section(packet)
}

function subscribe (reader, packet) {
  packet.messageId = reader.two()
  reader.section(packet)
  packet.subscriptions = []
  while (reader.left) {
    const topic = reader.text()
    const options = reader.byte()
    const subscription = { topic, qos: options & 3 }
    if (reader.version === 5) {
      subscription.nl = (options & 4) !== 0
      subscription.rap = (options & 8) !== 0
      subscription.rh = (options >> 4) & 3
    }
    packet.subscriptions.push(subscription)
  }
}

function unsubscribe (reader, packet) {
  packet.messageId = reader.two()
  reader.section(packet)
  packet.unsubscriptions = []
  while (reader.left) packet.unsubscriptions.push(reader.text())
}

// SUBACK, UNSUBACK.
function granted (reader, packet) {
  packet.messageId = reader.two()
  reader.section(packet)
  if (packet.cmd === 'suback' || reader.version === 5) packet.granted = [...reader.bytes(reader.left)]
}

const BODIES = {
  connect,
  connack,
  publish,
  puback: ack,
  pubrec: ack,
  pubrel: ack,
  pubcomp: ack,
  subscribe,
  suback: granted,
  unsubscribe,
  unsuback: granted,
  disconnect: reason,
  auth: reason
}

function headerOf (first) {
  return { retain: (first & 1) !== 0, qos: (first >> 1) & 3, dup: (first & 8) !== 0 }
}

// A packet that came, with what the parser of MQTT.js puts into every packet.
function received (bytes, version) {
  const reader = new Reader(bytes, 1, version)
  const length = reader.varint()
  const cmd = NAMES[bytes[0] >> 4]
  const packet = { cmd, ...headerOf(bytes[0]), length, topic: null, payload: null }
  BODIES[cmd]?.(reader, packet)
  if (version === 5 && (BODIES[cmd] === ack || BODIES[cmd] === reason)) packet.reasonCode ??= 0
  return packet
}

// What MQTT.js makes such a packet of, beside what is on the wire.
const MADE = {
  publish: { messageId: 0 },
  puback: { reasonCode: 0 },
  pubrel: { qos: 2 }
}

// A packet that was sent, as MQTT.js would have made it.
function sent (bytes, version) {
  const reader = new Reader(bytes, 1, version)
  reader.varint()
  const cmd = NAMES[bytes[0] >> 4]
  const packet = { cmd, ...MADE[cmd] }
  if (cmd === 'publish') Object.assign(packet, headerOf(bytes[0]))
  BODIES[cmd]?.(reader, packet)
  return packet
}

module.exports = { received, sent }
