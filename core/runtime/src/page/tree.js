// The topics that were heard of, as a tree whose rows show the last value of each.

import { readable } from "./client.js";

const TOPICS_MAX = 3000;
const HISTORY_MAX = 60;
/** Levels that are unfolded when they appear, unless they are crowded. */
const OPEN_DEPTH = 3;
const CROWD = 40;

class Node {
  children = new Map();
  history = [];
  last = null;

  constructor(name, parent) {
    this.name = name;
    this.parent = parent;
    this.depth = parent ? parent.depth + 1 : -1;
    this.topic = parent?.parent ? `${parent.topic}/${name}` : name;
    this.body = document.createElement("div");
    this.body.setAttribute("role", "group");
    if (!parent) return;
    this.row = document.createElement("button");
    this.row.type = "button";
    this.row.className = "node";
    this.row.setAttribute("role", "treeitem");
    this.row.dataset.topic = this.topic;
    this.row.style.setProperty("--depth", this.depth);
    const cell = (kind) => {
      const span = document.createElement("span");
      span.className = kind;
      this.row.append(span);
      return span;
    };
    this.fold = cell("fold");
    cell("name").textContent = name === "" ? "(empty)" : name;
    this.value = cell("value");
    this.more = cell("more");
    this.kind = cell("kind");
    this.kind.hidden = true;
    this.body.hidden = this.depth >= OPEN_DEPTH - 1;
  }

  show() {
    const count = this.children.size;
    this.fold.textContent = count ? (this.body.hidden ? "▸" : "▾") : "";
    this.row.setAttribute("aria-expanded", String(count > 0 && !this.body.hidden));
    this.value.textContent = this.last ? this.last.text.slice(0, 200) : "";
    this.more.textContent = !this.last && count ? `${count} below` : "";
    this.kind.hidden = !this.last?.retain;
    this.kind.textContent = "retained";
  }
}

export class Tree {
  #root = new Node("", null);
  #changed = new Set();
  #drawing = 0;
  #selected = null;
  #search = "";
  topics = 0;
  missed = 0;

  /** Shows itself in `element`; calls `onSelect(node)` when a topic is chosen or has changed. */
  constructor(element, onSelect) {
    this.onSelect = onSelect;
    element.append(this.#root.body);
    element.addEventListener("click", ({ target }) => {
      const row = target.closest(".node");
      if (row) this.#choose(this.#find(row.dataset.topic), target.className === "fold");
    });
  }

  clear() {
    this.#root.children.clear();
    this.#root.body.replaceChildren();
    this.topics = this.missed = 0;
    this.select(null);
  }

  add({ topic, payload, qos, retain }) {
    let node = this.#root;
    for (const name of topic.split("/")) {
      let child = node.children.get(name);
      if (!child) {
        if (this.topics >= TOPICS_MAX) {
          this.missed += 1;
          return;
        }
        child = this.#grow(node, name);
      }
      node = child;
    }
    if (!node.last) this.topics += 1;
    node.last = { text: readable(payload), size: payload.length, qos, retain, at: new Date() };
    node.history.push(node.last);
    if (node.history.length > HISTORY_MAX) node.history.shift();
    node.isFresh = true;
    this.#mark(node);
  }

  select(node) {
    this.#selected?.row.setAttribute("aria-selected", "false");
    this.#selected = node;
    node?.row.setAttribute("aria-selected", "true");
    this.onSelect(node);
  }

  /** Shows only topics that contain these words. */
  search(words) {
    this.#search = words.toLowerCase();
    const visit = (node) => {
      let found = node.topic.toLowerCase().includes(this.#search);
      for (const child of node.children.values()) found = visit(child) || found;
      if (node.row) {
        node.row.hidden = !found;
        if (this.#search && found) node.body.hidden = false;
        node.show();
      }
      return found;
    };
    visit(this.#root);
  }

  #grow(parent, name) {
    const node = new Node(name, parent);
    parent.children.set(name, node);
    if (parent.children.size > CROWD && parent.depth >= 0) parent.body.hidden = true;
    // Names in order, numbers by value.
    const before = [...parent.body.children].find(
      (each) =>
        each.classList.contains("node") &&
        each.firstChild.nextSibling.textContent.localeCompare(name, "en", { numeric: true }) > 0,
    );
    parent.body.insertBefore(node.row, before ?? null);
    node.row.after(node.body);
    node.row.hidden = !node.topic.toLowerCase().includes(this.#search);
    if (parent.row) this.#mark(parent);
    return node;
  }

  #find(topic) {
    let node = this.#root;
    for (const name of topic.split("/")) node = node?.children.get(name);
    return node;
  }

  #choose(node, folds) {
    if (!node) return;
    if (node.children.size && (folds || !node.last || this.#selected === node)) {
      node.body.hidden = !node.body.hidden;
      node.show();
    }
    if (!folds) this.select(node.last ? node : null);
  }

  #mark(node) {
    this.#changed.add(node);
    this.#drawing ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#drawing = 0;
    for (const node of this.#changed) {
      node.show();
      if (!node.isFresh) continue;
      node.isFresh = false;
      node.row.classList.remove("fresh");
      void node.row.offsetWidth; // lets the animation begin anew
      node.row.classList.add("fresh");
    }
    if (this.#selected && this.#changed.has(this.#selected)) this.onSelect(this.#selected);
    this.#changed.clear();
  }
}
