// A pad for a pen, and what becomes of its strokes: a bitmap of 32 x 32, and the dark pixels of each 4 x 4 of it counted.
// Values: `strokes` (lists of points [x, y], whole numbers from 0 to 1000), `bitmap` (1024 bytes, 0 or 1; null where
// there is none), `counts` (64 bytes, 0 to 16), `editable`. What is drawn shows at once; `strokes` is saved when the pen is lifted.
import { bytes, colours, follow, make, pen, say } from "./paint.js";

const PAD = 1000, STEP = 50, CLOSE = 18, MOST = 600, MOST_STROKES = 60;
/** @type {Record<string, number[]>} */
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-1, -1], PageUp: [1, -1], End: [-1, 1], PageDown: [1, 1] };

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const pad = make("canvas", { className: "pellucid-draw", tabIndex: 0, role: "application" });
  const bitmap = make("canvas", { role: "img" }), counts = make("canvas", { role: "img" });
  const figure = (/** @type {HTMLElement} */ canvas, /** @type {string} */ words) => make("figure", {}, canvas, make("figcaption", {}, words));
  const normalized = figure(bitmap, say("32 × 32 pixels, as the data's program made them"));
  el.append(pad, make("div", { className: "pellucid-law" }, normalized, figure(counts, say("8 × 8 numbers: dark pixels of each 4 × 4"))));
  let cursor = [PAD / 2, PAD / 4], down = false, drawing = false, focused = false;

  function draw() {
    const c = colours(el), size = Math.min(el.clientWidth || 300, 340), small = Math.floor((Math.min(el.clientWidth || 300, 340) - 14) / 2);
    const strokes = model.get("strokes") ?? [];
    drawPad(c, size, strokes);
    normalized.hidden = !model.get("bitmap");
    drawBitmap(c, small);
    drawCounts(c, small);
    const place = { row: Math.round(cursor[1] / STEP), column: Math.round(cursor[0] / STEP) };
    pad.setAttribute("aria-label", `${say("Drawing pad with {n} strokes.", { n: strokes.length })} ${
      down ? say("The pen is down at row {row}, column {column}.", place) : say("The pen is up at row {row}, column {column}.", place)} ${
      say("Arrow keys move the pen, Home, End, Page Up and Page Down slantwise; Enter puts it down and lifts it; Backspace takes back the last stroke.")}`);
  }

  /** @param {ReturnType<typeof colours>} c @param {number} size @param {number[][][]} strokes */
  function drawPad(c, size, strokes) {
    pad.style.width = pad.style.height = `${size}px`;
    const context = pen(pad, size, size), unit = size / PAD;
    context.fillStyle = c.middle;
    context.fillRect(0, 0, size, size);
    context.strokeStyle = context.fillStyle = c.ink;
    context.lineWidth = 62 * unit;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      if (stroke.length === 1) context.arc(stroke[0][0] * unit, stroke[0][1] * unit, 31 * unit, 0, 7);
      stroke.forEach(([x, y]) => context.lineTo(x * unit, y * unit));
      if (stroke.length === 1) context.fill();
      else context.stroke();
    }
    if (!strokes.length) cells(context, size);  // an image that nobody drew
    if (!focused) return;
    const [x, y] = cursor.map((v) => v * unit);
    context.lineWidth = 2.5;
    context.strokeStyle = down ? c.positive : c.accent;
    context.beginPath();
    context.arc(x, y, 9, 0, 7);
    context.moveTo(x - 15, y);
    context.lineTo(x + 15, y);
    context.moveTo(x, y - 15);
    context.lineTo(x, y + 15);
    context.stroke();
  }

  /** @param {ReturnType<typeof colours>} c @param {number} size */
  function drawBitmap(c, size) {
    const context = board(bitmap, c, size), values = bytes(model.get("bitmap")), cell = size / 32;
    context.fillStyle = c.ink;
    values.forEach((dark, i) => {
      if (dark) context.fillRect(i % 32 * cell, Math.floor(i / 32) * cell, cell + 0.3, cell + 0.3);
    });
    context.strokeStyle = c.line;
    context.lineWidth = 1;
    context.beginPath();
    for (let i = 1; i < 8; i++) {
      context.moveTo(i * size / 8, 0);
      context.lineTo(i * size / 8, size);
      context.moveTo(0, i * size / 8);
      context.lineTo(size, i * size / 8);
    }
    context.stroke();
    bitmap.setAttribute("aria-label", say("A bitmap: {n} of 1,024 pixels are dark", { n: values.filter(Boolean).length }));
  }

  /** @param {ReturnType<typeof colours>} c @param {number} size */
  function drawCounts(c, size) {
    const context = board(counts, c, size), values = bytes(model.get("counts")), cell = size / 8;
    context.fillStyle = c.ink;
    cells(context, size);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.font = `${Math.min(13, cell * 0.52)}px system-ui, sans-serif`;
    values.forEach((count, i) => {
      context.fillStyle = count > 8 ? c.paper : count ? c.ink : c.muted;
      context.fillText(String(count), (i % 8 + 0.5) * cell, (Math.floor(i / 8) + 0.5) * cell + 0.5);
    });
    const rows = Array.from({ length: values.length / 8 }, (_, r) => Array.from(values.slice(8 * r, 8 * r + 8)).join(" "));
    counts.setAttribute("aria-label", say("What the networks see, row by row: {rows}", { rows: rows.join("; ") }));
  }

  /** The 8 x 8 counts as shades of the pen's colour. @param {CanvasRenderingContext2D} context @param {number} size */
  function cells(context, size) {
    bytes(model.get("counts")).forEach((count, i) => {
      context.globalAlpha = count / 16;
      context.fillRect(i % 8 * size / 8, Math.floor(i / 8) * size / 8, size / 8, size / 8);
    });
    context.globalAlpha = 1;
  }
  /** @param {HTMLCanvasElement} canvas @param {ReturnType<typeof colours>} c @param {number} size */
  function board(canvas, c, size) {
    canvas.style.width = canvas.style.height = `${size}px`;
    const context = pen(canvas, size, size);
    context.fillStyle = c.middle;
    context.fillRect(0, 0, size, size);
    return context;
  }

  /** Add a point to the last stroke, or begin a stroke with it. @param {number[]} at @param {boolean} begin */
  function ink(at, begin) {
    const strokes = [...(model.get("strokes") ?? [])];
    if (strokes.flat().length >= MOST || (begin && strokes.length >= MOST_STROKES)) return;
    if (begin || !strokes.length) strokes.push([at]);
    else strokes.push([...strokes.pop(), at]);
    model.set("strokes", strokes);
  }
  /** @param {PointerEvent} event */
  function where(event) {
    const box = pad.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((v) => Math.round(Math.max(0, Math.min(1, v)) * PAD));
  }
  let last = [0, 0];
  pad.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (!model.get("editable")) return;
    pad.setPointerCapture(event.pointerId);
    [drawing, down] = [true, false];
    cursor = last = where(event);
    ink(last, true);
  });
  pad.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const at = where(event);
    if (!drawing || Math.hypot(at[0] - last[0], at[1] - last[1]) < CLOSE) return;
    cursor = last = at;
    ink(at, false);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    pad.addEventListener(kind, () => {
      if (drawing) model.save_changes();
      drawing = false;
    });
  }
  pad.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const move = KEYS[event.key];
    if (!model.get("editable")) return;
    if (move) {
      cursor = cursor.map((v, i) => Math.max(0, Math.min(PAD, (Math.round(v / STEP) + move[i]) * STEP)));
      if (down) ink(cursor, false);
    } else if (event.key === "Enter" || event.key === " ") {
      down = !down;
      if (down) ink(cursor, true);
      else model.save_changes();
    } else if (event.key === "Backspace") {
      down = false;
      model.set("strokes", (model.get("strokes") ?? []).slice(0, -1));
      model.save_changes();
    } else return;
    event.preventDefault();
    draw();
  });
  for (const kind of ["focus", "blur"]) {
    pad.addEventListener(kind, () => {
      focused = kind === "focus";
      if (!focused && down) model.save_changes();
      down = focused && down;
      draw();
    });
  }
  return follow(model, el, ["strokes", "bitmap", "counts", "editable"], draw);
}
export default { render };
