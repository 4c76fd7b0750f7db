'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const { once } = require('node:events')
const { mqtt, withBroker, connectedOf } = require('./helpers.cjs')

test('messages come in order, and leaving the loop unsubscribes', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  const messages = client.messages('a/#', { qos: 1 })
  await messages.subscribed
  for (let i = 0; i < 10; i++) client.publish('a/b', String(i), { qos: 1 })
  const seen = []
  for await (const { topic, payload, qos } of messages) {
    assert.equal(topic, 'a/b')
    assert.equal(qos, 1)
    if (seen.push(String(payload)) === 10) break
  }
  assert.deepEqual(seen, [...Array(10).keys()].map(String))
  assert.equal(broker.stats().subscriptions, 0)
})

test('a stream takes only what matches', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  const messages = client.messages(['a/+', '$share/g/b'])
  await messages.subscribed
  await client.subscribeAsync('other')
  for (const topic of ['other', 'a/x', 'b']) client.publish(topic, 'x')
  const first = await messages.next()
  const second = await messages.next()
  assert.deepEqual([first.value.topic, second.value.topic].sort(), ['a/x', 'b'])
  await messages.return()
  assert.deepEqual(await messages.next(), { value: undefined, done: true })
})

test('a full stream holds the server back, and nothing is lost', async (t) => {
  const broker = await withBroker(t, { backpressure: true })
  const client = await connectedOf(t, broker.url)
  const messages = client.messages('t', { qos: 1, bound: 10 })
  await messages.subscribed
  const publisher = await connectedOf(t, broker.url)
  const payload = Buffer.alloc(1000)
  let acknowledged = 0
  const published = []
  for (let i = 0; i < 5000; i++) {
    payload.writeUInt32BE(i)
    published.push(publisher.publishAsync('t', payload, { qos: 1 }).then(() => acknowledged++))
  }
  let seen = 0
  let most = 0
  for await (const message of messages) {
    assert.equal(message.payload.readUInt32BE(), seen)
    most = Math.max(most, messages._list.length)
    // Answers come although the stream is full.
    if (seen % 500 === 0) await client.publishAsync('other', 'x', { qos: 1 })
    if (++seen === 5000) break
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(published)
  assert.equal(acknowledged, 5000)
  assert.ok(most < 4000, `${most} waited`)
})

test('the end of the client ends the loop', async (t) => {
  const broker = await withBroker(t)
  const client = await connectedOf(t, broker.url)
  const messages = client.messages('t')
  await messages.subscribed
  const loop = (async () => {
    for await (const message of messages) assert.fail(message)
  })()
  await client.endAsync()
  await loop
})

test('a refused subscription ends the loop with its error', async (t) => {
  const broker = await withBroker(t, { authorizeSubscribe: () => false })
  const client = await connectedOf(t, broker.url)
  await assert.rejects(async () => {
    for await (const message of client.messages('t')) assert.fail(message)
  }, { name: 'ErrorWithSubackPacket' })
})

test('asyncDispose ends clients and brokers', async (t) => {
  const dispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')
  const broker = await mqtt.Broker.start({ port: 0 })
  const client = mqtt.connect(broker.url)
  await once(client, 'connect')
  await client[dispose]()
  assert.equal(client.connected, false)
  await broker[dispose]()
  assert.equal(broker.running, false)
})
