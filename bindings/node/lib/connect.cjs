'use strict'
// connect and connectAsync.

const native = require('./native.cjs')
const { MqttClient } = require('./client.cjs')
const tls = require('./tls.cjs')
const { ofArguments } = require('./options.cjs')

// The loop of this environment: the main thread's, or a worker's.
let runtime

// Makes native clients over the network. A copy of whom Node trusts is only then at hand, so that
// settings stay small.
const overNetwork = {
  make (settings, wake) {
    runtime ??= new native.Runtime()
    const mine = settings.tls
    if (mine?.strict && mine.ca === undefined && mine.caFiles.length === 0) {
      settings = { ...settings, tls: { ...mine, ca: tls.trustedByNode() } }
    }
    return new native.Client(runtime, settings, wake)
  }
}

function connect (url, options) {
  const client = new MqttClient(overNetwork, ofArguments(url, options))
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
