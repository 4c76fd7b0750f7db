// A broker embedded in a Node program, on a port that it prints: `embedded_node.cjs libmqtt|aedes`.
const net = require('node:net')

async function libmqtt () {
  const { Broker } = require('libmqtt')
  return (await Broker.start({ port: 0 })).port
}

async function aedes () {
  const { Aedes } = require('aedes')
  const broker = await Aedes.createBroker()
  const server = net.createServer(broker.handle)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', 1024, resolve))
  return server.address().port
}

const brokers = { libmqtt, aedes }
brokers[process.argv[2]]().then((port) => console.log(port))
