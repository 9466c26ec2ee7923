// Controls with their labels, each with a name that a screen reader says.
import { make, say } from "./views/paint.js";

let count = 0;

/** @param {string} label @param {[string, string][]} options value and words @param {string} value @param {(value: string) => void} act */
export function choice(label, options, value, act) {
  const id = `c${count++}`;
  const select = make("select", { id }, ...options.map(([key, words]) => make("option", { value: key, selected: key === value }, words)));
  select.addEventListener("change", () => act(select.value));
  return make("div", { className: "field" }, make("label", { for: id }, label), select);
}

/**
 * @param {string} label @param {{low: number, high: number, step: number, value: number}} range
 * @param {(value: number) => void} act @param {(value: number) => string} [words]
 */
export function slider(label, range, act, words = String) {
  const id = `c${count++}`;
  const output = make("output", { for: id }, words(range.value));
  const input = make("input", { id, type: "range", min: range.low, max: range.high, step: range.step });
  input.value = range.value;
  input.addEventListener("input", () => {
    output.textContent = words(Number(input.value));
    input.setAttribute("aria-valuetext", words(Number(input.value)));
  });
  input.setAttribute("aria-valuetext", words(range.value));
  input.addEventListener("change", () => act(Number(input.value)));
  return make("div", { className: "field" }, make("label", { for: id }, `${label} `, output), input);
}

/** @param {string} label @param {number} value @param {(value: number) => void} act */
export function seed(label, value, act) {
  const id = `c${count++}`;
  const input = make("input", { id, type: "number", min: 0, max: 999999, step: 1, value });
  input.addEventListener("change", () => act(Math.max(0, Math.min(999999, Math.round(Number(input.value)) || 0))));
  return make("div", { className: "field" }, make("label", { for: id }, label), input);
}

/** @param {string} words @param {() => void} act @param {Record<string, any>} [properties] */
export function button(words, act, properties = {}) {
  const element = make("button", { type: "button", className: "plain", ...properties }, words);
  element.addEventListener("click", act);
  return element;
}

/** @param {string} title @param {...(Node | string)} children */
export function card(title, ...children) {
  return make("section", { className: "card", "aria-label": title }, make("h2", {}, title), ...children);
}

// Steps a second, from one in two seconds to as fast as the machine goes.
export const SPEEDS = [0.5, 1, 3, 10, 30, 100, 300, 1000, null];

/** @param {number} place */
export function speedWords(place) {
  const speed = SPEEDS[place];
  return speed === null ? say("as fast as it goes") : say("{n} a second", { n: speed });
}

/** Formulas and sources, folded. @returns {{node: HTMLElement, show: (about: any) => void}} */
export function sourcePanel() {
  const body = make("div", {});
  const node = make("details", { className: "card source" }, make("summary", {}, say("Formula and source")), body);
  /** @param {{formulas?: Record<string, string>, sources?: Record<string, string>}} about */
  function show({ formulas = {}, sources = {} }) {
    const lines = Object.values(formulas).map((formula) => make("p", { className: "formula" }, make("code", {}, formula)));
    const texts = Object.entries(sources).flatMap(([name, source]) => [
      make("h3", {}, say("The code that ran: {name}", { name })), make("pre", { tabIndex: 0, role: "region", "aria-label": name }, make("code", {}, source)),
    ]);
    body.replaceChildren(...lines, ...texts);
  }
  return { node, show };
}
