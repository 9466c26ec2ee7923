// The Boltzmann machine's room: it learns digits, and one may paint a picture and see what it makes of it, or let it dream.
import { button, card, choice, slider, sourcePanel } from "../controls.js";
import { Model } from "../talk.js";
import * as curve from "../views/curve.js";
import { make, say, text } from "../views/paint.js";
import * as machine from "../views/rbm.js";

const RATES = [0.001, 0.003, 0.01, 0.03, 0.06, 0.1, 0.3, 1];
let chosen = 0, drawing = "pseudo_likelihood";
/** What was answered since the room was opened, to be shown again in another language. @type {Record<string, any>} */
let answers = {};
/** @type {any} */
let opened = null;

/** @param {any} given */
export function open({ settings, start, keep, talk, bar }) {
  const model = new Model({ tile: 8, hidden_unit: chosen, editable: true, picture: settings.v ?? [], chain: null });
  const counter = make("span", { className: "count" }, say("A moment: the first time, its code is compiled.")), measure = make("p", { className: "small", id: "measure" });
  const [weights, phases, pad, chain, dreams, chart] = Array.from({ length: 6 }, () => make("div", {}));
  const [digits, energy, told, dreamt] = [make("div", { className: "row", role: "group", "aria-label": say("A digit that it never saw") }), make("p", { className: "small", id: "energy" }), make("p", { className: "small", id: "told" }), make("p", { className: "muted small" })];
  const source = sourcePanel(), dreaming = new Model({ tile: 8, chain: null });
  const get = (/** @type {string} */ name, /** @type {any} */ usual) => settings[name] ?? usual;
  /** @type {any} */
  let frame = null;
  /** @type {any} */
  let about = null;
  let running = false, timer = 0;

  /** @param {any} changed */
  function change(changed) {
    Object.assign(settings, changed);
    start(changed);
  }
  model.on("change:hidden_unit", () => { chosen = model.get("hidden_unit"); });

  // -- a picture and its chain -------------------------------------------------------------------------------
  /** @param {number[]} picture */
  function look(picture) {
    forget();
    model.set("picture", picture);
    Object.assign(settings, { v: picture });
    keep({ v: picture });
    talk.say({ do: "ask", what: "look", about: { v: picture } });
  }
  model.on("save:picture", () => look(model.get("picture")));
  function forget() {
    stop();
    delete answers.trace;
    model.set("chain", null);
    told.textContent = say("Take a round: hidden units are drawn from v, and a new v from them.");
  }
  function stop() {
    running = false;
    clearTimeout(timer);
    run.textContent = say("Let it run");
  }
  /** @param {number} rounds */
  const go = (rounds) => talk.say({ do: "ask", what: "trace", about: { rounds } });
  const run = button(say("Let it run"), () => {
    if (running) return stop();
    running = true;
    run.textContent = say("Stop");
    go(1);
  }, { id: "run" });
  const scribble = () => look(Array.from({ length: 64 }, () => (Math.random() < 0.5 ? 16 : 0)));
  const chains = make("div", { className: "row", role: "group", "aria-label": say("Gibbs chain") },
    button(say("One round"), () => { stop(); go(1); }, { id: "round" }), run, button(say("100 rounds"), () => { stop(); go(100); }, { id: "rounds" }));

  /** @param {any} message */
  function answer(message) {
    answers[message.reply] = message;
    if (message.reply === "look") {
      model.update({ hidden: message.hidden, reconstruction: message.reconstruction });
      showEnergy(message.free_energy);
    } else if (message.reply === "trace") {
      model.set("chain", message);
      showSource();
      told.textContent = say("Round {n}, by the machine as it was after batch {batch}. Free energy of v: {energy}.", { n: message.round, batch: message.batch.toLocaleString(), energy: text(message.free_energy, 1) });
      if (running) timer = window.setTimeout(() => running && go(1), 250);
    } else if (message.reply === "sample") {
      dreaming.set("dreams", message.dreams);
      dreamt.textContent = say("{rounds} rounds from random dots, by the machine as it was after batch {batch}.", { rounds: message.rounds, batch: message.batch.toLocaleString() });
    }
  }
  /** The code that ran: that of a chain, too, once there is one. */
  function showSource() {
    if (about) source.show({ formulas: about.formulas, sources: { ...about.sources, ...answers.trace?.sources } });
  }
  /** @param {number} value */
  function showEnergy(value) {
    energy.textContent = say("Free energy F(v): {energy}. The lower, the likelier the machine holds the picture.", { energy: text(value, 1) });
  }

  // -- what is learnt ----------------------------------------------------------------------------------------
  function showCurve() {
    if (frame?.batch) model.update({ curve: frame.curves[drawing], curve_label: drawing === "pseudo_likelihood" ? say("log pseudo-likelihood") : say("gap of the free energies") });
    meaning.textContent = drawing === "pseudo_likelihood" ? say("How well each pixel of digits that it never saw can be told from all the others; 0 would be perfect.")
      : say("Mean free energy of digits that it never saw, minus that of digits it learns from. If it grows, the machine learns by heart.");
  }
  const meaning = make("p", { className: "muted small" });
  const measures = choice(say("Curve"), [["pseudo_likelihood", say("log pseudo-likelihood")], ["free_energy_gap", say("gap of the free energies")]], drawing, (name) => { drawing = name; showCurve(); });

  /** @param {any} now @param {any} first */
  function show(now, first) {
    frame = now;
    const isNew = first !== about;
    if (isNew) {
      about = first;
      if (!model.get("picture").length) model.set("picture", about.picture);
      digits.replaceChildren(...about.digits.map((/** @type {number[]} */ digit, /** @type {number} */ i) =>
        button(String(i), () => look(digit), { "aria-label": say("take a {digit}", { digit: i }) })));
    }
    if (first !== opened) {
      opened = first;
      answers = {};
      forget();
      dreaming.set("dreams", null);
      dreamt.textContent = "";
    }
    if (isNew) showSource();
    if (!now.batch) return; // its first step is still to come
    if (chosen >= now.on_share[0].length) model.set("hidden_unit", 0);
    counter.replaceChildren(say("batch"), " ", make("strong", { id: "count" }, now.batch.toLocaleString()), ` / ${now.of.toLocaleString()} · ${say("epoch")} ${now.epoch}`);
    measure.replaceChildren(say("log pseudo-likelihood"), " ", make("strong", { id: "score" }, text(now.pseudo_likelihood, 3)), ` · ${say("gap of the free energies")} ${text(now.free_energy_gap, 2)}`);
    const names = ["filters", "positive", "negative", "change", "v_data", "v_model", "on_share", "changed", "rate", "hidden", "reconstruction"];
    model.update(Object.fromEntries(names.map((name) => [name, now[name]])));
    showEnergy(now.free_energy);
    showCurve();
  }

  const rate = RATES.reduce((a, b, i) => (Math.abs(Math.log(b / get("learning_rate", 0.06))) < Math.abs(Math.log(RATES[a] / get("learning_rate", 0.06))) ? i : a), 0);
  const controls = make("div", { className: "stack" },
    card(say("The machine"),
      choice(say("Hidden units"), [4, 9, 16, 25, 36, 64, 100].map((n) => [String(n), String(n)]), String(get("n_components", 36)), (n) => change({ n_components: Number(n) })),
      choice(say("Where its dreams begin"), [["pcd", say("where the last ones ended (PCD)")], ["cd", say("at the data, each time (CD)")]], get("algorithm", "pcd"), (algorithm) => change({ algorithm })),
      slider(say("Rounds of Gibbs sampling a batch, k"), { low: 1, high: 10, step: 1, value: get("k", 1) }, (k) => change({ k })),
      slider(say("Learning rate"), { low: 0, high: RATES.length - 1, step: 1, value: rate }, (i) => change({ learning_rate: RATES[i] }), (i) => String(RATES[i])),
      choice(say("The rate in the course of time"), [["cosine", say("falls to 0")], ["constant", say("stays")]], get("schedule", "cosine"), (schedule) => change({ schedule })),
      slider(say("Batch size"), { low: 5, high: 100, step: 5, value: get("batch_size", 10) }, (batch_size) => change({ batch_size })),
      slider(say("Epochs"), { low: 5, high: 100, step: 5, value: get("n_iter", 30) }, (n_iter) => change({ n_iter }))));
  const closings = [
    machine.filters({ model, el: weights }), machine.phases({ model, el: phases }), machine.picture({ model, el: pad }),
    machine.chain({ model, el: chain }), machine.dreams({ model: dreaming, el: dreams }), curve.render({ model, el: chart }),
  ];
  const nodes = [
    make("h1", {}, say("A machine that learns what digits look like")),
    make("p", { className: "lead" }, say("Nobody tells it which digit is which. Hidden units learn to explain the pixels: each step pulls the weights towards what the data show, and pushes them away from what the machine makes up by itself. When the two look alike, it has learnt.")),
    bar(counter, 0, () => frame && frame.batch >= frame.of),
    make("div", { className: "grid rbm" }, controls,
      make("div", { className: "stack" },
        card(say("What each hidden unit looks for"), weights, make("p", { className: "muted small" }, say("Orange: ink here turns the unit on. Blue: ink here turns it off. Choose a unit; below, one step shows what happens to its weights."))),
        card(say("How well it knows digits"), measures, chart, measure, meaning)),
      make("div", { className: "stack" },
        card(say("A picture, and what it makes of it"), pad, digits,
          make("div", { className: "row", role: "group", "aria-label": say("The picture") }, button(say("Clear"), () => look(Array(64).fill(0)), { id: "clear" }), button(say("Random dots"), scribble, { id: "scribble" })), energy),
        card(say("Gibbs chain"), chains, told, chain),
        card(say("Dreams"), make("div", { className: "row" }, button(say("Dream"), () => talk.say({ do: "ask", what: "sample" }), { id: "dream" })), dreamt, dreams))),
    card(say("One step: the data pull, what it makes up pushes"), make("p", { className: "formula" }, make("code", {}, "ΔW = η (<P(h|v) vᵀ>_data − <P(h|v) vᵀ>_model)")), phases,
      make("p", { className: "muted small" }, say("Above: the images of this batch, and the pictures that the machine made up for it. Below: the mean of P(h|v) vᵀ over them, for every hidden unit, and large for the chosen one."))),
    source.node,
  ];
  const before = { ...answers };
  forget();
  for (const message of Object.values(before)) answer(message);
  showCurve();
  return { nodes, show, answer, close: () => { stop(); closings.forEach((end) => end()); } };
}
