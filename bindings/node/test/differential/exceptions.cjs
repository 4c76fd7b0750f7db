'use strict'
// Where libmqtt differs from MQTT.js 5.16, why, and what is the same nevertheless: `level` takes
// the difference out of both traces.

// Without the order of the lines.
function sorted (lines) {
  return lines.map((line) => JSON.stringify(line)).sort()
}

// What a program hears of servers that were tried in vain, but for the error itself.
function withoutErrors (lines) {
  return lines.filter(([label]) => label !== 'error')
}

// Without what a violation is called.
function withoutWords (lines) {
  return lines.map(([label, error, ...rest]) => label === 'error'
    ? [label, { ...error, message: error.message.split(':')[0] }, ...rest]
    : [label, error, ...rest])
}

const written = {
  why: 'A QoS 0 callback says that the message was written to the socket, which happens in ' +
    'another thread: it comes after the call, where MQTT.js calls it inside the call.',
  level: sorted
}

const overtaken = {
  why: 'The callback of subscribe comes before the messages that follow SUBACK. MQTT.js calls it ' +
    'from a promise, so that messages which came in the same read overtake it.',
  level: sorted,
  sometimes: true
}

const watched = {
  why: 'Who watches the packets sees that a message at QoS 2 comes with its PUBLISH, and is held ' +
    'back from being told twice by its message id, where MQTT.js keeps it until PUBREL.',
  level: sorted
}

const exceptions = {
  'packets, 4': watched,
  'packets, 5': watched,
  'publish at QoS 0, 4': written,
  'publish at QoS 0, 5': written,
  'a retained message': overtaken,
  'what was asked for before the connection, 4': overtaken,
  'what was asked for before the connection, 5': overtaken,
  'a server that breaks the protocol': {
    why: 'What the server did wrong is told in words of our own; name and code are the same.',
    level: withoutWords
  },
  'servers, one after the other': {
    why: 'The next server is tried at once rather than after reconnectPeriod; when it takes the ' +
      'connection, the error of the first is no news.',
    level: withoutErrors,
    sometimes: true
  }
}

module.exports = { exceptions, sorted }
