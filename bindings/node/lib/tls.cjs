'use strict'
// Options of TLS as Node's own tls has them, and what the native code is told.

const fs = require('node:fs')
const tls = require('node:tls')
const { createPrivateKey } = require('node:crypto')
const { unsupported } = require('./errors.cjs')

const VERSIONS = { TLSv1: 10, 'TLSv1.1': 11, 'TLSv1.2': 12, 'TLSv1.3': 13 }

// What Node's tls has beyond; each could change who is trusted, so none is passed over.
const REFUSED = [
  'pfx', 'checkServerIdentity', 'secureContext', 'secureProtocol', 'secureOptions', 'ecdhCurve',
  'sigalgs', 'dhparam', 'session', 'pskCallback', 'pskIdentityHint', 'SNICallback', 'ALPNCallback',
  'privateKeyEngine', 'privateKeyIdentifier', 'clientCertEngine', 'requestCert', 'minDHSize',
  'allowPartialTrustChain'
]

function is (value) {
  return value !== undefined && value !== null && value !== false
}

// PEM of a string, a Buffer, or several of them; undefined if there is none.
function pem (value, name) {
  if (!is(value)) return undefined
  return [value].flat().map((one) => {
    if (typeof one === 'string') return one
    if (one instanceof Uint8Array) return Buffer.from(one).toString('latin1')
    throw unsupported(`option ${name} is neither a string nor a Buffer`)
  }).join('\n')
}

// The one private key, decrypted.
function privateKey (value, passphrase) {
  if (!is(value)) return undefined
  const all = [value].flat()
  if (all.length !== 1) throw unsupported('option key: only one private key is supported')
  const [one] = all
  const own = one?.pem === undefined ? { pem: one } : one
  const text = pem(own.pem, 'key')
  const secret = own.passphrase ?? passphrase
  if (!is(secret) || !text.includes('ENCRYPTED')) return text
  return createPrivateKey({ key: text, passphrase: secret })
    .export({ type: 'pkcs8', format: 'pem' })
}

// The application protocols: a list of names, or a Buffer as on the wire.
function alpn (value) {
  if (!is(value)) return []
  if (Array.isArray(value)) return value.map((name) => Buffer.from(name))
  const names = []
  for (let at = 0; at < value.length; at += 1 + value[at]) {
    names.push(Buffer.from(value.subarray(at + 1, at + 1 + value[at])))
  }
  return names
}

function version ({ minVersion, maxVersion }) {
  const number = (name, usual) => {
    if (!is(name)) return usual
    if (!VERSIONS[name]) throw unsupported(`'${name}' is no version of TLS`)
    return VERSIONS[name]
  }
  const [least, most] = [number(minVersion, 12), number(maxVersion, 13)]
  if (most < 12 || least > most) throw unsupported('only TLS 1.2 and 1.3 are spoken')
  if (most === 12) return 12
  return least === 13 ? 13 : undefined
}

function files (value) {
  return is(value) ? [value].flat().map(String) : []
}

// What both sides know.
function common (options) {
  for (const name of REFUSED) {
    if (is(options[name])) throw unsupported(`option ${name} of TLS is not supported`)
  }
  return {
    ca: pem(options.ca, 'ca'),
    caFiles: files(options.caFile),
    cert: pem(options.cert, 'cert'),
    certFile: is(options.certFile) ? String(options.certFile) : undefined,
    key: privateKey(options.key, options.passphrase),
    keyFile: is(options.keyFile) ? String(options.keyFile) : undefined,
    crl: pem(options.crl, 'crl'),
    crlFiles: files(options.crlFile),
    alpn: alpn(options.ALPNProtocols),
    version: version(options),
    ciphers: is(options.ciphers) ? options.ciphers.split(':') : []
  }
}

// Of a client.
function ofClient (options) {
  return {
    ...common(options),
    // As MQTT.js has it: anything but false.
    strict: options.rejectUnauthorized !== false,
    ask: false,
    serverName: is(options.servername) ? options.servername : undefined
  }
}

const CLIENTS = {
  none: { ask: false, strict: false },
  optional: { ask: true, strict: false },
  required: { ask: true, strict: true }
}

const LISTENER = [
  'ca', 'caFile', 'cert', 'certFile', 'key', 'keyFile', 'passphrase', 'crl', 'crlFile',
  'clientCertificates', 'minVersion', 'maxVersion', 'ciphers', 'ALPNProtocols'
]

// Of a listener.
function ofListener (options) {
  for (const name of Object.keys(options)) {
    if (!LISTENER.includes(name)) throw unsupported(`TLS of a listener has no option '${name}'`)
  }
  const clients = CLIENTS[options.clientCertificates ?? 'none']
  if (!clients) throw unsupported('clientCertificates is none of none, optional, required')
  if (!clients.ask && ['ca', 'caFile', 'crl', 'crlFile'].some((name) => is(options[name]))) {
    throw unsupported('a listener that trusts issuers wants clientCertificates to be optional or required')
  }
  return { ...common(options), ...clients }
}

let trusted

// Whom Node itself trusts: its own list, and the file of NODE_EXTRA_CA_CERTS.
function trustedByNode () {
  if (trusted === undefined) {
    const extra = process.env.NODE_EXTRA_CA_CERTS
    const own = () => [...tls.rootCertificates, ...(extra ? [fs.readFileSync(extra, 'latin1')] : [])]
    trusted = (tls.getCACertificates?.('default') ?? own()).join('\n')
  }
  return trusted
}

module.exports = { ofClient, ofListener, trustedByNode, is }
