// Payloads that only sender and receiver can read: neither the broker nor who taps the line. Each
// is encrypted with AES-256-GCM by Node's own crypto, and bound to its topic: a message that the
// broker has moved to another topic, or changed, is not accepted. How the key gets to both, and
// that an old message is not sent again, is for the application to see to.
const { createCipheriv, createDecipheriv, randomBytes } = require('node:crypto')
const mqtt = require('libmqtt')

const NONCE = 12
const TAG = 16

function seal (key, topic, text) {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(topic))
  const sealed = Buffer.concat([cipher.update(text), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

// Throws if it was not sealed with this key for this topic.
function open (key, topic, payload) {
  const decipher = createDecipheriv('aes-256-gcm', key, payload.subarray(0, NONCE))
    .setAAD(Buffer.from(topic))
    .setAuthTag(payload.subarray(NONCE, NONCE + TAG))
  return Buffer.concat([decipher.update(payload.subarray(NONCE + TAG)), decipher.final()])
}

async function main () {
  const key = randomBytes(32)
  const client = await mqtt.connectAsync(process.argv[2] ?? 'mqtt://localhost')
  const topics = ['vault/temperature', 'vault/forged']
  client.on('message', async (topic, payload) => {
    try {
      console.log(`${topic}: ${open(key, topic, payload)}`)
    } catch {
      console.log(`${topic}: not from us`)
    }
    if (topic === topics[1]) await client.endAsync()
  })
  await client.subscribeAsync('vault/#', { qos: 1 })
  const sealed = seal(key, topics[0], '21.5')
  for (const topic of topics) await client.publishAsync(topic, sealed, { qos: 1 })
}
main()
