// The views in a notebook: which of them are shown, the model's `views` says. `texts` is the Chinese catalogue or null.
import * as boundary from "./boundary.js";
import * as confusion from "./confusion.js";
import * as curve from "./curve.js";
import * as graph from "./graph.js";
import * as hopfield from "./hopfield.js";
import * as maps from "./maps.js";
import * as network from "./network.js";
import * as neuron from "./neuron.js";
import { make, say, speak } from "./paint.js";
import * as rbm from "./rbm.js";
import * as spinn from "./spinn.js";

/** @type {Record<string, {render: (given: {model: any, el: HTMLElement}) => (() => void)}>} */
const VIEWS = { boundary, confusion, curve, graph, hopfield, maps, network, neuron, rbm, spinn };

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  speak(model.get("texts"));
  el.classList.add("pellucid", "pellucid-widget");
  const waiting = make("p", { className: "muted" }, say("There is nothing to see yet: it has to learn first."));
  /** @type {Map<string, {place: HTMLElement, end: () => void}>} */
  const shown = new Map();

  /** A network may come to have more to show, or less, as it learns: what stays is let be. */
  function follow() {
    /** @type {string[]} */
    const names = model.get("views");
    for (const [name, { place, end }] of shown) {
      if (names.includes(name)) continue;
      end();
      place.remove();
      shown.delete(name);
    }
    for (const name of names) {
      const there = shown.get(name);
      const place = there?.place ?? make("div", { className: `pellucid-widget-${name}` });
      el.append(place); // in their order
      if (!there) shown.set(name, { place, end: VIEWS[name].render({ model, el: place }) });
    }
    if (names.length) waiting.remove();
    else el.append(waiting);
  }
  follow();
  model.on("change:views", follow);
  return () => {
    model.off("change:views", follow);
    shown.forEach(({ end }) => end());
  };
}
export default { render };
