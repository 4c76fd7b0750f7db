'use strict'
// Messages that a client keeps beyond its process.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { once } = require('node:events')
const { Worker } = require('node:worker_threads')
const { mqtt, withBroker, clientOf, connectedOf, mosquittoOf, run } = require('./helpers.cjs')
const { folder } = require('./certificates.cjs')

const COUNT = 10000
const NOWHERE = 'mqtt://127.0.0.1:1'

const lasting = (dataDirectory, options) => ({ clientId: 'me', clean: false, dataDirectory, ...options })

// A process with a client of the same name, and numbers to publish, at QoS 1 and 2 by turns.
const program = (code) => ['-e', `
  const mqtt = require('libmqtt')
  const { MQTT_URL, DIRECTORY: dataDirectory } = process.env
  const options = { clientId: 'me', clean: false, dataDirectory, reconnectPeriod: 20 }
  const publish = (client, i) => client.publish('t', String(i), { qos: 1 + i % 2 })
  ${code}
`]

const another = (code, url, DIRECTORY, more) =>
  run(program(code), { env: { MQTT_URL: url, DIRECTORY }, ...more })

// Runs a process until it says that it may be killed.
async function killed (code, url, directory, when = /kill me/) {
  const { signal, out, err } = await another(code, url, directory, {
    ready: (out) => when.test(out),
    then: (child) => child.kill('SIGKILL')
  })
  assert.equal(signal, 'SIGKILL', err)
  return out
}

// The next process: it sends what there is, and ends.
async function sendsAll (url, directory) {
  const { code, err } = await another(`
    mqtt.connect(MQTT_URL, options).on('connect', function () { this.end() })
  `, url, directory)
  assert.deepEqual({ code, err }, { code: 0, err: '' })
}

// Both kinds of servers; a receiver of `t` at each, and all that it has received until now.
async function receivers (t, list = ['libmqtt', 'mosquitto']) {
  const made = []
  for (const name of list) {
    const url = name === 'libmqtt'
      ? (await withBroker(t)).url
      : await mosquittoOf(t, ['max_queued_messages 0', 'max_inflight_messages 0'])
    const client = await connectedOf(t, url)
    const numbers = []
    client.on('message', (topic, payload) => topic === 't' && numbers.push(Number(payload)))
    await client.subscribeAsync(['t', 'last'], { qos: 2 })
    const all = async () => {
      const last = new Promise((resolve) => client.on('message', (topic) => topic === 'last' && resolve()))
      await client.publishAsync('last', '', { qos: 2 })
      await last
      return numbers.splice(0)
    }
    made.push({ name, url, client, all })
  }
  return made
}

// mosquitto hands on a message at QoS 2 when PUBREL comes, so that one at QoS 1 may overtake it.
const inOrder = (name, numbers) => name === 'libmqtt'
  ? numbers
  : [0, 1].map((qos) => numbers.filter((number) => number % 2 === qos))

const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i)

test('what was published offline survives a kill, and comes once and in order', async (t) => {
  for (const { name, url, all } of await receivers(t)) {
    const directory = folder(t)
    await killed(`
      const client = mqtt.connect('${NOWHERE}', options)
      for (let i = 0; i < ${COUNT}; i++) publish(client, i)
      client.flush((error) => console.log(error ?? 'kill me'))
    `, url, directory)
    await sendsAll(url, directory)
    assert.deepEqual(inOrder(name, await all()), inOrder(name, range(0, COUNT)), name)
    await sendsAll(url, directory)
    assert.deepEqual(await all(), [], name)
  }
})

test('killed under load, nothing that was flushed is lost, and QoS 2 comes once', async (t) => {
  for (const { name, url, all } of await receivers(t)) {
    for (const flush of [1, 4, 11]) {
      const directory = folder(t)
      const out = await killed(`
        const client = mqtt.connect(MQTT_URL, options)
        let next = 0
        const more = () => {
          const last = next + 499
          while (next <= last) publish(client, next++)
          client.flush((error) => {
            console.log(error ?? 'flushed ' + last + '.')
            more()
          })
        }
        client.on('connect', more)
      `, url, directory, new RegExp(`(flushed \\d+\\.\\s+){${flush}}`))
      const flushed = Number(/(\d+)\.\s*$/.exec(out)[1])
      await sendsAll(url, directory)
      const numbers = await all()
      const twice = numbers.filter((number, i) => numbers.indexOf(number) !== i)
      assert.deepEqual(twice.filter((number) => number % 2), [], `${name}: QoS 2 twice`)
      const unique = [...new Set(numbers)]
      const sent = range(0, Math.max(...unique) + 1)
      assert.deepEqual(inOrder(name, unique), inOrder(name, sent), name)
      assert.ok(sent.length > flushed, `${name}: ${sent.length} of ${flushed}`)
    }
  }
})

