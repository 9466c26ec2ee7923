// A multilayer network: units as squares that show what they answer over the plane, weights as lines, orange for
// positive and blue for negative, as thick as they are large. Values: `sizes`, `weights` and `biases` (float32, layer by
// layer), `units` (bytes: a map for each hidden unit), `columns`, `answer`; and, to go through one example step by step,
// `trace` (records of the network with these weights) and `moment` (the place in it, -1: the whole network). Each line
// of the moment carries its product: forwards activation times weight; backwards, by the chain rule, the error signal at
// its right times the weight, and then, as the slope of the weight, the activation at its left times that error signal.
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

  /** What the lines of layer l to l + 1 carry at this moment, and whether they are what it is about. @param {any} record @param {number} l */
  function carried(record, l) {
    const name = record?.name ?? "", layer = record?.layer ?? 0, backward = record?.phase === "backward";
    if (name === `z${l + 1}`) return { kind: "sum", active: true };
    if (backward && name === `delta${l}`) return { kind: "error", active: true };
    const known = backward && (name.startsWith("delta") ? layer + 1 : layer) <= l + 1;
    return known ? { kind: "slope", active: name === `dW${l + 1}` } : { kind: "weight", active: record?.phase === "update" && name === `ΔW${l + 1}` };
  }

  /** What the moment is about, in a sentence. @param {any} record @param {number} last */
  function told(record, last) {
    const name = record?.name ?? "";
    if (name[0] === "z") return say("Each line carries the activation at its left times its weight; the unit adds them up, and its bias b.");
    if (name === "a0") return say("The inputs are the place of the point.");
    if (record?.phase === "forward") return say("The activation function bends each sum.");
    if (record?.phase === "loss") return say("The loss says how wrong the answer is.");
    if (name === `delta${last}`) return say("The error signal δ of the output: how steeply the loss rises with its sum z.");
    if (name.startsWith("delta")) return say("Each dashed line carries the error signal δ at its right, times its weight, back to its left; the unit adds them up, times the slope of its activation (the chain rule).");
    if (name.startsWith("dW")) return say("Each dashed line is one slope: the activation at its left times the error signal δ at its right (the chain rule).");
    if (name.startsWith("db")) return say("The slope of a bias is the error signal δ of its unit.");
    if (record) return say("The optimizer moves each weight against its slope.");
    return say("Orange lines are positive weights, blue lines negative ones. Point at a unit to see its weights.");
  }

  function drawEdges(/** @type {number[]} */ sizes, /** @type {any} */ x, /** @type {any} */ y, /** @type {any} */ record, /** @type {any} */ c) {
    const weights = floats(model.get("weights")), biases = floats(model.get("biases")), update = record?.phase === "update";
    const largest = Math.max(...weights.map(Math.abs), 1e-9), last = sizes.length - 1;
    /** @type {Node[]} */
    const drawn = [], labels = [];
    /** @type {string[]} */
    const products = [];
    let at = 0;
    for (let l = 0; l < last; l++) {
      const { kind, active } = carried(record, l), a = row(`a${l}`), delta = row(`delta${l + 1}`), from = at;
      const touched = chosen && (record && !update ? [String(l), String(l + 1)].includes(chosen.split(".")[0]) : true);
      /** The two factors on the line from i to j. @param {number} i @param {number} j @returns {[number, number]} */
      const factors = (i, j) => {
        const weight = weights[from + i * sizes[l + 1] + j];
        return kind === "sum" ? [a[i], weight] : kind === "error" ? [delta[j], weight] : kind === "slope" ? [a[i], delta[j]] : [1, weight];
      };
      const value = (/** @type {number} */ i, /** @type {number} */ j) => factors(i, j)[0] * factors(i, j)[1];
      let steepest = kind === "weight" ? largest : 1e-12;
      if (kind !== "weight") for (let i = 0; i < sizes[l]; i++) for (let j = 0; j < sizes[l + 1]; j++) steepest = Math.max(steepest, Math.abs(value(i, j)));
      for (let i = 0; i < sizes[l]; i++) {
        for (let j = 0; j < sizes[l + 1]; j++, at++) {
          const product = value(i, j), share = Math.abs(product) / steepest, [left, right] = factors(i, j);
          const [x1, y1, x2, y2] = [x(l) + UNIT / 2, y(l, i), x(l + 1) - UNIT / 2, y(l + 1, j)];
          const middle = (x1 + x2) / 2, isLeft = chosen === `${l}.${i}`, isRight = chosen === `${l + 1}.${j}`;
          const others = touched && !isLeft && !isRight, quiet = record && !update ? !active || others : others;
          const words = kind === "weight" ? brief(right) : `${brief(left)} · ${brief(right)}`;
          const line = svg("path", {
            d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`, fill: "none",
            stroke: product > 0 ? c.positive : c.negative, "stroke-width": (0.6 + 4.4 * share).toFixed(2),
            "stroke-opacity": (quiet ? 0.12 : 0.25 + 0.65 * share).toFixed(2),
            ...(active && (kind === "error" || kind === "slope") ? { "stroke-dasharray": "7 4" } : {}),
          });
          if (active && kind !== "weight") {
            line.append(svg("title", {}, `${i + 1} → ${j + 1}: ${words} = ${brief(product)}`));
            line.classList.add("pellucid-product");
            products.push(line.textContent ?? "");
          }
          drawn.push(line);
          // The numbers of one unit at a time: the chosen one, or the first of those that add them up.
          const adds = kind === "error" ? (chosen ? isLeft : active && i === 0) : chosen ? isRight : active && j === 0;
          if (adds && (chosen || Math.max(sizes[l], sizes[l + 1]) <= 8)) {
            labels.push(kind === "error" ? svg("text", { x: x2 - 8, y: y2 - 5, class: "pellucid-edge-label", "text-anchor": "end" }, words)
              : svg("text", { x: x1 + 8, y: y1 - 5, class: "pellucid-edge-label" }, words));
          }
        }
      }
    }
    let place = 0;
    for (let l = 1; l <= last; l++) {
      for (let j = 0; j < sizes[l]; j++, place++) {
        const adding = record?.name === `z${l}`;
        if (place < biases.length && (chosen === `${l}.${j}` ? !record || adding : adding && !chosen)) {
          labels.push(svg("text", { x: x(l), y: y(l, j) + UNIT / 2 + GAP - 1, class: "pellucid-edge-label pellucid-bias", "text-anchor": "middle" }, `+ b ${brief(biases[place])}`));
        }
      }
    }
    note.textContent = told(record, last);
    lines.setAttribute("aria-label", [say("A network of layers with {sizes} units", { sizes: sizes.join(", ") }), ...products].join("; "));
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
