'use strict'
// What programs do with MQTT.js, one small interaction each.

const net = require('node:net')

const all = []
function interaction (name, run, options) {
  all.push({ name, run, ...options })
}

// A server that listens on a port of its own.
async function server (run, onSocket) {
  const sockets = new Set()
  const listening = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const { port } = listening.address()
  run.ports.push(port)
  const close = () => new Promise((resolve) => {
    sockets.forEach((socket) => socket.destroy())
    listening.close(resolve)
  })
  run.closers.push(() => listening.listening ? close() : undefined)
  return { port, close, sockets, url: `mqtt://127.0.0.1:${port}` }
}

async function unusedPort (run) {
  const { port, close } = await server(run, () => {})
  await close()
  return port
}

const CONNACK = Buffer.from([0x20, 2, 0, 0])
const CONNACK5 = Buffer.from([0x20, 3, 0, 0, 0])

async function connected (run, options, name = '') {
  const client = run.client(options, name)
  await run.seen(`${name}connect`)
  return client
}

// Sends a message round and waits for it, so that all that was sent before has come.
async function roundTrip (run, client, topic, message, options) {
  const label = `${topic} back`
  client.once('message', () => run.log(label))
  client.publish(topic, message, options)
  await run.seen(label)
}

// Connecting.

for (const protocolVersion of [4, 5]) {
  interaction(`connect, ${protocolVersion}`, async (run) => {
    const client = await connected(run, { protocolVersion })
    run.log('state', client.connected, client.reconnecting, client.disconnecting)
    client.end()
    await run.seen('end')
    run.log('state', client.connected, client.disconnecting, client.disconnected)
  })

  interaction(`refused credentials, ${protocolVersion}`, async (run) => {
    run.client({ protocolVersion, username: 'bad', password: 'x', reconnectPeriod: 20 })
    await run.seen('close')
  })

  interaction(`right credentials, ${protocolVersion}`, async (run) => {
    await connected(run, { protocolVersion, username: 'good', password: Buffer.from('secret') })
  })

  interaction(`refused, and again, ${protocolVersion}`, async (run) => {
    run.client({ protocolVersion, username: 'bad', reconnectPeriod: 20, reconnectOnConnackError: true })
    await run.seen('close', 2)
  })
}

interaction('connect, 3.1', async (run) => {
  await connected(run, { protocolVersion: 3, protocolId: 'MQIsdp' })
})

interaction('options from the URL', async (run) => {
  const url = run.url.replace('//', '//good:secret@') + '/path?clientId=fromquery'
  const client = run.watch(run.mqtt.connect(url))
  await run.seen('connect')
  const { clientId, username, password, protocol, host, path, query } = client.options
  run.log('options', { clientId, username, password, protocol, host, path, query })
})

interaction('options win over the URL', async (run) => {
  const url = run.url.replace('//', '//wrong:wrong@')
  const client = run.watch(run.mqtt.connect(url, { auth: 'good:secret', clientId: 'mine' }))
  await run.seen('connect')
  run.log('options', client.options.username, client.options.password, client.options.clientId)
})

interaction('options alone', async (run) => {
  const { port } = run.broker
  run.watch(run.mqtt.connect({ host: '127.0.0.1', port, clientId: 'x' }))
  await run.seen('connect')
})

interaction('defaults of options', async (run) => {
  const client = run.watch(run.mqtt.connect(run.url))
  const names = [
    'keepalive', 'reschedulePings', 'protocolId', 'protocolVersion', 'reconnectPeriod',
    'connectTimeout', 'clean', 'resubscribe', 'subscribeBatchSize', 'writeCache', 'timerVariant'
  ]
  run.log('options', Object.fromEntries(names.map((name) => [name, client.options[name]])))
  run.log('clientId', /^mqttjs_[0-9a-f]{1,8}$/.test(client.options.clientId))
  await run.seen('connect')
})

interaction('a URL without protocol', async (run) => {
  run.attempt('thrown', () => run.mqtt.connect('localhost'))
})

