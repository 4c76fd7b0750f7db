// A broker over TLS and secure WebSocket, and a client with a certificate that says who it is.
// Wants a folder with authority.pem, server.pem, server.key, client.pem and client.key.
const fs = require('node:fs')
const path = require('node:path')
const mqtt = require('libmqtt')

const file = (name) => path.join(process.argv[2] ?? '.', name)

async function main () {
  const tls = { certFile: file('server.pem'), keyFile: file('server.key') }
  const broker = await mqtt.Broker.start({
    listeners: [
      {
        port: 0,
        tls: { ...tls, caFile: file('authority.pem'), clientCertificates: 'required' },
        certificateUser: 'commonName'
      },
      { port: 0, tls, webSocket: { origins: ['https://example.org'] } }
    ],
    authorizePublish: ({ username }, { topic }) => topic.startsWith(`${username}/`)
  })
  process.on('SIGHUP', () => broker.reload()) // certificates that were renewed
  const [overTls, overWebSocket] = broker.urls
  const ca = fs.readFileSync(file('authority.pem'))
  const listener = await mqtt.connectAsync(overWebSocket, { ca })
  listener.on('message', async (topic, payload) => {
    console.log(`${topic}: ${payload}`)
    await listener.endAsync()
    await broker.close()
  })
  await listener.subscribeAsync('#')
  const [cert, key] = ['client.pem', 'client.key'].map((name) => fs.readFileSync(file(name)))
  const client = await mqtt.connectAsync(overTls, { ca, cert, key })
  await client.publishAsync('client/status', 'up', { qos: 1 })
  await client.endAsync()
}
main()
