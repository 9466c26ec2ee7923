// What the views share: the language, the colours of the page, numbers as text, and SVG elements.
// Orange is always positive and blue negative, as in every picture of Pellucid.

/** @type {Record<string, string>} */
let chinese = {};

/** Speak Chinese with this catalogue, or English with none. @param {Record<string, string> | null} texts */
export function speak(texts) {
  chinese = texts ?? {};
}

/** The text in the language of the moment. @param {string} english @param {Record<string, any>} [values] */
export function say(english, values = {}) {
  return filled(chinese[english] ?? english, values);
}
/** @param {string} text @param {Record<string, any>} values */
function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** What the studio's library says, by its key and values in the language of the moment; what has no key as it is. @param {any} said @returns {string} */
export function retell(said) {
  if (said === null || typeof said !== "object") return String(said ?? "");
  return filled(chinese[said.key] ?? said.key, Object.fromEntries(Object.entries(said.values).map(([name, value]) => [name, retell(value)])));
}

/** A number with four digits and a true minus. @param {number | null} value @param {number} [digits] */
export function text(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const shown = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : value.toFixed(digits);
  return shown.replace("-", "−");
}

/** A number in as few characters as tell it from zero. @param {number} value */
export function brief(value) {
  const size = Math.abs(value), digits = size >= 9.95 ? 1 : size >= 0.095 || size === 0 ? 2 : 3;
  return (size !== 0 && size < 0.0005 ? value.toExponential(0) : value.toFixed(digits)).replace("-", "−");
}

/** The page's colours, which follow light and dark. @param {Element} el */
export function colours(el) {
  const style = getComputedStyle(el);
  const of = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return {
    ink: of("--ink"), paper: of("--card"), muted: of("--muted"), line: of("--line"),
    positive: of("--positive"), negative: of("--negative"), accent: of("--accent"), middle: of("--middle"),
  };
}

/** "#rrggbb" as three numbers. @param {string} colour */
export function rgb(colour) {
  const whole = parseInt(colour.slice(1), 16);
  return [whole >> 16, (whole >> 8) & 255, whole & 255];
}

/**
 * 256 colours from negative through the middle to positive, as RGBA bytes.
 * @param {{positive: string, negative: string, middle: string}} palette
 * @param {number} strength how far the ends go towards the full colours
 */
export function scale(palette, strength = 1) {
  const [low, mid, high] = [palette.negative, palette.middle, palette.positive].map(rgb);
  const table = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    const share = Math.abs(i - 127.5) / 127.5 * strength;
    const end = i < 128 ? low : high;
    for (let c = 0; c < 3; c++) table[4 * i + c] = mid[c] + (end[c] - mid[c]) * share;
    table[4 * i + 3] = 255;
  }
  return table;
}

/**
 * Draw bytes (0 to 255) as a picture of rows x columns into a canvas of that size.
 * @param {HTMLCanvasElement} canvas @param {Uint8Array} values @param {number} columns
 * @param {Uint8ClampedArray} table of `scale`
 */
export function heat(canvas, values, columns, table) {
  const rows = values.length / columns;
  if (canvas.width !== columns || canvas.height !== rows) [canvas.width, canvas.height] = [columns, rows];
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = pen.createImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    for (let c = 0; c < 4; c++) image.data[4 * i + c] = table[4 * values[i] + c];
  }
  pen.putImageData(image, 0, 0);
}

/**
 * An HTML element with properties, attributes (those with a dash) and children.
 * @param {string} tag @param {Record<string, any>} [properties] @param {...(Node | string)} children
 * @returns {any}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children);
  return element;
}

/** An SVG element. @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A canvas's pen in CSS pixels, sharp on every screen. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
export function pen(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Bytes as they come from the studio (Uint8Array) or a notebook (DataView). @param {any} value */
export function bytes(value) {
  if (value instanceof Uint8Array || value instanceof Int8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof DataView) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return Uint8Array.from(value ?? []);
}

/** Numbers as they come from the studio (Float32Array) or a notebook (DataView). @param {any} value @returns {Float32Array} */
export function floats(value) {
  if (value instanceof DataView) return new Float32Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
  return value ?? new Float32Array();
}

/**
 * Call `draw` when one of the model's values changes, when light and dark change places, and when `el` changes size.
 * @param {any} model @param {HTMLElement} el @param {string[]} names @param {() => void} draw
 * @returns {() => void} what ends it
 */
export function follow(model, el, names, draw) {
  for (const name of names) model.on(`change:${name}`, draw);
  const sized = new ResizeObserver(() => draw());
  sized.observe(el);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", draw);
  window.addEventListener("pellucid:appearance", draw);
  draw();
  return () => {
    for (const name of names) model.off(`change:${name}`, draw);
    sized.disconnect();
    dark.removeEventListener("change", draw);
    window.removeEventListener("pellucid:appearance", draw);
  };
}

/** The cell, counted row by row, of a square board of side × side cells that a pointer is over. @param {Element} board @param {PointerEvent} event @param {number} side */
export function cellAt(board, event, side) {
  const box = board.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top].map((v) => Math.max(0, Math.min(side - 1, Math.floor(v / box.width * side))));
  return y * side + x;
}

/** Where an arrow key leads from a cell of a square board of `n` cells; null for another key. @param {string} key @param {number} cell @param {number} side @param {number} n */
export function stepOn(key, cell, side, n) {
  const column = cell % side;
  const go = { ArrowLeft: column ? -1 : 0, ArrowRight: column + 1 < side ? 1 : 0, ArrowUp: -side, ArrowDown: side }[key];
  return go === undefined ? null : cell + go < 0 || cell + go >= n ? cell : cell + go;
}

/** Where a cell is, and whether it has ink, in words. @param {number} cell @param {number} side @param {boolean} on */
export function tellCell(cell, side, on) {
  const place = { row: Math.floor(cell / side) + 1, column: cell % side + 1 };
  return on ? say("The cursor is at row {row}, column {column}, which is on.", place) : say("The cursor is at row {row}, column {column}, which is off.", place);
}

/** Tell whether an element has the keyboard, whenever that changes. @param {Element} place @param {(has: boolean) => void} told */
export function onFocus(place, told) {
  for (const kind of ["focus", "blur"]) place.addEventListener(kind, () => told(kind === "focus"));
}
