// A restricted Boltzmann machine over pictures. Five parts, each with the same contract; `render` shows all that has values.
// `filters`: the weights of each hidden unit as a picture. Values: `filters` (bytes, a picture after the other, 128 is zero),
//   `tile` (pixels across), `hidden_unit` (the chosen one).
// `phases`: one step. Values: `positive`, `negative`, `change` (as `filters`), `v_data`, `v_model` (bytes, pictures), `on_share` [of the
//   data, of the model], `changed` (the largest change), `rate`.
// `picture`: a picture to paint, and what the machine makes of it. Values: `picture` (0 to 16), `editable`, `hidden`, `reconstruction`.
// `dreams`: pictures that it dreamt. Values: `dreams` (bytes).
// `chain`: the last round of Gibbs sampling. Values: `chain` {v, p_h, h, p_v, v_next, past (bytes), rounds} or null.
import { bytes, cellAt, colours, follow, heat, make, onFocus, pen, rgb, say, scale, stepOn, tellCell, text } from "./paint.js";

const INK = 16;
const small = document.createElement("canvas");

/** 256 colours from one to another, as RGBA bytes. @param {string} from @param {string} to */
function ramp(from, to) {
  const [low, high] = [from, to].map(rgb), table = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    for (let c = 0; c < 3; c++) table[4 * i + c] = low[c] + (high[c] - low[c]) * i / 255;
    table[4 * i + 3] = 255;
  }
  return table;
}

/**
 * Where the picture i stands, of pictures in rows of `across` within `width`.
 * @param {number} across @param {number} width
 */
function places(across, width) {
  const gap = Math.max(1.5, Math.min(5, width / across / 12)), size = (width - gap * (across - 1)) / across;
  return { size, at: (/** @type {number} */ i) => [i % across * (size + gap), Math.floor(i / across) * (size + gap)], height: (/** @type {number} */ n) => Math.ceil(n / across) * (size + gap) - gap };
}
/** @param {number} count */
const square = (count) => Math.max(1, Math.ceil(Math.sqrt(count)));

/**
 * Draw square pictures of `tile` x `tile` pixels in rows of `across`.
 * @param {CanvasRenderingContext2D} context @param {Uint8Array} values @param {number} tile
 * @param {{across: number, width: number, x?: number, y?: number}} where @param {Uint8ClampedArray} table
 */
function pictures(context, values, tile, { across, width, x = 0, y = 0 }, table) {
  if (!values.length) return;
  heat(small, values, tile, table);
  context.imageSmoothingEnabled = false;
  const { size, at } = places(across, width);
  for (let i = 0; i < values.length / (tile * tile); i++) {
    const [left, top] = at(i);
    context.drawImage(small, 0, i * tile, tile, tile, x + left, y + top, size, size);
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} i @param {{across: number, width: number, x?: number, y?: number}} where @param {string} colour */
function outline(context, i, { across, width, x = 0, y = 0 }, colour) {
  const { size, at } = places(across, width), [left, top] = at(i);
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.strokeRect(x + left - 1, y + top - 1, size + 2, size + 2);
}

/** A canvas of this size, with room for an outline at its rim. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function sized(canvas, width, height) {
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return pen(canvas, width, height);
}

// -- the weights -------------------------------------------------------------------------------------------------

/** @param {{model: any, el: HTMLElement}} given */
export function filters({ model, el }) {
  const canvas = make("canvas", { className: "pellucid-filters", tabIndex: 0, role: "slider" });
  el.append(canvas);
  const count = () => bytes(model.get("filters")).length / (model.get("tile") || 8) ** 2;

  function draw() {
    const values = bytes(model.get("filters")), tile = model.get("tile") || 8, n = count(), across = square(n);
    const width = Math.min(el.clientWidth || 320, 420) - 4, where = { across, width, x: 2, y: 2 }, chosen = model.get("hidden_unit") ?? 0;
    const context = sized(canvas, width + 4, places(across, width).height(Math.max(1, n)) + 4), c = colours(el);
    pictures(context, values, tile, where, scale(c));
    if (n) outline(context, chosen, where, c.ink);
    canvas.setAttribute("aria-label", say("The weights of {n} hidden units, each as a picture: orange says yes, blue says no", { n }));
    canvas.setAttribute("aria-valuemin", "1");
    canvas.setAttribute("aria-valuemax", String(Math.max(1, n)));
    canvas.setAttribute("aria-valuenow", String(chosen + 1));
    canvas.setAttribute("aria-valuetext", say("hidden unit {i} of {n}", { i: chosen + 1, n }));
  }
  canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect(), across = square(count());
    const [column, row] = [event.clientX - box.left, event.clientY - box.top].map((v) => Math.max(0, Math.floor(v / box.width * across)));
    const unit = row * across + Math.min(across - 1, column);
    if (unit < count()) model.set("hidden_unit", unit);
  });
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const across = square(count());
    const go = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -1e6, End: 1e6 }[event.key];
    if (!go) return;
    event.preventDefault();
    const next = (model.get("hidden_unit") ?? 0) + go;
    if (Math.abs(go) > 1e5 || (next >= 0 && next < count())) model.set("hidden_unit", Math.max(0, Math.min(count() - 1, next)));
  });
  return follow(model, el, ["filters", "hidden_unit"], draw);
}

