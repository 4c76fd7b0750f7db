'use strict'
// connect and connectAsync.

const native = require('./native.cjs')
const { MqttClient } = require('./client.cjs')
const { ofArguments } = require('./options.cjs')

// The loop of this environment: the main thread's, or a worker's.
let runtime

// Makes native clients over TCP.
const overTcp = {
  make (settings, wake) {
    runtime ??= new native.Runtime()
    return new native.Client(runtime, settings, wake)
  }
}

function connect (url, options) {
  const client = new MqttClient(overTcp, ofArguments(url, options))
  // Without a listener, an error would end the process.
  client.on('error', () => {})
  return client
}

function connectAsync (url, options, allowRetries = true) {
  return new Promise((resolve, reject) => {
    const client = connect(url, options)
    const settle = {
      connect: () => {
        stop()
        resolve(client)
      },
      end: () => {
        stop()
        resolve(client)
      },
      error: (error) => {
        stop()
        client.end()
        reject(error)
      }
    }
    if (allowRetries === false) {
      settle.close = () => settle.error(new Error("Couldn't connect to server"))
    }
    const stop = () => Object.keys(settle).forEach((name) => client.off(name, settle[name]))
    Object.keys(settle).forEach((name) => client.on(name, settle[name]))
  })
}

module.exports = { connect, connectAsync }
