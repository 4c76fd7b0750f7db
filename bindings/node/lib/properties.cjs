'use strict'
// Property sections of MQTT 5.0 as objects with MQTT.js's names, and back. MQTT 5.0 §2.2.2.

const EMPTY = Buffer.alloc(0)

// How a value stands on the wire.
const BYTE = 0
const FLAG = 1
const TWO = 2
const FOUR = 3
const VARINT = 4
const TEXT = 5
const BINARY = 6
const PAIR = 7

const ALL = [
  [1, 'payloadFormatIndicator', FLAG],
  [2, 'messageExpiryInterval', FOUR],
  [3, 'contentType', TEXT],
  [8, 'responseTopic', TEXT],
  [9, 'correlationData', BINARY],
  [11, 'subscriptionIdentifier', VARINT],
  [17, 'sessionExpiryInterval', FOUR],
  [18, 'assignedClientIdentifier', TEXT],
  [19, 'serverKeepAlive', TWO],
  [21, 'authenticationMethod', TEXT],
  [22, 'authenticationData', BINARY],
  [23, 'requestProblemInformation', FLAG],
  [24, 'willDelayInterval', FOUR],
  [25, 'requestResponseInformation', FLAG],
  [26, 'responseInformation', TEXT],
  [28, 'serverReference', TEXT],
  [31, 'reasonString', TEXT],
  [33, 'receiveMaximum', TWO],
  [34, 'topicAliasMaximum', TWO],
  [35, 'topicAlias', TWO],
  [36, 'maximumQoS', BYTE],
  [37, 'retainAvailable', FLAG],
  [38, 'userProperties', PAIR],
  [39, 'maximumPacketSize', FOUR],
  [40, 'wildcardSubscriptionAvailable', FLAG],
  [41, 'subscriptionIdentifiersAvailable', FLAG],
  [42, 'sharedSubscriptionAvailable', FLAG]
]
const BY_ID = new Map(ALL.map(([id, name, kind]) => [id, { id, name, kind }]))
const BY_NAME = new Map(ALL.map(([id, name, kind]) => [name, { id, name, kind }]))
const MAX = { [BYTE]: 0xff, [TWO]: 0xffff, [FOUR]: 0xffffffff, [VARINT]: 0xfffffff }

function invalid (name) {
  return new Error(`Invalid ${name}`)
}

function number (kind, value) {
  if (kind === VARINT) {
    const bytes = []
    do {
      bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0))
      value = Math.floor(value / 128)
    } while (value > 0)
    return Buffer.from(bytes)
  }
  if (kind === BYTE) return Buffer.from([value])
  const bytes = Buffer.alloc(kind === TWO ? 2 : 4)
  if (kind === TWO) bytes.writeUInt16BE(value)
  else bytes.writeUInt32BE(value)
  return bytes
}

function prefixed (name, value) {
  const bytes = Buffer.from(value)
  if (bytes.length > 0xffff) throw invalid(name)
  return [number(TWO, bytes.length), bytes]
}

function put (parts, { id, name, kind }, value) {
  const one = Buffer.from([id])
  if (kind === FLAG) {
    if (typeof value !== 'boolean' && value !== 0 && value !== 1) throw invalid(name)
    parts.push(one, number(BYTE, Number(value)))
  } else if (kind === TEXT) {
    if (typeof value !== 'string') throw invalid(name)
    parts.push(one, ...prefixed(name, value))
  } else if (kind === BINARY) {
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) throw invalid(name)
    parts.push(one, ...prefixed(name, value))
  } else {
    if (!Number.isInteger(value) || value < 0 || value > MAX[kind]) throw invalid(name)
    parts.push(one, number(kind, value))
  }
}

// The section of these properties; those named in `but` are left out.
function encode (properties, but) {
  if (properties == null) return EMPTY
  const parts = []
  for (const name of Object.keys(properties)) {
    const value = properties[name]
    if (value === undefined || value === null || (but && but.includes(name))) continue
    const property = BY_NAME.get(name)
    if (!property) throw new Error(`Unknown property '${name}'`)
    if (property.kind === PAIR) {
      for (const key of Object.keys(value)) {
        for (const text of Array.isArray(value[key]) ? value[key] : [value[key]]) {
          parts.push(Buffer.from([property.id]))
          parts.push(...prefixed(name, key), ...prefixed(name, String(text)))
        }
      }
    } else if (property.kind === VARINT && Array.isArray(value)) {
      for (const one of value) put(parts, property, one)
    } else {
      put(parts, property, value)
    }
  }
  return Buffer.concat(parts)
}

// The properties of a section; undefined if it is empty.
function decode (buffer, start, end) {
  if (start === end) return undefined
  const properties = {}
  let at = start
  const text = () => {
    const length = buffer.readUInt16BE(at)
    at += 2 + length
    return buffer.toString('utf8', at - length, at)
  }
  while (at < end) {
    const { name, kind } = BY_ID.get(buffer[at++])
    switch (kind) {
      case BYTE:
        properties[name] = buffer[at++]
        break
      case FLAG:
        properties[name] = buffer[at++] === 1
        break
      case TWO:
        properties[name] = buffer.readUInt16BE(at)
        at += 2
        break
      case FOUR:
        properties[name] = buffer.readUInt32BE(at)
        at += 4
        break
      case VARINT: {
        let value = 0
        let factor = 1
        let byte
        do {
          byte = buffer[at++]
          value += (byte & 0x7f) * factor
          factor *= 128
        } while (byte & 0x80)
        const before = properties[name]
        if (before === undefined) properties[name] = value
        else properties[name] = Array.isArray(before) ? [...before, value] : [before, value]
        break
      }
      case TEXT:
        properties[name] = text()
        break
      case BINARY: {
        const length = buffer.readUInt16BE(at)
        at += 2 + length
        properties[name] = Buffer.from(buffer.subarray(at - length, at))
        break
      }
      case PAIR: {
        properties[name] ??= Object.create(null)
        const pairs = properties[name]
        const key = text()
        const value = text()
        if (!(key in pairs)) pairs[key] = value
        else if (Array.isArray(pairs[key])) pairs[key].push(value)
        else pairs[key] = [pairs[key], value]
      }
    }
  }
  return properties
}

module.exports = { EMPTY, encode, decode }