test('cbStorePut is called when the message is on disk, before it is acknowledged', async (t) => {
  const [{ url, all }] = await receivers(t, ['libmqtt'])
  const directory = folder(t)
  const { signal } = await another(`
    const client = mqtt.connect('${NOWHERE}', options)
    client.publish('t', '1', { qos: 1, cbStorePut: () => process.kill(process.pid, 'SIGKILL') })
  `, url, directory)
  assert.equal(signal, 'SIGKILL')
  await sendsAll(url, directory)
  assert.deepEqual(await all(), [1])

  const client = await connectedOf(t, url, lasting(folder(t)))
  const seen = []
  const published = [1, 2, 1].map((qos, i) => new Promise((resolve) => {
    const cbStorePut = () => seen.push(`stored ${i}`)
    client.publish('t', String(i), { qos, cbStorePut }, (error) => {
      seen.push(`published ${i}`)
      resolve(error)
    })
  }))
  seen.push('returned')
  assert.deepEqual(await Promise.all(published), [null, null, null])
  assert.equal(seen[0], 'returned')
  for (const i of [0, 1, 2]) {
    const [stored, done] = [`stored ${i}`, `published ${i}`].map((word) => seen.indexOf(word))
    assert.ok(stored > 0 && stored < done, seen.join())
  }
  assert.equal(seen.length, 7)
  await all()

  // A message is passed on: it counts as taken when the next one is on disk.
  await client.subscribeAsync('in', { qos: 1 })
  client.handleMessage = ({ topic }, done) => {
    if (topic !== 'in') return done()
    client.publish('t', '9', { qos: 2, cbStorePut: done })
  }
  await client.publishAsync('in', '', { qos: 1 })
  await client.endAsync()
  assert.deepEqual(await all(), [9])
})

test('flush writes at once, whatever the durability, and keeps its process', async (t) => {
  const [{ url, all }] = await receivers(t, ['libmqtt'])
  for (const durability of ['sync', 'off', 1e9]) {
    const directory = folder(t)
    const out = await killed(`
      const client = mqtt.connect('${NOWHERE}', {
        ...options, durability: ${JSON.stringify(durability)}, manualConnect: true
      })
      publish(client, 1)
      client.flushAsync().then(() => {
        console.log('kill me')
        setInterval(() => {}, 1000)
      })
    `, url, directory)
    assert.equal(out, 'kill me\n')
    await sendsAll(url, directory)
    assert.deepEqual(await all(), [1], String(durability))
  }
})

test('a client that has ended leaves its file to the next one', async (t) => {
  const [{ url, all }] = await receivers(t, ['libmqtt'])
  const directory = folder(t)
  const told = []
  for (const i of [0, 1, 2]) {
    const client = clientOf(t, NOWHERE, lasting(directory))
    const options = { qos: 2, cbStorePut: () => told.push('stored') }
    client.publish('t', String(i), options, (error) => told.push(error.code))
    client.flush((error) => told.push(error ?? 'flushed'))
    await client.endAsync(i === 1)
  }
  assert.deepEqual(told, range(0, 3).flatMap(() => ['stored', 'flushed', 'MQTT_ABANDONED']))
  const client = await connectedOf(t, url, lasting(directory))
  await client.publishAsync('t', '3', { qos: 1 })
  await client.endAsync()
  assert.deepEqual(await all(), [0, 1, 2, 3])
})

test('reconnect goes on with what an ended client has kept', async (t) => {
  const [{ url, all }] = await receivers(t, ['libmqtt'])
  const { port } = new URL(url)
  const directory = folder(t)
  const client = clientOf(t, NOWHERE, lasting(directory))
  client.publish('t', '0', { qos: 1 })
  await client.endAsync()
  Object.assign(client.options, { port: Number(port) })
  client.reconnect()
  await once(client, 'connect')
  await client.publishAsync('t', '1', { qos: 2 })
  // Within the end too.
  client.end()
  client.reconnect()
  await once(client, 'connect')
  await client.publishAsync('t', '2', { qos: 1 })
  assert.deepEqual(await all(), [0, 1, 2])
})

