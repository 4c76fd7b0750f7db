'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const net = require('node:net')
const { once } = require('node:events')
const { mqtt, withBroker, clientOf, connectedOf, catching } = require('./helpers.cjs')

test('a broker says where it listens', async (t) => {
  const broker = await withBroker(t)
  assert.ok(broker.port > 0)
  assert.equal(broker.url, `mqtt://127.0.0.1:${broker.port}`)
  assert.deepEqual(broker.addresses, [`127.0.0.1:${broker.port}`])
  assert.equal(broker.running, true)
  await assert.rejects(mqtt.Broker.start({ port: broker.port }), { code: 'MQTT_LISTEN_FAILED', message: /EADDRINUSE/ })
  const two = await withBroker(t, { listen: ['127.0.0.1:0', '[::1]:0'] })
  assert.equal(two.addresses.length, 2)
})

test('options that are not there are refused', async () => {
  for (const options of [{ nonsense: 1 }, { events: ['x'] }, { port: 0, host: 'not an address' }]) {
    await assert.rejects(mqtt.Broker.start(options), { code: 'MQTT_BAD_ARGUMENT' })
  }
  await assert.rejects(mqtt.Broker.start({ authenticate: true }), TypeError)
})

test('events that were not asked for are refused', async (t) => {
  const broker = await withBroker(t)
  assert.throws(() => broker.on('publish', () => {}), { code: 'MQTT_BAD_ARGUMENT' })
})

test('hooks decide, at once or later', async (t) => {
  for (const later of [false, true]) {
    const verdict = (value) => later ? Promise.resolve(value) : value
    const asked = []
    const broker = await withBroker(t, {
      authenticate: (client) => {
        asked.push(client)
        return verdict(client.username === 'u' && String(client.password) === 'p')
      },
      authorizePublish: (client, { topic, payload, qos, properties }) => {
        asked.push({ client, topic, payload: String(payload), qos, properties })
        return verdict(topic === 'no' ? 0x97 : true)
      },
      authorizeSubscribe: (client, { topic, qos }) => {
        asked.push({ topic, qos })
        return verdict(topic !== 'no')
      }
    })
    const options = { protocolVersion: 5, username: 'u', password: 'p', clientId: 'c' }
    const client = await connectedOf(t, broker.url, options)
    const { address, port, password, ...who } = asked[0]
    assert.equal(address, '127.0.0.1')
    assert.ok(port > 0)
    assert.equal(String(password), 'p')
    assert.deepEqual(who, {
      clientId: 'c', username: 'u', protocolVersion: 5, step: 'connect',
      authenticationMethod: undefined, authenticationData: undefined
    })
    const properties = { contentType: 't' }
    await client.publishAsync('yes', 'x', { qos: 1, properties })
    const { client: publisher, ...published } = asked[1]
    assert.equal(publisher.clientId, 'c')
    assert.deepEqual(published, { topic: 'yes', payload: 'x', qos: 1, properties })
    await assert.rejects(client.publishAsync('no', 'x', { qos: 1 }), { code: 0x97 })
    await client.subscribeAsync('yes', { qos: 2 })
    await assert.rejects(client.subscribeAsync('no'), /Not authorized/)
    const wrong = clientOf(t, broker.url, { protocolVersion: 5, username: 'x' })
    const [error] = await once(wrong, 'error')
    assert.equal(error.code, 135)
  }
})

test('a hook that fails denies and is told', async (t) => {
  let answer
  const broker = await withBroker(t, { authenticate: () => answer() })
  for (answer of [
    () => { throw new Error('thrown') },
    async () => { throw new Error('rejected') },
    () => undefined,
    () => 'yes'
  ]) {
    const told = once(broker, 'error')
    const client = clientOf(t, broker.url)
    const [error] = await once(client, 'error')
    assert.equal(error.code, 5)
    await told
  }
})

