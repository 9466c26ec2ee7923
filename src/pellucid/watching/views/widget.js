// The views in a notebook: which of them are shown, the model's `views` says. `texts` is the Chinese catalogue or null.
import * as boundary from "./boundary.js";
import * as confusion from "./confusion.js";
import * as curve from "./curve.js";
import * as graph from "./graph.js";
import * as hopfield from "./hopfield.js";
import * as maps from "./maps.js";
import * as network from "./network.js";
import * as neuron from "./neuron.js";
import { make, speak } from "./paint.js";
import * as rbm from "./rbm.js";
import * as spinn from "./spinn.js";

/** @type {Record<string, {render: (given: {model: any, el: HTMLElement}) => (() => void)}>} */
const VIEWS = { boundary, confusion, curve, graph, hopfield, maps, network, neuron, rbm, spinn };

/** @param {{model: any, el: HTMLElement}} given */
export function render({ model, el }) {
  speak(model.get("texts"));
  el.classList.add("pellucid", "pellucid-widget");
  const endings = model.get("views").map((/** @type {string} */ name) => {
    const place = make("div", { className: `pellucid-widget-${name}` });
    el.append(place);
    return VIEWS[name].render({ model, el: place });
  });
  return () => endings.forEach((/** @type {() => void} */ end) => end());
}
export default { render };
