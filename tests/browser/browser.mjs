// Debian's Chromium and our brokers, for as long as a test wants them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const ROOT = resolve(import.meta.dirname, "../..");
const BINARIES = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release");
const PATIENCE_MS = 20_000;

/** What is to be undone after a test, the last first. */
const undo = [];

export async function cleanUp() {
  for (const step of undo.splice(0).reverse()) await step();
}

/** Has this done after the test, also if it fails. */
export function afterTest(step) {
  undo.push(step);
}

/** A folder that goes after the test. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "libmqtt-browser-"));
  undo.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Starts a program; resolves to what `wanted` finds in its output, line by line. */
async function start(program, args, wanted) {
  const child = spawn(join(BINARIES, program), args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  undo.push(() => {
    child.kill("SIGKILL");
    return ended;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  let said = "";
  for await (const line of createInterface({ input: child.stdout })) {
    said += `${line}\n`;
    const found = wanted(said);
    if (found) {
      clearTimeout(timer);
      child.stdout.resume();
      return found;
    }
  }
  throw new Error(`${program} ends after saying: ${said}`);
}

/** What `make run` starts: the port of MQTT, and the address of the page. */
export function makeRun(...args) {
  return start("examples/embedded", args, (said) => {
    const mqtt = /127\.0\.0\.1, port (\d+)/.exec(said);
    const page = /look at (http:\/\/\S+)/.exec(said);
    if (mqtt && (page || args.length)) return { port: Number(mqtt[1]), page: page?.[1] };
  });
}

/** `libmqtt broker` with this configuration: the ports of its listeners, in their order. */
export function broker(...lines) {
  const conf = join(folder(), "broker.conf");
  writeFileSync(conf, `${lines.join("\n")}\n`);
  const listeners = lines.filter((line) => line.startsWith("listener")).length;
  return start("libmqtt", ["broker", "-c", conf], (said) => {
    const ports = [...said.matchAll(/^listening on \S*:(\d+)$/gm)].map(([, port]) => Number(port));
    return ports.length === listeners && ports;
  });
}

/** A page of Chromium. Whatever fails in it fails the test. */
export async function browse(url, options = {}) {
  const context = await chromium.launchPersistentContext(folder(), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1280, height: 900 },
    ...options,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  undo.push(() => context.close());
  const page = context.pages()[0];
  page.setDefaultTimeout(PATIENCE_MS);
  page.failures = [];
  page.on("pageerror", (error) => page.failures.push(error.message));
  page.on("console", (line) => line.type() === "error" && page.failures.push(line.text()));
  await page.goto(url);
  return page;
}