interaction('unclean without a client id', async (run) => {
  run.attempt('thrown', () => run.mqtt.connect(run.url, { clean: false }))
})

interaction('cert and key without a secure protocol', async (run) => {
  const port = run.broker.port
  run.attempt('thrown', () => run.mqtt.connect({ port, cert: 'c', key: 'k' }))
  run.attempt('thrown', () => run.mqtt.connect('gopher://x', { cert: 'c', key: 'k' }))
})

interaction('nobody listens', async (run) => {
  const port = await unusedPort(run)
  const client = run.client({ reconnectPeriod: 20 }, '', `mqtt://127.0.0.1:${port}`)
  await run.seen('close', 2)
  run.log('state', client.connected, client.reconnecting)
})

interaction('nobody listens, and no reconnecting', async (run) => {
  const port = await unusedPort(run)
  run.client({ reconnectPeriod: 0 }, '', `mqtt://127.0.0.1:${port}`)
  await run.seen('close')
})

interaction('a server that says nothing', async (run) => {
  const { url } = await server(run, () => {})
  run.client({ connectTimeout: 50 }, '', url)
  await run.seen('close')
})

interaction('a server that says nothing, with reconnecting', async (run) => {
  const { url } = await server(run, () => {})
  run.client({ connectTimeout: 50, reconnectPeriod: 20 }, '', url)
  await run.seen('close', 2)
})

interaction('a server that hangs up', async (run) => {
  const { url } = await server(run, (socket) => socket.end())
  run.client({ reconnectPeriod: 20 }, '', url)
  await run.seen('close', 2)
})

interaction('a server that falls silent', async (run) => {
  const { url } = await server(run, (socket) => socket.once('data', () => socket.write(CONNACK)))
  run.client({ keepalive: 1 }, '', url)
  await run.seen('close')
})

interaction('connect by hand', async (run) => {
  const client = run.client({ manualConnect: true })
  run.log('before', client.connected)
  await new Promise((resolve) => setImmediate(resolve))
  run.log('returns itself', client.connect() === client)
  await run.seen('connect')
  client.end()
  await run.seen('end')
  client.connect()
  await run.seen('connect', 2)
})

interaction('connectAsync', async (run) => {
  const client = await run.mqtt.connectAsync(run.url, { clientId: 'a' })
  run.watch(client)
  run.log('connected', client.connected)
  await client.endAsync()
})

interaction('connectAsync that fails', async (run) => {
  const port = await unusedPort(run)
  await run.settle(run.mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 20 }), 'result')
})

interaction('connectAsync without retries', async (run) => {
  const { url } = await server(run, (socket) => socket.end())
  await run.settle(run.mqtt.connectAsync(url, { reconnectPeriod: 20 }, false), 'result')
})

interaction('servers, one after the other', async (run) => {
  const port = await unusedPort(run)
  const servers = [{ host: '127.0.0.1', port }, { host: '127.0.0.1', port: run.broker.port }]
  run.watch(run.mqtt.connect({ servers, clientId: 'x', reconnectPeriod: 20 }))
  await run.seen('connect')
})

interaction('options that change between connections', async (run) => {
  const client = run.client({ username: 'bad', reconnectPeriod: 20, reconnectOnConnackError: true })
  client.once('close', () => Object.assign(client.options, { username: 'good', password: 'secret' }))
  await run.seen('connect')
})

interaction('server keep alive', async (run) => {
  const client = await connected(run, { protocolVersion: 5, keepalive: 60 })
  run.log('keepalive', client.keepalive, client.options.keepalive, client.serverProperties)
}, { broker: { keepAliveMax: 30 } })

// Publishing.