test('a broker tells what happens', async (t) => {
  const events = ['connect', 'subscribe', 'publish', 'unsubscribe', 'disconnect']
  const broker = await withBroker(t, { events })
  const seen = []
  const all = new Promise((resolve) => {
    for (const name of events) {
      broker.on(name, (...values) => seen.push([name, ...values]) === 6 && resolve())
    }
  })
  const client = await connectedOf(t, broker.url, { clientId: 'c' })
  await client.subscribeAsync('t', { qos: 1 })
  await client.publishAsync('t', 'x', { qos: 1, retain: true })
  broker.publish('own', 'y')
  await client.unsubscribeAsync('t')
  await client.endAsync()
  await all
  assert.deepEqual(seen.map(([name]) => name).sort(), [...events, 'publish'].sort())
  const one = (name) => seen.find(([found]) => found === name)
  assert.deepEqual(one('subscribe').slice(1, 2), [{ topic: 't', qos: 1 }])
  assert.equal(one('publish')[1].retain, true)
  assert.equal(seen.find(([name, packet]) => name === 'publish' && packet.topic === 'own')[2], null)
  assert.equal(one('unsubscribe')[1], 't')
  assert.equal(one('disconnect')[2], 0)
})

test('a listener that throws ends nothing, and what follows keeps its order', async (t) => {
  const broker = await withBroker(t, { events: ['publish'] })
  const seen = []
  const all = new Promise((resolve) => {
    broker.on('publish', ({ payload }) => {
      if (seen.push(String(payload)) === 20) resolve()
      if (seen.length % 3 === 0) throw new Error('of the program')
    })
  })
  const caught = await catching(async () => {
    for (let i = 0; i < 20; i++) broker.publish('t', String(i))
    await all
  })
  assert.deepEqual(seen, [...Array(20).keys()].map(String))
  assert.equal(caught.length, 6)
})

test('publish, stats and disconnect', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url, { clientId: 'c', protocolVersion: 5 })
  await client.subscribeAsync('t', { qos: 2 })
  broker.publish('t', Buffer.from('x'), { qos: 1, properties: { contentType: 'c' } })
  const [, payload, packet] = await once(client, 'message')
  assert.equal(String(payload), 'x')
  assert.equal(packet.properties.contentType, 'c')
  assert.throws(() => broker.publish('a/#', 'x'), { code: 'MQTT_BAD_ARGUMENT' })
  assert.equal(broker.stats().connections, 1)
  const gone = once(client, 'disconnect')
  broker.disconnect('c', 0x98)
  assert.equal((await gone)[0].reasonCode, 0x98)
})

test('a client within the process', async (t) => {
  const broker = await withBroker(t, { listen: [] })
  assert.equal(broker.port, undefined)
  const one = broker.client({ clientId: 'one', protocolVersion: 5 })
  const two = broker.client({ clientId: 'two' })
  t.after(() => Promise.all([one.endAsync(), two.endAsync()]))
  await one.subscribeAsync('t', { qos: 2 })
  const message = once(one, 'message')
  await two.publishAsync('t', 'hello', { qos: 2 })
  const [, payload] = await message
  assert.equal(String(payload), 'hello')
  assert.equal(broker.stats().connections, 2)
})

test('limits are kept', async (t) => {
  const broker = await withBroker(t, { maximumQoS: 1, retainAvailable: false, connectTimeout: 50 })
  const client = await connectedOf(t, broker.url, { protocolVersion: 5 })
  assert.equal(client.serverProperties.maximumQoS, 1)
  assert.equal(client.serverProperties.retainAvailable, false)
  await assert.rejects(client.publishAsync('t', 'x', { qos: 2 }))
  const socket = net.connect(broker.port, '127.0.0.1')
  await once(socket, 'close')
})

test('a closed broker', async () => {
  const broker = await mqtt.Broker.start({ port: 0 })
  await Promise.all([broker.close(), broker.close()])
  assert.equal(broker.running, false)
  assert.throws(() => broker.client(), { code: 'MQTT_CLOSED' })
  assert.throws(() => broker.publish('t', 'x'), { code: 'MQTT_CLOSED' })
})
