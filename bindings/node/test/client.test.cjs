'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { once } = require('node:events')
const { mqtt, withBroker, clientOf, connectedOf, catching, serverOf } = require('./helpers.cjs')

const CONNACK = Buffer.from([0x20, 2, 0, 0])

test('what cannot be honoured is refused', () => {
  const refused = (...words) => {
    assert.throws(() => mqtt.connect(...words), { code: 'MQTT_BAD_ARGUMENT' }, JSON.stringify(words))
  }
  for (const url of ['wx://h', 'alis://h', 'mqtts+unix:///s', 'ws+unix:///s']) {
    refused(url)
  }
  const idle = { manualConnect: true }
  for (const name of ['pfx', 'checkServerIdentity', 'secureContext', 'ecdhCurve', 'session']) {
    refused('mqtts://h', { [name]: 'x' })
  }
  refused('mqtts://h', { maxVersion: 'TLSv1.1' })
  refused('mqtts://h', { minVersion: 'TLSv1.9' })
  refused('mqtts://h', { ciphers: 'DES-CBC3-SHA' })
  refused('mqtts://h', { servername: 'not a name' })
  refused('mqtts://h', { cert: 'c' })
  refused('mqtts://h', { key: ['a', 'b'] })
  refused('ws://h', { wsOptions: { agent: {} } })
  refused('ws://h', { wsOptions: { perMessageDeflate: true } })
  refused('ws://h', { wsOptions: { headers: { Host: 'x' } } })
  refused('ws://h', { createWebsocket: () => {} })
  refused('mqtt://h', { socksProxy: 'socks4://p' })
  refused('mqtt://h', { socksTimeout: 1 })
  mqtt.connect('mqtt://127.0.0.1:1', { reconnectPeriod: 0, wsOptions: { headers: { A: 'x' } } }).end()
  assert.equal(mqtt.connect('mqtt://h', { ...idle, cert: 'c', key: 'k' }).options.protocol, 'mqtts')
  refused('mqtt://h', { authPacket: {} })
  refused('mqtt://h', { incomingStore: { put () {} } })
  refused('mqtt://h', { outgoingStore: {} })
  refused('mqtt://h', { messageIdProvider: {} })
  refused('mqtt://h', { protocolVersion: 6 })
  refused({ servers: [{ host: 'h', port: 1, protocol: 'wx' }] })
  assert.throws(() => new mqtt.MqttClient(() => {}, {}), { code: 'MQTT_BAD_ARGUMENT' })
})

test('packets are shown to those who watch, and only as long as they do', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  const sent = []
  const watch = ({ cmd }) => sent.push(cmd)
  client.on('packetsend', watch)
  await client.publishAsync('t', 'x', { qos: 2 })
  assert.deepEqual(sent, ['publish', 'pubrel'])
  const answer = once(client, 'packetreceive')
  client.off('packetsend', watch)
  await client.publishAsync('t', 'x', { qos: 1 })
  assert.equal((await answer)[0].cmd, 'puback')
  await client.publishAsync('t', 'x', { qos: 1 })
  client.prependListener('packetsend', watch)
  const connected = once(client, 'connect')
  client.stream.end()
  await connected
  assert.deepEqual(sent.slice(2), ['connect'])
})

test('a payload of another type is refused in the call', async (t) => {
  const client = clientOf(t, 'mqtt://127.0.0.1:1', { manualConnect: true })
  for (const payload of [1, {}, [], true]) {
    assert.throws(() => client.publish('t', payload), TypeError)
  }
})

test('topics and properties that are not valid come back as errors', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url, { protocolVersion: 5 })
  await assert.rejects(client.publishAsync('a/#', 'x', { qos: 1 }), { code: 'MQTT_BAD_TOPIC' })
  await assert.rejects(client.publishAsync('a/#', 'x'), { code: 'MQTT_BAD_TOPIC' })
  await assert.rejects(client.publishAsync('t', 'x', { properties: { nonsense: 1 } }), /nonsense/)
  await assert.rejects(client.publishAsync('t', 'x', { properties: { topicAlias: 70000 } }), /topicAlias/)
  await assert.rejects(client.publishAsync('t', 'x', { qos: 3 }), /qos/)
  const told = once(client, 'error')
  client.publish('a/#', 'x')
  assert.equal((await told)[0].code, 'MQTT_BAD_TOPIC')
  await client.publishAsync('t', 'still connected', { qos: 1 })
})

