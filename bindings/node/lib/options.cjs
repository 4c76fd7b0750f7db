'use strict'
// Options as programs give them: what `connect` makes of its arguments, what cannot be honoured,
// and what the native client is told.

const { parse } = require('node:url')
const network = require('./network.cjs')
const properties = require('./properties.cjs')
const { Store, DefaultMessageIdProvider, UniqueMessageIdProvider } = require('./store.cjs')
const { unsupported } = require('./errors.cjs')

const DEFAULTS = {
  keepalive: 60,
  reschedulePings: true,
  protocolId: 'MQTT',
  protocolVersion: 4,
  reconnectPeriod: 1000,
  connectTimeout: 30 * 1000,
  clean: true,
  resubscribe: true,
  subscribeBatchSize: null,
  writeCache: true,
  timerVariant: 'auto'
}

// The options of connect(url, options), connect(url) and connect(options). If there is a URL they
// are a new object, which the client keeps; what the program gives wins over the URL.
function ofArguments (url, options) {
  if (typeof url === 'object' && !options) {
    options = url
    url = ''
  }
  options = options || {}
  if (url && typeof url === 'string') {
    // As programs have it: this parser takes what the newer one refuses.
    const parsed = parse(url, true)
    const { hostname: host, query, auth, protocol } = parsed
    // The parser takes an abstract name for a user and a host.
    const path = /^(?:mqtt\+)?unix:(?:\/\/)?(@.+)$/.exec(url)?.[1] ?? parsed.path
    const port = parsed.port == null ? {} : { port: Number(parsed.port) }
    options = { ...port, host, query, auth, protocol, path, ...options }
    if (!options.protocol) throw new Error('Missing protocol')
    options.protocol = options.protocol.replace(/:$/, '')
  }
  options.unixSocket ||= options.protocol === 'unix' || options.protocol?.endsWith('+unix')
  if (options.unixSocket) {
    const protocol = options.protocol?.replace(/\+?unix$/, '') || 'mqtt'
    if (!['mqtt', 'tcp'].includes(protocol)) {
      throw unsupported(`protocol '${options.protocol}' is not supported: a Unix socket has no TLS or WebSocket`)
    }
    options.protocol = 'unix'
  } else if (!options.protocol?.startsWith('ws') && !options.protocol?.startsWith('wx')) {
    delete options.path
  }
  if (options.auth) {
    const both = options.auth.match(/^(.+):(.+)$/)
    options.username = both ? both[1] : options.auth
    if (both) options.password = both[2]
  }
  if (typeof options.query?.clientId === 'string') options.clientId = options.query.clientId
  if (options.cert && options.key) options.protocol = network.secureProtocol(options.protocol)
  options.protocol = network.known(options.protocol)
  if (options.clean === false && !options.clientId) {
    throw new Error('Missing clientId for unclean clients')
  }
  options.defaultProtocol = options.protocol
  check(options)
  return options
}

const DURABILITY = new Map([['sync', 0], ['off', -1]])

// Where a broker or a client keeps what outlives it, and when it is on disk: after so many
// milliseconds at most; 0: before anything depends on it; below: when it ends.
function storage ({ dataDirectory, durability }) {
  if (dataDirectory !== undefined && (typeof dataDirectory !== 'string' || !dataDirectory)) {
    throw unsupported('dataDirectory is not the path of a directory')
  }
  if (durability === undefined) return { dataDirectory }
  if (dataDirectory === undefined) throw unsupported('durability wants a dataDirectory')
  const number = DURABILITY.get(durability) ?? durability
  if (!Number.isFinite(number) || (number < 0 && durability !== 'off')) {
    throw unsupported('durability is none of sync, off and a number of milliseconds')
  }
  return { dataDirectory, durability: number }
}

