// A small MQTT 5.0 client over WebSocket: what this page needs, and what fits on a page.

const PACKET = {
  CONNECT: 1, CONNACK: 2, PUBLISH: 3, PUBACK: 4, PUBREC: 5, PUBREL: 6, PUBCOMP: 7,
  SUBSCRIBE: 8, SUBACK: 9, UNSUBSCRIBE: 10, UNSUBACK: 11, PINGREQ: 12, DISCONNECT: 14,
};
const KEEP_ALIVE_S = 30;
const RETRY_MS = [500, 1000, 2000, 5000, 10000];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

const u16 = (value) => [value >> 8, value & 255];
const text = (value) => {
  const bytes = encoder.encode(value);
  return [...u16(bytes.length), ...bytes];
};

function packet(first, ...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = [first];
  let rest = length;
  do {
    head.push((rest % 128) | (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  const whole = new Uint8Array(head.length + length);
  let at = 0;
  for (const part of [head, ...parts]) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads a variable byte integer: its value and where it ends; undefined if more bytes are due. */
function varint(bytes, at) {
  let value = 0;
  for (let shift = 1; at < bytes.length; shift *= 128) {
    const byte = bytes[at++];
    value += (byte & 127) * shift;
    if (byte < 128) return [value, at];
    if (shift > 128 ** 2) throw new Error("malformed length");
  }
}

/** A payload as text, or as bytes in hexadecimal where it is none. */
export function readable(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    return [...bytes.subarray(0, 256)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  }
}

/**
 * A client that connects, and connects again. It calls `on.state(state, why)` with `opening`,
 * `open`, `closed` or `refused`, and `on.message({topic, payload, qos, retain})`.
 */
export class Client {
  #url;
  #on;
  #socket;
  #input = new Uint8Array(0);
  #login = {};
  #tries = 0;
  #timer;
  #ping;
  #nextId = 1;
  /** Calls that wait for an acknowledgement, by Packet Identifier. */
  #waiting = new Map();
  /** Packet Identifiers of QoS 2 messages that have come and were not released. */
  #received = new Set();
  #clientId = `page-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;

  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  /** Connects, as this user if one is given. */
  connect(login = this.#login) {
    this.#login = login;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#on.state("opening");
    const socket = new WebSocket(this.#url, "mqtt");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#greet();
    socket.onmessage = ({ data }) => this.#data(new Uint8Array(data));
    socket.onclose = () => this.#socket === socket && this.#lost();
    this.#socket = socket;
    this.#input = new Uint8Array(0);
  }

  /** Says goodbye, and stays away. */
  close() {
    clearTimeout(this.#timer);
    this.#send(packet(PACKET.DISCONNECT << 4));
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  /** Publishes; resolves to a Reason Code when it is acknowledged, or sent at QoS 0. */
  publish(topic, payload, { qos = 0, retain = false } = {}) {
    const id = qos > 0 ? this.#id() : 0;
    const body = typeof payload === "string" ? encoder.encode(payload) : payload;
    const first = (PACKET.PUBLISH << 4) | (qos << 1) | (retain ? 1 : 0);
    return this.#ask(id, packet(first, text(topic), id ? u16(id) : [], [0], body));
  }

  /** Subscribes; resolves to a Reason Code. */
  subscribe(filter, qos = 0) {
    const id = this.#id();
    const first = (PACKET.SUBSCRIBE << 4) | 2;
    return this.#ask(id, packet(first, u16(id), [0], text(filter), [qos]));
  }

  unsubscribe(filter) {
    const id = this.#id();
    return this.#ask(id, packet((PACKET.UNSUBSCRIBE << 4) | 2, u16(id), [0], text(filter)));
  }

  #id() {
    do {
      this.#nextId = (this.#nextId % 65535) + 1;
    } while (this.#waiting.has(this.#nextId));
    return this.#nextId;
  }

  #ask(id, bytes) {
    if (!this.#send(bytes)) return Promise.reject(new Error("not connected"));
    if (!id) return Promise.resolve(0);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #send(bytes) {
    const open = this.#socket?.readyState === WebSocket.OPEN;
    if (open) this.#socket.send(bytes);
    return open;
  }

  #greet() {
    const { user, password } = this.#login;
    const flags = 2 | (user ? 0x80 : 0) | (user && password ? 0x40 : 0);
    const login = [...(user ? text(user) : []), ...(user && password ? text(password) : [])];
    const head = [...text("MQTT"), 5, flags, ...u16(KEEP_ALIVE_S), 0];
    this.#send(packet(PACKET.CONNECT << 4, head, text(this.#clientId), login));
  }

  #lost(state = "closed", why) {
    clearInterval(this.#ping);
    for (const call of this.#waiting.values()) call.reject(new Error("connection lost"));
    this.#waiting.clear();
    this.#received.clear();
    this.#socket = undefined;
    this.#on.state(state, why);
    if (state === "refused") return;
    const wait = RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)];
    this.#timer = setTimeout(() => this.connect(), wait);
  }

  #data(bytes) {
    const input = new Uint8Array(this.#input.length + bytes.length);
    input.set(this.#input);
    input.set(bytes, this.#input.length);
    let at = 0;
    while (at < input.length) {
      const length = varint(input, at + 1);
      if (!length || length[1] + length[0] > input.length) break;
      const end = length[1] + length[0];
      this.#packet(input[at], input.subarray(length[1], end));
      at = end;
    }
    this.#input = input.slice(at);
  }

  #packet(first, body) {
    const type = first >> 4;
    const id = body.length >= 2 ? (body[0] << 8) | body[1] : 0;
    switch (type) {
      case PACKET.CONNACK:
        return this.#connack(body[1]);
      case PACKET.PUBLISH:
        return this.#message(first, body);
      case PACKET.PUBREL:
        this.#received.delete(id);
        return this.#send(packet(PACKET.PUBCOMP << 4, u16(id)));
      case PACKET.PUBREC:
        if ((body[2] ?? 0) >= 0x80) return this.#done(id, body[2]);
        return this.#send(packet((PACKET.PUBREL << 4) | 2, u16(id)));
      case PACKET.PUBACK:
      case PACKET.PUBCOMP:
        return this.#done(id, body[2] ?? 0);
      case PACKET.SUBACK:
      case PACKET.UNSUBACK:
        return this.#done(id, body[body.length - 1]);
    }
  }

  #done(id, reason) {
    this.#waiting.get(id)?.resolve(reason);
    this.#waiting.delete(id);
  }

  #connack(reason) {
    if (reason !== 0) {
      const socket = this.#socket;
      this.#lost("refused", reason);
      return socket?.close();
    }
    this.#tries = 0;
    this.#ping = setInterval(
      () => this.#send(packet(PACKET.PINGREQ << 4)),
      (KEEP_ALIVE_S * 1000) / 2,
    );
    this.#on.state("open");
  }

  #message(first, body) {
    const qos = (first >> 1) & 3;
    const length = (body[0] << 8) | body[1];
    const topic = decoder.decode(body.subarray(2, 2 + length));
    let at = 2 + length;
    const id = qos ? (body[at] << 8) | body[at + 1] : 0;
    if (qos) at += 2;
    const properties = varint(body, at);
    const payload = body.slice(properties[1] + properties[0]);
    if (qos === 1) this.#send(packet(PACKET.PUBACK << 4, u16(id)));
    if (qos === 2) {
      this.#send(packet(PACKET.PUBREC << 4, u16(id)));
      if (this.#received.has(id)) return;
      this.#received.add(id);
    }
    this.#on.message({ topic, payload, qos, retain: (first & 1) === 1 });
  }
}
