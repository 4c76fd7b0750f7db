'use strict'
// What MQTT.js checks of Topic Filters.

function validateTopic (topic) {
  const levels = topic.split('/')
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] === '+') continue
    if (levels[i] === '#') return i === levels.length - 1
    if (levels[i].includes('+') || levels[i].includes('#')) return false
  }
  return true
}

// The first that is not valid; null if all are.
function validateTopics (topics) {
  if (topics.length === 0) return 'empty_topic_list'
  for (const topic of topics) {
    if (!validateTopic(topic)) return topic
  }
  return null
}

// Whether a topic matches a filter. MQTT 5.0 §4.7.
function matches (filter, topic) {
  if (filter.startsWith('$share/')) filter = filter.split('/').slice(2).join('/')
  if (topic.startsWith('$') && !filter.startsWith('$')) return false
  const levels = filter.split('/')
  const names = topic.split('/')
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] === '#') return true
    if (i >= names.length || (levels[i] !== '+' && levels[i] !== names[i])) return false
  }
  return levels.length === names.length
}

module.exports = { validateTopic, validateTopics, matches }
