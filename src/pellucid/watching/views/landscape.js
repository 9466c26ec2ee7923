// The energy of a Hopfield network over a plane of its states: the bluer, the lower, with lines of equal energy.
// Values: `landscape` {columns, energies (rows from the top), corners (cells of three states), pictures (of these, ±1),
// stored (how many of them are)} or null, `trail` (the cells that the state went through, the last where it is), `pad_side`.
import { colours, follow, make, pen, rgb, say, text } from "./paint.js";

const LEVELS = 14, PICTURE = 34;

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const canvas = make("canvas", { className: "pellucid-landscape", role: "img" }), small = document.createElement("canvas");
  el.append(canvas);

  function draw() {
    const ground = model.get("landscape");
    canvas.hidden = !ground;
    if (!ground) return;
    const c = colours(el), { columns, energies } = ground, size = Math.min(el.clientWidth || 320, 380), cell = size / columns;
    canvas.style.width = canvas.style.height = `${size}px`;
    const context = pen(canvas, size, size), low = Math.min(...energies), high = Math.max(...energies);
    const share = (/** @type {number} */ cell) => (energies[cell] - low) / Math.max(high - low, 1e-9);
    const middle = (/** @type {number} */ place) => [(place % columns + 0.5) * cell, (Math.floor(place / columns) + 0.5) * cell];
    shade(ground, share, c);
    context.imageSmoothingEnabled = true;
    context.drawImage(small, 0, 0, size, size);
    contours(context, columns, share, cell, c);
    ground.corners.forEach((/** @type {number} */ place, /** @type {number} */ i) => picture(context, middle(place), ground.pictures[i], i < ground.stored, size, c));
    const trail = model.get("trail") ?? [];
    walk(context, trail.map(middle), c);
    const here = trail.at(-1);
    canvas.setAttribute("aria-label", say("The energy over a plane of states, from {low} to {high}, with valleys at the patterns.", { low: text(low, 1), high: text(high, 1) })
      + (here === undefined ? "" : ` ${say("The state is near a place of energy {energy}, in row {row}, column {column} of {n}.", { energy: text(energies[here], 1), row: Math.floor(here / columns) + 1, column: here % columns + 1, n: columns })}`));
  }

  /** @param {{columns: number, energies: number[]}} ground @param {(cell: number) => number} share @param {any} c */
  function shade({ columns, energies }, share, c) {
    const [deep, flat] = [c.negative, c.middle].map(rgb);
    [small.width, small.height] = [columns, energies.length / columns];
    const context = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d")), image = context.createImageData(small.width, small.height);
    energies.forEach((_, i) => {
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = deep[k] + (flat[k] - deep[k]) * share(i) ** 0.8;
      image.data[4 * i + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  /** Lines of equal energy: where each crosses the sides of four neighbours' square. @param {CanvasRenderingContext2D} context @param {number} columns @param {(cell: number) => number} share @param {number} cell @param {any} c */
  function contours(context, columns, share, cell, c) {
    context.strokeStyle = c.ink;
    context.globalAlpha = 0.28;
    context.lineWidth = 1;
    context.beginPath();
    for (let i = 0; i + columns + 1 < columns * columns; i++) {
      if (i % columns === columns - 1) continue;
      const [x, y] = [(i % columns + 0.5) * cell, (Math.floor(i / columns) + 0.5) * cell];
      const around = [[x, y, share(i)], [x + cell, y, share(i + 1)], [x + cell, y + cell, share(i + columns + 1)], [x, y + cell, share(i + columns)]];
      for (let level = 0.5 / LEVELS; level < 1; level += 1 / LEVELS) {
        const crossed = around.flatMap(([x1, y1, from], k) => {
          const [x2, y2, to] = around[(k + 1) % 4];
          return (from < level) === (to < level) ? [] : [[x1 + (x2 - x1) * (level - from) / (to - from), y1 + (y2 - y1) * (level - from) / (to - from)]];
        });
        for (let k = 0; k + 1 < crossed.length; k += 2) {
          context.moveTo(crossed[k][0], crossed[k][1]);
          context.lineTo(crossed[k + 1][0], crossed[k + 1][1]);
        }
      }
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** A pattern where it lies, framed if it is stored. @param {CanvasRenderingContext2D} context @param {number[]} at @param {number[]} state @param {boolean} stored @param {number} size @param {any} c */
  function picture(context, [x, y], state, stored, size, c) {
    const n = model.get("pad_side") || 10, dot = PICTURE / n, left = Math.max(3, Math.min(size - PICTURE - 3, x - PICTURE / 2)), top = Math.max(3, Math.min(size - PICTURE - 3, y - PICTURE / 2));
    context.fillStyle = c.paper;
    context.fillRect(left - 2, top - 2, PICTURE + 4, PICTURE + 4);
    context.fillStyle = c.ink;
    state.forEach((s, i) => s > 0 && context.fillRect(left + i % n * dot, top + Math.floor(i / n) * dot, dot + 0.2, dot + 0.2));
    context.strokeStyle = stored ? c.ink : c.muted;
    context.lineWidth = stored ? 1.6 : 1;
    context.setLineDash(stored ? [] : [3, 3]);
    context.strokeRect(left - 2, top - 2, PICTURE + 4, PICTURE + 4);
    context.setLineDash([]);
  }

  /** The way of the state, and where it is. @param {CanvasRenderingContext2D} context @param {number[][]} way @param {any} c */
  function walk(context, way, c) {
    if (!way.length) return;
    context.strokeStyle = c.positive;
    context.lineWidth = 2.5;
    context.lineJoin = "round";
    context.beginPath();
    for (const [x, y] of way) context.lineTo(x, y);
    context.stroke();
    const [x, y] = /** @type {number[]} */ (way.at(-1));
    context.fillStyle = c.positive;
    context.strokeStyle = c.paper;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, 7, 0, 7);
    context.fill();
    context.stroke();
  }
  return follow(model, el, ["landscape", "trail"], draw);
}
export default { render };
