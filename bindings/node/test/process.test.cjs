'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const path = require('node:path')
const { once } = require('node:events')
const { Worker } = require('node:worker_threads')
const { withBroker, connectedOf, run } = require('./helpers.cjs')

const load = "const mqtt = require('libmqtt'); const url = process.env.MQTT_URL;"
const program = (code) => ['-e', load + code]

test('a process ends when its client has', async (t) => {
  const { url: MQTT_URL } = await withBroker(t)
  const { code, signal, out } = await run(program(`
    const client = mqtt.connect(url)
    client.on('connect', () => client.end(() => console.log('ended')))
  `), { env: { MQTT_URL } })
  assert.deepEqual({ code, signal, out }, { code: 0, signal: null, out: 'ended\n' })
})

test('a client that only listens keeps its process', async (t) => {
  const broker = await withBroker(t)
  const { code, out } = await run(program(`
    const client = mqtt.connect(url)
    client.on('message', () => { console.log('message'); client.end() })
    client.subscribe('t', () => setTimeout(() => console.log('ready'), 300).unref())
  `), {
    env: { MQTT_URL: broker.url },
    ready: (out) => out.includes('ready'),
    then: () => broker.publish('t', 'x')
  })
  assert.deepEqual({ code, out }, { code: 0, out: 'ready\nmessage\n' })
})

test('a client without a connection and without a retry keeps no process', async () => {
  const { code } = await run(program("mqtt.connect('mqtt://127.0.0.1:1', { reconnectPeriod: 0 })"))
  assert.equal(code, 0)
  const idle = await run(program("mqtt.connect('mqtt://127.0.0.1:1', { manualConnect: true })"))
  assert.equal(idle.code, 0)
})

test('a process that exits in mid-stream, twenty times', async (t) => {
  const broker = await withBroker(t)
  for (let i = 0; i < 20; i++) {
    const { code, signal, err } = await run(program(`
      const client = mqtt.connect(url)
      client.subscribe('t${i}', () => { for (let i = 0; i < 20000; i++) client.publish('t${i}', 'x') })
      let seen = 0
      client.on('message', () => { if (++seen === ${1 + i * 100}) process.exit(7) })
    `), { env: { MQTT_URL: broker.url } })
    assert.deepEqual({ code, signal, err }, { code: 7, signal: null, err: '' })
  }
})

test('a process that exits without a goodbye leaves its will', async (t) => {
  const broker = await withBroker(t)
  const listener = await connectedOf(t, broker.url)
  await listener.subscribeAsync('will')
  const message = once(listener, 'message')
  await run(program(`
    const will = { topic: 'will', payload: 'gone', qos: 0, retain: false }
    mqtt.connect(url, { will }).on('connect', () => process.exit(0))
  `), { env: { MQTT_URL: broker.url } })
  assert.equal(String((await message)[1]), 'gone')
})

test('an exception in a listener is an uncaught exception', async (t) => {
  const broker = await withBroker(t)
  const { code, err } = await run(program(`
    mqtt.connect(url).on('connect', () => { throw new Error('of the program') })
  `), { env: { MQTT_URL: broker.url } })
  assert.equal(code, 1)
  assert.match(err, /of the program/)
})

function worker (code, url) {
  return new Worker(load + code, { eval: true, env: { ...process.env, MQTT_URL: url } })
}

test('a client in a worker', async (t) => {
  const broker = await withBroker(t)
  const thread = worker(`
    const { parentPort } = require('node:worker_threads')
    const client = mqtt.connect(url)
    client.subscribe('t', () => client.publish('t', 'x'))
    client.on('message', (topic, payload) => {
      parentPort.postMessage(String(payload))
      client.end()
    })
  `, broker.url)
  const [message] = await once(thread, 'message')
  assert.equal(message, 'x')
  assert.deepEqual(await once(thread, 'exit'), [0])
})

test('a worker that is terminated in mid-stream, fifty times', async (t) => {
  const broker = await withBroker(t)
  for (let i = 0; i < 50; i++) {
    const thread = worker(`
      const { parentPort } = require('node:worker_threads')
      const client = mqtt.connect(url)
      client.subscribe('w${i}', () => parentPort.postMessage('ready'))
      client.on('message', () => client.publish('w${i}', 'x'))
    `, broker.url)
    await once(thread, 'message')
    for (let n = 0; n < 100; n++) broker.publish(`w${i}`, 'x')
    await thread.terminate()
  }
})

test('a broker in a worker', async () => {
  const thread = worker(`
    const { parentPort } = require('node:worker_threads')
    mqtt.Broker.start({ port: 0, authenticate: async () => true }).then((broker) => {
      const client = mqtt.connect(broker.url)
      client.on('connect', () => parentPort.postMessage('connected'))
    })
  `, '')
  await once(thread, 'message')
  await thread.terminate()
})

test('import and require give one package', async () => {
  const { code, out, err } = await run(['--input-type=module', '-e', `
    import all, { connect, Broker } from 'libmqtt'
    import * as names from 'libmqtt'
    import { createRequire } from 'node:module'
    const required = createRequire(import.meta.url)('libmqtt')
    console.log(all === required, connect === required.connect, Broker === required.Broker)
    const missing = Object.keys(required).filter((name) => !(name in names))
    console.log(missing, createRequire(import.meta.url)('libmqtt/package.json').version)
  `], {})
  assert.equal(err, '')
  assert.equal(code, 0)
  assert.equal(out, `true true true\n[] ${require('libmqtt').MqttClient.VERSION}\n`)
})

const bin = path.join(path.dirname(require.resolve('libmqtt/package.json')), 'bin/libmqtt.cjs')

test('the command', async (t) => {
  const help = await run([bin, '--help'])
  assert.equal(help.code, 0)
  assert.match(help.out, /broker/)
  const version = await run([bin, '--version'])
  assert.equal(version.out, `libmqtt ${require('libmqtt').MqttClient.VERSION}\n`)
  assert.notEqual((await run([bin, 'nonsense'])).code, 0)
  const broker = await withBroker(t)
  const url = `${broker.url}/t`
  const client = await connectedOf(t, broker.url)
  await client.publishAsync('t', 'kept', { qos: 1, retain: true })
  const sub = await run([bin, 'sub', '-L', url, '-C', '1'])
  assert.deepEqual({ code: sub.code, out: sub.out }, { code: 0, out: 'kept\n' }, sub.err)
  await client.subscribeAsync('t')
  const message = new Promise((resolve) => client.on('message', (topic, payload, packet) => {
    if (!packet.retain) resolve(String(payload))
  }))
  const pub = await run([bin, 'pub', '-L', url, '-m', 'hello'])
  assert.equal(pub.code, 0, pub.err)
  assert.equal(await message, 'hello')
})
