// The neuron's room: a table of examples that can be edited, the neuron at work on one of them, and a case never shown.
import { button, card, sourcePanel } from "../controls.js";
import { Model } from "../talk.js";
import * as curve from "../views/curve.js";
import * as neuron from "../views/neuron.js";
import { make, say, text } from "../views/paint.js";

const X = [[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]], Y = [0, 1, 1, 0], CASE = [1, 0, 0];
let chosen = 0;

/** @param {any} given */
export function open({ settings, start, bar }) {
  const model = new Model({ curve_label: say("Mean error") });
  const rows = () => structuredClone(settings.X ?? X), targets = () => [...(settings.y ?? Y)], last = () => [...(settings.case?.[0] ?? CASE)];
  const counter = make("span", { className: "count" });
  const table = make("table", { className: "examples" });
  const answer = make("div", {});
  const [picture, chart] = [make("div", {}), make("div", {})];
  const source = sourcePanel();
  /** @type {any} */
  let frame = null;

  /** @param {any} changed */
  function change(changed) {
    Object.assign(settings, changed);
    start(changed, false);
    build();
  }
  /** @param {string} label @param {number} value @param {() => void} act */
  const cell = (label, value, act) => button(String(value), act, { className: "cell", "aria-label": `${label}: ${value}` });

  function build() {
    const inputs = rows(), wanted = targets();
    const head = make("tr", {}, ...inputs[0].map((/** @type {number} */ _, /** @type {number} */ i) => make("th", { scope: "col" }, say("input {i}", { i: i + 1 }))),
      make("th", { scope: "col" }, say("target")), make("th", { scope: "col" }, say("output")), make("th", { scope: "col" }, say("show")));
    const body = inputs.map((/** @type {number[]} */ row, /** @type {number} */ n) => {
      const cells = row.map((value, i) => make("td", {}, cell(say("example {n}, input {i}", { n: n + 1, i: i + 1 }), value, () => {
        const next = rows();
        next[n][i] = value ? 0 : 1;
        change({ X: next });
      })));
      const target = cell(say("example {n}, target", { n: n + 1 }), wanted[n], () => {
        const next = targets();
        next[n] = 1 - next[n];
        change({ y: next });
      });
      const look = button("→", () => { chosen = n; refresh(); }, { "aria-label": say("show example {n}", { n: n + 1 }), "aria-pressed": String(chosen === n) });
      return make("tr", { className: chosen === n ? "chosen" : "" }, ...cells, make("td", {}, target), make("td", { className: "output" }), make("td", {}, look));
    });
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
    const asked = make("div", { className: "row" }, ...last().map((value, i) => cell(say("new case, input {i}", { i: i + 1 }), value, () => {
      const next = last();
      next[i] = value ? 0 : 1;
      change({ case: [next] });
    })));
    answer.replaceChildren(asked, make("div", { className: "big", id: "answer" }, "–"), make("p", { className: "muted small" }, say("The neuron was never shown this case.")));
  }
  function refresh() {
    [...table.querySelectorAll("tbody tr")].forEach((row, n) => {
      row.className = chosen === n ? "chosen" : "";
      row.querySelector("[aria-pressed]")?.setAttribute("aria-pressed", String(chosen === n));
    });
    if (frame) show(frame, null);
  }
  /** @param {any} now @param {any} about */
  function show(now, about) {
    frame = now;
    if (about) source.show(about);
    counter.replaceChildren(say("iteration"), " ", make("strong", { id: "count" }, now.iteration.toLocaleString()), ` / ${now.of.toLocaleString()}`);
    [...table.querySelectorAll("td.output")].forEach((cell, n) => {
      cell.textContent = text(now.now[n]);
    });
    const reply = answer.querySelector("#answer");
    if (reply) reply.textContent = now.answer_to_case.toFixed(8);
    const n = Math.min(chosen, now.traces.length - 1), value = (/** @type {string} */ name) => now.traces[n].find((/** @type {any} */ r) => r.name === name).value;
    model.update({
      curve: now.curve,
      record: {
        inputs: value("X")[0], weights: value("w"), z: value("z")[0], output: value("output")[0], target: now.y[n],
        error: value("error")[0], delta: value("delta")[0], change: value("change"),
      },
    });
  }
  build();
  const closings = [neuron.render({ model, el: picture }), curve.render({ model, el: chart })];
  const nodes = [
    make("h1", {}, say("One neuron, nine lines")),
    make("p", { className: "lead" }, say("The target is the first input; nobody tells the neuron. It compares its output with the target and moves its weights, again and again. Change any number by a click.")),
    bar(counter, 1, () => frame && frame.iteration >= frame.of),
    make("div", { className: "grid neuron" },
      make("div", { className: "stack" }, card(say("Examples"), table), card(say("A new case"), answer)),
      make("div", { className: "stack" }, card(say("The neuron at the chosen example"), picture), card(say("Mean error"), chart))),
    source.node,
  ];
  return { nodes, show, answer() {}, close: () => closings.forEach((end) => end()) };
}
