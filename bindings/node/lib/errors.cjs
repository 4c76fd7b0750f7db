'use strict'
// Errors, and the texts of Reason Codes as MQTT.js has them.

const native = require('./native.cjs')

const ReasonCodes = {
  0: '',
  1: 'Unacceptable protocol version',
  2: 'Identifier rejected',
  3: 'Server unavailable',
  4: 'Bad username or password',
  5: 'Not authorized',
  16: 'No matching subscribers',
  17: 'No subscription existed',
  128: 'Unspecified error',
  129: 'Malformed Packet',
  130: 'Protocol Error',
  131: 'Implementation specific error',
  132: 'Unsupported Protocol Version',
  133: 'Client Identifier not valid',
  134: 'Bad User Name or Password',
  135: 'Not authorized',
  136: 'Server unavailable',
  137: 'Server busy',
  138: 'Banned',
  139: 'Server shutting down',
  140: 'Bad authentication method',
  141: 'Keep Alive timeout',
  142: 'Session taken over',
  143: 'Topic Filter invalid',
  144: 'Topic Name invalid',
  145: 'Packet identifier in use',
  146: 'Packet Identifier not found',
  147: 'Receive Maximum exceeded',
  148: 'Topic Alias invalid',
  149: 'Packet too large',
  150: 'Message rate too high',
  151: 'Quota exceeded',
  152: 'Administrative action',
  153: 'Payload format invalid',
  154: 'Retain not supported',
  155: 'QoS not supported',
  156: 'Use another server',
  157: 'Server moved',
  158: 'Shared Subscriptions not supported',
  159: 'Connection rate exceeded',
  160: 'Maximum connect time',
  161: 'Subscription Identifiers not supported',
  162: 'Wildcard Subscriptions not supported'
}

class ErrorWithReasonCode extends Error {
  constructor (message, code) {
    super(message)
    this.code = code
    Object.setPrototypeOf(this, ErrorWithReasonCode.prototype)
    Object.getPrototypeOf(this).name = 'ErrorWithReasonCode'
  }
}

class ErrorWithSubackPacket extends Error {
  constructor (message, packet) {
    super(message)
    this.packet = packet
    Object.setPrototypeOf(this, ErrorWithSubackPacket.prototype)
    Object.getPrototypeOf(this).name = 'ErrorWithSubackPacket'
  }
}

const statuses = new Map(native.statuses().map((status) => [status.number, status]))

// The error of one of libmqtt's own statuses.
function ofStatus (number, what) {
  const { code, message } = statuses.get(number)
  return Object.assign(new Error(`${what}: ${message}`), { code })
}

// Of what was under way when the client let go of the connection for good.
function closed () {
  return new Error('Connection closed')
}

// Likewise, of a client that keeps its messages: the next one sends it.
function left () {
  return Object.assign(closed(), { code: 'MQTT_ABANDONED' })
}

// What is not there, or not with this transport.
function unsupported (what) {
  return Object.assign(new Error(`libmqtt: ${what}`), { code: 'MQTT_BAD_ARGUMENT' })
}

// Host and port of a server, or the path of a Unix socket, which has no port.
function placeOf (server) {
  if (server.startsWith('unix:')) return { host: server.slice(5) }
  const place = server.replace(/^\w+:\/\//, '').replace(/\/.*$/, '')
  const at = place.lastIndexOf(':')
  const host = place.slice(0, at).replace(/^\[|\]$/g, '')
  return { host, port: Number(place.slice(at + 1)) }
}

// The error that Node itself would give for a failed connection.
function ofFailure (failure) {
  const { code, errno } = failure
  if (failure.layer) return Object.assign(new Error(failure.message), { code })
  const { host, port } = placeOf(failure.server)
  if (failure.resolving) {
    const error = new Error(`getaddrinfo ${code} ${host}`)
    return Object.assign(error, { errno, code, syscall: 'getaddrinfo', hostname: host })
  }
  const syscall = failure.connected ? 'read' : 'connect'
  if (failure.connected) return Object.assign(new Error(`${syscall} ${code}`), { errno, code, syscall })
  const error = new Error(`${syscall} ${code} ${port === undefined ? host : `${host}:${port}`}`)
  Object.assign(error, { errno, code, syscall, address: host })
  return port === undefined ? error : Object.assign(error, { port })
}

module.exports = {
  ReasonCodes,
  ErrorWithReasonCode,
  ErrorWithSubackPacket,
  ofStatus,
  ofFailure,
  closed,
  left,
  unsupported
}
