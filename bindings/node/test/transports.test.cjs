'use strict'
// The same over every transport, and what goes wrong with each.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { once } = require('node:events')
const theirs = require('mqtt')
const { mqtt, withBroker, clientOf, connectedOf, run, serverOf } = require('./helpers.cjs')
const { Authority, folder } = require('./certificates.cjs')

// A broker with a listener of each kind, and how to reach each.
async function everywhere (t) {
  const directory = folder(t)
  const authority = new Authority(directory)
  const { cert, key } = authority.issue('server')
  const me = authority.issue('me', { usage: 'clientAuth' })
  const ca = authority.pem
  const socket = path.join(directory, 's')
  const asked = []
  const broker = await withBroker(t, {
    events: ['connect'],
    listeners: [
      { port: 0 },
      { port: 0, tls: { cert, key } },
      { port: 0, tls: { cert, key, ca, clientCertificates: 'required' }, certificateUser: 'commonName' },
      { port: 0, webSocket: { path: '/mqtt', origins: ['https://example.org'] } },
      { port: 0, tls: { cert, key }, webSocket: true },
      { path: socket }
    ]
  })
  broker.on('connect', (client) => asked.push(client))
  const [tcp, tls, mtls, ws, wss, unix] = broker.urls
  assert.match(broker.urls.join(' '), /^mqtt:\S+ mqtts:\S+ mqtts:\S+ ws:\S+ wss:\S+ unix:\S+$/)
  const ways = {
    tcp: [tcp],
    tls: [tls, { ca }],
    mtls: [mtls, { ca, cert: me.cert, key: me.key }],
    ws: [`${ws}/mqtt`, { wsOptions: { headers: { 'X-Mine': 'x' }, origin: 'https://example.org' } }],
    wss: [wss, { ca: Buffer.from(ca) }],
    unix: [unix]
  }
  return { broker, ways, authority, asked, directory, me }
}

// Waits for it, whatever fails before.
function connects (client) {
  return new Promise((resolve) => client.once('connect', resolve))
}

async function exchange (t, connect, [url, options], protocolVersion) {
  const client = connect(url, { protocolVersion, reconnectPeriod: 0, ...options })
  const failed = once(client, 'error').then(([error]) => { throw error })
  failed.catch(() => {})
  t.after(() => client.endAsync(true))
  await Promise.race([once(client, 'connect'), failed])
  const got = []
  const all = new Promise((resolve) => {
    client.on('message', (topic, payload) => got.push([topic, payload.length]) === 3 && resolve())
  })
  await client.subscribeAsync('a/#', { qos: 2 })
  // More than a record of TLS and more than a frame has room for.
  for (const qos of [0, 1, 2]) await client.publishAsync(`a/${qos}`, Buffer.alloc(100_000 * qos), { qos })
  await Promise.race([all, failed])
  assert.deepEqual(got.sort(), [['a/0', 0], ['a/1', 100_000], ['a/2', 200_000]])
  await client.endAsync()
}

test('the same over every transport', async (t) => {
  const { ways, asked } = await everywhere(t)
  for (const [name, way] of Object.entries(ways)) {
    for (const version of [4, 5]) {
      await t.test(`${name} ${version}`, (t) => exchange(t, mqtt.connect, way, version))
    }
  }
  const shown = asked.filter(({ certificate }) => certificate)
  assert.deepEqual(shown.map(({ username, certificate }) => [username, certificate.commonName, certificate.subject]),
    [['me', 'me', 'CN=me'], ['me', 'me', 'CN=me']])
  assert.ok(shown.every(({ certificate }) => certificate.raw.length > 100))
  assert.equal(asked.filter(({ address }) => address === undefined || address === null).length, 2)
})

test('MQTT.js comes in over tls, mtls, ws and wss', async (t) => {
  const { ways } = await everywhere(t)
  for (const name of ['tls', 'mtls', 'ws', 'wss']) {
    const [url, options] = ways[name]
    const wsOptions = { ...options.wsOptions, ca: options.ca }
    await t.test(name, (t) => exchange(t, theirs.connect, [url, { ...options, wsOptions }], 5))
  }
})

test('servers of several protocols are tried in turn', async (t) => {
  const { ways, broker } = await everywhere(t)
  const port = (way) => Number(new URL(way[0]).port)
  const dead = await withBroker(t)
  const nobody = dead.port
  await dead.close()
  const servers = [
    { host: '127.0.0.1', port: nobody },
    { host: '127.0.0.1', port: port(ways.wss), protocol: 'wss' }
  ]
  await connects(clientOf(t, undefined, { servers, ca: ways.tls[1].ca }))
  assert.equal(broker.stats().connections, 1)
})

