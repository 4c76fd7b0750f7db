// The page: what a broker tells of itself in $SYS, its topics, and a form to publish.

import { Client, readable } from "./client.js";
import { draw, POINTS } from "./chart.js";
import { Tree } from "./tree.js";

const $ = (id) => document.getElementById(id);
const REASONS = {
  0: "published",
  16: "published, nobody has subscribed",
  134: "bad user name or password",
  135: "not authorized",
  144: "topic name not valid",
  151: "quota exceeded",
};
const reason = (code) => REASONS[code] ?? `refused (0x${code.toString(16)})`;

const short = (value) => {
  for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e4, " k"]]) {
    if (value >= size) return `${(value / (unit === " k" ? 1e3 : size)).toFixed(1)}${unit}`;
  }
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
};
const bytes = (value) => `${short(value)}B`.replace(/(\d)B/, "$1 B");

// ---- figures

/** What is shown: where it comes from, and whether it is a rate of what is counted there. */
const FIGURES = [
  { id: "clients", name: "Clients", from: "clients/connected" },
  { id: "in", name: "Messages in/s", from: "publish/messages/received", rate: true },
  { id: "out", name: "Messages out/s", from: "publish/messages/sent", rate: true },
  { id: "bytes-in", name: "Bytes in/s", from: "bytes/received", rate: true, show: bytes },
  { id: "bytes-out", name: "Bytes out/s", from: "bytes/sent", rate: true, show: bytes },
  { id: "dropped", name: "Dropped/s", from: "publish/messages/dropped", rate: true, alarm: true },
  { id: "queued", name: "Queued", from: "queued/messages/count" },
  { id: "subscriptions", name: "Subscriptions", from: "subscriptions/count" },
  { id: "retained", name: "Retained", from: "retained messages/count" },
];

/** Counters as they were told: value, when, and by how much they rise in a second. */
const told = new Map();
const charts = new Map();

for (const { id, name } of FIGURES) {
  const figure = document.createElement("article");
  figure.className = "figure";
  figure.id = `figure-${id}`;
  figure.innerHTML = "<span></span><b>–</b><canvas></canvas>";
  figure.firstChild.textContent = name;
  $("figures").append(figure);
  charts.set(id, { figure, values: [] });
}

function note(name, text) {
  const value = Number.parseFloat(text);
  const at = performance.now();
  const before = told.get(name);
  const span = before ? (at - before.at) / 1000 : 0;
  // Retained values come at once after each SUBSCRIBE, and say nothing about time.
  if (before && span < 0.2) return;
  const perSecond = before && span < 90 ? Math.max(0, (value - before.value) / span) : undefined;
  told.set(name, { value, at, perSecond });

  const figure = FIGURES.find(({ from }) => from === name);
  if (figure) plot(figure, figure.rate ? perSecond : value);
  if (name === "version" || name === "uptime") about(name, text);
  const shard = /^shards\/(\d+)\//.exec(name);
  if (shard) showShard(Number(shard[1]));
}

function plot({ id, show = short, alarm }, value) {
  if (value === undefined) return;
  const { figure, values } = charts.get(id);
  values.push(value);
  if (values.length > POINTS) values.shift();
  figure.querySelector("b").textContent = show(value);
  if (alarm) figure.dataset.alarm = String(value > 0);
  draw(figure.querySelector("canvas"), values);
}

const facts = {};
function about(name, text) {
  facts[name] = text;
  const seconds = Number.parseInt(facts.uptime ?? "0", 10);
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  const up = days ? `${days} d ${hours % 24} h` : hours ? `${hours} h ${minutes % 60} min` : minutes ? `${minutes} min` : `${seconds} s`;
  $("about").textContent = `${facts.version ?? ""} · up ${up}`;
}

function showShard(number) {
  const body = $("shards");
  $("shards-panel").hidden = false;
  while (body.rows.length <= number) {
    const row = body.insertRow();
    for (let cell = 0; cell < 6; cell += 1) row.insertCell();
    row.cells[0].textContent = String(body.rows.length - 1);
  }
  const get = (name, what = "value") => told.get(`shards/${number}/${name}`)?.[what] ?? 0;
  const cells = [
    get("clients/connected"),
    get("clients/total"),
    get("messages/received", "perSecond"),
    get("messages/sent", "perSecond"),
    get("queued/messages/count"),
  ];
  cells.forEach((value, at) => (body.rows[number].cells[at + 1].textContent = short(value)));
}