test('other options take a new client, which goes on with what there is', async (t) => {
  const [{ url, all }] = await receivers(t, ['libmqtt'])
  const client = clientOf(t, NOWHERE, lasting(folder(t), { reconnectPeriod: 1 }))
  const told = [1, 2].map((qos) => client.publishAsync('t', String(qos), { qos }))
  Object.assign(client.options, { port: Number(new URL(url).port) })
  for (const publish of told) await assert.rejects(publish, { code: 'MQTT_ABANDONED' })
  await client.publishAsync('t', '3', { qos: 1 })
  assert.deepEqual(await all(), [1, 2, 3])
})

test('a directory in use is waited for, unless a client begins with it', async (t) => {
  const { url } = await withBroker(t)
  const directory = folder(t)
  const first = await connectedOf(t, url, lasting(directory))
  await first.endAsync()
  const second = await connectedOf(t, url, lasting(directory))
  const file = path.join(directory, 'client-me.db')
  const inUse = (error) => error.code === 'MQTT_STORAGE_FAILED' && error.message.includes(file)
  assert.throws(() => mqtt.connect(url, lasting(directory)), inUse)
  await assert.rejects(mqtt.connectAsync(url, lasting(directory)), inUse)
  first.reconnect()
  const [error] = await once(first, 'error')
  assert.ok(inUse(error), error.message)
  // Another one has a file of its own.
  await connectedOf(t, url, lasting(directory, { clientId: 'other' }))
  await second.endAsync()
  await once(first, 'connect')
})

test('what a client has not handled comes again, and nothing else', async (t) => {
  const session = `
    const client = mqtt.connect(MQTT_URL, options)
    client.on('connect', ({ sessionPresent }) => {
      console.log('here')
      if (!sessionPresent) client.subscribe('in', { qos: 2 }, () => console.log('subscribed'))
    })
    client.on('message', (topic, payload) => console.log('got ' + payload))
  `
  const got = (out) => [...out.matchAll(/got (\d+)/g)].map(([, number]) => Number(number))
  for (const { name, url, client: publisher } of await receivers(t)) {
    const directory = folder(t)
    const publish = () => range(0, 10).forEach((i) => publisher.publish('in', String(i), { qos: 2 }))
    let once = () => { once = () => {}; publish() }
    const first = await another(`
      ${session}
      client.handleMessage = (packet, done) => {
        if (String(packet.payload) !== '5') return done()
        client.flush(() => console.log('kill me'))
      }
    `, url, directory, {
      ready: (out) => {
        if (/subscribed/.test(out)) once()
        return /kill me/.test(out)
      },
      then: (child) => child.kill('SIGKILL')
    })
    assert.deepEqual([first.signal, got(first.out)], ['SIGKILL', range(0, 6)], name)
    const second = await killed(`
      ${session}
      client.handleMessage = (packet, done) => {
        done()
        if (String(packet.payload) === '9') client.flush(() => console.log('kill me'))
      }
    `, url, directory)
    assert.deepEqual(got(second), range(5, 10), name)
    const third = await another(`
      ${session}
      client.on('connect', () => client.publish('in', '10', { qos: 2 }))
      client.handleMessage = (packet, done) => { done(); client.end() }
    `, url, directory)
    assert.deepEqual([third.code, got(third.out)], [0, [10]], name)
  }
})

test('a message in whose handler the process dies comes again', async (t) => {
  const [{ url, client: publisher }] = await receivers(t, ['libmqtt'])
  const directory = folder(t)
  const before = await connectedOf(t, url, lasting(directory))
  await before.subscribeAsync('in', { qos: 2 })
  await before.endAsync()
  await publisher.publishAsync('in', '1', { qos: 2 })
  const code = (then) => `
    mqtt.connect(MQTT_URL, options).on('message', function (topic, payload) {
      require('node:fs').writeSync(1, 'got ' + payload)
      ${then}
    })
  `
  const first = await another(code("process.kill(process.pid, 'SIGKILL')"), url, directory)
  const second = await another(code('this.end()'), url, directory)
  assert.deepEqual([first.signal, first.out, second.code, second.out], ['SIGKILL', 'got 1', 0, 'got 1'])
})

test('a worker that is terminated keeps what it has published', async (t) => {
  const [{ url, all }] = await receivers(t, ['libmqtt'])
  const directory = folder(t)
  const thread = new Worker(program(`
    const client = mqtt.connect('${NOWHERE}', options)
    for (let i = 0; i < 100; i++) publish(client, i)
    setImmediate(() => require('node:worker_threads').parentPort.postMessage('published'))
  `)[1], { eval: true, env: { ...process.env, DIRECTORY: directory } })
  await once(thread, 'message')
  await thread.terminate()
  const client = await connectedOf(t, url, lasting(directory))
  await client.endAsync()
  assert.deepEqual(await all(), range(0, 100))
})