test('a queue that is full refuses', async (t) => {
  const client = clientOf(t, 'mqtt://127.0.0.1:1', { queueBytesMax: 10000 })
  const refused = client.publishAsync('t', Buffer.alloc(20000), { qos: 1 })
  await assert.rejects(refused, { code: 'MQTT_QUEUE_FULL' })
})

test('a message is copied before publish returns', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  await client.subscribeAsync('t')
  const payload = Buffer.from('before')
  client.publish('t', payload)
  payload.fill(0)
  const [, received] = await once(client, 'message')
  assert.equal(String(received), 'before')
})

test('an offline queue is sent in order, and a payload is what it was', async (t) => {
  const broker = await withBroker(t)
  const listener = await connectedOf(t, broker.url)
  await listener.subscribeAsync('t', { qos: 2 })
  const seen = []
  listener.on('message', (topic, payload) => seen.push(String(payload)))
  const client = clientOf(t, broker.url, { manualConnect: true })
  const payload = Buffer.from('0')
  client.publish('t', payload, { qos: 1 })
  payload.fill('x')
  for (let i = 1; i < 20; i++) client.publish('t', String(i), { qos: 1 })
  client.publish('t', 'zero')
  assert.equal(client.queue.length, 1)
  client.connect()
  await once(client, 'connect')
  assert.equal(client.queue.length, 0)
  while (seen.length < 21) await once(listener, 'message')
  assert.deepEqual(seen, [...Array(20).keys(), 'zero'].map(String))
})

test('a large message and an empty one', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  await client.subscribeAsync('t', { qos: 1 })
  const payload = Buffer.alloc(5 * 1024 * 1024, 'abc')
  client.publish('t', payload, { qos: 1 })
  const [, received] = await once(client, 'message')
  assert.ok(received.equals(payload))
  client.publish('t', '')
  const [, empty] = await once(client, 'message')
  assert.equal(empty.length, 0)
})

test('topics beyond ASCII', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  await client.subscribeAsync('größe/#')
  client.publish('größe/😀', 'ü')
  const [topic, payload] = await once(client, 'message')
  assert.equal(topic, 'größe/😀')
  assert.equal(String(payload), 'ü')
})

test('a listener that throws ends nothing', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  await client.subscribeAsync('t', { qos: 1 })
  const seen = []
  client.on('message', (topic, payload) => {
    seen.push(String(payload))
    if (seen.length < 3) throw new Error(`at ${payload}`)
  })
  const caught = await catching(async () => {
    for (let i = 0; i < 5; i++) client.publish('t', String(i), { qos: 1 })
    while (seen.length < 5) await new Promise((resolve) => setImmediate(resolve))
  })
  assert.deepEqual(seen, ['0', '1', '2', '3', '4'])
  assert.deepEqual(caught, ['at 0', 'at 1'])
})

test('a broker that dies and comes back', async (t) => {
  const first = await mqtt.Broker.start({ port: 0 })
  const { port } = first
  const client = await connectedOf(t, first.url, { clientId: 'c' })
  await client.subscribeAsync('t', { qos: 1 })
  const order = []
  for (const name of ['offline', 'close', 'reconnect', 'error', 'connect']) {
    client.on(name, () => order.push(name))
  }
  const closed = once(client, 'close')
  await first.close({ deadline: 0 })
  await closed
  const kept = client.publishAsync('t', 'kept', { qos: 1 })
  await once(client, 'error')
  const second = await mqtt.Broker.start({ port })
  t.after(() => second.close({ deadline: 100 }))
  const message = once(client, 'message')
  await once(client, 'connect')
  await kept
  client.publish('t', 'after')
  await message
  assert.deepEqual(order.slice(0, 5), ['offline', 'close', 'reconnect', 'error', 'close'])
  assert.equal(order.filter((name) => name === 'offline').length, 1)
  assert.equal(order.at(-1), 'connect')
})

