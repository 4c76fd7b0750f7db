'use strict'

const { connect, connectAsync } = require('./connect.cjs')
const { MqttClient } = require('./client.cjs')
const { Broker } = require('./broker.cjs')
const { MessageStream } = require('./messages.cjs')
const { Store, DefaultMessageIdProvider, UniqueMessageIdProvider } = require('./store.cjs')
const { ReasonCodes, ErrorWithReasonCode, ErrorWithSubackPacket } = require('./errors.cjs')
const { validateTopic, validateTopics } = require('./topics.cjs')

const all = {
  connect,
  connectAsync,
  MqttClient,
  Client: MqttClient,
  Broker,
  MessageStream,
  Store,
  DefaultMessageIdProvider,
  UniqueMessageIdProvider,
  ErrorWithReasonCode,
  ErrorWithSubackPacket,
  ReasonCodes,
  MQTTJS_VERSION: MqttClient.VERSION,
  validateTopic,
  validateTopics
}
all.default = all
module.exports = all
