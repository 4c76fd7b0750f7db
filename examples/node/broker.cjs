// A broker that asks for a password, keeps a topic to itself, and tells what happens.
const { Broker } = require('libmqtt')

async function main () {
  const broker = await Broker.start({
    port: Number(process.argv[2] ?? 1883),
    authenticate: ({ username, password }) => username === 'me' && String(password) === 'secret',
    authorizePublish: async (client, { topic }) => !topic.startsWith('status/'),
    events: ['connect', 'disconnect', 'publish']
  })
  broker.on('connect', ({ clientId, address }) => console.log(`${clientId} from ${address}`))
  broker.on('disconnect', ({ clientId }) => console.log(`${clientId} has gone`))
  broker.on('publish', ({ topic, payload }) => console.log(`${topic}: ${payload}`))
  broker.publish('status/broker', 'up', { retain: true })
  console.log(`listening at ${broker.url}`)
  process.on('SIGTERM', () => broker.close())
}
main()