// Takes what is published until a text comes, whatever errors there are meanwhile.
function textsUntil (client, last) {
  const seen = []
  return new Promise((resolve) => client.on('message', (topic, payload) => {
    if (seen.push(String(payload)) && seen.at(-1) === last) resolve(seen)
  }))
}

// Counts the packets of a connection and breaks it where the test says.
async function cutter (t, port, shouldCut) {
  const net = require('node:net')
  const proxy = await serverOf(t, (socket) => {
    const upstream = net.connect(port, '127.0.0.1')
    upstream.on('error', () => {})
    const pass = (from, to, side) => {
      let rest = Buffer.alloc(0)
      from.on('data', (data) => {
        rest = Buffer.concat([rest, data])
        while (rest.length >= 2 && rest.length >= 2 + rest[1]) {
          const packet = rest.subarray(0, 2 + rest[1])
          rest = rest.subarray(2 + rest[1])
          if (shouldCut(side, packet[0] >> 4)) {
            socket.destroy()
            upstream.destroy()
            return
          }
          to.write(packet)
        }
      })
      from.on('close', () => to.destroy())
    }
    pass(socket, upstream, 'client')
    pass(upstream, socket, 'broker')
  })
  return proxy
}

for (const [what, side, type] of [
  ['PUBLISH', 'client', 3], ['PUBREC', 'broker', 5], ['PUBREL', 'client', 6], ['PUBCOMP', 'broker', 7]
]) {
  test(`QoS 2 from the client is exactly once, with ${what} lost`, async (t) => {
    const broker = await withBroker(t)
    let cuts = 0
    const { url } = await cutter(t, broker.port, (from, packet) => {
      return from === side && packet === type && cuts++ % 2 === 0 && cuts < 6
    })
    const listener = await connectedOf(t, broker.url)
    await listener.subscribeAsync('t', { qos: 2 })
    const texts = textsUntil(listener, 'end')
    const client = await connectedOf(t, url, { clientId: 'twice', clean: false })
    for (const text of ['0', '1', '2', '3', 'end']) await client.publishAsync('t', text, { qos: 2 })
    assert.deepEqual(await texts, ['0', '1', '2', '3', 'end'])
    assert.ok(cuts > 1)
  })

  test(`QoS 2 to the client is exactly once, with ${what} lost`, async (t) => {
    const broker = await withBroker(t)
    const other = side === 'client' ? 'broker' : 'client'
    let cuts = 0
    const { url } = await cutter(t, broker.port, (from, packet) => {
      return from === other && packet === type && cuts++ % 2 === 0 && cuts < 6
    })
    const client = await connectedOf(t, url, { clientId: 'twice', clean: false })
    await client.subscribeAsync('t', { qos: 2 })
    const texts = textsUntil(client, 'end')
    const publisher = await connectedOf(t, broker.url)
    for (const text of ['0', '1', '2', '3', 'end']) {
      const next = new Promise((resolve) => client.once('message', resolve))
      await publisher.publishAsync('t', text, { qos: 2 })
      await next
    }
    assert.deepEqual(await texts, ['0', '1', '2', '3', 'end'])
    assert.ok(cuts > 0)
  })
}

test('a will comes when the transport is lost, and none after a goodbye', async (t) => {
  const broker = await withBroker(t)
  const listener = await connectedOf(t, broker.url)
  await listener.subscribeAsync('will/#')
  const { url, sockets } = await cutter(t, broker.port, () => false)
  const will = { topic: 'will/1', payload: 'gone', qos: 1 }
  await connectedOf(t, url, { will, reconnectPeriod: 0 })
  const message = once(listener, 'message')
  sockets.forEach((socket) => socket.destroy())
  assert.equal(String((await message)[1]), 'gone')
  const good = await connectedOf(t, broker.url, { will: { ...will, topic: 'will/2' } })
  await good.endAsync()
  const forced = await connectedOf(t, broker.url, { will: { ...will, topic: 'will/3' } })
  const next = once(listener, 'message')
  await forced.endAsync(true)
  assert.equal((await next)[0], 'will/3')
})

