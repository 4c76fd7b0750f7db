'use strict'
// The events of a native client: numbers in an index beside one Buffer. `src/events.rs` writes
// them.

const properties = require('./properties.cjs')

const WORDS = 8
const MAX = 256

const KIND = {
  MESSAGE: 1,
  DONE: 2,
  CONNECTED: 3,
  DISCONNECTED: 4,
  CHALLENGE: 5,
  LOST: 6,
  SENT: 7,
  RECEIVED: 8
}
const FLAG = 1 << 10
const RETAIN = 1 << 10
const DUP = 1 << 11
const WANTS_ACK = 1 << 12
const ASCII = 1 << 13
const SAME_TOPIC = 1 << 14

const CAUSE = {
  REQUESTED: 0,
  UNREACHABLE: 1,
  CLOSED: 2,
  FAILED: 3,
  CONNECT_TIMEOUT: 4,
  SILENT: 5,
  REFUSED: 6,
  DISCONNECT: 7,
  VIOLATION: 8
}

// An index for a batch; its last number says how many events there are.
function newIndex () {
  return new Uint32Array(WORDS * MAX + 1)
}

// A received PUBLISH as MQTT.js has it. The topic of the one before it may be its own too.
function publish (buffer, index, at, version, lastTopic) {
  const flags = index[at]
  const start = index[at + 1]
  const endOfTopic = start + index[at + 2]
  const endOfSection = endOfTopic + index[at + 3]
  const end = endOfSection + index[at + 4]
  const qos = (flags >> 8) & 3
  const packet = {
    cmd: 'publish',
    retain: (flags & RETAIN) !== 0,
    qos,
    dup: (flags & DUP) !== 0,
    length: 2 + end - start + (qos ? 2 : 0),
    topic: flags & SAME_TOPIC
      ? lastTopic
      : flags & ASCII
        ? buffer.latin1Slice(start, endOfTopic)
        : buffer.utf8Slice(start, endOfTopic),
    payload: buffer.subarray(endOfSection, end)
  }
  if (qos) packet.messageId = index[at + 5]
  if (version === 5) {
    packet.length += sectionLength(index[at + 3]) - index[at + 3]
    if (index[at + 3]) packet.properties = properties.decode(buffer, endOfTopic, endOfSection)
  }
  return packet
}

// Bytes of a property section on the wire, its length included.
function sectionLength (bytes) {
  return bytes + (bytes < 128 ? 1 : bytes < 16384 ? 2 : bytes < 2097152 ? 3 : 4)
}

// A packet that the server sent, but for PUBLISH.
function packet (cmd, fields, section) {
  const made = {
    cmd, retain: false, qos: 0, dup: false, length: -1, topic: null, payload: null, ...fields
  }
  if (section) made.properties = section
  return made
}

// The first part of an event, a property section.
function sectionOf (buffer, index, at) {
  return properties.decode(buffer, index[at + 1], index[at + 1] + index[at + 2])
}

// The first part of an event, as it is.
function firstOf (buffer, index, at) {
  return buffer.subarray(index[at + 1], index[at + 1] + index[at + 2])
}

// The second part of an event.
function secondOf (buffer, index, at) {
  const start = index[at + 1] + index[at + 2]
  return buffer.subarray(start, start + index[at + 3])
}

module.exports = {
  WORDS,
  MAX,
  KIND,
  FLAG,
  WANTS_ACK,
  CAUSE,
  newIndex,
  publish,
  packet,
  sectionLength,
  sectionOf,
  firstOf,
  secondOf
}
