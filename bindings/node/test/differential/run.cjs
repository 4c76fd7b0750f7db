'use strict'
// Runs an interaction with one of two packages and writes down what the program sees of it.

const { Broker } = require('libmqtt')

const EVENTS = ['connect', 'message', 'error', 'offline', 'close', 'reconnect', 'disconnect', 'end']
const PATIENCE_MS = 10000

// Values that can be compared: no message ids, which MQTT.js begins at random, and no ports.
function plain (value, ports) {
  if (value instanceof Error) {
    const { name, message, code, errno, syscall, address, packet } = value
    const fields = { name, message, code, errno, syscall, address, packet }
    return Object.fromEntries(Object.entries(fields)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [key, plain(field, ports)]))
  }
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('latin1')}`
  if (Array.isArray(value)) return value.map((one) => plain(one, ports))
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.keys(value).sort()
      .filter((key) => value[key] !== undefined)
      .map((key) => {
        if (key === 'messageId') return [key, value[key] === 0 ? 0 : 'id']
        return [key, plain(value[key], ports)]
      }))
  }
  if (typeof value === 'string') {
    return ports.reduce((text, port) => text.replaceAll(String(port), 'PORT'), value)
  }
  if (typeof value === 'function') return 'function'
  return value
}

class Run {
  constructor (mqtt, broker) {
    this.mqtt = mqtt
    this.broker = broker
    this.url = broker.url
    this.ports = [broker.port]
    this.trace = []
    this.waiting = []
    this.clients = []
    this.closers = []
  }

  log (label, ...values) {
    this.trace.push([label, ...values.map((value) => plain(value, this.ports))])
    this.waiting = this.waiting.filter((wake) => !wake())
  }

  // A callback that is written down.
  cb (label) {
    return (...values) => this.log(label, ...values)
  }

  // Waits until a label was written down so many times.
  seen (label, times = 1) {
    const there = () => this.trace.filter(([one]) => one === label).length >= times
    return new Promise((resolve, reject) => {
      if (there()) return resolve()
      const late = setTimeout(() => {
        reject(new Error(`no '${label}' (${times}) after ${JSON.stringify(this.trace)}`))
      }, PATIENCE_MS)
      this.waiting.push(() => {
        if (!there()) return false
        clearTimeout(late)
        resolve()
        return true
      })
    })
  }

  // A client whose events are written down.
  client (options = {}, name = '', url = this.url) {
    return this.watch(this.mqtt.connect(url, { clientId: `client${name}`, reconnectPeriod: 0, ...options }), name)
  }

  watch (client, name = '') {
    for (const event of EVENTS) client.on(event, this.cb(name + event))
    this.clients.push(client)
    return client
  }

  // Does something that may throw.
  attempt (label, action) {
    try {
      action()
      this.log(label, 'nothing thrown')
    } catch (error) {
      this.log(label, error)
    }
  }

  async settle (promise, label) {
    await promise.then(this.cb(label), (error) => this.log(label, 'rejected', error))
  }

  async done () {
    for (const client of this.clients) await new Promise((resolve) => client.end(true, resolve))
    for (const close of this.closers) await close()
  }
}

const BROKER = {
  port: 0,
  shards: 1,
  authenticate: ({ username, password }) => {
    return username !== 'bad' && (username !== 'good' || String(password) === 'secret')
  },
  authorizePublish: (client, { topic }) => !topic.includes('forbidden'),
  authorizeSubscribe: (client, { topic }) => !topic.includes('forbidden')
}

// What `mqtt` lets a program see of the interaction.
async function trace (mqtt, interaction) {
  const broker = await Broker.start({ ...BROKER, ...interaction.broker })
  const run = new Run(mqtt, broker)
  try {
    await interaction.run(run)
  } finally {
    run.finished = run.trace.slice()
    await run.done()
    await broker.close({ deadline: 100 })
  }
  return run.finished
}

module.exports = { trace }