// -- one step: the data pull, what the machine makes up pushes ---------------------------------------------------

/** @param {{model: any, el: HTMLElement}} given */
export function phases({ model, el }) {
  const parts = ["positive", "negative", "change"].map((name) => {
    const canvas = make("canvas", { role: "img" }), title = make("strong", {}), note = make("span", { className: "pellucid-caption" });
    return { name, canvas, title, note, node: make("figure", { className: "pellucid-phase" }, make("figcaption", {}, title, note), canvas) };
  });
  const signs = [make("span", { className: "pellucid-sign" }, "−"), make("span", { className: "pellucid-sign" }, "=")];
  el.append(make("div", { className: "pellucid-phases" }, parts[0].node, signs[0], parts[1].node, signs[1], parts[2].node));

  function draw() {
    const c = colours(el), tile = model.get("tile") || 8, chosen = model.get("hidden_unit") ?? 0, on = model.get("on_share") ?? [[], []];
    const share = (/** @type {number | undefined} */ value) => (value === undefined ? "–" : `${Math.round(100 * value)} %`);
    const tables = [ramp(c.middle, c.positive), ramp(c.middle, c.negative), scale(c)], paper = ramp(c.middle, c.ink);
    const titles = [say("Positive phase: the data"), say("Negative phase: what it makes up"), say("Change of the weights")];
    const notes = [
      say("Unit {i} is on in {share} of these.", { i: chosen + 1, share: share(on[0][chosen]) }),
      say("Unit {i} is on in {share} of these.", { i: chosen + 1, share: share(on[1][chosen]) }),
      say("The difference times the learning rate {rate}; {largest} at most.", { rate: text(model.get("rate"), 4), largest: text(model.get("changed"), 4) }),
    ];
    parts.forEach(({ name, canvas, title, note, node }, place) => {
      const values = bytes(model.get(name)), n = values.length / tile ** 2, across = square(n), batch = bytes(model.get(["v_data", "v_model"][place]) ?? []);
      const width = Math.min(node.clientWidth || 260, 340) - 4, strip = { across: 10, width, x: 2, y: 2 }, top = places(10, width).size + 12;
      const grid = { across, width: 0.66 * width, x: 2, y: top }, one = { across: 1, width: 0.3 * width, x: 2 + 0.7 * width, y: top };
      const context = sized(canvas, width + 4, top + Math.max(places(across, grid.width).height(Math.max(1, n)), one.width) + 4);
      pictures(context, batch, tile, strip, paper);
      pictures(context, values, tile, grid, tables[place]);
      if (n) {
        outline(context, chosen, grid, c.ink);
        pictures(context, values.subarray(chosen * tile ** 2, (chosen + 1) * tile ** 2), tile, one, tables[place]);
        outline(context, 0, one, c.ink);
      }
      title.textContent = titles[place];
      note.textContent = notes[place];
      canvas.setAttribute("aria-label", `${titles[place]}: ${notes[place]}`);
    });
  }
  return follow(model, el, ["positive", "negative", "change", "hidden_unit", "v_data", "v_model", "on_share"], draw);
}