// ---- topics

const tree = new Tree($("tree"), showTopic);
let chosen = null;

function showTopic(node) {
  chosen = node;
  $("topic-panel").hidden = !node;
  if (!node) return;
  $("topic-name").textContent = node.topic;
  let text = node.last.text;
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It is no JSON, and shown as it is.
  }
  $("topic-value").textContent = text || "(empty)";
  const numbers = node.history.map(({ text }) => Number(text));
  const chart = $("topic-chart");
  chart.hidden = numbers.length < 2 || numbers.some((n, at) => !Number.isFinite(n) || node.history[at].text.trim() === "");
  if (!chart.hidden) draw(chart, numbers, { fromZero: false });
  $("history").replaceChildren(
    ...node.history.slice(-20).reverse().map(({ at, text, qos, size }) => {
      const item = document.createElement("li");
      const [time, value] = [document.createElement("time"), document.createElement("span")];
      time.textContent = at.toLocaleTimeString("en-GB");
      time.title = `QoS ${qos}, ${size} bytes`;
      value.textContent = text;
      item.append(time, value);
      return item;
    }),
  );
}

function count() {
  const missed = tree.missed ? `, ${short(tree.missed)} messages not shown` : "";
  $("count").textContent = tree.topics ? `${tree.topics}${missed}` : "";
  $("empty").hidden = tree.topics > 0;
}

function message(received) {
  const { topic, payload } = received;
  if (topic.startsWith("$SYS/broker/")) note(topic.slice("$SYS/broker/".length), readable(payload));
  if (topic.startsWith("$") && !$("sys").checked) return;
  // An empty payload takes a retained message away, and what shows it may stay.
  tree.add(received);
  count();
}

// ---- connection

const query = new URLSearchParams(location.search);
const url = query.get("broker") ?? location.origin.replace(/^http/, "ws");
const client = new Client(url, { message, state });
const filters = new Map([["#", 0]]);

async function state(now, why) {
  const words = { opening: "connecting", open: "connected", closed: "not connected", refused: reason(why ?? 0) };
  $("status").dataset.state = now;
  $("status").lastChild.textContent = words[now];
  $("status").title = url;
  if (now === "refused") logIn(reason(why));
  if (now !== "open") return;
  subscribe("$SYS/#", false);
  for (const filter of filters.keys()) subscribe(filter);
}

function logIn(why = "") {
  $("login-why").textContent = why;
  if (!$("login").open) $("login").showModal();
}

$("account").onclick = () => logIn();
$("login").onclose = () => {
  if ($("login").returnValue === "ok") {
    client.connect({ user: $("user").value, password: $("password").value });
    $("account").textContent = $("user").value || "Log in";
  }
};

async function subscribe(filter, shown = true) {
  const code = await client.subscribe(filter, 1).catch(() => undefined);
  if (shown && code !== undefined) {
    filters.set(filter, code);
    showFilters();
  }
}

function showFilters() {
  $("filters").replaceChildren(
    ...[...filters].map(([filter, code]) => {
      const item = document.createElement("li");
      const [name, remove] = [document.createElement("span"), document.createElement("button")];
      name.textContent = filter;
      if (code >= 0x80) {
        item.dataset.refused = "";
        item.title = reason(code);
      }
      remove.type = "button";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `Unsubscribe ${filter}`);
      remove.onclick = () => {
        filters.delete(filter);
        showFilters();
        client.unsubscribe(filter).catch(() => {});
      };
      item.append(name, remove);
      return item;
    }),
  );
}

$("subscribe").onsubmit = (event) => {
  event.preventDefault();
  subscribe($("filter").value);
  $("filter").value = "";
};

$("publish").onsubmit = async (event) => {
  event.preventDefault();
  const options = { qos: Number($("qos").value), retain: $("retain").checked };
  const said = await client
    .publish($("topic").value, $("payload").value, options)
    .then(reason, (error) => error.message);
  $("published").textContent = said;
};

$("topic-reuse").onclick = () => {
  $("topic").value = chosen.topic;
  $("payload").focus();
};
$("search").oninput = () => tree.search($("search").value);
$("clear").onclick = () => {
  tree.clear();
  count();
};
$("sys").onchange = () => {
  if ($("sys").checked) subscribe("$SYS/#", false);
};

window.addEventListener("pagehide", () => client.close());

showFilters();
client.connect();
