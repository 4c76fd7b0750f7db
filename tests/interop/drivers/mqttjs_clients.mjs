// Any number of MQTT.js clients, told what to do by lines of JSON (see ../programs.py).

import readline from 'node:readline';
import mqtt from 'mqtt';

const VERSIONS = {
  '3.1': { protocolId: 'MQIsdp', protocolVersion: 3 },
  '3.1.1': { protocolId: 'MQTT', protocolVersion: 4 },
  '5.0': { protocolId: 'MQTT', protocolVersion: 5 },
};
const clients = new Map();

const say = (client, event, rest) =>
  process.stdout.write(`${JSON.stringify({ client, event, ...rest })}\n`);

// { a: ['1', '2'], b: '3' } as pairs, in order.
const pairs = (properties) =>
  Object.entries(properties).flatMap(([name, values]) => [values].flat().map((v) => [name, v]));

function propertiesOf(packet) {
  const p = packet.properties ?? {};
  const found = { identifiers: [p.subscriptionIdentifier ?? []].flat() };
  if (p.payloadFormatIndicator !== undefined) found.format = Number(p.payloadFormatIndicator);
  if (p.messageExpiryInterval !== undefined) found.expiry = p.messageExpiryInterval;
  if (p.contentType !== undefined) found.content_type = p.contentType;
  if (p.responseTopic !== undefined) found.response_topic = p.responseTopic;
  if (p.correlationData !== undefined) found.correlation = p.correlationData.toString('hex');
  if (p.userProperties !== undefined) found.user = pairs(p.userProperties);
  return found;
}

function connect(name, order) {
  const { port, version, client_id, clean, session_expiry, username, password, will } = order;
  const client = mqtt.connect({
    protocol: 'mqtt',
    host: '127.0.0.1',
    port,
    ...VERSIONS[version],
    clientId: client_id,
    clean,
    reconnectPeriod: 0,
    resubscribe: false,
    ...(username !== null && { username, password }),
    ...(will && { will: { ...will, payload: Buffer.from(will.payload, 'hex') } }),
    ...(version === '5.0' && { properties: { sessionExpiryInterval: session_expiry } }),
  });
  let reason = 0;
  let refused = false;
  client.on('connect', (connack) => {
    say(name, 'connected', { session_present: connack.sessionPresent });
  });
  client.on('error', (error) => {
    refused = true;
    say(name, 'refused', { reason: error.code });
  });
  client.on('disconnect', (packet) => {
    reason = packet.reasonCode;
  });
  client.on('close', () => refused || say(name, 'closed', { reason }));
  client.on('message', (topic, payload, packet) => {
    const { qos, retain } = packet;
    const properties = propertiesOf(packet);
    say(name, 'message', { topic, payload: payload.toString('hex'), qos, retain, properties });
  });
  clients.set(name, client);
}

async function subscribe(name, { filters, qos, identifier }) {
  const options = { qos };
  if (identifier) options.properties = { subscriptionIdentifier: identifier };
  const granted = await clients.get(name).subscribeAsync(filters, options);
  say(name, 'subscribed', { reasons: granted.map((g) => g.qos) });
}

function published(given) {
  const { format, expiry, content_type, response_topic, correlation, user } = given;
  const userProperties = {};
  for (const [name, value] of user ?? []) (userProperties[name] ??= []).push(value);
  const properties = {
    payloadFormatIndicator: format === undefined ? undefined : Boolean(format),
    messageExpiryInterval: expiry,
    contentType: content_type,
    responseTopic: response_topic,
    correlationData: correlation === undefined ? undefined : Buffer.from(correlation, 'hex'),
    userProperties: user && userProperties,
  };
  return Object.fromEntries(Object.entries(properties).filter(([, v]) => v !== undefined));
}

async function publish(name, { topic, payloads, qos, retain, properties }) {
  const options = { qos, retain, ...(properties && { properties: published(properties) }) };
  const client = clients.get(name);
  const one = (p) => client.publishAsync(topic, Buffer.from(p, 'hex'), options);
  // As many under way at once as paho has.
  for (let i = 0; i < payloads.length; i += 20) {
    await Promise.all(payloads.slice(i, i + 20).map(one));
  }
  say(name, 'published');
}

const verbs = { connect, subscribe, publish, disconnect: (name) => clients.get(name).end() };

readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { client, do: verb, ...order } = JSON.parse(line);
    verbs[verb](client, order);
  })
  .on('close', () => process.exit());