for (const qos of [0, 1, 2]) {
  for (const protocolVersion of [4, 5]) {
    interaction(`publish at QoS ${qos}, ${protocolVersion}`, async (run) => {
      const client = await connected(run, { protocolVersion })
      run.log('returns itself', client.publish('t', 'x', { qos }, run.cb('published')) === client)
      await run.seen('published')
      await run.settle(client.publishAsync('t', 'y', { qos }), 'result')
    })
  }

  interaction(`a message at QoS ${qos}`, async (run) => {
    const client = await connected(run, {})
    await client.subscribeAsync('t/#', { qos: 2 })
    client.publish('t/a', 'payload', { qos })
    await run.seen('message')
  })

  interaction(`a message of 5.0 at QoS ${qos}`, async (run) => {
    const client = await connected(run, { protocolVersion: 5 })
    await client.subscribeAsync('t/#', { qos: 2, properties: { subscriptionIdentifier: 7 } })
    const properties = {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: 'r',
      correlationData: Buffer.from([1, 2, 3]),
      userProperties: { one: 'a', two: ['b', 'c'] }
    }
    client.publish('t/a', 'payload', { qos, properties })
    await run.seen('message')
  })
}

interaction('publish without options', async (run) => {
  const client = await connected(run)
  client.publish('t', 'x', run.cb('one'))
  client.publish('t', 'x', undefined, run.cb('two'))
  client.publish('t', 'x', null, run.cb('three'))
  await run.seen('three')
})

interaction('kinds of payload', async (run) => {
  const client = await connected(run)
  await client.subscribeAsync('t')
  for (const payload of ['text', 'größer', '', Buffer.from([0, 255]), new Uint8Array([1, 2]), undefined, null]) {
    await roundTrip(run, client, 't', payload)
  }
})

interaction('a payload that is changed after the call', async (run) => {
  const client = await connected(run)
  await client.subscribeAsync('t')
  const payload = Buffer.from('before')
  client.publish('t', payload, { qos: 1 })
  await run.seen('message')
})

interaction('a retained message', async (run) => {
  const client = await connected(run)
  await client.publishAsync('t', 'kept', { qos: 1, retain: true })
  client.subscribe('t', run.cb('subscribed'))
  await run.seen('message')
  await client.publishAsync('t', '', { qos: 1, retain: true })
})

interaction('a refused publish, 5', async (run) => {
  const client = await connected(run, { protocolVersion: 5 })
  client.publish('forbidden', 'x', { qos: 1 }, run.cb('one'))
  await run.seen('one')
  client.publish('forbidden', 'x', { qos: 2 }, run.cb('two'))
  await run.seen('two')
  await run.settle(client.publishAsync('forbidden', 'x', { qos: 1 }), 'result')
})

interaction('nobody subscribes, 5', async (run) => {
  const client = await connected(run, { protocolVersion: 5 })
  client.publish('nobody', 'x', { qos: 1 }, run.cb('published'))
  await run.seen('published')
})

interaction('many messages in order', async (run) => {
  const client = await connected(run)
  await client.subscribeAsync('t', { qos: 1 })
  for (let i = 0; i < 300; i++) client.publish('t', String(i), { qos: 1 })
  await run.seen('message', 300)
})

interaction('the last message id', async (run) => {
  const client = await connected(run)
  client.publish('t', 'x', { qos: 1 }, (error, packet) => {
    run.log('published', error, packet.messageId === client.getLastMessageId())
  })
  await run.seen('published')
})

interaction('cbStorePut', async (run) => {
  const client = await connected(run)
  client.publish('t', 'x', { qos: 1, cbStorePut: () => run.log('stored') }, run.cb('published'))
  await run.seen('published')
})

interaction('a message that is removed', async (run) => {
  const client = run.client({ manualConnect: true })
  client.publish('t', 'x', { qos: 1 }, run.cb('published'))
  run.log('outgoing', Object.keys(client.outgoing).length)
  client.removeOutgoingMessage(client.getLastMessageId())
  await run.seen('published')
  run.log('outgoing', Object.keys(client.outgoing).length)
  client.connect()
  await run.seen('connect')
})

// Subscribing.