test('a disk that takes no more is told of, and nothing that was taken is lost', async (t) => {
  const [{ url, all }] = await receivers(t, ['libmqtt'])
  const directory = folder(t)
  const { code, out, err } = await another(`
    const fs = require('node:fs')
    const { execFileSync } = require('node:child_process')
    process.on('SIGXFSZ', () => {}) // a write fails
    const limit = (size) => execFileSync('prlimit', ['--pid', process.pid, '--fsize=' + size + ':'])
    const client = mqtt.connect('${NOWHERE}', options)
    const payload = '0'.repeat(100000)
    const main = async () => {
      publish(client, 0)
      await client.flushAsync()
      limit(fs.statSync(dataDirectory + '/client-me.db').size)
      let taken = 1
      let stored = 0
      try {
        for (;;) {
          client.publish('t', payload, { qos: 1, cbStorePut: () => stored++ })
          taken++
          await client.flushAsync()
        }
      } catch (error) {
        console.log(error.code, stored < taken - 1)
      }
      await client.publishAsync('t', '1', { qos: 2 }).catch((error) => console.log(error.code))
      limit('unlimited')
      await client.endAsync()
      const next = mqtt.connect('${NOWHERE}', options)
      publish(next, 2)
      await next.endAsync()
      console.log(taken + 1)
    }
    main()
  `, '', directory)
  assert.equal(code, 0, err)
  const [told, refused, taken] = out.trim().split('\n')
  assert.deepEqual([told, refused], ['MQTT_STORAGE_FAILED true', 'MQTT_STORAGE_FAILED'])
  await sendsAll(url, directory)
  assert.deepEqual(await all(), [...Array(taken - 1).fill(0), 2])
})

test('a client within the process of its broker keeps its messages too', async (t) => {
  const broker = await withBroker(t, { sysInterval: 0 })
  const directory = folder(t)
  const inside = broker.client(lasting(directory, { manualConnect: true }))
  inside.publish('t', 'kept', { qos: 1, retain: true })
  await inside.endAsync()
  assert.throws(() => broker.client({ dataDirectory: directory, clean: false }), /clientId/)
  const again = broker.client(lasting(directory))
  await once(again, 'connect')
  await again.endAsync()
  assert.equal(broker.stats().retained, 1)
})

test('what cannot be kept is refused', async (t) => {
  const directory = folder(t)
  const refused = (options, message) => assert.throws(
    () => mqtt.connect(NOWHERE, options), { code: 'MQTT_BAD_ARGUMENT', message }
  )
  refused({ durability: 'sync' }, /dataDirectory/)
  refused(lasting('', {}), /path/)
  refused(lasting(7), /path/)
  for (const durability of ['always', -1, NaN, '5', true]) refused(lasting(directory, { durability }), /none of/)
  refused({ dataDirectory: directory }, /clientId/)
  refused({ dataDirectory: directory, clientId: 'me' }, /clean: false/)
  refused(lasting(directory, { clean: true }), /clean: false/)
  refused(lasting(directory, { protocolVersion: 5 }), /sessionExpiryInterval/)
  for (const name of ['incomingStore', 'outgoingStore']) {
    refused({ [name]: {} }, /dataDirectory/)
    refused(lasting(directory, { [name]: new mqtt.Store() }), /exclude/)
  }
  assert.deepEqual(fs.readdirSync(directory), [])
  const file = path.join(directory, 'file')
  fs.writeFileSync(file, '')
  for (const place of [path.join(file, 'below'), '/proc/nothing']) {
    assert.throws(() => mqtt.connect(NOWHERE, lasting(place)), (error) =>
      error.code === 'MQTT_STORAGE_FAILED' && error.message.includes(place))
  }
  fs.writeFileSync(path.join(directory, 'client-me.db'), 'something else')
  assert.throws(() => mqtt.connect(NOWHERE, lasting(directory)), { code: 'MQTT_STORAGE_FAILED' })
  const client = clientOf(t, NOWHERE)
  await assert.rejects(client.flushAsync(), { code: 'MQTT_BAD_ARGUMENT', message: /dataDirectory/ })
  await client.endAsync()
  await assert.rejects(client.flushAsync(), /client disconnecting/)
  const expiring = lasting(directory, { clientId: '5', protocolVersion: 5, properties: { sessionExpiryInterval: 60 } })
  await clientOf(t, NOWHERE, expiring).flushAsync()
})
