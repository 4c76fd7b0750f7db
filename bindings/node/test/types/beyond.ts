// Compiled, not run: what libmqtt has beyond MQTT.js.
import { Broker, connect, type BrokerOptions, type StreamedMessage } from 'libmqtt'

const options: BrokerOptions = {
  port: 0,
  authenticate: async ({ username, password }) => username === 'u' && String(password) === 'p',
  authorizePublish: (client, { topic }) => topic.startsWith(client.clientId),
  events: ['connect', 'publish']
}

async function main (): Promise<void> {
  const broker = await Broker.start(options)
  broker.on('connect', ({ clientId, address }) => console.log(clientId, address))
  broker.on('publish', (message, client) => console.log(message.topic, client?.clientId))
  const client = connect(broker.url, { reconnectBackoff: { max: 1000, jitter: true } })
  const lasting = connect(broker.url, {
    clientId: 'c', clean: false, dataDirectory: 'data', durability: 250
  })
  lasting.publish('t', 'x', { qos: 1, cbStorePut: () => console.log('stored') })
  lasting.flush((error?: Error) => console.log(error))
  const flushed: void = await lasting.flushAsync()
  // @ts-expect-error: there is no such durability
  connect(broker.url, { durability: 'always' })
  const inside = broker.client({ clientId: 'inside' })
  for await (const message of client.messages('a/#', { qos: 1, bound: 10 })) {
    const { topic, payload }: StreamedMessage = message
    console.log(topic, payload.length, broker.stats().publishReceived, broker.port)
    break
  }
  broker.publish('t', 'x', { retain: true })
  await inside.endAsync()
  return flushed
  await broker.close({ deadline: 10 })
}
void main()
