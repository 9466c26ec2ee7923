// The line to the studio: JSON there, JSON and binary frames back, each frame acknowledged as soon as it is here.
const TYPES = { uint8: Uint8Array, int8: Int8Array, float32: Float32Array, int64: BigInt64Array };

/** Read a binary frame: its header, with the arrays in it by their names. @param {ArrayBuffer} data */
export function read(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  for (const [name, place] of Object.entries(header.arrays)) {
    const { dtype, shape, at } = /** @type {any} */ (place);
    const count = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    header[name] = new TYPES[/** @type {keyof typeof TYPES} */ (dtype)](data, 4 + length + at, count);
  }
  return header;
}

// Seconds to wait before it tries to connect again.
const PAUSES = [0.3, 1, 2, 4, 8];

export class Talk {
  /**
   * What is said while there is no connection is lost, and that is heard of.
   * @param {(message: any) => void} hear is called with each message, frames read; with { connected, again } when the line
   * is open, and with { lost, trying, full } when it is not
   */
  constructor(hear) {
    this.hear = hear;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.tries = 0;
    this.timer = 0;
    this.been = false;
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    const address = new URL("ws", location.href.split("#")[0]);
    address.protocol = "ws:";
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const again = this.been;
      this.been = true;
      this.hear({ connected: true, again });
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") return this.hear(JSON.parse(data));
      this.tries = 0;
      socket.send('{"do":"ack"}');
      this.hear(read(data));
    };
    socket.onclose = ({ code }) => {
      const pause = PAUSES[this.tries++];
      if (pause !== undefined) this.timer = window.setTimeout(() => this.connect(), 1000 * pause);
      this.hear({ lost: true, trying: pause !== undefined, full: code === 1013 });
    };
  }

  /** @param {Record<string, any>} message */
  say(message) {
    const state = this.socket?.readyState;
    if (state === WebSocket.OPEN) return this.socket?.send(JSON.stringify(message));
    if (state === WebSocket.CONNECTING && !this.been) return; // all is said when the line opens
    if (this.tries > PAUSES.length) {
      this.tries = 0;
      this.connect();
    }
    this.hear({ lost: true, trying: true });
  }
}

/** What the views know as `model`: anywidget's contract, without a notebook. */
export class Model {
  constructor(/** @type {Record<string, any>} */ values = {}) {
    this.values = { ...values };
    /** @type {Map<string, Set<() => void>>} */
    this.listeners = new Map();
    /** @type {Set<string>} */
    this.changed = new Set();
  }
  get(/** @type {string} */ name) {
    return this.values[name];
  }
  set(/** @type {string} */ name, /** @type {any} */ value) {
    this.values[name] = value;
    this.changed.add(name);
    for (const listener of [...(this.listeners.get(`change:${name}`) ?? [])]) listener();
  }
  /** Set several values, then tell each listener once. @param {Record<string, any>} values */
  update(values) {
    Object.assign(this.values, values);
    const told = new Set();
    for (const name of Object.keys(values)) for (const listener of this.listeners.get(`change:${name}`) ?? []) told.add(listener);
    for (const listener of told) listener();
  }
  on(/** @type {string} */ event, /** @type {any} */ listener) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)?.add(listener);
  }
  off(/** @type {string} */ event, /** @type {any} */ listener) {
    this.listeners.get(event)?.delete(listener);
  }
  save_changes() {
    const names = [...this.changed];
    this.changed.clear();
    for (const name of names) for (const listener of [...(this.listeners.get(`save:${name}`) ?? [])]) listener();
  }
  send() {}
}
