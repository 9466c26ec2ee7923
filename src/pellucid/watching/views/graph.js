// The computation graph of an expression, as it is built while the code runs; after that, the slopes on their way back.
// Values: `graph` {nodes: [{name, operation, inputs, value, shape, slope, line}], lines: [source], missed} and `moment`: so
// many nodes are made, and when all are, the slopes of so many more are known, from the last; -1: all nodes, no slopes.
import { colours, follow, make, rgb, say, svg, text } from "./paint.js";

const WIDE = 92, HIGH = 50, ACROSS = 36, DOWN = 22, EDGE = 8, LANE = 14, MOST_CELLS = 24;

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const drawing = svg("svg", { role: "img", class: "pellucid-graph" });
  const back = make("button", { type: "button", textContent: "←" });
  const on = make("button", { type: "button", textContent: "→" });
  const slider = make("input", { type: "range", min: 0, step: 1 });
  const code = make("pre", { className: "pellucid-lines" });
  const note = make("p", { className: "pellucid-note", "aria-live": "polite" });
  const scroll = make("div", { className: "pellucid-scroll", tabIndex: 0 }, drawing);
  el.append(code, make("div", { className: "pellucid-moment" }, back, slider, on), note, scroll);
  back.addEventListener("click", () => go(Number(slider.value) - 1));
  on.addEventListener("click", () => go(Number(slider.value) + 1));
  slider.addEventListener("input", () => go(Number(slider.value)));
  /** @type {any} */
  let laid = null;
  /** @type {ReturnType<typeof layout>} */
  let plan;

  function go(/** @type {number} */ to) {
    const moment = Math.max(0, Math.min(Number(slider.max), to));
    model.set("moment", moment);
    model.save_changes();
    draw();
  }

  function draw() {
    const graph = model.get("graph");
    if (!graph?.nodes.length) return;
    const nodes = graph.nodes, c = colours(el);
    if (laid !== graph) [laid, plan] = [graph, layout(nodes)];
    const { places, route } = plan;
    const sloped = nodes.map((/** @type {any} */ n, /** @type {number} */ i) => i).filter((/** @type {number} */ i) => nodes[i].slope !== null).reverse();
    const end = nodes.length + sloped.length, asked = model.get("moment") ?? -1;
    const moment = asked < 0 ? nodes.length : Math.min(asked, end), made = Math.min(moment, nodes.length);
    const known = sloped.slice(0, moment - made), now = known.length ? known[known.length - 1] : made - 1;
    slider.max = String(end);
    slider.value = String(moment);
    slider.setAttribute("aria-label", say("How much of the computation is shown"));
    back.setAttribute("aria-label", say("Back"));
    on.setAttribute("aria-label", say("Next"));
    back.disabled = moment === 0;
    on.disabled = moment === end;
    scroll.setAttribute("aria-label", say("The computation graph; scroll to see all of it"));

    const tops = uses(nodes), arrows = [], boxes = [];
    for (let i = 0; i < made; i++) {
      for (const from of nodes[i].inputs) {
        arrows.push(arrow([places[from], ...route(from, i), places[i]], known.includes(i) ? c.positive : c.muted, now === i && !known.length));
      }
      boxes.push(box(nodes[i], places[i], c, i === now, known.includes(i), !nodes[i].inputs.length && !tops[i].length));
    }
    const width = Math.max(...places.map((p) => p.x)) + WIDE + 2 * EDGE, height = Math.max(...places.map((p) => p.y)) + HIGH / 2 + 2 * EDGE;
    drawing.setAttribute("viewBox", `${-EDGE} ${-EDGE} ${width} ${height}`);
    drawing.setAttribute("width", String(width));
    drawing.setAttribute("height", String(height));
    drawing.setAttribute("aria-label", say("A computation graph: {made} of {n} values are made, {known} slopes are known", {
      made, n: nodes.length, known: known.length,
    }));
    drawing.replaceChildren(...arrows, ...boxes);
    code.replaceChildren(...graph.lines.map((/** @type {string} */ line, /** @type {number} */ i) =>
      make("span", { className: now >= 0 && nodes[now].line === i ? "pellucid-now" : "" }, line || " ")));
    note.textContent = told(nodes[now], known.length, moment, end) +
      (graph.missed ? ` ${say("({n} more values are not shown.)", { n: graph.missed })}` : "");
    if (now >= 0) reveal(scroll, places[now].x);
  }
  return follow(model, el, ["graph", "moment"], draw);
}

