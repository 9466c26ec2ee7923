// A sentence as SPINN reads it: the tree that grows over the words, the stack and the buffer below them, the choice
// between SHIFT and REDUCE, and what the tracker and the new state hold. Values: `reading` (see watching/values.py)
// and `moment`, how many steps are done; it is saved when the reader has gone to another.
import { colours, follow, make, say, svg } from "./paint.js";

const GUTTER = 52, GAP = 8, STRIP = 26;

/** What stands where after some steps. @param {any} reading @param {number} moment */
export function standing(reading, moment) {
  /** @type {{left: number, right: number, begin: number, end: number}[]} */
  const nodes = [];
  /** @type {number[]} */
  const stack = [];
  let next = 0;
  for (const transition of reading.transitions.slice(0, moment)) {
    if (transition) {
      const right = /** @type {number} */ (stack.pop()), left = /** @type {number} */ (stack.pop());
      nodes.push({ left, right, begin: nodes[left].begin, end: nodes[right].end });
    } else nodes.push({ left: -1, right: -1, begin: next, end: ++next });
    stack.push(nodes.length - 1);
  }
  return { nodes, stack, next };
}

/** The words of a node. @param {any} reading @param {{begin: number, end: number}} node */
export const phrase = (reading, node) => reading.words.slice(node.begin, node.end).join(" ");

/** What the last step did, in words. @param {any} reading @param {number} moment */
export function told(reading, moment) {
  if (moment === 0) return say("All words wait in the buffer; the stack is empty.");
  const { nodes, stack } = standing(reading, moment), node = nodes[nodes.length - 1];
  const done = node.left < 0 ? say("SHIFT: “{word}” goes from the buffer onto the stack.", { word: phrase(reading, node) })
    : say("REDUCE: “{left}” and “{right}” become one state.", { left: phrase(reading, nodes[node.left]), right: phrase(reading, nodes[node.right]) });
  return moment === reading.transitions.length && stack.length === 1 ? `${done} ${say("One state is left: the sentence.")}` : done;
}

/** A probability that is neither 0 nor 1 never looks like either. @param {number} p */
const share = (p) => (p < 0.001 ? "< 0.001" : p > 0.999 && p < 1 ? "> 0.999" : p.toFixed(3));

