// MQTT.js as it comes for browsers, in a browser, with our broker.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { broker, browse, cleanUp, folder, makeRun } from "./browser.mjs";

const BUNDLE = createRequire(import.meta.url).resolve("mqtt/dist/mqtt.min");
const MESSAGES = 500;

let site;

/** A page of this origin with the bundle in it. */
async function bundled(options) {
  const files = { "/": "<script src=/mqtt.js></script>", "/mqtt.js": readFileSync(BUNDLE) };
  site = createServer(({ url }, response) => {
    response.setHeader("Content-Type", url === "/" ? "text/html" : "text/javascript");
    response.end(files[url] ?? "");
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  const page = await browse(`http://127.0.0.1:${site.address().port}/`, options);
  await page.waitForFunction(() => globalThis.mqtt);
  return page;
}

afterEach(async () => {
  await cleanUp();
  site?.closeAllConnections();
  site?.close();
});

/** Publishes to itself in all three QoS: what came, by QoS, and how it was. */
function exchange(page, url, protocolVersion) {
  return page.evaluate(
    async ([url, protocolVersion, count]) => {
      const client = await mqtt.connectAsync(url, { protocolVersion, keepalive: 5 });
      const came = [[], [], []];
      let all;
      const done = new Promise((resolve) => (all = resolve));
      client.on("message", (topic, payload, packet) => {
        if (topic === "browser/large") return;
        came[packet.qos].push(Number(payload));
        if (came[0].length + came[1].length + came[2].length === 3 * count) all();
      });
      await client.subscribeAsync("browser/#", { qos: 2 });
      const sent = [];
      for (let number = 0; number < count; number += 1) {
        for (const qos of [0, 1, 2]) {
          sent.push(client.publishAsync(`browser/${qos}`, String(number), { qos }));
        }
      }
      await Promise.all(sent);
      await done;
      // More than any buffer on the way holds at once.
      const large = new Promise((resolve) => client.once("message", (_, payload) => resolve(payload.length)));
      await client.publishAsync("browser/large", "x".repeat(3_000_000), { qos: 1 });
      const length = await large;
      await client.endAsync();
      return { came, length };
    },
    [url, protocolVersion, MESSAGES],
  );
}

function check({ came, length }) {
  const wanted = Array.from({ length: MESSAGES }, (_, number) => number);
  assert.deepEqual(came, [wanted, wanted, wanted]);
  assert.equal(length, 3_000_000);
}

test("messages go there and back over ws", async () => {
  const [port] = await broker("listener 0 127.0.0.1", "protocol websockets", "allow_anonymous true");
  const page = await bundled();
  for (const version of [4, 5]) check(await exchange(page, `ws://127.0.0.1:${port}`, version));
  assert.deepEqual(page.failures, []);
});

test("messages go there and back over wss", async () => {
  const [certificate, key] = ["certificate", "key"].map((name) => join(folder(), `${name}.pem`));
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
      .concat(subject, ["-keyout", key, "-out", certificate]),
    { stdio: "ignore" },
  );
  const [port] = await broker(
    "listener 0 127.0.0.1",
    "protocol websockets",
    `certfile ${certificate}`,
    `keyfile ${key}`,
    "allow_anonymous true",
  );
  const page = await bundled({ ignoreHTTPSErrors: true });
  for (const version of [4, 5]) check(await exchange(page, `wss://127.0.0.1:${port}`, version));
  assert.deepEqual(page.failures, []);
});

test("a page of another origin cannot use the listener of our page", async () => {
  const { page: own } = await makeRun();
  const page = await bundled();
  const url = own.replace("http", "ws");
  check(await exchange(page, url, 5)); // 127.0.0.1, at another port
  const state = await page.evaluate(async (url) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts"; // its origin is null
    const script = `new WebSocket("${url}", "mqtt").onclose = () => parent.postMessage("closed", "*");
      setTimeout(() => parent.postMessage("late", "*"), 10000)`;
    frame.srcdoc = `<script>${script}<\/script>`;
    const told = new Promise((resolve) => addEventListener("message", ({ data }) => resolve(data)));
    document.body.append(frame);
    return told;
  }, url);
  assert.equal(state, "closed");
});