// -- a picture, and what the machine makes of it -------------------------------------------------------------------

/** Probabilities of hidden units as cells, those that were drawn as 1 with a dot. @param {CanvasRenderingContext2D} context @param {Uint8Array} p @param {Uint8Array} drawn @param {number} width @param {any} c */
function cells(context, p, drawn, width, c) {
  const across = square(p.length), { size, at } = places(across, width), table = ramp(c.middle, c.ink);
  for (let j = 0; j < p.length; j++) {
    const [x, y] = at(j);
    context.fillStyle = `rgb(${table.slice(4 * p[j], 4 * p[j] + 3).join(" ")})`;
    context.fillRect(x, y, size, size);
    if (!drawn[j]) continue;
    context.fillStyle = c.positive;
    context.beginPath();
    context.arc(x + size / 2, y + size / 2, Math.max(1.5, size / 5), 0, 7);
    context.fill();
  }
}

/** A figure with a canvas and its caption. @param {Record<string, any>} [properties] */
function figure(properties = {}) {
  const canvas = make("canvas", { role: "img", ...properties }), caption = make("figcaption", {});
  return { canvas, caption, node: make("figure", { className: "pellucid-picture" }, canvas, caption) };
}

/** @param {{model: any, el: HTMLElement}} given */
export function picture({ model, el }) {
  const [pad, units, seen] = [figure({ className: "pellucid-paint", tabIndex: 0, role: "application" }), figure(), figure()];
  const canvas = pad.canvas;
  el.append(make("div", { className: "pellucid-row" }, pad.node, make("span", { className: "pellucid-sign" }, "→"), units.node, make("span", { className: "pellucid-sign" }, "→"), seen.node));
  let cursor = 0, ink = -1, focused = false;

  function draw() {
    const c = colours(el), tile = model.get("tile") || 8, size = Math.max(72, Math.min(((el.clientWidth || 420) - 76) / 3, 150));
    const values = Uint8Array.from(model.get("picture") ?? [], (v) => Math.round(255 * v / INK)), paper = ramp(c.middle, c.ink);
    const context = sized(canvas, size, size), hidden = bytes(model.get("hidden"));
    for (const { node } of [pad, units, seen]) node.style.width = `${size}px`;
    pictures(context, values, tile, { across: 1, width: size }, paper);
    if (focused) {
      const cell = size / tile;
      context.strokeStyle = c.accent;
      context.lineWidth = 3;
      context.strokeRect(cursor % tile * cell + 1.5, Math.floor(cursor / tile) * cell + 1.5, cell - 3, cell - 3);
    }
    cells(sized(units.canvas, size, size), hidden, new Uint8Array(), size, c);
    pictures(sized(seen.canvas, size, size), bytes(model.get("reconstruction")), tile, { across: 1, width: size }, paper);
    pad.caption.textContent = say("the picture v");
    units.caption.textContent = "P(h = 1 | v)";
    seen.caption.textContent = say("drawn from them alone");
    canvas.setAttribute("aria-label", say("A picture of {n} pixels, {on} of them with ink. Arrow keys move, Enter puts ink or takes it away.", { n: values.length, on: values.filter((v) => v > 127).length }) + (values.length ? ` ${tellCell(cursor, tile, values[cursor] > 127)}` : ""));
    units.canvas.setAttribute("aria-label", say("{on} of {n} hidden units are more on than off", { on: hidden.filter((p) => p > 127).length, n: hidden.length }));
    seen.canvas.setAttribute("aria-label", say("The picture as the machine sees it"));
  }
  /** @param {number} i @param {number} value */
  function put(i, value) {
    const values = Array.from(model.get("picture"));
    if (values[i] === value) return;
    values[i] = value;
    model.set("picture", values);
  }
  /** @param {PointerEvent} event */
  function where(event) {
    return cellAt(canvas, event, model.get("tile") || 8);
  }
  canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (!model.get("editable")) return;
    canvas.setPointerCapture(event.pointerId);
    ink = model.get("picture")[where(event)] > INK / 2 ? 0 : INK;
    put(where(event), ink);
  });
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => ink >= 0 && put(where(event), ink));
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, () => {
      if (ink >= 0) model.save_changes();
      ink = -1;
    });
  }
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const tile = model.get("tile") || 8, next = stepOn(event.key, cursor, tile, tile * tile);
    if (next !== null) cursor = next;
    else if ((event.key === "Enter" || event.key === " ") && model.get("editable")) {
      put(cursor, model.get("picture")[cursor] > INK / 2 ? 0 : INK);
      model.save_changes();
    } else return;
    event.preventDefault();
    draw();
  });
  onFocus(canvas, (has) => {
    focused = has;
    draw();
  });
  return follow(model, el, ["picture", "hidden", "reconstruction"], draw);
}

