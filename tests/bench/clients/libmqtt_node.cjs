// libmqtt for Node, as a driver: CPU per message of the client's own process, all threads.
//
//   libmqtt_node.cjs pub|sub HOST PORT QOS COUNT SIZE TOPIC
//
// With MODULE=mqtt it drives MQTT.js in the same way. Publishing has at most 1000 messages under
// way and ends with the last callback. A subscriber prints READY once its subscription stands; its
// time and CPU run from the first message to the last. The last line is JSON.
const lib = process.env.MODULE ?? 'libmqtt'
const mqtt = require(lib)
const { version } = require(`${lib}/package.json`)

const [mode, host, port, ...numbers] = process.argv.slice(2)
const topic = numbers.pop()
const [qos, count, size] = numbers.map(Number)
const payload = Buffer.alloc(size, 'x')
const MOST = 1000

let wall, cpu
function start () {
  wall = process.hrtime.bigint()
  cpu = process.cpuUsage()
}

function report (messages) {
  const secs = Number(process.hrtime.bigint() - wall) / 1e9
  const { user, system } = process.cpuUsage(cpu)
  const figures = { secs, msgs_per_s: messages / secs, cpu_us_per_msg: (user + system) / messages }
  console.log(JSON.stringify({ lib, version, mode, qos, size, count: messages, ...figures }))
  client.end()
}

const client = mqtt.connect({ host, port: Number(port), reconnectPeriod: 0 })
let sent = 0
let done = 0

function publish () {
  while (sent < count && sent - done < MOST) {
    sent++
    client.publish(topic, payload, { qos }, (error) => {
      if (error) throw error
      done++
      if (done === count) report(count)
      else if (sent - done < MOST / 2) publish()
    })
  }
}

let seen = 0
client.on('message', () => {
  seen++
  if (seen === 1) start()
  if (seen === count) report(count - 1)
})

client.on('connect', () => {
  if (mode === 'sub') {
    client.subscribe(topic, { qos }, () => console.log('READY'))
  } else {
    start()
    publish()
  }
})
