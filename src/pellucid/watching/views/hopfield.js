// A Hopfield network's state as a pad of squares: ink for +1, paper for -1. Values: `state` (±1), `pad_side`, `unit` (the one
// just visited, or null), `editable`. Painting shows at once, whatever `state` becomes meanwhile, and is saved when the pointer or the key is up.
import { cellAt, colours, follow, make, onFocus, pen, say, stepOn, tellCell } from "./paint.js";

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const canvas = make("canvas", { className: "pellucid-pad", tabIndex: 0, role: "application" });
  el.append(canvas);
  let cursor = 0, ink = 0, focused = false;
  /** What is being painted. @type {number[] | null} */
  let painted = null;
  const side = () => model.get("pad_side") || 10, shown = () => painted ?? model.get("state") ?? [];

  function draw() {
    const state = shown(), n = side(), c = colours(el);
    const size = Math.min(el.clientWidth || 300, 340), cell = size / n;
    canvas.style.width = canvas.style.height = `${size}px`;
    const context = pen(canvas, size, size);
    for (let i = 0; i < state.length; i++) {
      const [x, y] = [i % n * cell, Math.floor(i / n) * cell];
      context.fillStyle = state[i] > 0 ? c.ink : c.middle;
      context.fillRect(x + 0.75, y + 0.75, cell - 1.5, cell - 1.5);
    }
    const outline = (/** @type {number} */ i, /** @type {string} */ colour) => {
      context.strokeStyle = colour;
      context.lineWidth = 3;
      context.strokeRect(i % n * cell + 1.5, Math.floor(i / n) * cell + 1.5, cell - 3, cell - 3);
    };
    const unit = model.get("unit");
    if (!painted && unit !== null && unit !== undefined) outline(unit, c.positive);
    if (focused) outline(cursor, c.accent);
    const on = Array.from(state).filter((s) => s > 0).length;
    canvas.setAttribute("aria-label", say("The network's {n} units, {on} of them on. Arrow keys move, Enter turns a unit over.", { n: state.length, on }) + (state.length ? ` ${tellCell(cursor, n, state[cursor] > 0)}` : ""));
  }
  /** @param {number} i @param {number} value */
  function put(i, value) {
    painted ??= Array.from(shown());
    if (i < painted.length) painted[i] = value;
    draw();
  }
  function lift() {
    if (painted) {
      model.set("state", painted);
      model.save_changes();
    }
    [painted, ink] = [null, 0];
  }
  /** @param {PointerEvent} event */
  const where = (event) => cellAt(canvas, event, side());
  canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (!model.get("editable")) return;
    canvas.setPointerCapture(event.pointerId);
    ink = shown()[where(event)] > 0 ? -1 : 1;
    put(where(event), ink);
  });
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => ink && put(where(event), ink));
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, lift);
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const next = stepOn(event.key, cursor, side(), shown().length);
    if (next !== null) cursor = next;
    else if ((event.key === "Enter" || event.key === " ") && model.get("editable")) {
      put(cursor, shown()[cursor] > 0 ? -1 : 1);
      lift();
    } else return;
    event.preventDefault();
    draw();
  });
  onFocus(canvas, (has) => {
    focused = has;
    draw();
  });
  return follow(model, el, ["state", "unit", "editable"], draw);
}
export default { render };
