'use strict'
// Node-RED with its own MQTT nodes, unchanged, and our broker: mqtt-in, mqtt-out, wildcards,
// retained messages, birth and will, 3.1.1 and 5.0.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { Broker } = require('libmqtt')
const RED = require('node-red')

// What a flow does: `in/VERSION/#` comes back below `out/`, retained, at QoS 1.
function flow (port, version) {
  const id = (name) => `${name}${version}`
  return [
    { id: id('tab'), type: 'tab', label: id('tab') },
    {
      id: id('broker'), type: 'mqtt-broker', broker: '127.0.0.1', port: String(port),
      clientid: id('nodered'), autoConnect: true, usetls: false, protocolVersion: String(version),
      keepalive: '60', cleansession: true, autoUnsubscribe: true,
      birthTopic: `birth/${version}`, birthQos: '1', birthRetain: 'true', birthPayload: 'here', birthMsg: {},
      willTopic: `will/${version}`, willQos: '1', willRetain: 'false', willPayload: 'gone', willMsg: {},
      closeTopic: '', closePayload: '', closeMsg: {}
    },
    {
      id: id('in'), type: 'mqtt in', z: id('tab'), topic: `in/${version}/+/#`, qos: '1', datatype: 'utf8',
      broker: id('broker'), nl: false, rap: true, rh: 0, inputs: 0, wires: [[id('function')]]
    },
    {
      id: id('function'), type: 'function', z: id('tab'), outputs: 1, libs: [], wires: [[id('out')]],
      func: "msg.topic = 'out/' + msg.topic; msg.payload += '!'; return msg"
    },
    {
      id: id('out'), type: 'mqtt out', z: id('tab'), topic: '', qos: '1', retain: 'true', broker: id('broker'),
      respTopic: '', contentType: '', userProps: '', correl: '', expiry: '', wires: []
    }
  ]
}

async function startNodeRed (t, flows) {
  const userDir = fs.mkdtempSync(path.join(os.tmpdir(), 'libmqtt-node-red-'))
  fs.writeFileSync(path.join(userDir, 'flows.json'), JSON.stringify(flows))
  const server = http.createServer()
  RED.init(server, {
    userDir, flowFile: 'flows.json', httpAdminRoot: false, httpNodeRoot: false, logging: { console: { level: 'off' } }
  })
  t.after(async () => {
    await RED.stop()
    fs.rmSync(userDir, { recursive: true, force: true })
  })
  await RED.start()
}

test('mqtt-in and mqtt-out, birth and will, 3.1.1 and 5.0', { timeout: 60000 }, async (t) => {
  const broker = await Broker.start({ port: 0, events: ['subscribe', 'disconnect'] })
  t.after(() => broker.close({ deadline: 100 }))
  const client = broker.client({ protocolVersion: 5 })
  t.after(() => client.endAsync())
  const waiting = new Map()
  const next = (topic) => new Promise((resolve) => waiting.set(topic, resolve))
  client.on('message', (topic, payload, packet) => {
    waiting.get(topic)?.({ payload: String(payload), ...packet.properties, retain: packet.retain })
    waiting.delete(topic)
  })
  await client.subscribeAsync(['out/#', 'birth/#', 'will/#'], { qos: 1 })

  const subscribed = new Promise((resolve) => {
    const wanted = new Set(['in/4/+/#', 'in/5/+/#'])
    broker.on('subscribe', ({ topic, qos }) => {
      assert.equal(qos, 1)
      wanted.delete(topic)
      if (!wanted.size) resolve()
    })
  })
  const births = [next('birth/4'), next('birth/5')]
  await startNodeRed(t, [4, 5].flatMap((version) => flow(broker.port, version)))
  for (const { payload } of await Promise.all(births)) assert.equal(payload, 'here')
  await subscribed

  for (const version of [4, 5]) {
    const topic = `in/${version}/kitchen/lamp`
    const answer = next(`out/${topic}`)
    const userProperties = { who: 'me' }
    const properties = { contentType: 'text/plain', responseTopic: 'answers', userProperties }
    await client.publishAsync(topic, 'on', { qos: 1, properties })
    const { payload, contentType, responseTopic, userProperties: who } = await answer
    assert.equal(payload, 'on!')
    const five = version === 5
    assert.equal(contentType, five ? 'text/plain' : undefined)
    assert.equal(responseTopic, five ? 'answers' : undefined)
    assert.equal(who?.who, five ? 'me' : undefined)
  }

  // What mqtt-out has retained comes to a later subscriber, and birth messages do.
  const later = broker.client()
  t.after(() => later.endAsync())
  const retained = new Map()
  const all = new Promise((resolve) => later.on('message', (topic, payload, { retain }) => {
    assert.equal(retain, true)
    if (retained.set(topic, String(payload)).size === 4) resolve()
  }))
  await later.subscribeAsync(['out/+/#', 'birth/+'], { qos: 1 })
  await all
  assert.deepEqual(Object.fromEntries(retained), {
    'out/in/4/kitchen/lamp': 'on!', 'out/in/5/kitchen/lamp': 'on!', 'birth/4': 'here', 'birth/5': 'here'
  })

  // Its wills come when the broker throws it out, and it comes back by itself.
  for (const version of [4, 5]) {
    const will = next(`will/${version}`)
    broker.disconnect(`nodered${version}`)
    assert.equal((await will).payload, 'gone')
  }
})
