'use strict'
// What the tests share.

const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const mqtt = require('libmqtt')

// Has a broker of one's own, and closes all that was opened when the test is over.
async function withBroker (t, options = {}) {
  const broker = await mqtt.Broker.start(options.listen || options.listeners ? options : { port: 0, ...options })
  t.after(() => broker.close({ deadline: 100 }))
  return broker
}

function clientOf (t, url, options = {}) {
  const client = mqtt.connect(url, { reconnectPeriod: 20, ...options })
  t.after(() => client.endAsync(true))
  return client
}

async function connectedOf (t, url, options) {
  const client = clientOf(t, url, options)
  await once(client, 'connect')
  return client
}

// Does something, and gives what listeners have thrown meanwhile.
async function catching (action) {
  const caught = []
  const catcher = (error) => caught.push(error.message)
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', catcher)
  try {
    await action()
  } finally {
    process.off('uncaughtException', catcher)
    others.forEach((listener) => process.on('uncaughtException', listener))
  }
  return caught
}

// Runs a program, and gives what it says and how it ends.
async function run (words, { env = {}, ready, then } = {}) {
  const child = spawn(process.execPath, words, {
    env: { ...process.env, ...env },
    cwd: path.join(__dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let out = ''
  let err = ''
  let told = false
  const late = setTimeout(() => child.kill('SIGKILL'), 20000)
  child.stdout.on('data', (data) => {
    out += data
    if (!told && ready && ready(out)) {
      told = true
      then(child, out)
    }
  })
  child.stderr.on('data', (data) => { err += data })
  const [code, signal] = await once(child, 'close')
  clearTimeout(late)
  return { out, err, code, signal }
}

// A server made by hand, which closes with the test.
async function serverOf (t, onSocket) {
  const sockets = new Set()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    sockets.forEach((socket) => socket.destroy())
    server.close()
  })
  return { url: `mqtt://127.0.0.1:${server.address().port}`, port: server.address().port, sockets, server }
}

// The URL of mosquitto, which ends with the test. It has to be given a port, which another may take
// first.
async function mosquittoOf (t, directives = []) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'libmqtt-mosquitto-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'mosquitto.conf')
  const common = ['allow_anonymous true', 'user root', 'log_dest stderr', 'log_type information']
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
  let log = ''
  for (let i = 0; i < 10; i++) {
    const free = net.createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address()
    free.close()
    fs.writeFileSync(file, [`listener ${port} 127.0.0.1`, ...common, ...directives, ''].join('\n'))
    const child = spawn('mosquitto', ['-c', file], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const came = await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', () => resolve(false))
      child.stderr.on('data', (data) => / running\n/.test(log += data) && resolve(true))
    })
    if (!came) continue
    t.after(() => child.kill('SIGKILL'))
    return `mqtt://127.0.0.1:${port}`
  }
  throw new Error(log)
}

module.exports = { mqtt, withBroker, clientOf, connectedOf, catching, run, serverOf, mosquittoOf }
