// One neuron and one example: inputs times weights, the sum, the sigmoid, the error, and the change of each weight.
// Values: `record` {inputs, weights, z, output, target (or null), error, delta, change: [...]}.
import { colours, follow, make, say, svg, text } from "./paint.js";

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const drawing = svg("svg", { role: "img", class: "pellucid-neuron" });
  el.append(make("div", { className: "pellucid-scroll" }, drawing));

  function draw() {
    const record = model.get("record");
    if (!record) return;
    const c = colours(el), D = record.inputs.length, row = 84, height = Math.max(3, D) * row + 20, width = 620;
    const middle = height / 2, largest = Math.max(...record.weights.map(Math.abs), 1e-9);
    const y = (/** @type {number} */ i) => middle + (i - (D - 1) / 2) * row;
    /** @type {Node[]} */
    const parts = [];
    const put = (/** @type {number} */ px, /** @type {number} */ py, /** @type {string} */ words, /** @type {Record<string, any>} */ more = {}) =>
      parts.push(svg("text", { x: px, y: py, "text-anchor": "middle", fill: c.ink, ...more }, words));
    record.inputs.forEach((/** @type {number} */ input, /** @type {number} */ i) => {
      const weight = record.weights[i], colour = weight > 0 ? c.positive : c.negative, share = Math.abs(weight) / largest;
      parts.push(svg("path", { d: `M70 ${y(i)}C190 ${y(i)} 190 ${middle} 280 ${middle}`, fill: "none", stroke: colour,
        "stroke-width": (1 + 6 * share).toFixed(1), "stroke-opacity": input === 0 ? 0.28 : 0.9 }));
      parts.push(svg("circle", { cx: 46, cy: y(i), r: 22, fill: c.paper, stroke: c.muted, "stroke-width": 1.5 }));
      put(46, y(i) + 6, text(input, Number.isInteger(input) ? 0 : 2), { class: "pellucid-big" });
      put(142, y(i) - 14, `${text(input, Number.isInteger(input) ? 0 : 2)} · ${text(weight, 2)}`, { fill: c.ink });
      if (record.change) put(142, y(i) + 30, `Δw = ${text(record.change[i])}`, { fill: c.muted, class: "pellucid-small" });
    });
    parts.push(svg("circle", { cx: 318, cy: middle, r: 40, fill: c.paper, stroke: c.ink, "stroke-width": 1.8 }));
    put(318, middle - 8, "Σ", { class: "pellucid-big" });
    put(318, middle + 16, text(record.z, 2));
    parts.push(svg("path", { d: `M358 ${middle}H410`, stroke: c.muted, "stroke-width": 2 }));
    parts.push(svg("rect", { x: 410, y: middle - 34, width: 78, height: 68, rx: 10, fill: c.paper, stroke: c.ink, "stroke-width": 1.8 }));
    const curve = Array.from({ length: 33 }, (_, k) => `${418 + k * 62 / 32},${middle + 24 - 48 / (1 + Math.exp(-(k - 16) / 2.6))}`).join(" ");
    parts.push(svg("polyline", { points: curve, fill: "none", stroke: c.accent, "stroke-width": 2 }));
    const at = Math.max(-6, Math.min(6, record.z)) / 6 * 16 + 16;
    parts.push(svg("circle", { cx: 418 + at * 62 / 32, cy: middle + 24 - 48 / (1 + Math.exp(-(at - 16) / 2.6)), r: 4.5, fill: c.positive }));
    put(449, middle + 54, say("sigmoid"), { fill: c.muted, class: "pellucid-small" });
    parts.push(svg("path", { d: `M488 ${middle}H520`, stroke: c.muted, "stroke-width": 2 }));
    put(566, middle + 8, text(record.output, 4), { class: "pellucid-big" });
    put(566, middle - 24, say("output"), { fill: c.muted, class: "pellucid-small" });
    if (record.target !== null && record.target !== undefined) {
      put(566, middle + 38, say("target {y}", { y: record.target }), { fill: c.muted, class: "pellucid-small" });
      put(566, middle + 58, say("error {e}", { e: text(record.error) }), { class: "pellucid-small" });
    }
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("aria-label", say("A neuron with the inputs {inputs}, the weights {weights} and the output {output}", {
      inputs: record.inputs.join(", "), weights: record.weights.map((/** @type {number} */ w) => text(w, 2)).join(", "), output: text(record.output, 4),
    }));
    drawing.replaceChildren(...parts);
  }
  return follow(model, el, ["record"], draw);
}
export default { render };
