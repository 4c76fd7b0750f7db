// The page that `make run` serves, used as a person would.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import mqtt from "mqtt";
import { afterTest, browse, cleanUp, makeRun, ROOT } from "./browser.mjs";

const PICTURES = join(ROOT, "target/test-logs");

afterEach(cleanUp);

/** The row of a topic, once it shows this value. */
const row = (page, topic, value) =>
  page.locator(`[data-topic="${topic}"]`, { has: page.locator(".value", { hasText: value }) });

/** Waits until a figure shows this number. */
const figure = (page, id, wanted) =>
  page.waitForFunction(
    ([selector, number]) => Number.parseFloat(document.querySelector(selector).textContent) === number,
    [`#figure-${id} b`, wanted],
  );

/** A client beside the page, until the test ends. */
async function client(port) {
  const made = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`);
  afterTest(() => made.endAsync(true));
  return made;
}

test("a message is published, arrives, and is counted", async () => {
  const { port, page: url } = await makeRun();
  const page = await browse(url);
  await page.locator("#status[data-state=open]").waitFor();

  // What the program has retained for who subscribes later.
  await row(page, "hello/broker", "is here").waitFor();

  // From the page to the page, in each QoS, and to a client beside it.
  const beside = await client(port);
  await beside.subscribeAsync("hello/#", { qos: 2 });
  const heard = new Map();
  beside.on("message", (topic, payload) => heard.set(topic, String(payload)));
  for (const qos of ["0", "1", "2"]) {
    await page.fill("#topic", `hello/world/${qos}`);
    await page.fill("#payload", `{"it":"works","häppi":${qos}}`);
    await page.selectOption("#qos", qos);
    await page.click("#publish button");
    await row(page, `hello/world/${qos}`, `"häppi":${qos}`).waitFor();
    await page.locator("#published", { hasText: "published" }).waitFor();
  }

  // From a client beside it to the page.
  for (let number = 0; number <= 20; number += 1) {
    await beside.publishAsync("room/temperature", String(20 + Math.sin(number)), { qos: 1 });
  }
  await row(page, "room/temperature", String(20 + Math.sin(20))).waitFor();
  assert.deepEqual([...heard.keys()].filter((topic) => topic.startsWith("hello/world")).sort(), [
    "hello/world/0",
    "hello/world/1",
    "hello/world/2",
  ]);

  // Its last values, and its line.
  await page.click('[data-topic="room/temperature"] .name');
  await page.locator("#topic-panel").waitFor();
  assert.equal(await page.locator("#topic-name").textContent(), "room/temperature");
  assert.equal(await page.locator("#history li").count(), 20);
  assert.ok(await page.locator("#topic-chart").isVisible());

  // The figures of $SYS, of which the broker tells each second.
  await figure(page, "clients", 2);
  await figure(page, "subscriptions", 3);
  await page.waitForFunction(() => document.querySelector("#shards").rows.length > 0);
  assert.match(await page.locator("#about").textContent(), /^libmqtt \d+\.\d+\.\d+ · up \d+ /);

  // One subscription for another.
  await page.fill("#filter", "other/+");
  await page.click("#subscribe > button");
  await page.locator("#filters li", { hasText: "other/+" }).waitFor();
  await page.click('[aria-label="Unsubscribe #"]');
  await figure(page, "subscriptions", 3);
  await beside.publishAsync("room/after", "unheard", { qos: 1 });
  await beside.publishAsync("other/heard", "yes", { qos: 1 });
  await row(page, "other/heard", "yes").waitFor();
  assert.equal(await page.locator('[data-topic="room/after"]').count(), 0);

  // Find, and the broker's own topics.
  await page.fill("#search", "temperature");
  await page.locator('[data-topic="other/heard"]').waitFor({ state: "hidden" });
  assert.ok(await page.locator('[data-topic="room/temperature"]').isVisible());
  await page.fill("#search", "");
  await page.check("#sys");
  await row(page, "$SYS/broker/version", "libmqtt").waitFor({ state: "attached" });

  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, "page.png"), fullPage: true });
  assert.deepEqual(page.failures, []);
});

test("topics that are markup are shown as they are", async () => {
  const { port, page: url } = await makeRun();
  const page = await browse(url);
  await page.locator("#status[data-state=open]").waitFor();
  const beside = await client(port);
  const bad = "<img src=x onerror=alert(1)>";
  await beside.publishAsync(`bad/${bad}`, bad, { qos: 1 });
  await beside.publishAsync("bad/binary", Buffer.from([0xff, 0, 0x80]), { qos: 1 });
  await page.locator(".node .value", { hasText: "ff 00 80" }).waitFor();
  await page.locator(".node .name", { hasText: bad }).click();
  assert.equal(await page.locator("#topic-value").textContent(), bad);
  assert.equal(await page.locator("img").count(), 0);
  assert.deepEqual(page.failures, []);
});

test("the page connects again, and can be left out", async () => {
  const { page: url } = await makeRun();
  const page = await browse(url);
  await page.locator("#status[data-state=open]").waitFor();
  await page.context().setOffline(true);
  await page.context().setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("pagehide")));
  await page.reload();
  await page.locator("#status[data-state=open]").waitFor();
  const { page: none } = await makeRun("--no-page");
  assert.equal(none, undefined);
});
