// What a network answers over the plane, and the points it learns from. Values: `answer` (bytes, rows from the top),
// `columns`, `side` (the plane goes from -side to side), `points` [[x, y, class]], `probe` [x, y] or null, and `tool`:
// "" (only look), "probe", "0" or "1" (paint points of that class), "erase". What is painted shows at once; `points`
// is saved when the pointer or the key is up.
import { brief, bytes, colours, follow, heat, make, onFocus, pen, say, scale } from "./paint.js";

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const canvas = make("canvas", { className: "pellucid-plane", tabIndex: 0, role: "application" });
  const small = document.createElement("canvas");
  el.append(canvas);
  let cursor = [0, 0], focused = false, painting = false;

  function draw() {
    const c = colours(el), size = Math.min(el.clientWidth || 320, 460), side = model.get("side") || 1.5;
    canvas.style.width = canvas.style.height = `${size}px`;
    const context = pen(canvas, size, size);
    const values = bytes(model.get("answer"));
    if (values.length) {
      heat(small, values, model.get("columns") || 40, scale(c, 0.62));
      context.imageSmoothingEnabled = true;
      context.drawImage(small, 0, 0, size, size);
    } else {
      context.fillStyle = c.middle;
      context.fillRect(0, 0, size, size);
    }
    const place = (/** @type {number[]} */ p) => [(p[0] / side + 1) / 2 * size, (1 - p[1] / side) / 2 * size];
    const radius = Math.max(3.2, size / 110);
    context.lineWidth = 1.4;
    for (const point of model.get("points") ?? []) {
      const [x, y] = place(point);
      context.fillStyle = point[2] ? c.positive : c.negative;
      context.strokeStyle = c.paper;
      context.beginPath();
      if (point[2]) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
      else context.arc(x, y, radius * 1.1, 0, 7);
      context.fill();
      context.stroke();
    }
    const probe = model.get("probe");
    context.strokeStyle = c.ink;
    if (probe) cross(context, place(probe), 9, 2.4);
    if (focused && model.get("tool")) cross(context, place(cursor), 6, 1.2);
    const count = (model.get("points") ?? []).length;
    const label = say("The plane with {n} points, and what the network answers there. Arrow keys move a cursor, Enter uses the chosen tool.", { n: count });
    canvas.setAttribute("aria-label", model.get("tool") ? `${label} ${told(values, side)}` : label);
  }

  /** Where the cursor is, and what the network answers there. @param {Uint8Array} values @param {number} side */
  function told(values, side) {
    const place = { x: brief(cursor[0]), y: brief(cursor[1]) };
    if (!values.length) return say("The cursor is at {x}, {y}.", place);
    const columns = model.get("columns") || 40, rows = values.length / columns;
    const cell = (/** @type {number} */ share, /** @type {number} */ n) => Math.max(0, Math.min(n - 1, Math.floor(share * n)));
    const p = values[cell((1 - cursor[1] / side) / 2, rows) * columns + cell((cursor[0] / side + 1) / 2, columns)] / 255;
    return say("The cursor is at {x}, {y}; there the network says orange with {p}.", { ...place, p: brief(p) });
  }

  /** @param {CanvasRenderingContext2D} context @param {number[]} at @param {number} reach @param {number} width */
  function cross(context, [x, y], reach, width) {
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x - reach, y);
    context.lineTo(x + reach, y);
    context.moveTo(x, y - reach);
    context.lineTo(x, y + reach);
    context.stroke();
  }

  /** @param {PointerEvent} event */
  function where(event) {
    const box = canvas.getBoundingClientRect(), side = model.get("side") || 1.5;
    const at = [(event.clientX - box.left) / box.width * 2 - 1, 1 - (event.clientY - box.top) / box.height * 2];
    return at.map((v) => Math.round(Math.max(-1, Math.min(1, v)) * side * 1000) / 1000);
  }

  /** @param {number[]} at */
  function use(at) {
    const tool = model.get("tool");
    if (tool === "probe") model.set("probe", at);
    else if (tool === "erase") {
      const near = (/** @type {number[]} */ p) => Math.hypot(p[0] - at[0], p[1] - at[1]) < 0.09;
      model.set("points", model.get("points").filter((/** @type {number[]} */ p) => !near(p)));
    } else if (tool && model.get("points").length < 500) model.set("points", [...model.get("points"), [...at, Number(tool)]]);
  }
  let last = [9, 9];
  canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (!model.get("tool")) return;
    canvas.setPointerCapture(event.pointerId);
    painting = true;
    last = where(event);
    use(last);
  });
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const at = where(event);
    if (!painting || Math.hypot(at[0] - last[0], at[1] - last[1]) < 0.09) return;
    last = at;
    use(at);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, () => {
      if (painting) model.save_changes();
      painting = false;
    });
  }
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const move = KEYS[/** @type {keyof typeof KEYS} */ (event.key)], side = model.get("side") || 1.5, pace = side / 15;
    if (move) cursor = cursor.map((v, i) => Math.max(-side, Math.min(side, Math.round((v / pace) + move[i]) * pace))).map((v) => Math.round(1000 * v) / 1000);
    else if (event.key === "Enter" || event.key === " ") {
      use(cursor);
      model.save_changes();
    } else return;
    event.preventDefault();
    draw();
  });
  onFocus(canvas, (has) => {
    focused = has;
    draw();
  });
  return follow(model, el, ["answer", "points", "probe", "side", "tool"], draw);
}
export default { render };
