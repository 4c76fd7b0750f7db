// One MQTT.js client that sends itself messages: node mqttjs_once.mjs URL JSON-OPTIONS

import { readFileSync } from 'node:fs';
import mqtt from 'mqtt';

const [url, text] = process.argv.slice(2);
const { ca, cert, key, ...options } = JSON.parse(text);
const files = Object.entries({ ca, cert, key }).filter(([, path]) => path);
const topic = `once/${process.pid}`;
const client = await mqtt.connectAsync(url, {
  reconnectPeriod: 0,
  ...options,
  ...Object.fromEntries(files.map(([name, path]) => [name, readFileSync(path)])),
});
const got = [];
const all = new Promise((resolve) => {
  client.on('message', (_, payload) => got.push(payload) === 20 && resolve());
});
await client.subscribeAsync(topic, { qos: 1 });
const sent = Array.from({ length: 20 }, (_, i) => Buffer.alloc(i * i * 500, i));
for (const payload of sent) await client.publishAsync(topic, payload, { qos: 1 });
await all;
await client.endAsync();
if (!sent.every((payload, i) => payload.equals(got[i]))) throw new Error('other messages came');