test('wrong certificates are told apart as by MQTT.js', async (t) => {
  const directory = folder(t)
  const authority = new Authority(directory)
  const ca = authority.pem
  const good = authority.issue('server')
  const kinds = {
    CERT_HAS_EXPIRED: authority.issue('expired', { expired: true }),
    ERR_TLS_CERT_ALTNAME_INVALID: authority.issue('other', { names: 'DNS:other.example' }),
    DEPTH_ZERO_SELF_SIGNED_CERT: authority.issue('own', { selfSigned: true }),
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: new Authority(directory, 'stranger').issue('strange'),
    INVALID_PURPOSE: authority.issue('purpose', { usage: 'clientAuth' })
  }
  const failure = async (connect, url, options) => {
    const client = connect(url, { reconnectPeriod: 0, ...options })
    t.after(() => client.endAsync(true))
    const [error] = await once(client, 'error')
    return [error.code, error.message.replace(/: .*/, '')]
  }
  for (const [code, { cert, key }] of Object.entries(kinds)) {
    const broker = await withBroker(t, { listeners: [{ port: 0, tls: { cert, key } }] })
    const mine = await failure(mqtt.connect, broker.url, { ca })
    assert.deepEqual(mine, await failure(theirs.connect, broker.url, { ca }), code)
    assert.equal(mine[0], code)
    await connectedOf(t, broker.url, { ca, rejectUnauthorized: false })
  }
  const broker = await withBroker(t, { listeners: [{ port: 0, tls: { cert: good.cert, key: good.key } }] })
  assert.equal((await failure(mqtt.connect, broker.url, { ca, crl: authority.revoke(good) }))[0], 'CERT_REVOKED')
  // Whom Node trusts, it is not.
  assert.equal((await failure(mqtt.connect, broker.url))[0], 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  // Unless it is told to.
  const program = `const client = require('libmqtt').connect('${broker.url}')
    client.on('error', (error) => { throw error })
    client.on('connect', () => client.end(() => console.log('connected')))`
  const { out, err } = await run(['-e', program], { env: { NODE_EXTRA_CA_CERTS: authority.file('pem') } })
  assert.equal(out, 'connected\n', err)
  // The name that the certificate must have.
  await connectedOf(t, broker.url, { ca, servername: 'localhost', minVersion: 'TLSv1.3', ALPNProtocols: ['mqtt'] })
  assert.equal((await failure(mqtt.connect, broker.url, { ca, servername: 'h.example' }))[0], 'ERR_TLS_CERT_ALTNAME_INVALID')
})

test('a client without certificate is refused, and an encrypted key is decrypted', async (t) => {
  const { ways: { mtls: [url, { ca, cert }] }, authority, me } = await everywhere(t)
  const [error] = await once(clientOf(t, url, { ca, reconnectPeriod: 0 }), 'error')
  assert.equal(error.code, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
  const key = authority.encrypted(me, 'secret')
  await connectedOf(t, url, { ca, cert, key, passphrase: 'secret' })
  await connectedOf(t, url, { ca, cert, key: [{ pem: key, passphrase: 'secret' }] })
  assert.throws(() => mqtt.connect(url, { ca, cert, key }), { code: 'MQTT_FILE_INVALID', message: /encrypted/ })
})

test('certificates, passwords and rights are read again', async (t) => {
  const directory = folder(t)
  const authority = new Authority(directory)
  const ca = authority.pem
  const { certFile, keyFile } = authority.issue('server')
  const [passwordFile, aclFile] = ['passwords', 'rights'].map((name) => path.join(directory, name))
  const program = path.join(path.dirname(require.resolve('libmqtt/package.json')), 'bin/libmqtt.cjs')
  const { code, err } = await run([program, 'passwd', '-c', '-b', passwordFile, 'ada', 'secret'])
  assert.equal(code, 0, err)
  fs.writeFileSync(aclFile, 'user ada\ntopic readwrite mine/#\n')
  const broker = await withBroker(t, {
    listeners: [{ port: 0, tls: { certFile, keyFile } }],
    passwordFile,
    aclFile
  })
  const login = { ca, username: 'ada', password: 'secret', protocolVersion: 5, reconnectPeriod: 0 }
  const client = await connectedOf(t, broker.url, login)
  await client.publishAsync('mine/x', 'x', { qos: 1 })
  await assert.rejects(client.publishAsync('yours/x', 'x', { qos: 1 }), { code: 0x87 })
  const [refused] = await once(clientOf(t, broker.url, { ...login, password: 'wrong' }), 'error')
  assert.equal(refused.code, 0x86)
  fs.writeFileSync(aclFile, 'user ada\ntopic readwrite yours/#\n')
  const next = new Authority(directory, 'next')
  const renewed = next.issue('renewed')
  fs.copyFileSync(renewed.certFile, certFile)
  fs.copyFileSync(renewed.keyFile, keyFile)
  broker.reload()
  await client.publishAsync('yours/x', 'x', { qos: 1 })
  await connectedOf(t, broker.url, { ...login, ca: next.pem })
  // What is of no use changes nothing, and is told.
  fs.writeFileSync(certFile, 'nonsense')
  assert.throws(() => broker.reload(), { code: 'MQTT_FILE_INVALID' })
  await connectedOf(t, broker.url, { ...login, ca: next.pem })
})

test('a broker with a data directory keeps what it has acknowledged', async (t) => {
  const options = { dataDirectory: path.join(folder(t), 'data'), durability: 'sync', sysInterval: 0 }
  const first = await withBroker(t, options)
  const session = { clean: false, clientId: 'c' }
  const away = await connectedOf(t, first.url, session)
  await away.subscribeAsync('a', { qos: 1 })
  await away.endAsync()
  const publisher = await connectedOf(t, first.url)
  await publisher.publishAsync('a', 'kept', { qos: 1 })
  await publisher.publishAsync('r', 'retained', { qos: 1, retain: true })
  await publisher.endAsync()
  await first.close()
  const second = await withBroker(t, options)
  assert.equal(second.stats().retained, 1)
  const back = clientOf(t, second.url, session)
  const [topic, payload] = await once(back, 'message')
  assert.deepEqual([topic, String(payload)], ['a', 'kept'])
})

test('limits', async (t) => {
  const broker = await withBroker(t, { addressConnectionsMax: 1, payloadMax: 10 })
  const client = await connectedOf(t, broker.url, { protocolVersion: 5 })
  await assert.rejects(client.publishAsync('a', 'more than ten', { qos: 1 }), { code: 131 })
  const second = clientOf(t, broker.url)
  await new Promise((resolve) => second.once('close', resolve))
})

test('the page is served only if it is asked for', async (t) => {
  const broker = await withBroker(t, {
    listeners: [{ port: 0, webSocket: { page: true } }, { port: 0, webSocket: true }]
  })
  const [page, none] = await Promise.all(broker.urls.map((url) => fetch(url.replace('ws:', 'http:'))))
  assert.deepEqual([page.status, none.status === 200], [200, false])
  assert.match(await page.text(), /<html/)
})

test('a way that is closed says so', async (t) => {
  const { ways: { ws: [ws] }, directory } = await everywhere(t)
  const failure = async (url, options) => (await once(clientOf(t, url, { reconnectPeriod: 0, ...options }), 'error'))[0]
  assert.equal((await failure(ws.replace('/mqtt', '/other'))).code, 'MQTT_WEB_SOCKET_FAILED')
  assert.equal((await failure(ws, { wsOptions: { origin: 'https://evil.example' } })).code, 'MQTT_WEB_SOCKET_FAILED')
  const { port } = await serverOf(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  assert.equal((await failure(`mqtts://127.0.0.1:${port}`)).code, 'ERR_SSL_WRONG_VERSION_NUMBER')
  const missing = path.join(directory, 'nobody')
  const error = await failure(`mqtt+unix://${missing}`)
  assert.deepEqual([error.code, error.address, error.message], ['ENOENT', missing, `connect ENOENT ${missing}`])
})

test('transformWsUrl makes the URL of each attempt', async (t) => {
  const { ways: { ws: [ws] } } = await everywhere(t)
  const asked = []
  const client = clientOf(t, ws.replace('/mqtt', '/other'), {
    reconnectPeriod: 1,
    transformWsUrl: (url, options, client) => {
      asked.push([new URL(url).pathname, options === client.options])
      return asked.length === 1 ? url : url.replace('/other', '/mqtt')
    }
  })
  await connects(client)
  assert.deepEqual(asked, [['/other', true], ['/other', true]])
})

test('listeners that cannot be had are refused', async () => {
  const refused = (listener, message) => assert.rejects(
    mqtt.Broker.start({ listeners: [listener] }), { code: 'MQTT_BAD_ARGUMENT', message }
  )
  await refused({ port: 0, nonsense: 1 }, /nonsense/)
  await refused({ port: 0, path: '/s' }, /either/)
  await refused({ port: 0, tls: { cert: 'c' } }, /go together/)
  await refused({ port: 0, tls: { requestCert: true } }, /requestCert/)
  await refused({ port: 0, tls: { clientCertificates: 'perhaps' } }, /perhaps|none of/)
  await refused({ port: 0, webSocket: { nonsense: 1 } }, /nonsense/)
  await refused({ port: 0, webSocket: { trustedProxies: ['x'] } }, /network/)
  await refused({ port: 0, tls: { cert: 'c', key: 'k', ca: 'a' } }, /optional or required/)
  await refused({ port: 0, certificateUser: 'subject' }, /required/)
  await refused({ port: 0, proxies: ['10.0.0.0/8'] }, /proxyProtocol/)
  await refused({ port: 0, proxyProtocol: 3 }, /proxyProtocol/)
  await assert.rejects(mqtt.Broker.start({ port: 0, durability: 'sync' }), /dataDirectory/)
  await assert.rejects(mqtt.Broker.start({ port: 0, anonymous: true, authenticate: () => true }), /authenticate/)
  await assert.rejects(mqtt.Broker.start({ port: 0, passwordFile: '/nobody/has/this' }), { code: 'MQTT_FILE_UNREADABLE' })
})
