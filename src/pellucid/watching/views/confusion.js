// A confusion matrix: how often class `row` was taken for class `column`. Values: `confusion` (numbers, row after row) and
// `classes`. What is right lies on the diagonal; the deeper a mistake's orange, the more often it was made.
import { colours, follow, make, rgb, say } from "./paint.js";

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const table = make("table", { className: "pellucid-confusion" });
  el.append(table);
  /** @type {HTMLElement[]} */
  let cells = [];
  let built = "";

  /** @param {any[]} classes */
  function build(classes) {
    built = classes.join();
    cells = classes.flatMap(() => classes.map(() => make("td", {})));
    const heads = classes.map((name) => make("th", { scope: "col" }, String(name)));
    const rows = classes.map((name, r) => make("tr", {}, make("th", { scope: "row" }, String(name)), ...cells.slice(r * classes.length, (r + 1) * classes.length)));
    table.replaceChildren(make("caption", {}, say("Rows: what it is. Columns: what it was taken for.")),
      make("thead", {}, make("tr", {}, make("td", {}), ...heads)), make("tbody", {}, ...rows));
  }

  function draw() {
    const classes = model.get("classes") ?? [], counts = Array.from(model.get("confusion") ?? [], Number), n = classes.length, c = colours(el);
    if (built !== classes.join()) build(classes);
    if (counts.length !== n * n) return;
    const wrong = counts.map((count, i) => (i % (n + 1) ? count : 0)), most = Math.max(4, ...wrong), total = Math.max(1, ...counts);
    cells.forEach((cell, i) => {
      const right = i % (n + 1) === 0, count = counts[i];
      const strength = right ? 0.32 * count / total : count ? 0.15 + 0.3 * count / most : 0;
      cell.textContent = count ? String(count) : "·";
      cell.className = count ? "" : "pellucid-none";
      cell.style.backgroundColor = `rgba(${rgb(right ? c.accent : c.positive).join(", ")}, ${strength.toFixed(3)})`;
    });
  }
  return follow(model, el, ["confusion", "classes"], draw);
}
export default { render };
