'use strict'

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { spawnSync } = require('node:child_process')
const { mqtt, withBroker, connectedOf, run } = require('./helpers.cjs')
const { Authority, folder } = require('./certificates.cjs')

const root = path.join(__dirname, '..')
const example = (name) => path.join(root, 'examples', name)
const tsc = path.join(root, 'node_modules/typescript/bin/tsc')

function compile (...words) {
  const { status, stdout } = spawnSync(process.execPath, [tsc, ...words], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
}

test('index.js prints its message, and the same with mqtt', async (t) => {
  const { url: MQTT_URL } = await withBroker(t)
  const ours = await run([example('index.js')], { env: { MQTT_URL } })
  assert.deepEqual([ours.code, ours.out], [0, 'Hello mqtt\n'], ours.err)
  const theirs = example('index-of-mqtt.js')
  fs.writeFileSync(theirs, fs.readFileSync(example('index.js'), 'utf8').replace("'libmqtt'", "'mqtt'"))
  const same = await run([theirs], { env: { MQTT_URL } })
  assert.deepEqual([same.code, same.out], [ours.code, ours.out], same.err)
})

test('publish.mjs and subscribe.mjs', async (t) => {
  const { url } = await withBroker(t)
  const published = []
  const { code, out, err } = await run([example('subscribe.mjs'), url, 'a/#', '2'], {
    ready: (out) => out.includes('subscribed'),
    then: async () => {
      for (const text of ['one', 'two']) published.push(await run([example('publish.mjs'), url, 'a/b', text]))
    }
  })
  assert.deepEqual([code, out], [0, 'subscribed to a/#\na/b one\na/b two\n'], err)
  assert.equal(published[0].out, 'published to a/b\n')
})

test('broker.cjs', async (t) => {
  const { code, out, err } = await run([example('broker.cjs'), '0'], {
    ready: (out) => out.includes('listening'),
    then: async (child, out) => {
      const url = /mqtt:\S+/.exec(out)[0]
      const client = await connectedOf(t, url, { clientId: 'c', username: 'me', password: 'secret' })
      await client.publishAsync('a', 'x', { qos: 1 })
      await client.publishAsync('status/broker', 'down', { qos: 1 })
      child.stdout.on('data', (data) => String(data).includes('gone') && child.kill('SIGTERM'))
      await client.endAsync()
    }
  })
  assert.equal(code, 0, err)
  assert.match(out, /c from 127\.0\.0\.1\na: x\nc has gone\n$/)
  assert.doesNotMatch(out, /down/)
})

test('tls.cjs', async (t) => {
  const authority = new Authority(folder(t))
  authority.issue('server')
  authority.issue('client', { usage: 'clientAuth' })
  const { code, out, err } = await run([example('tls.cjs'), authority.directory])
  assert.deepEqual([code, out], [0, 'client/status: up\n'], err)
})

test('encrypted.cjs', async (t) => {
  const broker = await withBroker(t, { events: ['publish'] })
  const seen = []
  broker.on('publish', ({ payload }) => seen.push(payload))
  const { code, out, err } = await run([example('encrypted.cjs'), broker.url])
  assert.deepEqual([code, out], [0, 'vault/temperature: 21.5\nvault/forged: not from us\n'], err)
  assert.equal(seen.length, 2)
  assert.ok(seen.every((payload) => !payload.includes('21.5')))
})

test('typed.ts', async () => {
  const out = example('compiled')
  const options = ['--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node']
  compile(...options, '--outDir', out, '--rootDir', path.dirname(out), example('typed.ts'))
  const result = await run([path.join(out, 'typed.js')])
  assert.deepEqual([result.code, result.out], [0, 'greeting hello text/plain\n'], result.err)
})

test('types: a program typed against mqtt', () => {
  compile('-p', path.join(root, 'test/types/theirs.json'))
  compile('-p', path.join(root, 'test/types/ours.json'))
})

test('types: every export is there', () => {
  const types = fs.readFileSync(require.resolve('libmqtt').replace(/index\.cjs$/, 'index.d.ts'), 'utf8')
  for (const name of Object.keys(mqtt)) {
    const declared = name === 'default' || name === 'Client' ||
      new RegExp(`^export (class|function|const) ${name}\\b`, 'm').test(types)
    assert.ok(declared, name)
  }
})
