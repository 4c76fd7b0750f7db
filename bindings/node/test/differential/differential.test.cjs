'use strict'
// What programs see of MQTT.js and of libmqtt is the same, but for what is listed here.

const test = require('node:test')
const assert = require('node:assert/strict')
const ours = require('libmqtt')
const theirs = require('mqtt')
const interactions = require('./interactions.cjs')
const { trace } = require('./run.cjs')
const { sorted } = require('./exceptions.cjs')
const { exceptions } = require('./exceptions.cjs')

test('there are enough interactions', () => {
  assert.ok(interactions.length >= 60, `${interactions.length}`)
  const names = interactions.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  for (const name of Object.keys(exceptions)) assert.ok(names.includes(name), name)
})

for (const interaction of interactions) {
  test(interaction.name, async () => {
    const exception = exceptions[interaction.name]
    const level = exception?.level ?? (interaction.unordered ? sorted : (lines) => lines)
    const expected = await trace(theirs, interaction)
    const actual = await trace(ours, interaction)
    assert.deepEqual(level(actual), level(expected))
    // An exception that is none any more must go.
    if (exception && !exception.sometimes) assert.notDeepEqual(actual, expected)
  })
}