test('properties of 5.0 there and back', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url, {
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 60, userProperties: { who: 'me' }, topicAliasMaximum: 10 }
  })
  assert.equal(client.serverProperties.receiveMaximum, 1024)
  await client.subscribeAsync('t', { properties: { subscriptionIdentifier: 268435455 } })
  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 100,
    contentType: 'text/plain',
    responseTopic: 'answers',
    correlationData: Buffer.from([0, 1, 255]),
    userProperties: { a: ['1', '2'], b: 'ü' }
  }
  client.publish('t', 'x', { properties })
  const [, , packet] = await once(client, 'message')
  const { subscriptionIdentifier, messageExpiryInterval, ...rest } = packet.properties
  assert.equal(subscriptionIdentifier, 268435455)
  assert.ok(messageExpiryInterval <= 100)
  const { messageExpiryInterval: _, ...sent } = properties
  assert.deepEqual({ ...rest, userProperties: { ...rest.userProperties } }, sent)
})

test('topic aliases out', async (t) => {
  const broker = await withBroker(t)
  const listener = await connectedOf(t, broker.url)
  await listener.subscribeAsync('a/long/topic/#')
  const client = await connectedOf(t, broker.url, { protocolVersion: 5, autoAssignTopicAlias: true })
  const seen = []
  listener.on('message', (topic) => seen.push(topic))
  for (let i = 0; i < 100; i++) client.publish(`a/long/topic/${i % 3}`, 'x')
  while (seen.length < 100) await once(listener, 'message')
  assert.deepEqual(seen.slice(0, 4), [0, 1, 2, 0].map((i) => `a/long/topic/${i}`))
})

test('handleMessage holds back acknowledgements', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url, { clientId: 'slow', clean: false })
  await client.subscribeAsync('t', { qos: 1 })
  let take
  client.handleMessage = (packet, callback) => { take = callback }
  await broker.publish('t', 'one', { qos: 1 })
  await once(client, 'message')
  await client.endAsync(true)
  const again = clientOf(t, broker.url, { clientId: 'slow', clean: false })
  const [, payload, packet] = await once(again, 'message')
  assert.equal(String(payload), 'one')
  assert.equal(packet.dup, true)
  take()
})

test('a back-off grows', async (t) => {
  const client = clientOf(t, 'mqtt://127.0.0.1:1', {
    manualConnect: true, reconnectPeriod: 100, reconnectBackoff: { max: 1000, jitter: false }
  })
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(() => client._delay()), [100, 200, 400, 800, 1000, 1000])
  client.options.reconnectBackoff = { max: 1000 }
  for (let i = 0; i < 100; i++) assert.ok(client._delay() <= 1000)
})

test('a connection can be dropped by its transport', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  client.stream.setMaxListeners(0)
  const closed = once(client.stream, 'close')
  client.stream.end()
  await closed
  await once(client, 'connect')
  assert.equal(client.connected, true)
})

test('unanswered packets survive a change of the client id', async (t) => {
  const broker = await withBroker(t)
  const listener = await connectedOf(t, broker.url)
  await listener.subscribeAsync('t', { qos: 1 })
  const { url } = await serverOf(t, (socket) => {
    socket.on('data', (data) => data[0] === 0x10 ? socket.write(CONNACK) : socket.destroy())
  })
  const client = await connectedOf(t, url, { clientId: 'one' })
  const published = client.publishAsync('t', 'x', { qos: 1 })
  client.once('close', () => {
    Object.assign(client.options, { clientId: 'two', host: '127.0.0.1', port: broker.port })
  })
  const [, payload] = await once(listener, 'message')
  assert.equal(String(payload), 'x')
  await published
})
