// Publishes a message at QoS 1 and waits until the broker has it.
//   node publish.mjs mqtt://localhost topic text
import { connectAsync } from 'libmqtt'

const [url = 'mqtt://localhost', topic = 'hello', text = 'world'] = process.argv.slice(2)
const client = await connectAsync(url)
await client.publishAsync(topic, text, { qos: 1 })
console.log(`published to ${topic}`)
await client.endAsync()