/** How wide a word is, roughly: without asking the browser, so that a picture is the same everywhere. @param {string} word */
const widthOf = (word) => [...word].reduce((sum, character) => sum + (character > "\u2e80" ? 17 : 9.4), 0);

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const back = make("button", { type: "button", className: "plain", title: say("One step back") }, say("Back"));
  const next = make("button", { type: "button", className: "plain", title: say("One step on") }, say("Next"));
  const slider = make("input", { type: "range", min: 0, step: 1, "aria-label": say("Step of the machine") });
  const count = make("span", { className: "pellucid-count" });
  const note = make("p", { className: "pellucid-note pellucid-told", role: "status" });
  const picture = svg("svg", { role: "img" }), other = svg("svg", { role: "img" });
  const scroll = make("div", { className: "pellucid-scroll", tabIndex: 0, role: "group", "aria-label": say("The sentence, with its tree, stack and buffer") }, picture);
  const choice = make("div", { className: "pellucid-choice", role: "group", "aria-label": say("The next transition") });
  const vectors = make("div", { className: "pellucid-vectors" });
  const title = make("p", { className: "pellucid-subtitle" });
  const lower = make("div", { className: "pellucid-scroll", tabIndex: 0, role: "group", "aria-label": say("The other parse") }, other);
  const comparison = make("div", {}, title, lower);
  const whole = make("div", {}, make("div", { className: "pellucid-steps" }, back, slider, next, count), note, scroll, choice, vectors, comparison);
  el.append(whole);

  /** @param {number} moment @param {boolean} [save] */
  function go(moment, save = true) {
    model.set("moment", moment);
    if (save) model.save_changes();
  }
  back.addEventListener("click", () => go(model.get("moment") - 1));
  next.addEventListener("click", () => go(model.get("moment") + 1));
  slider.addEventListener("input", () => go(Number(slider.value), false));
  slider.addEventListener("change", () => model.save_changes());

  function draw() {
    const reading = model.get("reading");
    whole.hidden = !reading?.words;
    if (!reading?.words) return;
    const total = reading.transitions.length, moment = Math.max(0, Math.min(total, model.get("moment") ?? 0));
    const c = colours(el), warn = getComputedStyle(el).getPropertyValue("--warn").trim();
    const step = moment ? reading.steps[moment - 1] : null;
    slider.max = String(total);
    slider.value = String(moment);
    back.disabled = moment === 0;
    next.disabled = moment === total;
    count.textContent = say("step {n} of {total}", { n: moment, total });
    note.textContent = told(reading, moment);
    slider.setAttribute("aria-valuetext", `${count.textContent}. ${note.textContent}`);
    const wide = Math.max(260, el.clientWidth - 4);
    drawMachine(reading, moment, wide, { ...c, warn });
    showChoice(reading, moment, step);
    showVectors(step, c);
    comparison.hidden = !reading.compared;
    if (reading.compared) drawOther(reading, wide, { ...c, warn });
  }

  /** Where each word stands: its middle and its width. @param {any} reading @param {number} wide */
  function columns(reading, wide) {
    const widths = reading.words.map((/** @type {string} */ word) => Math.max(54, widthOf(word) + 22));
    const sum = widths.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);
    const stretch = Math.max(1, Math.min(1.7, (wide - 2 * GUTTER) / sum));
    let at = Math.max(GUTTER, (wide - sum * stretch) / 2);
    const places = widths.map((/** @type {number} */ width) => {
      const place = { left: at, width: width * stretch, middle: at + width * stretch / 2 };
      at += width * stretch;
      return place;
    });
    return { places, width: Math.max(wide, at + GUTTER) };
  }

  /** The place of every node of a whole tree, and how many levels it has. @param {any[]} nodes @param {any[]} places */
  function layout(nodes, places) {
    const /** @type {number[]} */ level = [], /** @type {number[]} */ x = [];
    for (const [i, node] of nodes.entries()) {
      level[i] = node.left < 0 ? 0 : Math.max(level[node.left], level[node.right]) + 1;
      x[i] = node.left < 0 ? places[node.begin].middle : (x[node.left] + x[node.right]) / 2;
    }
    const levels = Math.max(...level, 1);
    return { x, level, levels, rise: Math.max(11, Math.min(34, 420 / levels)) };
  }

  /** @param {any} reading @param {number} moment @param {number} wide @param {any} c */
  function drawMachine(reading, moment, wide, c) {
    const { places, width } = columns(reading, wide), whole = standing(reading, reading.transitions.length);
    const { x, level, levels, rise } = layout(whole.nodes, places);
    const { nodes, stack, next: read } = standing(reading, moment);
    const ground = 16 + levels * rise, wordsAt = ground + 30, strip = wordsAt + 18, height = strip + STRIP + 14;
    const y = (/** @type {number} */ i) => ground - level[i] * rise;
    const /** @type {Node[]} */ lines = [], /** @type {Node[]} */ dots = [], /** @type {Node[]} */ words = [], /** @type {Node[]} */ boxes = [];
    nodes.forEach((node, i) => {
      const isNew = i === nodes.length - 1, isTop = stack.includes(i);
      if (node.left >= 0) {
        const corners = `M${x[node.left]} ${y(node.left)}V${y(i)}H${x[node.right]}V${y(node.right)}`;
        lines.push(svg("path", { d: corners, fill: "none", stroke: isNew ? c.positive : c.muted, "stroke-width": isNew ? 3 : 1.8, "stroke-linejoin": "round", class: isNew ? "pellucid-new" : "" }));
      }
      dots.push(svg("circle", { cx: x[i], cy: y(i), r: isNew ? 7 : node.left < 0 ? 4 : 5.5, fill: isNew ? c.positive : isTop ? c.ink : c.muted }));
    });
    reading.words.forEach((/** @type {string} */ word, /** @type {number} */ i) => {
      const unknown = reading.unknown.includes(i);
      words.push(svg("text", { x: places[i].middle, y: wordsAt, "text-anchor": "middle", class: "pellucid-word", fill: unknown ? c.warn : i < read ? c.ink : c.muted, "font-weight": i === read - 1 && !reading.transitions[moment - 1] ? 700 : 450 }, unknown ? `${word} ?` : word));
    });
    stack.forEach((i, place) => {
      const node = nodes[i], depth = stack.length - place, left = places[node.begin].left + GAP / 2;
      const across = places[node.end - 1].left + places[node.end - 1].width - left - GAP / 2;
      boxes.push(
        svg("rect", { x: left, y: strip, width: across, height: STRIP, rx: 7, fill: c.middle, stroke: depth < 3 ? c.positive : c.line, "stroke-width": depth === 1 ? 2.6 : 1.3, class: "pellucid-on-stack" }),
        svg("text", { x: left + across / 2, y: strip + 17.5, "text-anchor": "middle", class: "pellucid-place", fill: c.ink }, depth === 1 ? say("top") : depth === 2 ? say("second") : String(depth)));
    });
    if (read < places.length) {
      const left = places[read].left + GAP / 2, last = places[places.length - 1], across = last.left + last.width - left - GAP / 2;
      boxes.push(
        svg("rect", { x: left, y: strip, width: across, height: STRIP, rx: 7, fill: "none", stroke: c.negative, "stroke-width": 1.3, "stroke-dasharray": "5 4", class: "pellucid-buffer" }),
        svg("text", { x: left + across / 2, y: strip + 17.5, "text-anchor": "middle", class: "pellucid-place", fill: c.ink }, say("buffer")));
    }
    boxes.push(svg("text", { x: places[0].left - 4, y: strip + 17.5, "text-anchor": "end", class: "pellucid-place", fill: c.muted }, say("stack")));
    size(picture, width, height);
    const newest = moment ? x[moment - 1] : 0;
    if (newest < scroll.scrollLeft + 60 || newest > scroll.scrollLeft + wide - 90) scroll.scrollLeft = newest - wide / 2;
    picture.setAttribute("aria-label", describe(reading, moment));
    picture.replaceChildren(...lines, ...dots, ...words, ...boxes);
  }

  /** @param {any} reading @param {number} moment */
  function describe(reading, moment) {
    const { nodes, stack, next: read } = standing(reading, moment);
    const held = stack.map((i) => `“${phrase(reading, nodes[i])}”`).reverse().join(", ") || "–";
    return say("Stack, from its top: {stack}. Buffer: {buffer}.", { stack: held, buffer: reading.words.slice(read).join(" ") || "–" });
  }

  /** @param {any} reading @param {number} wide @param {any} c */
  function drawOther(reading, wide, c) {
    const { places, width } = columns(reading, wide);
    const { nodes } = standing({ ...reading, transitions: reading.compared }, reading.compared.length);
    const own = new Set(standing(reading, reading.transitions.length).nodes.map((node) => `${node.begin}-${node.end}`));
    const { x, level, levels, rise } = layout(nodes, places), y = (/** @type {number} */ i) => 12 + 22 + level[i] * rise;
    const phrases = nodes.filter((node) => node.left >= 0), wrong = phrases.filter((node) => !own.has(`${node.begin}-${node.end}`)).length;
    const name = reading.compared_is_given ? say("The given parse") : say("The model's own parse");
    title.textContent = `${name}: ${wrong ? say("{n} of {total} phrases are others (orange).", { n: wrong, total: phrases.length }) : say("the same.")}`;
    /** @type {Node[]} */
    const parts = [];
    nodes.forEach((node, i) => {
      const colour = own.has(`${node.begin}-${node.end}`) ? c.muted : c.positive;
      if (node.left >= 0) parts.push(svg("path", { d: `M${x[node.left]} ${y(node.left)}V${y(i)}H${x[node.right]}V${y(node.right)}`, fill: "none", stroke: colour, "stroke-width": colour === c.muted ? 1.6 : 2.6 }));
      parts.push(node.left < 0 ? svg("text", { x: x[i], y: 22, "text-anchor": "middle", class: "pellucid-place", fill: c.muted }, reading.words[node.begin]) : svg("circle", { cx: x[i], cy: y(i), r: 4.5, fill: colour }));
    });
    size(other, width, 34 + levels * rise + 12);
    other.setAttribute("aria-label", title.textContent);
    other.replaceChildren(...parts);
  }

  /** @param {SVGElement} element @param {number} width @param {number} height */
  function size(element, width, height) {
    element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    element.setAttribute("width", String(width));
    element.setAttribute("height", String(height));
  }

  /** The probabilities of the last step, and which was taken. @param {any} reading @param {number} moment @param {any} step */
  function showChoice(reading, moment, step) {
    const p = step?.values.p, taken = moment ? reading.transitions[moment - 1] : -1;
    choice.hidden = reading.steps[0].values.p === undefined;
    choice.replaceChildren(...["SHIFT", "REDUCE"].flatMap((name, i) => {
      const bar = make("i", {});
      bar.style.width = `${100 * (p?.[i] ?? 0)}%`;
      const words = p ? (p[i] === 0 ? say("impossible") : share(p[i])) : "–";
      return [
        make("span", { className: i === taken ? "pellucid-taken" : "" }, name), make("span", { className: `pellucid-bar${i === taken ? " pellucid-taken" : ""}` }, bar),
        make("span", { className: `pellucid-p${i === taken ? " pellucid-taken" : ""}` }, words, i === taken ? ` ← ${say("taken")}` : ""),
      ];
    }));
  }

  /** What the tracker and the new top of the stack hold, a square a number. @param {any} step @param {any} c */
  function showVectors(step, c) {
    const rows = [["e", say("What the tracker knows")], ["h", say("The new top of the stack")]];
    const names = rows.filter(([name]) => (model.get("reading").steps[0].values[name]));
    vectors.replaceChildren(...names.flatMap(([name, label]) => {
      const values = step?.values[name] ?? model.get("reading").steps[0].values[name].map(() => 0);
      const cell = 10, drawing = svg("svg", { role: "img", viewBox: `0 0 ${values.length * cell} ${cell}`, preserveAspectRatio: "none", "aria-label": say("{label}: {n} numbers, orange above zero and blue below", { label, n: values.length }) },
        ...values.map((/** @type {number} */ value, /** @type {number} */ i) => svg("rect", { x: i * cell + 0.5, y: 0, width: cell - 1, height: cell, fill: value > 0 ? c.positive : c.negative, "fill-opacity": (0.06 + 0.94 * Math.min(1, Math.abs(value))).toFixed(3) })));
      return [make("span", {}, `${label} (${name})`), drawing];
    }));
  }
  return follow(model, el, ["reading", "moment"], draw);
}
export default { render };