for (const protocolVersion of [4, 5]) {
  const version = { protocolVersion }

  interaction(`subscribe to one, ${protocolVersion}`, async (run) => {
    const client = await connected(run, version)
    run.log('returns itself', client.subscribe('a/b', run.cb('one')) === client)
    await run.seen('one')
    client.subscribe('a/c', { qos: 2 }, run.cb('two'))
    await run.seen('two')
  })

  interaction(`subscribe to a list, ${protocolVersion}`, async (run) => {
    const client = await connected(run, version)
    client.subscribe(['a', 'b/+', 'c/#'], { qos: 1 }, run.cb('subscribed'))
    await run.seen('subscribed')
  })

  interaction(`subscribe to a map, ${protocolVersion}`, async (run) => {
    const client = await connected(run, version)
    client.subscribe({ a: { qos: 0 }, b: { qos: 1 }, c: { qos: 2, nl: true, rap: true, rh: 1 } }, run.cb('subscribed'))
    await run.seen('subscribed')
  })

  interaction(`subscribeAsync, ${protocolVersion}`, async (run) => {
    const client = await connected(run, version)
    await run.settle(client.subscribeAsync('a', { qos: 1 }), 'result')
    await run.settle(client.subscribeAsync('forbidden'), 'result')
    await run.settle(client.subscribeAsync('a/#/b'), 'result')
  })

  interaction(`a refused subscribe, ${protocolVersion}`, async (run) => {
    const client = await connected(run, version)
    client.subscribe(['good', 'forbidden'], run.cb('subscribed'))
    await run.seen('subscribed')
    client.subscribe('good', run.cb('again'))
    await run.seen('again')
  })

  interaction(`unsubscribe, ${protocolVersion}`, async (run) => {
    const client = await connected(run, version)
    await client.subscribeAsync(['a', 'b', 'c'])
    run.log('returns itself', client.unsubscribe('a', run.cb('one')) === client)
    await run.seen('one')
    client.unsubscribe(['b', 'never'], {}, run.cb('two'))
    await run.seen('two')
    await run.settle(client.unsubscribeAsync('c'), 'result')
  })

  interaction(`a shared subscription, ${protocolVersion}`, async (run) => {
    const client = await connected(run, version)
    await client.subscribeAsync('$share/group/t')
    client.publish('t', 'x')
    await run.seen('message')
  })
}

interaction('a subscription that is there', async (run) => {
  const client = await connected(run, { reconnectPeriod: 1000 })
  client.subscribe('a', { qos: 1 }, run.cb('one'))
  await run.seen('one')
  client.subscribe('a', { qos: 1 }, run.cb('same'))
  client.subscribe('a', run.cb('lower'))
  client.subscribe('a', { qos: 2 }, run.cb('higher'))
  await run.seen('higher')
  client.subscribe(['a', 'b'], { qos: 2 }, run.cb('one new'))
  await run.seen('one new')
})

interaction('filters that are not valid', async (run) => {
  const client = await connected(run)
  for (const filter of ['a/#/b', 'a#', 'a/+b', '#/']) {
    client.subscribe(filter, run.cb(`subscribe ${filter}`))
    await run.seen(`subscribe ${filter}`)
    client.unsubscribe(filter, run.cb(`unsubscribe ${filter}`))
    await run.seen(`unsubscribe ${filter}`)
  }
  client.subscribe([], run.cb('empty'))
  await run.seen('empty')
  client.subscribe({}, run.cb('empty map'))
  await run.seen('empty map')
})

interaction('subscriptions in batches', async (run) => {
  const client = await connected(run, { subscribeBatchSize: 2 })
  client.subscribe(['a', 'b', 'c', 'd', 'e'], run.cb('subscribed'))
  await run.seen('subscribed')
})

interaction('checks of topics', async (run) => {
  for (const topic of ['a', 'a/+', '+', '#', 'a/#', 'a/#/b', 'a+', '#a', '']) {
    run.log(topic, run.mqtt.validateTopic(topic))
  }
  run.log('lists', run.mqtt.validateTopics([]), run.mqtt.validateTopics(['a', 'b+']), run.mqtt.validateTopics(['a']))
})

