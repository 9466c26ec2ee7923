// A multilayer network: units as squares that show what they answer over the plane, weights as lines, orange for
// positive and blue for negative, as thick as they are large. Values: `sizes`, `weights` (float32, layer by layer),
// `units` (bytes: a map for each hidden unit), `columns`, `answer`; and, to go through one example step by step,
// `trace` (records) and `moment` (the place in it, -1: the whole network). Backwards each line carries its product of
// the chain rule: the activation at its left times the error signal at its right.
import { brief, bytes, colours, floats, follow, heat, make, say, scale, svg } from "./paint.js";

const UNIT = 44, GAP = 10;

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const board = make("div", { className: "pellucid-network" });
  const lines = svg("svg", { role: "img", "aria-label": say("output") });
  const note = make("p", { className: "pellucid-note" });
  board.append(lines);
  el.append(board, note);
  /** @type {{node: HTMLElement, map: HTMLCanvasElement, label: HTMLElement}[][]} */
  let units = [];
  let built = "", chosen = "";

  /** The numbers of a record of the trace, the first row. @param {string} name */
  function row(name) {
    const found = (model.get("trace") ?? []).find((/** @type {any} */ record) => record.name === name);
    return found ? (Array.isArray(found.value[0]) ? found.value[0] : found.value) : null;
  }
  function build(/** @type {number[]} */ sizes) {
    built = sizes.join("-");
    for (const layer of units) for (const unit of layer) unit.node.remove();
    units = sizes.map((size, l) => Array.from({ length: size }, (_, i) => {
      const map = make("canvas", { className: "pellucid-unit-map" });
      const label = make("span", { className: "pellucid-unit-value" });
      const node = make("button", { type: "button", className: "pellucid-unit" }, map, label);
      const key = `${l}.${i}`;
      node.addEventListener("pointerenter", () => choose(key));
      node.addEventListener("focus", () => choose(key));
      node.addEventListener("pointerleave", () => choose(""));
      node.addEventListener("blur", () => choose(""));
      board.append(node);
      return { node, map, label };
    }));
  }
  function choose(/** @type {string} */ key) {
    chosen = key;
    draw();
  }

  function draw() {
    const sizes = model.get("sizes") ?? [];
    if (!sizes.length) return;
    if (built !== sizes.join("-")) build(sizes);
    const c = colours(el), width = Math.max(260, el.clientWidth || 480);
    const tallest = Math.max(...sizes), height = Math.max(3, tallest) * (UNIT + GAP) + 8;
    board.style.height = `${height}px`;
    lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const x = (/** @type {number} */ l) => 24 + UNIT / 2 + (width - UNIT - 48) * l / (sizes.length - 1);
    const y = (/** @type {number} */ l, /** @type {number} */ i) => height / 2 + (i - (sizes[l] - 1) / 2) * (UNIT + GAP);
    const moment = model.get("moment") ?? -1, record = (model.get("trace") ?? [])[moment];
    drawEdges(sizes, x, y, record, c);
    drawUnits(sizes, x, y, record, c);
  }

  /** What the chosen moment shows on layer l: the name of a record, or "". @param {any} record @param {number} l @param {number} last */
  function shownOn(record, l, last) {
    if (!record) return "";
    const layer = record.layer || (record.name === "a0" ? 0 : last);
    if (record.phase === "forward") return l > layer ? "" : l === last ? (record.name === "p" ? "p" : `z${l}`) : l === layer && record.name[0] === "z" ? `z${l}` : `a${l}`;
    if (record.phase === "loss") return l === last ? "p" : `a${l}`;
    if (record.phase === "backward") return l >= layer && l > 0 ? `delta${l}` : `a${l}`;
    return l === last ? "p" : `a${l}`;
  }

  function drawUnits(/** @type {number[]} */ sizes, /** @type {any} */ x, /** @type {any} */ y, /** @type {any} */ record, /** @type {any} */ c) {
    const maps = bytes(model.get("units")), columns = model.get("columns") || 40, area = columns * columns;
    const table = scale(c, 0.8), answer = bytes(model.get("answer")), last = sizes.length - 1;
    let hidden = 0;
    units.forEach((layer, l) => layer.forEach((unit, i) => {
      unit.node.style.left = `${x(l) - UNIT / 2}px`;
      unit.node.style.top = `${y(l, i) - UNIT / 2}px`;
      const name = shownOn(record, l, last), values = name ? row(name) : null;
      const inner = l > 0 && l < last;
      if (values) {
        const limit = Math.max(...values.map(Math.abs), 1e-9);
        const share = Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, values[i] / limit)));
        heat(unit.map, Uint8Array.of(share), 1, scale(c, 0.45));
      } else if (inner && maps.length) heat(unit.map, maps.subarray(hidden * area, (hidden + 1) * area), columns, table);
      else if (l === last && answer.length) heat(unit.map, answer, columns, table);
      else if (l === 0) heat(unit.map, ramp(i, columns), columns, table);
      if (inner) hidden += 1;
      unit.label.textContent = values ? brief(values[i]) : l === 0 ? `x${"₁₂₃₄₅₆"[i] ?? ""}` : "";
      const what = l === 0 ? say("input {i}", { i: i + 1 }) : l === last ? say("output") : say("unit {i} of layer {l}", { i: i + 1, l });
      unit.node.setAttribute("aria-label", [what, ...(values ? [name.replace("delta", "δ")] : []), unit.label.textContent].join(" "));
      unit.node.classList.toggle("pellucid-active", Boolean(record) && (record.layer || 0) === l);
    }));
  }

  function drawEdges(/** @type {number[]} */ sizes, /** @type {any} */ x, /** @type {any} */ y, /** @type {any} */ record, /** @type {any} */ c) {
    const weights = floats(model.get("weights")), backward = record?.phase === "backward", update = record?.phase === "update";
    const largest = Math.max(...weights.map(Math.abs), 1e-9);
    /** @type {Node[]} */
    const drawn = [], labels = [];
    let at = 0, told = "";
    for (let l = 0; l + 1 < sizes.length; l++) {
      const a = row(`a${l}`), delta = row(`delta${l + 1}`);
      const active = record && record.layer === l + 1;
      const products = backward && a && delta && record.layer <= l + 1;
      const steepest = products ? Math.max(...a.map(Math.abs)) * Math.max(...delta.map(Math.abs), 1e-12) : 1;
      for (let i = 0; i < sizes[l]; i++) {
        for (let j = 0; j < sizes[l + 1]; j++, at++) {
          const value = products ? a[i] * delta[j] : weights[at];
          const share = Math.abs(value) / (products ? Math.max(steepest, 1e-12) : largest);
          const [x1, y1, x2, y2] = [x(l) + UNIT / 2, y(l, i), x(l + 1) - UNIT / 2, y(l + 1, j)];
          const middle = (x1 + x2) / 2;
          const near = chosen === `${l}.${i}` || chosen === `${l + 1}.${j}`;
          const quiet = (record && !update && !active) || (chosen && !near);
          drawn.push(svg("path", {
            d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`, fill: "none",
            stroke: value > 0 ? c.positive : c.negative, "stroke-width": (0.6 + 4.4 * share).toFixed(2),
            "stroke-opacity": (quiet ? 0.12 : 0.25 + 0.65 * share).toFixed(2),
            ...(products && active ? { "stroke-dasharray": "7 4" } : {}),
          }));
          if ((near && chosen === `${l + 1}.${j}`) || (active && !chosen && j === 0 && sizes[l] <= 8)) {
            const shown = products ? `${brief(a[i])} · ${brief(delta[j])}` : record && a ? `${brief(a[i])} · ${brief(weights[at])}` : brief(weights[at]);
            labels.push(svg("text", { x: x1 + 8, y: y1 - 5, class: "pellucid-edge-label" }, shown));
          }
        }
      }
    }
    if (backward) told = say("Each dashed line is one slope: the activation at its left times the error signal δ at its right (the chain rule).");
    else if (record?.phase === "forward") told = say("Each line carries the activation at its left times its weight; the unit adds them up.");
    else if (update) told = say("The optimizer moves each weight against its slope.");
    else if (record?.phase === "loss") told = say("The loss says how wrong the answer is.");
    else told = say("Orange lines are positive weights, blue lines negative ones. Point at a unit to see its weights.");
    note.textContent = told;
    lines.setAttribute("aria-label", say("A network of layers with {sizes} units", { sizes: sizes.join(", ") }));
    lines.replaceChildren(...drawn, ...labels);
  }
  return follow(model, el, ["sizes", "weights", "units", "trace", "moment"], draw);
}

/** What an input looks like over the plane: itself. @param {number} which @param {number} columns */
function ramp(which, columns) {
  const values = new Uint8Array(columns * columns);
  for (let i = 0; i < values.length; i++) {
    const across = i % columns, down = Math.floor(i / columns);
    values[i] = Math.round(255 * (which === 0 ? across : columns - 1 - down) / (columns - 1));
  }
  return values;
}
export default { render };
