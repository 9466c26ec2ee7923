// A curve over steps: a loss, an error, an energy. Values: `curve` [numbers, values], `curve_label`, and
// `curve_marks` [{value, label}], lines across.
import { colours, follow, make, pen, say, text } from "./paint.js";

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  const canvas = make("canvas", { className: "pellucid-curve", role: "img" });
  el.append(canvas);

  function draw() {
    const [numbers, values] = model.get("curve") ?? [[], []];
    const marks = model.get("curve_marks") ?? [];
    const width = el.clientWidth || 320, height = 150;
    const c = colours(el);
    const context = pen(canvas, width, height);
    canvas.style.height = `${height}px`;
    const name = model.get("curve_label") || say("loss");
    const finite = values.filter((/** @type {any} */ v) => v !== null);
    canvas.setAttribute("aria-label", finite.length
      ? say("{name} from {first} to {last}", { name, first: text(finite[0]), last: text(finite.at(-1)) }) : name);
    if (!finite.length) return;
    const all = [...finite, ...marks.map((/** @type {any} */ mark) => mark.value)];
    let [low, high] = [Math.min(...all), Math.max(...all)];
    if (low >= 0) low = 0;
    if (high === low) high = low + 1;
    const left = 46, right = width - 10, top = 10, bottom = height - 22;
    const last = Math.max(numbers.at(-1), 1), first = numbers[0];
    const x = (/** @type {number} */ n) => left + (right - left) * (n - first) / Math.max(1, last - first);
    const y = (/** @type {number} */ v) => bottom - (bottom - top) * (v - low) / (high - low);
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = c.muted;
    context.strokeStyle = c.line;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of [low, (low + high) / 2, high]) {
      context.beginPath();
      context.moveTo(left, y(value));
      context.lineTo(right, y(value));
      context.stroke();
      context.fillText(text(value, high - low < 1 ? 2 : 1), left - 7, y(value));
    }
    context.textBaseline = "top";
    context.fillText(last.toLocaleString(), right, bottom + 7);
    context.textAlign = "left";
    context.fillText(first.toLocaleString(), left, bottom + 7);
    context.setLineDash([4, 4]);
    context.strokeStyle = c.muted;
    for (const mark of marks) {
      context.beginPath();
      context.moveTo(left, y(mark.value));
      context.lineTo(right, y(mark.value));
      context.stroke();
    }
    context.setLineDash([]);
    context.strokeStyle = c.accent;
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    values.forEach((/** @type {any} */ value, /** @type {number} */ i) => value !== null && context.lineTo(x(numbers[i]), y(value)));
    context.stroke();
    context.fillStyle = c.accent;
    context.beginPath();
    context.arc(x(last), y(finite.at(-1)), 3.5, 0, 7);
    context.fill();
  }
  return follow(model, el, ["curve", "curve_label", "curve_marks"], draw);
}
export default { render };
