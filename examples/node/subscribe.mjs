// Prints the messages of a filter, as many as are wanted.
//   node subscribe.mjs mqtt://localhost 'filter/#' 3
import { connectAsync } from 'libmqtt'

const [url = 'mqtt://localhost', filter = '#', wanted = Infinity] = process.argv.slice(2)
const client = await connectAsync(url)
const messages = client.messages(filter, { qos: 1, bound: 100 })
await messages.subscribed
console.log(`subscribed to ${filter}`)
let count = 0
for await (const { topic, payload } of messages) {
  console.log(`${topic} ${payload}`)
  if (++count >= wanted) break
}
await client.endAsync()