/** What the moment means, in words. @param {any} node @param {number} known @param {number} moment @param {number} end */
function told(node, known, moment, end) {
  if (!node) return say("Nothing has run yet. Press → to run the code, one operation at a time.");
  const what = node.name || node.operation;
  const where = say("Step {moment} of {end}.", { moment, end });
  if (known) return `${where} ${say("Backwards: the slope of the result by {what} is {slope}.", { what, slope: amount(node.slope) })}`;
  if (node.name) return `${where} ${say("{what} is given: {value}.", { what, value: amount(node.value) })}`;
  return `${where} ${say("The marked line ran {what} and made {value}.", { what, value: amount(node.value) })}`;
}

/** A number, or a short list of them, as text. @param {any} value */
function amount(value) {
  if (typeof value === "number") return text(value);
  return value === null ? "…" : `[${value.slice(0, 4).map((/** @type {number} */ v) => text(v, 2)).join(", ")}${value.length > 4 ? ", …" : ""}]`;
}

/** One value: what made it, the value (cells of colour for several numbers), and its slope once it is known.
 * @param {any} node @param {{x: number, y: number}} at @param {any} c @param {boolean} now @param {boolean} sloped @param {boolean} alone */
function box(node, at, c, now, sloped, alone) {
  const group = svg("g", { transform: `translate(${at.x} ${at.y - HIGH / 2})`, opacity: alone ? 0.55 : 1 });
  const given = !node.inputs.length;
  group.append(
    svg("title", {}, `${node.name || node.operation} ${node.shape} ${amount(node.value)}`),
    svg("rect", { width: WIDE, height: HIGH, rx: given ? HIGH / 2 : 9, fill: c.paper, stroke: now ? c.accent : given ? c.muted : c.line,
      "stroke-width": now ? 3 : 1.5 }),
    svg("text", { x: WIDE / 2, y: sloped ? 15 : 18, "text-anchor": "middle", fill: c.ink, class: "pellucid-operation" }, node.name || node.operation),
    ...amounts(node.value, sloped ? 19 : 27, sloped ? 12 : 14, node.shape, c, c.ink),
  );
  if (sloped) group.append(...amounts(node.slope, 33, 12, node.shape, c, c.positive, "∂ "));
  return group;
}

/** A number as text, several as cells. @param {any} value @param {number} y @param {number} high @param {string} shape @param {any} c
 * @param {string} ink @param {string} [mark] */
function amounts(value, y, high, shape, c, ink, mark = "") {
  if (value === null || typeof value === "number" || value.length > MOST_CELLS) {
    const words = typeof value === "number" ? text(value) : shape;
    return [svg("text", { x: WIDE / 2, y: y + high - 2, "text-anchor": "middle", fill: ink, class: "pellucid-amount" }, mark + words)];
  }
  const left = mark ? 20 : 10, cell = (WIDE - left - 10) / value.length;
  const largest = Math.max(...value.map(Math.abs), 1e-12);
  const cells = value.map((/** @type {number} */ v, /** @type {number} */ i) =>
    svg("rect", { x: left + i * cell, y: y + 1, width: Math.max(1, cell - 0.8), height: high - 3, rx: 1.5, fill: tint(v / largest, c) }));
  return mark ? [svg("text", { x: 9, y: y + high - 2, fill: ink, class: "pellucid-amount" }, mark.trim()), ...cells] : cells;
}

/** From blue through the middle to orange. @param {number} share -1 to 1 @param {any} c */
function tint(share, c) {
  const [middle, end] = [rgb(c.middle), rgb(share < 0 ? c.negative : c.positive)];
  return `rgb(${middle.map((m, i) => Math.round(m + (end[i] - m) * Math.abs(share))).join(",")})`;
}

/** A line from a value to what is computed from it. @param {{x: number, y: number}[]} points @param {string} colour @param {boolean} bold */
function arrow(points, colour, bold) {
  let d = `M${points[0].x + WIDE} ${points[0].y}`;
  for (let k = 1; k < points.length; k++) {
    const [x1, x2] = [points[k - 1].x + WIDE, points[k].x], middle = (x1 + x2) / 2;
    d += `C${middle} ${points[k - 1].y} ${middle} ${points[k].y} ${x2} ${points[k].y}${k + 1 < points.length ? `H${x2 + WIDE}` : ""}`;
  }
  return svg("path", { d, fill: "none", stroke: colour, "stroke-width": bold ? 2.4 : 1.4, "stroke-opacity": bold ? 1 : 0.7 });
}

