// Maps of numbers, drawn small beside each other: feature maps of a convolution, kernels, the units of a layer. Values:
// `maps`, a list of groups {title, rows, columns, values (one map after the other), cell (pixels), and, where they were
// pooled in `windows` [down, across], sources: for each window the place (row · columns + column) in its map that the maximum
// came from}. Orange is positive, blue negative, and the group's strongest number (or, where given, `full`) in full colour; a
// frame marks where each maximum above zero came from. `across` maps stand in a row at most. A click chooses a map: `chosen`
// [group, map].
import { brief, colours, floats, follow, make, pen, say } from "./paint.js";

const GAP = 6, LEGIBLE = 28;

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  /** @type {{title: HTMLElement, canvas: HTMLCanvasElement, across: number}[]} */
  let shown = [];

  function draw() {
    const groups = model.get("maps") ?? [], c = colours(el);
    if (groups.length !== shown.length) build(groups.length);
    groups.forEach((/** @type {any} */ group, /** @type {number} */ g) => drawGroup(group, shown[g], c, model.get("chosen") ?? [], g));
  }
  /** @param {number} count */
  function build(count) {
    shown = Array.from({ length: count }, (_, g) => {
      const title = make("p", { className: "pellucid-maps-title" }), canvas = make("canvas", { role: "img" });
      canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => choose(event, g));
      return { title, canvas, across: 1 };
    });
    el.replaceChildren(...shown.flatMap(({ title, canvas }) => [title, canvas]));
  }
  /** @param {MouseEvent} event @param {number} g */
  function choose(event, g) {
    const { rows, columns, cell, values } = model.get("maps")[g], box = shown[g].canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / (columns * cell + GAP)), row = Math.floor((event.clientY - box.top) / (rows * cell + GAP));
    const map = row * shown[g].across + column;
    if (column >= shown[g].across || map >= floats(values).length / (rows * columns)) return;
    model.set("chosen", [g, map]);
    model.save_changes();
  }

  /** @param {any} group @param {{title: HTMLElement, canvas: HTMLCanvasElement, across: number}} at @param {ReturnType<typeof colours>} c @param {number[]} chosen @param {number} g */
  function drawGroup(group, at, c, chosen, g) {
    const { title, rows, columns, cell } = group, values = Float32Array.from(floats(group.values));
    const size = rows * columns, count = values.length / size, wide = columns * cell + GAP, high = rows * cell + GAP;
    at.title.textContent = title;
    at.across = Math.max(1, Math.min(count, group.across ?? count, Math.floor(((el.clientWidth || 300) + GAP) / wide)));
    const width = at.across * wide, height = Math.ceil(count / at.across) * high;
    [at.canvas.style.width, at.canvas.style.height] = [`${width}px`, `${height}px`];
    const context = pen(at.canvas, width, height);
    const most = group.full ?? values.reduce((a, v) => Math.max(a, Math.abs(v)), 1e-9), best = values.indexOf(Math.max(...values));
    for (let map = 0; map < count; map++) {
      const [left, top] = [map % at.across * wide + GAP / 2, Math.floor(map / at.across) * high + GAP / 2];
      context.fillStyle = c.middle;
      context.fillRect(left, top, columns * cell, rows * cell);
      for (let i = 0; i < size; i++) {
        const value = values[map * size + i], [x, y] = [left + i % columns * cell, top + Math.floor(i / columns) * cell];
        context.globalAlpha = Math.min(1, Math.abs(value) / most);
        context.fillStyle = value < 0 ? c.negative : c.positive;
        context.fillRect(x, y, cell, cell);
        context.globalAlpha = 1;
        if (cell >= LEGIBLE) number(context, value, x + cell / 2, y + cell / 2, cell, c);
      }
      if (group.sources) frames(context, group, values.subarray(map * size, (map + 1) * size), map, left, top, c);
      if (chosen[0] === g && chosen[1] === map) {
        context.strokeStyle = c.accent;
        context.lineWidth = 2.5;
        context.strokeRect(left - 1.5, top - 1.5, columns * cell + 3, rows * cell + 3);
      }
    }
    at.canvas.setAttribute("aria-label", count > 1
      ? say("{title}: {n} maps of {rows} × {columns}; the strongest number, {value}, is in map {map}", { title, n: count, rows, columns, value: brief(values[best] ?? 0), map: Math.floor(best / size) + 1 })
      : say("{title}: {rows} × {columns} numbers, the strongest {value} in row {row}, column {column}", { title, rows, columns, value: brief(values[best] ?? 0), row: Math.floor(best / columns) + 1, column: best % columns + 1 }));
  }
  /** @param {CanvasRenderingContext2D} context @param {number} value @param {number} x @param {number} y @param {number} cell @param {ReturnType<typeof colours>} c */
  function number(context, value, x, y, cell, c) {
    const words = value ? value.toFixed(2).replace("-", "−") : "0";
    context.font = `${Math.min(12.5, cell * 0.33)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.strokeStyle = c.paper;
    context.lineWidth = 2.5;
    context.lineJoin = "round";
    context.strokeText(words, x, y);
    context.fillStyle = value ? c.ink : c.muted;
    context.fillText(words, x, y);
  }
  /** Frame the number of each window that was its maximum. @param {CanvasRenderingContext2D} context @param {any} group @param {Float32Array} values @param {number} map @param {number} left @param {number} top @param {ReturnType<typeof colours>} c */
  function frames(context, { rows, columns, cell, sources, windows }, values, map, left, top, c) {
    const [down, across] = windows, each = down * across;
    context.strokeStyle = c.line;
    context.lineWidth = 1;
    context.beginPath();
    for (let i = 1; i < down; i++) {
      context.moveTo(left, top + i * rows * cell / down);
      context.lineTo(left + columns * cell, top + i * rows * cell / down);
    }
    for (let i = 1; i < across; i++) {
      context.moveTo(left + i * columns * cell / across, top);
      context.lineTo(left + i * columns * cell / across, top + rows * cell);
    }
    context.stroke();
    context.strokeStyle = c.ink;
    context.lineWidth = cell >= LEGIBLE ? 2 : 1;
    const inset = context.lineWidth / 2;
    for (let i = map * each; i < (map + 1) * each; i++) {
      if (values[sources[i]] <= 0) continue;
      const [x, y] = [left + sources[i] % columns * cell, top + Math.floor(sources[i] / columns) * cell];
      context.strokeRect(x + inset, y + inset, cell - 2 * inset, cell - 2 * inset);
    }
  }
  return follow(model, el, ["maps", "chosen"], draw);
}
export default { render };