// Without a connection.

for (const protocolVersion of [4, 5]) {
  interaction(`what was asked for before the connection, ${protocolVersion}`, async (run) => {
    const client = run.client({ protocolVersion })
    client.publish('t', 'one', { qos: 1 }, run.cb('one'))
    client.subscribe('t', run.cb('subscribed'))
    client.publish('t', 'zero', run.cb('zero'))
    client.on('connect', () => run.log('queue', client.queue.length))
    await run.seen('subscribed')
    await run.seen('message')
  })
}

interaction('QoS 0 without a queue', async (run) => {
  const client = run.client({ queueQoSZero: false })
  client.publish('t', 'x', run.cb('zero'))
  client.publish('t', 'x', { qos: 1 }, run.cb('one'))
  await run.seen('one')
  await run.seen('connect')
})

interaction('published in order before the connection', async (run) => {
  const listener = await connected(run, {}, 'l')
  await listener.subscribeAsync('t', { qos: 2 })
  const client = run.client({ manualConnect: true }, 'p')
  for (let i = 0; i < 10; i++) client.publish('t', String(i), { qos: 1 + (i % 2) })
  client.connect()
  await run.seen('pconnect')
  await run.seen('lmessage', 10)
}, { unordered: true })

// Losing connections.

interaction('the broker hangs up, 4', async (run) => {
  const client = await connected(run, { reconnectPeriod: 50 })
  client.once('close', () => run.log('state', client.connected, client.reconnecting))
  run.broker.disconnect('client')
  await run.seen('connect', 2)
  run.log('state', client.connected, client.reconnecting)
})

interaction('the broker hangs up, 5', async (run) => {
  await connected(run, { protocolVersion: 5, reconnectPeriod: 50 })
  run.broker.disconnect('client', 0x98)
  await run.seen('connect', 2)
})

interaction('the broker hangs up, and no reconnecting', async (run) => {
  const client = await connected(run, {})
  run.broker.disconnect('client')
  await run.seen('close')
  run.log('state', client.connected, client.reconnecting)
})

for (const protocolVersion of [4, 5]) {
  interaction(`subscriptions after a lost connection, ${protocolVersion}`, async (run) => {
    const client = await connected(run, { protocolVersion, reconnectPeriod: 20 })
    await client.subscribeAsync({ a: { qos: 1 }, b: { qos: 0 } })
    await client.unsubscribeAsync('b')
    run.broker.disconnect('client')
    await run.seen('connect', 2)
    await client.subscribeAsync('marker')
    client.publish('b', 'no')
    client.publish('a', 'yes')
    await run.seen('message')
  })
}

interaction('no subscriptions after a lost connection', async (run) => {
  const client = await connected(run, { reconnectPeriod: 20, resubscribe: false })
  await client.subscribeAsync('a')
  run.broker.disconnect('client')
  await run.seen('connect', 2)
  await client.subscribeAsync('marker')
  client.publish('a', 'no')
  client.publish('marker', 'yes')
  await run.seen('message')
})

interaction('an unanswered publish', async (run) => {
  let first = true
  const { url } = await server(run, (socket) => {
    const silent = first
    first = false
    socket.on('data', (data) => {
      if (data[0] === 0x10) socket.write(CONNACK)
      else if (data[0] >> 4 === 3) {
        if (silent) socket.destroy()
        else socket.write(Buffer.from([0x40, 2, data[5], data[6]]))
      }
    })
  })
  const client = run.client({ reconnectPeriod: 20 }, '', url)
  await run.seen('connect')
  client.publish('t', 'x', { qos: 1 }, run.cb('published'))
  await run.seen('connect', 2)
})