/** Bring what is new into sight. @param {HTMLElement} scroll @param {number} x */
function reveal(scroll, x) {
  const { scrollLeft, clientWidth } = scroll;
  if (x < scrollLeft || x + WIDE + 2 * EDGE > scrollLeft + clientWidth) scroll.scrollLeft = Math.max(0, x + WIDE + 2 * EDGE - clientWidth * 0.8);
}

/** For each node those that use it. @param {any[]} nodes @returns {number[][]} */
function uses(nodes) {
  /** @type {number[][]} */
  const found = nodes.map(() => []);
  nodes.forEach((node, i) => node.inputs.forEach((/** @type {number} */ from) => found[from].push(i)));
  return found;
}

/** A place for each node: a column by how many operations lie before it, and in the column near what it is joined with. What is
 * given stands beside its first use. A value that is used further on passes the columns between by a lane of its own.
 * @param {any[]} nodes */
function layout(nodes) {
  const later = uses(nodes), column = nodes.map(() => 0);
  nodes.forEach((node, i) => { if (node.inputs.length) column[i] = 1 + Math.max(...node.inputs.map((/** @type {number} */ from) => column[from])); });
  nodes.forEach((node, i) => { if (!node.inputs.length && later[i].length) column[i] = Math.max(0, Math.min(...later[i].map((to) => column[to])) - 1); });
  /** @type {number[][]} */
  const columns = Array.from({ length: Math.max(...column) + 1 }, () => []);
  column.forEach((k, i) => columns[k].push(i));
  const lanes = nodes.map((_, i) => {
    const ends = Math.max(column[i], ...later[i].map((to) => column[to])), lane = [];
    for (let k = column[i] + 1; k < ends; k++) {
      columns[k].push(column.length);
      lane.push(column.length);
      column.push(k);
    }
    return lane;
  });
  /** @type {number[][]} */
  const before = column.map(() => []);
  /** @type {number[][]} */
  const after = column.map(() => []);
  const join = (/** @type {number} */ a, /** @type {number} */ b) => { after[a].push(b); before[b].push(a); };
  lanes.forEach((lane, i) => lane.forEach((place, k) => join(k ? lane[k - 1] : i, place)));
  const route = (/** @type {number} */ from, /** @type {number} */ to) => lanes[from].slice(0, column[to] - column[from] - 1);
  nodes.forEach((node, i) => node.inputs.forEach((/** @type {number} */ from) => join(route(from, i).at(-1) ?? from, i)));

  const both = before.map((each, i) => [...each, ...after[i]]);
  const apart = (/** @type {number} */ a, /** @type {number} */ b) =>
    a < nodes.length && b < nodes.length ? HIGH + DOWN : a < nodes.length || b < nodes.length ? HIGH / 2 + LANE : LANE;
  const y = column.map((k, i) => columns[k].indexOf(i) * (HIGH + DOWN));
  const mean = (/** @type {number[]} */ of, /** @type {number} */ own) => of.length ? of.reduce((sum, i) => sum + y[i], 0) / of.length : own;
  for (let round = 0; round < 12; round++) {
    const forwards = round % 2 === 0, [near, far] = round >= 8 ? [both, both] : forwards ? [before, after] : [after, before];
    for (const members of forwards ? columns : [...columns].reverse()) {
      const wish = new Map(members.map((i) => [i, mean(near[i], mean(far[i], y[i]))]));
      members.sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0) || a - b);
      settle(members, wish, y, apart);
    }
  }
  const top = Math.min(...y) - HIGH / 2;
  const places = column.map((k, i) => ({ x: k * (WIDE + ACROSS), y: y[i] - top }));
  return { places, route: (/** @type {number} */ from, /** @type {number} */ to) => route(from, to).map((i) => places[i]) };
}

/** Give each member, in their order, the height that it wishes, as near as the distance between them allows.
 * @param {number[]} members @param {Map<number, number>} wish @param {number[]} y @param {(a: number, b: number) => number} apart */
function settle(members, wish, y, apart) {
  let down = 0;
  const offset = members.map((member, k) => (down += k ? apart(members[k - 1], member) : 0));
  /** @type {{first: number, count: number, sum: number}[]} */
  const blocks = [];
  members.forEach((member, k) => {
    blocks.push({ first: k, count: 1, sum: (wish.get(member) ?? 0) - offset[k] });
    while (blocks.length > 1) {
      const [above, below] = blocks.slice(-2);
      if (above.sum / above.count <= below.sum / below.count) break;
      blocks.splice(-2, 2, { first: above.first, count: above.count + below.count, sum: above.sum + below.sum });
    }
  });
  for (const { first, count, sum } of blocks) for (let k = first; k < first + count; k++) y[members[k]] = sum / count + offset[k];
}
export default { render };
