const mqtt = require('libmqtt')
const client = mqtt.connect(process.env.MQTT_URL || 'mqtt://localhost')

client.on('connect', () => {
  client.subscribe('presence', (err) => {
    if (!err) {
      client.publish('presence', 'Hello mqtt')
    }
  })
})

client.on('message', (topic, message) => {
  // message is Buffer
  console.log(message.toString())
  client.end()
})