// What is kept beyond the process is found again by the Client Identifier, and belongs to a session
// that the server keeps too.
function checkStorage (options) {
  const { dataDirectory } = storage(options)
  for (const name of ['incomingStore', 'outgoingStore']) {
    if (!options[name]) continue
    if (!(options[name] instanceof Store)) {
      throw unsupported(`option ${name}: only the in-memory Store of this package is supported; ` +
        'option dataDirectory keeps messages beyond the process')
    }
    if (dataDirectory) throw unsupported(`${name} and dataDirectory exclude each other`)
  }
  if (!dataDirectory) return
  if (typeof options.clientId !== 'string' || !options.clientId) {
    throw unsupported('dataDirectory wants a clientId, by which messages are found again')
  }
  if (options.clean === undefined || options.clean) throw unsupported('dataDirectory wants clean: false')
  if (options.protocolVersion === 5 && !options.properties?.sessionExpiryInterval) {
    throw unsupported('dataDirectory wants properties.sessionExpiryInterval above 0')
  }
}

// Refuses what cannot be honoured.
function check (options) {
  network.check(options)
  if (options.authPacket) throw unsupported('option authPacket is not supported: use handleAuth')
  checkStorage(options)
  const provider = options.messageIdProvider
  if (provider && !(provider instanceof DefaultMessageIdProvider) &&
    !(provider instanceof UniqueMessageIdProvider)) {
    throw unsupported('option messageIdProvider: only the providers of this package are supported')
  }
  if (![3, 4, 5].includes(options.protocolVersion ?? 4)) {
    throw unsupported(`protocolVersion ${options.protocolVersion} is none of 3, 4 and 5`)
  }
}

function bytes (value, name) {
  if (value === undefined || value === null) return properties.EMPTY
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return value
  throw new Error(`Invalid ${name}`)
}

function will ({ topic, payload, qos, retain, properties: section }, version) {
  return {
    topic: String(topic),
    payload: bytes(payload, 'will payload'),
    qos: qos || 0,
    retain: Boolean(retain),
    properties: version === 5 ? properties.encode(section, ['willDelayInterval']) : properties.EMPTY,
    delay: (version === 5 && section?.willDelayInterval) || 0
  }
}

// Session Expiry Interval: for 3.x that of Clean Session.
function sessionExpiry (options, version, given) {
  if (version === 5) return given.sessionExpiryInterval ?? 0
  return options.clean ? 0 : 0xffffffff
}

const KNOWN = [
  'sessionExpiryInterval',
  'receiveMaximum',
  'maximumPacketSize',
  'topicAliasMaximum',
  'requestResponseInformation',
  'requestProblemInformation',
  'authenticationMethod',
  'authenticationData'
]

// What the native client is told.
function settings (options, client) {
  check(options)
  // First: it may be there that the program changes its options.
  const reached = network.settings(options, client)
  const version = options.protocolVersion
  const given = (version === 5 && options.properties) || {}
  const outAliases = options.autoUseTopicAlias || options.autoAssignTopicAlias
  const method = given.authenticationMethod
  const receive = given.receiveMaximum
  const authenticationData = given.authenticationData
  return {
    ...reached,
    clientId: String(options.clientId),
    version,
    clean: Boolean(options.clean),
    sessionExpiry: sessionExpiry(options, version, given),
    keepAlive: Number(options.keepalive),
    connectTimeout: Number(options.connectTimeout),
    ...credentials(options),
    will: options.will ? will(options.will, version) : undefined,
    authenticationMethod: method ?? undefined,
    authenticationData: authenticationData ? bytes(authenticationData) : undefined,
    userProperties: properties.encode(given, KNOWN),
    requestResponseInformation: Boolean(given.requestResponseInformation),
    requestProblemInformation: given.requestProblemInformation !== false,
    receiveMaximum: Number.isInteger(receive) && receive > 0 && receive < 65536 ? receive : 65535,
    maximumPacketSize: given.maximumPacketSize ?? 0,
    topicAliasMaximum: given.topicAliasMaximum > 0xffff ? 0 : given.topicAliasMaximum ?? 0,
    topicAliasOut: outAliases ? 65535 : 0,
    // The face does that, as MQTT.js does.
    resubscribe: false,
    queueMessages: Number.MAX_SAFE_INTEGER,
    queueBytes: options.queueBytesMax ?? 2 ** 30,
    inFlight: 65535,
    ...storage(options)
  }
}

// User Name and Password.
function credentials ({ username, password }) {
  return {
    userName: username === undefined || username === null ? undefined : String(username),
    password: password === undefined || password === null ? undefined : bytes(password, 'password')
  }
}

module.exports = { DEFAULTS, ofArguments, check, storage, settings, credentials, bytes }