// -- a chain -------------------------------------------------------------------------------------------------------

/** @param {{model: any, el: HTMLElement}} given */
export function chain({ model, el }) {
  const parts = ["v", "p_h", "p_v", "v_next"].map((name) => ({ name, ...figure() }));
  const past = figure(), arrow = () => make("span", { className: "pellucid-sign" }, "→");
  const row = make("div", { className: "pellucid-row" }, ...parts.flatMap((part, i) => (i ? [arrow(), part.node] : [part.node])));
  el.append(row, past.node);

  function draw() {
    const now = model.get("chain"), c = colours(el), tile = model.get("tile") || 8, paper = ramp(c.middle, c.ink);
    row.hidden = past.node.hidden = !now;
    if (!now) return;
    const size = Math.max(56, Math.min(((el.clientWidth || 420) - 114) / 4, 110)), drawn = bytes(now.h);
    const on = drawn.filter((h) => h).length, captions = ["v", say("P(h = 1 | v); dots: drawn as 1"), "P(v' = 1 | h)", say("v', drawn from it")];
    parts.forEach(({ name, canvas, caption, node }, i) => {
      const context = sized(canvas, size, size);
      node.style.width = `${size}px`;
      if (name === "p_h") cells(context, bytes(now.p_h), drawn, size, c);
      else pictures(context, bytes(now[name]), tile, { across: 1, width: size }, paper);
      caption.textContent = captions[i];
      canvas.setAttribute("aria-label", name === "p_h" ? say("{on} of {n} hidden units were drawn as 1", { on, n: drawn.length }) : captions[i]);
    });
    const values = bytes(now.past), n = values.length / tile ** 2, width = Math.min(el.clientWidth || 420, 13 * 40), across = Math.max(13, Math.ceil(n / 2));
    pictures(sized(past.canvas, width, places(across, width).height(n)), values, tile, { across, width }, paper);
    past.caption.textContent = say("P(v' = 1 | h) in the rounds {rounds}", { rounds: now.rounds.join(", ") });
    past.canvas.setAttribute("aria-label", past.caption.textContent ?? "");
  }
  return follow(model, el, ["chain"], draw);
}

// -- dreams --------------------------------------------------------------------------------------------------------

/** @param {{model: any, el: HTMLElement}} given */
export function dreams({ model, el }) {
  const { canvas, node } = figure();
  el.append(node);

  function draw() {
    const values = bytes(model.get("dreams") ?? []), tile = model.get("tile") || 8, c = colours(el), n = values.length / tile ** 2;
    node.hidden = !n;
    if (!n) return;
    const width = Math.min(el.clientWidth || 420, 420), where = { across: 10, width };
    pictures(sized(canvas, width, places(10, width).height(n)), values, tile, where, ramp(c.middle, c.ink));
    canvas.setAttribute("aria-label", say("{n} pictures that the machine dreamt", { n }));
  }
  return follow(model, el, ["dreams"], draw);
}

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const endings = Object.entries({ filters, change: phases, picture, chain, dreams }).flatMap(([name, part]) => {
    const place = make("div", {});
    el.append(place);
    const reveal = () => {
      const value = model.get(name);
      place.hidden = !(value && (value.length ?? value.byteLength ?? 1));
    };
    return [part({ model, el: place }), follow(model, el, [name], reveal)];
  });
  return () => endings.forEach((end) => end());
}
export default { render };