interaction('an unanswered subscribe', async (run) => {
  const { url } = await server(run, (socket) => {
    socket.on('data', (data) => data[0] === 0x10 ? socket.write(CONNACK) : socket.destroy())
  })
  const client = run.client({}, '', url)
  await run.seen('connect')
  client.subscribe('t', run.cb('subscribed'))
  await run.seen('close')
  await run.seen('subscribed')
})

interaction('an unanswered unsubscribe', async (run) => {
  const { url } = await server(run, (socket) => {
    socket.on('data', (data) => data[0] === 0x10 ? socket.write(CONNACK) : socket.destroy())
  })
  const client = run.client({}, '', url)
  await run.seen('connect')
  client.unsubscribe('t', run.cb('unsubscribed'))
  await run.seen('close')
})

interaction('the session goes on', async (run) => {
  const options = { clean: false, clientId: 'kept' }
  const client = await connected(run, options)
  await client.subscribeAsync('t', { qos: 1 })
  client.end()
  await run.seen('end')
  const other = await connected(run, {}, 'o')
  await other.publishAsync('t', 'meanwhile', { qos: 1 })
  run.client(options, '2')
  await run.seen('2message')
})

interaction('the session goes on, 5', async (run) => {
  const properties = { sessionExpiryInterval: 100 }
  const options = { clean: false, clientId: 'kept', protocolVersion: 5, properties }
  const client = await connected(run, options)
  await client.subscribeAsync('t', { qos: 1 })
  client.end()
  await run.seen('end')
  const other = await connected(run, {}, 'o')
  await other.publishAsync('t', 'meanwhile', { qos: 1 })
  run.client(options, '2')
  await run.seen('2message')
})

for (const protocolVersion of [4, 5]) {
  interaction(`a will, ${protocolVersion}`, async (run) => {
    const listener = await connected(run, { protocolVersion }, 'l')
    await listener.subscribeAsync('will', { qos: 1 })
    const properties = { contentType: 'text', willDelayInterval: 0 }
    const will = { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: false, properties }
    await connected(run, { protocolVersion, will })
    run.broker.disconnect('client', 0x98)
    await run.seen('close')
    await run.seen('lmessage')
  }, { unordered: true })
}

interaction('no will after a goodbye', async (run) => {
  const listener = await connected(run, {}, 'l')
  await listener.subscribeAsync('will')
  const client = await connected(run, { will: { topic: 'will', payload: 'gone', qos: 0, retain: false } })
  client.end()
  await run.seen('end')
  listener.publish('will', 'marker')
  await run.seen('lmessage')
})

// Ending.

const ENDS = {
  'end()': (client) => client.end(),
  'end(true)': (client) => client.end(true),
  'end(callback)': (client, cb) => client.end(cb),
  'end(false, callback)': (client, cb) => client.end(false, cb),
  'end(true, callback)': (client, cb) => client.end(true, cb),
  'end(options, callback)': (client, cb) => client.end({}, cb),
  'end(force, options, callback)': (client, cb) => client.end(false, {}, cb),
  'end(null, null, callback)': (client, cb) => client.end(null, null, cb)
}
for (const [name, end] of Object.entries(ENDS)) {
  interaction(name, async (run) => {
    const client = await connected(run)
    run.log('returns itself', end(client, run.cb('ended')) === client)
    run.log('state', client.disconnecting)
    await run.seen('end')
    await new Promise((resolve) => setImmediate(resolve))
    run.log('state', client.connected, client.disconnecting, client.disconnected)
  })
}

interaction('end with a reason, 5', async (run) => {
  const client = await connected(run, { protocolVersion: 5 })
  client.end(false, { reasonCode: 0x04, properties: { reasonString: 'bye' } }, run.cb('ended'))
  await run.seen('ended')
})

interaction('endAsync', async (run) => {
  const client = await connected(run)
  await run.settle(client.endAsync(), 'result')
  await run.settle(client.endAsync(true), 'again')
})

interaction('end twice', async (run) => {
  const client = await connected(run, { reconnectPeriod: 1000 })
  client.end(run.cb('first'))
  client.end(run.cb('second'))
  await run.seen('first')
  client.end(run.cb('third'))
  await run.seen('third')
})

