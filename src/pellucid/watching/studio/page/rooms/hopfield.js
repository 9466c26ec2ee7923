// The Hopfield network's room: paint patterns, store them, spoil one, watch it come back; its landscape and its valleys.
import { button, card, choice, slider, sourcePanel } from "../controls.js";
import { Model } from "../talk.js";
import * as curve from "../views/curve.js";
import * as pad from "../views/hopfield.js";
import * as landscape from "../views/landscape.js";
import { colours, make, say, text } from "../views/paint.js";

const STARTS = 1000;

/** @param {any} given */
export function open({ settings, start, keep: remember, talk, bar, tell }) {
  const model = new Model({ pad_side: 10, editable: true, unit: null, state: [], landscape: null, trail: [], curve_label: say("energy") });
  const counter = make("span", { className: "count" }), list = make("ul", { className: "patterns" }), outcome = make("p", { id: "outcome" }), warning = make("p", { className: "warn" });
  const [board, chart, ground, letters] = [make("div", {}), make("div", {}), make("div", {}), make("div", { className: "row" })];
  const lead = make("p", { className: "lead", id: "lead" }), found = make("p", { className: "small", id: "found", role: "status" }), valleys = make("ul", { className: "patterns valleys" });
  const source = sourcePanel();
  /** @type {number[][]} */
  let patterns = settings.patterns ?? [];
  /** @type {any} */
  let about = null;
  /** @type {any} */
  let frame = null;
  let corruptions = 0;

  /** @param {any} changed @param {boolean} [play] */
  function change(changed, play = false) {
    Object.assign(settings, changed);
    start(changed, play);
    describe();
  }
  /** How it goes on, by the chosen updates. */
  function describe() {
    const update = get("update", "asynchronous");
    lead.textContent = {
      asynchronous: say("Every unit looks at all the others and turns over if they pull it the other way. Each flip lowers the energy, so the network rolls down into the nearest valley: a memory."),
      synchronous: say("All units look at all the others at once, and turn over together. What lowers the energy one by one may raise it together: in the end two states may take turns, and neither is a memory."),
      stochastic: say("Every unit follows the others by chance, and the less surely the higher the temperature. The energy may rise, so the network can leave a valley that nobody stored, and also a memory."),
    }[/** @type {string} */ (update)] ?? "";
    heat.hidden = update !== "stochastic";
  }
  /** @param {Iterable<number>} state */
  const begin = (state) => change({ start: [Array.from(state)] });
  model.on("save:state", () => begin(model.get("state")));

  /** @param {number[]} pattern */
  function thumbnail(pattern) {
    const canvas = make("canvas", { width: 10, height: 10 }), c = colours(board), context = canvas.getContext("2d");
    pattern.forEach((s, i) => {
      context.fillStyle = s > 0 ? c.ink : c.middle;
      context.fillRect(i % 10, Math.floor(i / 10), 1, 1);
    });
    return canvas;
  }
  function showPatterns() {
    list.replaceChildren(...patterns.map((pattern, p) => {
      const overlap = frame?.overlaps?.[p];
      const take = button("", () => { model.set("state", pattern); begin(pattern); }, { className: "pattern", "aria-label": say("take pattern {p}", { p: p + 1 }) });
      take.append(thumbnail(pattern));
      const remove = button("×", () => keep(patterns.filter((_, other) => other !== p)), { className: "remove", "aria-label": say("forget pattern {p}", { p: p + 1 }), disabled: patterns.length === 1 });
      return make("li", {}, take, make("div", { className: "below" }, make("span", { className: frame && !frame.stable[p] ? "warn" : "", title: say("overlap with the state") }, overlap === undefined ? "" : text(overlap, 2)), remove));
    }));
  }
  /** @param {number[][]} next */
  function keep(next) {
    patterns = next;
    change({ patterns, start: [Array.from(model.get("state"))] });
    showPatterns();
  }
  function storeState() {
    if (patterns.length >= 14) return tell(say("At most {n} patterns fit here.", { n: 14 }));
    keep([...patterns, Array.from(model.get("state"))]);
  }
  let share = 0.2;
  function corrupt() {
    talk.say({ do: "ask", what: "corrupt", about: { pattern: [Array.from(model.get("state"))], share, seed: ++corruptions } });
  }
  /** @param {any} message */
  function answer(message) {
    if (!message.pattern) return;
    model.set("state", Array.from(message.pattern));
    begin(message.pattern);
  }

  // -- what else it keeps ------------------------------------------------------------------------------------
  const names = () => ({ stored: say("stored"), inverse: say("inverse"), mixture: say("mixture"), other: say("other") });
  function find() {
    Object.assign(settings, { starts: STARTS });
    remember({ starts: STARTS });
    talk.say({ do: "ask", what: "sample", about: { starts: STARTS } });
  }
  let shown = "";
  function showValleys() {
    const key = JSON.stringify([frame.valleys, frame.found]);
    if (key === shown) return;
    shown = key;
    const of = (/** @type {string[]} */ ...kinds) => frame.valleys.filter((/** @type {any} */ valley) => kinds.includes(valley.kind)).length;
    found.textContent = !frame.starts ? say("Are there other valleys? Let random states come to rest, and see where.")
      : say("{starts} random states came to rest in {n} valleys. Of those shown, {stored} were stored, {inverse} are stored ones turned over, {spurious} are memories that nobody stored.",
        { starts: frame.starts.toLocaleString(), n: frame.found, stored: of("stored"), inverse: of("inverse"), spurious: of("mixture", "other") });
    valleys.replaceChildren(...frame.valleys.map((/** @type {any} */ valley, /** @type {number} */ k) => {
      const state = Array.from(frame.rests.subarray(100 * k, 100 * k + 100)), kind = names()[/** @type {"stored"} */ (valley.kind)];
      const words = { kind, energy: text(valley.energy, 1), n: valley.count };
      const take = button("", () => { model.set("state", state); begin(state); }, { className: "pattern", "aria-label": say("take this valley: {kind}, energy {energy}, {n} ended here", words) });
      take.append(thumbnail(state));
      return make("li", { "data-kind": valley.kind }, take, make("div", { className: "below" }, make("span", {}, kind), make("span", { className: "muted" }, `${valley.count}×`)), make("div", { className: "below muted" }, `E ${words.energy}`));
    }));
  }

  /** @param {any} now @param {any} first */
  function show(now, first) {
    frame = now;
    if (first !== about) {
      about = first;
      model.update({ landscape: about.landscape, trail: [] });
      source.show(about);
      if (!patterns.length) patterns = [0, 2, 23].map((i) => about.letters[i]);
      letters.replaceChildren(...about.letters.map((/** @type {number[]} */ letter, /** @type {number} */ i) =>
        button(String.fromCharCode(65 + i), () => { model.set("state", letter); begin(letter); }, { "aria-label": say("draw the letter {letter}", { letter: String.fromCharCode(65 + i) }) })));
    }
    counter.replaceChildren(say("visits"), " ", make("strong", { id: "count" }, now.step.toLocaleString()), ` · ${say("flips")} `, make("strong", {}, String(now.flips)), ` · ${say("energy")} `, make("strong", { id: "energy" }, text(now.energy, 2)));
    const kinds = { stored: say("At rest: a stored pattern."), inverse: say("At rest: a stored pattern turned over."), mixture: say("At rest in a mixture of stored patterns: a memory that nobody stored."), other: say("At rest in a state that nobody stored.") };
    const endings = { cycle: say("Two states take turns for ever, and neither is at rest."), sampled: say("Its sweeps are over. At a temperature it never rests: units go on turning over by chance."), unsettled: say("Its sweeps are over, and it has not come to rest.") };
    outcome.textContent = now.ended && now.ended !== "rest" ? endings[/** @type {keyof typeof endings} */ (now.ended)] : now.ended ? kinds[/** @type {keyof typeof kinds} */ (now.kind)] : now.unit === null ? say("Paint, or take a stored pattern; corrupt it; then press Play to recall.")
      : say("Unit {i}: local field {h}, so it {what}.", { i: now.unit, h: text(now.field, 2), what: now.flipped ? say("flips") : say("stays") });
    warning.textContent = now.too_many ? say("More patterns than Hebb's rule holds in 100 units (about 14, fewer when they are alike).")
      : now.stable.every(Boolean) ? "" : say("Patterns marked in orange are not at rest: they are too much alike for this rule. Try the pseudo-inverse rule.");
    model.update({ state: Array.from(now.state), unit: now.ended ? null : now.unit, trail: walked(now), curve: now.curve, curve_marks: now.energies.map((/** @type {number} */ value) => ({ value })) });
    showPatterns();
    showValleys();
  }
  /** The trail, with where the state is now. @param {any} now */
  function walked(now) {
    const trail = now.step ? model.get("trail") : [];
    return trail.at(-1) === now.place ? trail : [...trail.slice(-400), now.place];
  }
  const get = (/** @type {string} */ name, /** @type {any} */ usual) => settings[name] ?? usual;
  const heat = slider(say("Temperature"), { low: 0.05, high: 2, step: 0.05, value: get("temperature", 0.2) }, (temperature) => change({ temperature }), (value) => value.toFixed(2));
  heat.id = "temperature";
  describe();
  const closings = [pad.render({ model, el: board }), landscape.render({ model, el: ground }), curve.render({ model, el: chart })];
  const recolour = () => {
    shown = "";
    showPatterns();
    if (frame) showValleys();
  };
  window.addEventListener("pellucid:appearance", recolour);
  const nodes = [
    make("h1", {}, say("A memory that completes what is damaged")),
    lead, bar(counter, 0, () => Boolean(frame?.ended)), warning,
    make("div", { className: "grid hopfield" },
      make("div", { className: "stack" },
        card(say("Stored patterns"), list, make("p", { className: "muted small" }, say("Below each: its overlap with the state, 1 where they are equal.")),
          choice(say("Rule of storing"), [["hebb", say("Hebb")], ["storkey", say("Storkey")], ["pseudo_inverse", say("pseudo-inverse")]], get("rule", "hebb"), (rule) => change({ rule })),
          choice(say("Updates"), [["asynchronous", say("one unit after the other")], ["synchronous", say("all at once")], ["stochastic", say("by chance, at a temperature")]], get("update", "asynchronous"), (update) => change({ update })), heat),
        card(say("Letters"), letters)),
      card(say("The state"), board,
        make("div", { className: "row", role: "group", "aria-label": say("The state") }, button(say("Store this"), storeState, { id: "store" }), button(say("Corrupt"), corrupt, { id: "corrupt" }), button(say("Clear"), () => { const empty = Array(100).fill(-1); model.set("state", empty); begin(empty); }, { id: "clear" })),
        slider(say("Share of units turned over"), { low: 0.05, high: 0.5, step: 0.05, value: share }, (value) => { share = value; }, (value) => `${Math.round(100 * value)} %`),
        outcome),
      make("div", { className: "stack" },
        card(say("The landscape of the energy"), ground, make("p", { className: "muted small" }, say("Every place is a state: to the right, units turn over from the first pattern to the second, upwards to the third. The bluer, the lower the energy. Orange: the place that is nearest to the state, and how it came there."))),
        card(say("Energy"), chart, make("p", { className: "muted small" }, say("Dashed lines: the energies of the stored patterns."))))),
    card(say("Memories that nobody stored"), make("div", { className: "row" }, button(say("Let {n} random states come to rest", { n: STARTS.toLocaleString() }), find, { id: "find" })), found, valleys),
    source.node,
  ];
  return { nodes, show, answer, close: () => { closings.forEach((end) => end()); window.removeEventListener("pellucid:appearance", recolour); } };
}
