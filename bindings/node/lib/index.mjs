import all from './index.cjs'

export const {
  connect,
  connectAsync,
  MqttClient,
  Client,
  Broker,
  MessageStream,
  Store,
  DefaultMessageIdProvider,
  UniqueMessageIdProvider,
  ErrorWithReasonCode,
  ErrorWithSubackPacket,
  ReasonCodes,
  MQTTJS_VERSION,
  validateTopic,
  validateTopics
} = all
export default all