interaction('end with a message under way', async (run) => {
  const client = await connected(run)
  client.on('outgoingEmpty', run.cb('outgoingEmpty'))
  client.publish('t', 'x', { qos: 2 }, run.cb('published'))
  client.end(run.cb('ended'))
  await run.seen('ended')
})

interaction('end before there is a connection', async (run) => {
  const client = run.client({ reconnectPeriod: 1000 })
  client.end(true, run.cb('ended'))
  await run.seen('ended')
})

interaction('calls after the end', async (run) => {
  const client = await connected(run, { reconnectPeriod: 1000 })
  client.end()
  client.publish('t', 'x', run.cb('publish'))
  client.publish('t', 'x')
  client.subscribe('t', run.cb('subscribe'))
  client.unsubscribe('t', run.cb('unsubscribe'))
  await run.seen('end')
  await run.settle(client.publishAsync('t', 'x'), 'result')
})

interaction('reconnect after the end', async (run) => {
  const client = await connected(run, { reconnectPeriod: 1000 })
  client.end()
  await run.seen('end')
  run.log('returns itself', client.reconnect() === client)
  await run.seen('connect', 2)
})

interaction('reconnect while it ends', async (run) => {
  const client = await connected(run, { reconnectPeriod: 1000 })
  client.end()
  client.reconnect()
  await run.seen('connect', 2)
})

interaction('reconnect with the stores', async (run) => {
  const incomingStore = new run.mqtt.Store({ clean: false })
  const outgoingStore = new run.mqtt.Store({ clean: false })
  const { url, close } = await server(run, (socket) => {
    socket.on('data', (data) => data[0] === 0x10 && socket.write(CONNACK))
  })
  const client = run.client({ incomingStore, outgoingStore, clean: false }, '', url)
  await run.seen('connect')
  client.publish('t', 'x', { qos: 1 }, run.cb('published'))
  await new Promise((resolve) => setImmediate(resolve))
  client.end(true)
  await run.seen('end')
  await close()
  Object.assign(client.options, { host: '127.0.0.1', hostname: '127.0.0.1', port: run.broker.port })
  client.reconnect({ incomingStore, outgoingStore })
  await run.seen('connect', 2)
})

// Programs that take part in the protocol.

interaction('handleMessage', async (run) => {
  const client = await connected(run)
  await client.subscribeAsync('t', { qos: 1 })
  client.handleMessage = (packet, callback) => {
    run.log('handle', packet.payload)
    setTimeout(callback, 5)
  }
  for (let i = 0; i < 5; i++) client.publish('t', String(i), { qos: i % 2 })
  await run.seen('handle', 5)
})

interaction('customHandleAcks', async (run) => {
  const client = await connected(run, {
    protocolVersion: 5,
    customHandleAcks: (topic, message, packet, callback) => {
      run.log('asked', topic, message)
      callback(String(message) === 'refuse' ? 0x80 : 0)
    }
  })
  await client.subscribeAsync('t', { qos: 1 })
  client.publish('t', 'refuse', { qos: 1 })
  client.publish('t', 'take', { qos: 1 })
  await run.seen('message')
})

interaction('a wrong code of customHandleAcks', async (run) => {
  const client = await connected(run, {
    protocolVersion: 5,
    customHandleAcks: (topic, message, packet, callback) => callback(null, 5)
  })
  await client.subscribeAsync('t', { qos: 1 })
  client.publish('t', 'x', { qos: 1 })
  await run.seen('error')
})

interaction('authentication data without a method', async (run) => {
  run.client({ protocolVersion: 5, properties: { authenticationData: Buffer.from('x') } })
  await run.seen('error')
})

