'use strict'
// How a client reaches its servers: protocols, URLs, TLS, WebSocket and proxies.

const tls = require('./tls.cjs')
const { unsupported } = require('./errors.cjs')

// What each protocol is dialled with, and its port.
const PROTOCOLS = {
  mqtt: ['mqtt', 1883],
  tcp: ['mqtt', 1883],
  mqtts: ['mqtts', 8883],
  ssl: ['mqtts', 8883],
  tls: ['mqtts', 8883],
  ws: ['ws', 80],
  wss: ['wss', 443],
  unix: ['unix', 0]
}
const SECURE = { mqtt: 'mqtts', tcp: 'mqtts', ws: 'wss', wx: 'wxs', ali: 'alis' }
const NOT_THERE = ['wx', 'wxs', 'ali', 'alis']
// What `wsOptions` may have beside what TLS has.
const WEB_SOCKET = [
  'headers', 'origin', 'auth', 'protocolVersion', 'perMessageDeflate', 'skipUTF8Validation'
]
const TLS = [
  'ca', 'cert', 'key', 'passphrase', 'rejectUnauthorized', 'servername', 'minVersion',
  'maxVersion', 'ciphers', 'crl', 'ALPNProtocols'
]
const { is } = tls

// The protocol with TLS.
function secureProtocol (protocol) {
  if (!protocol) throw new Error('Missing secure protocol key')
  if (Object.values(SECURE).includes(protocol) || protocol === 'ssl' || protocol === 'tls') {
    return protocol
  }
  if (!SECURE[protocol]) throw new Error(`Unknown protocol for secure connection: "${protocol}"!`)
  return SECURE[protocol]
}

// The protocol that a name means: as in MQTT.js, a strange one is mqtt.
function known (protocol) {
  return PROTOCOLS[protocol] || NOT_THERE.includes(protocol) ? protocol : 'mqtt'
}

function protocolsOf (options) {
  const usual = options.defaultProtocol ?? options.protocol ?? 'mqtt'
  return options.servers?.map((server) => server.protocol ?? usual) ?? [options.protocol ?? 'mqtt']
}

// Refuses what cannot be honoured.
function check (options) {
  for (const protocol of protocolsOf(options)) {
    if (NOT_THERE.includes(protocol)) throw unsupported(`protocol '${protocol}' is not supported`)
  }
  if (is(options.socksTimeout)) {
    throw unsupported('option socksTimeout is not supported: connectTimeout counts for proxies too')
  }
  if (options.createWebsocket) throw unsupported('option createWebsocket is not supported')
  const { protocolVersion, perMessageDeflate, ...others } = options.wsOptions ?? {}
  if (is(perMessageDeflate)) throw unsupported('wsOptions.perMessageDeflate is not supported')
  if (is(protocolVersion) && protocolVersion !== 13) {
    throw unsupported(`wsOptions.protocolVersion ${protocolVersion} is not supported: 13 is`)
  }
  for (const name of Object.keys(others)) {
    if (!WEB_SOCKET.includes(name) && !TLS.includes(name) && is(others[name])) {
      throw unsupported(`wsOptions.${name} is not supported`)
    }
  }
}

function url (server, protocol, options, client) {
  const [scheme, usual] = PROTOCOLS[known(protocol)]
  if (scheme === 'unix') {
    if (!options.path) throw new Error('Missing path of the Unix socket')
    return `unix:${options.path}`
  }
  const name = server.hostname || server.host || 'localhost'
  const host = name.includes(':') && !name.startsWith('[') ? `[${name}]` : name
  const place = `${scheme}://${host}:${server.port || usual}`
  if (!scheme.startsWith('ws')) return place
  const path = server.path ?? options.path ?? '/'
  const whole = place + (path.startsWith('/') ? path : `/${path}`)
  return options.transformWsUrl ? options.transformWsUrl(whole, options, client) : whole
}

function headers ({ headers = {}, origin, auth } = {}) {
  const all = Object.entries(headers).filter(([, value]) => is(value))
  if (is(origin)) all.push(['Origin', origin])
  if (is(auth)) all.push(['Authorization', `Basic ${Buffer.from(auth).toString('base64')}`])
  return all.flatMap(([name, value]) => [value].flat().map((one) => ({ name, value: String(one) })))
}

// What the native client is told. Within the process there is nothing to reach.
function settings (options, client) {
  const protocols = protocolsOf(options)
  const list = options.servers ?? [options]
  const servers = list.map((server, at) => url(server, protocols[at], options, client))
  const secure = servers.some((server) => /^(mqtts|wss):/.test(server))
  const web = servers.some((server) => /^wss?:/.test(server))
  const overWeb = secure && servers.some((server) => server.startsWith('wss:'))
  const proxy = options.proxy ?? options.socksProxy ?? process.env.MQTTJS_SOCKS_PROXY
  return {
    servers,
    tls: secure ? tls.ofClient(overWeb ? { ...options, ...options.wsOptions } : options) : undefined,
    // As in MQTT.js, those of the protocols that are not spoken are not looked at.
    headers: web ? headers(options.wsOptions) : [],
    proxy: is(proxy) && proxy !== '' ? String(proxy) : undefined
  }
}

module.exports = { secureProtocol, known, check, settings }
