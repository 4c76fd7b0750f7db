// A client and a broker in one process, without a socket between them, in TypeScript.
import { Broker, type IPublishPacket } from 'libmqtt'

async function main (): Promise<void> {
  const broker = await Broker.start({ listen: [] })
  const client = broker.client({ protocolVersion: 5, clientId: 'typed' })
  client.on('message', (topic: string, payload: Buffer, packet: IPublishPacket) => {
    console.log(`${topic} ${payload.toString()} ${packet.properties?.contentType}`)
    client.end(() => { void broker.close() })
  })
  await client.subscribeAsync('greeting', { qos: 1 })
  await client.publishAsync('greeting', 'hello', { qos: 1, properties: { contentType: 'text/plain' } })
}
void main()