interaction('authentication in steps', async (run) => {
  const client = run.client({
    protocolVersion: 5,
    manualConnect: true,
    properties: { authenticationMethod: 'M', authenticationData: Buffer.from('hello') }
  })
  client.handleAuth = (packet, callback) => {
    run.log('challenge', packet.reasonCode, packet.properties)
    callback(null, {
      cmd: 'auth',
      reasonCode: 0x18,
      properties: { authenticationMethod: 'M', authenticationData: Buffer.from('answer') }
    })
  }
  client.connect()
  await run.seen('connect')
}, {
  broker: {
    authenticate: ({ step, authenticationData }) => step === 'connect'
      ? { challenge: 'question' }
      : String(authenticationData) === 'answer'
  }
})

interaction('what the server says in CONNACK, 5', async (run) => {
  const { url } = await server(run, (socket) => socket.once('data', () => {
    const properties = Buffer.from([0x21, 0, 10, 0x12, 0, 1, 0x61, 0x26, 0, 1, 0x6b, 0, 1, 0x76])
    socket.write(Buffer.concat([Buffer.from([0x20, 3 + properties.length, 0, 0, properties.length]), properties]))
  }))
  run.client({ protocolVersion: 5 }, '', url)
  await run.seen('connect')
})

interaction('a server that breaks the protocol', async (run) => {
  const { url } = await server(run, (socket) => socket.once('data', () => {
    socket.write(CONNACK5)
    setImmediate(() => socket.write(CONNACK5))
  }))
  run.client({ protocolVersion: 5 }, '', url)
  await run.seen('close')
})

for (const protocolVersion of [4, 5]) {
  interaction(`packets, ${protocolVersion}`, async (run) => {
    const properties = { sessionExpiryInterval: 0, userProperties: { a: 'b' } }
    const client = run.client({ protocolVersion, ...(protocolVersion === 5 ? { properties } : {}) })
    for (const name of ['packetsend', 'packetreceive']) client.on(name, run.cb(name))
    await run.seen('connect')
    await run.settle(client.subscribeAsync(['t', 'u/#'], { qos: 2 }), 'subscribed')
    for (const qos of [0, 1, 2]) {
      const published = client.publishAsync('t/x', Buffer.from('x'), { qos })
      if (qos) await run.settle(published, 'published')
    }
    // The acknowledgements of what we receive follow the message.
    run.broker.publish('t', 'one', { qos: 1, properties: { contentType: 'c' } })
    await run.seen('message')
    run.broker.publish('u/v', 'two', { qos: 2 })
    await run.seen('message', 2)
    await run.settle(client.unsubscribeAsync('t'), 'unsubscribed')
    client.sendPing()
    await run.seen('packetreceive', 10)
    client.end()
    await run.seen('end')
  })
}

interaction('packets of a second connection', async (run) => {
  const will = { topic: 'will', payload: Buffer.from('gone'), qos: 1, retain: true }
  const options = { username: 'good', password: Buffer.from('secret'), will, keepalive: 30, reconnectPeriod: 20 }
  const client = await connected(run, options)
  client.on('packetsend', run.cb('packetsend'))
  run.broker.disconnect('client')
  await run.seen('connect', 2)
})

interaction('what the package has', async (run) => {
  const { mqtt } = run
  const names = [
    'connect', 'connectAsync', 'MqttClient', 'Client', 'Store', 'DefaultMessageIdProvider',
    'UniqueMessageIdProvider', 'ErrorWithReasonCode', 'ErrorWithSubackPacket', 'ReasonCodes',
    'validateTopic', 'validateTopics', 'default'
  ]
  run.log('kinds', Object.fromEntries(names.map((name) => [name, typeof mqtt[name]])))
  run.log('one class', mqtt.Client === mqtt.MqttClient, mqtt.ReasonCodes)
  run.log('error', new mqtt.ErrorWithReasonCode('x', 5), new mqtt.ErrorWithSubackPacket('y', {}))
  const client = run.client()
  run.log('instance', client instanceof mqtt.MqttClient)
  client.stream.setMaxListeners(0)
  await run.seen('connect')
})

module.exports = all
