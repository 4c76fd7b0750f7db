// Compiled, not run: once against mqtt, once against libmqtt, and what libmqtt has beyond that.
import mqtt, {
  connect, connectAsync, MqttClient, Store, ErrorWithReasonCode,
  type IClientOptions, type IClientPublishOptions, type IClientSubscribeOptions,
  type IConnackPacket, type IDisconnectPacket, type IPublishPacket, type ISubscriptionGrant,
  type ISubscriptionMap, type OnMessageCallback, type PacketCallback, type Packet
} from 'mqtt'

const options: IClientOptions = {
  clientId: 'typed',
  username: 'u',
  password: Buffer.from('p'),
  keepalive: 30,
  clean: true,
  reconnectPeriod: 500,
  protocolVersion: 5,
  properties: { sessionExpiryInterval: 10, receiveMaximum: 20, userProperties: { a: ['b', 'c'] } },
  will: { topic: 'w', payload: Buffer.from('x'), qos: 1, retain: true, properties: { willDelayInterval: 1 } },
  servers: [{ host: 'localhost', port: 1883, protocol: 'mqtt' }],
  customHandleAcks: (topic, message, packet, done) => done(0)
}

const client: MqttClient = connect('mqtt://localhost', options)
const other: MqttClient = mqtt.connect({ host: 'localhost', port: 1883 })
const later: Promise<MqttClient> = connectAsync('mqtt://localhost', options, false)

client.on('connect', (packet: IConnackPacket) => console.log(packet.sessionPresent))
client.on('disconnect', (packet: IDisconnectPacket) => console.log(packet.reasonCode))
client.once('close', () => {})
client.on('error', (error) => {
  if (error instanceof ErrorWithReasonCode) console.log(error.code)
})
const listener: OnMessageCallback = (topic: string, payload: Buffer, packet: IPublishPacket) => {
  console.log(topic, payload.toString(), packet.qos, packet.properties?.contentType)
}
client.on('message', listener)
client.off('message', listener)

const qos: 0 | 1 | 2 = 1
const publish: IClientPublishOptions = { qos, retain: true, properties: { contentType: 't' } }
const done: PacketCallback = (error?: Error, packet?: Packet) => console.log(error, packet?.cmd)
client.publish('t', 'x').publish('t', Buffer.from('x'), publish).publish('t', 'x', publish, done)
client.publish('t', 'x', (error) => console.log(error))
const wanted: IClientSubscribeOptions = { qos: 2, nl: true, rap: false, rh: 1 }
const map: ISubscriptionMap = { a: { qos: 0 }, b: { qos: 2 } }
client.subscribe('t').subscribe(['a', 'b'], wanted).subscribe(map, (error, granted) => {
  granted?.forEach((grant) => console.log(grant.topic, grant.qos))
})
client.unsubscribe('t', done)

async function main (): Promise<void> {
  const granted: ISubscriptionGrant[] = await client.subscribeAsync('t', wanted)
  await client.publishAsync('t', 'x', publish)
  await client.unsubscribeAsync(['t'])
  await client.endAsync(false, { reasonCode: 4 })
  console.log(granted.length, client.connected, client.options.clientId, client.getLastMessageId())
  client.reconnect({ incomingStore: new Store(), outgoingStore: new Store({ clean: false }) })
  client.end(true, {}, () => {})
  other.end(() => {})
  await later
}
void main()
