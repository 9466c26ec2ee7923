// The playground: points of two colours, a small network, and both directions of one of its steps.
import { button, card, choice, seed, slider, sourcePanel } from "../controls.js";
import { Model } from "../talk.js";
import * as boundary from "../views/boundary.js";
import * as curve from "../views/curve.js";
import * as network from "../views/network.js";
import { brief, make, retell, say, text } from "../views/paint.js";

const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3], MOST_BYTES = 262_144;

/** @param {any} given */
export function open({ settings, start, talk, bar, tell }) {
  const model = new Model({ side: 1.5, columns: 40, tool: "probe", moment: -1, curve_label: say("loss"), points: settings.shape === "own" ? settings.points : [] });
  const counter = make("span", { className: "count" }), warning = make("p", { className: "warn" });
  const [graph, plane, chart, detail] = [make("div", {}), make("div", {}), make("div", {}), make("div", { id: "detail" })];
  const source = sourcePanel();
  const get = (/** @type {string} */ name, /** @type {any} */ usual) => settings[name] ?? usual;
  /** @type {any} */
  let frame = null;
  /** @type {any} */
  let about = null;
  /** @type {Record<string, string>} */
  let sources = {};
  let target = 0, epoch = 0;

  /** @param {any} changed */
  function change(changed) {
    Object.assign(settings, changed);
    model.update({ moment: -1, trace: null });
    start(changed);
  }
  const names = { clouds: say("exclusive or"), circles: say("circles"), moons: say("moons"), spirals: say("spirals"), own: say("my own points") };
  const shapes = choice(say("Points"), Object.entries(names), get("shape", "circles"), (shape) => {
    if (shape !== "own") return change({ shape, points: [] });
    paint(model.get("points").length ? model.get("points") : []);
  });
  /** The points that it learns from, which are always those that are shown. @type {number[][]} */
  let learnt = model.get("points");
  /** @param {number[][]} points */
  function paint(points) {
    const missing = [0, 1].filter((kind) => !points.some((p) => p[2] === kind));
    const back = missing.flatMap((kind) => learnt.filter((p) => p[2] === kind).slice(-1));
    if (back.length) tell(say("A network that tells two colours apart needs a point of each: the last one stays."));
    learnt = [...points, ...back];
    shapes.querySelector("select").value = "own";
    model.set("points", learnt);
    change({ shape: "own", points: learnt });
  }
  model.on("save:points", () => paint(model.get("points")));
  model.on("save:probe", () => ask());

  // -- a table of one's own ----------------------------------------------------------------------------------
  const chosen = make("input", { type: "file", accept: ".csv,.tsv,.txt,text/csv", id: "table" });
  const loaded = make("p", { className: "muted small", id: "loaded" });
  chosen.addEventListener("change", () => chosen.files.length && load(chosen.files[0]));
  for (const kind of ["dragover", "drop"]) {
    plane.addEventListener(kind, (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      const file = kind === "drop" && event.dataTransfer?.files[0];
      if (file) load(file);
    });
  }
  /** @param {File} file */
  function load(file) {
    if (file.size > MOST_BYTES) return tell(say("{name} is too large: at most {n} points fit here.", { name: file.name, n: 500 }));
    const reader = new FileReader();
    reader.onload = () => talk.say({ do: "ask", what: "table", about: { name: file.name.slice(0, 200), content: String(reader.result).split(",")[1] ?? "" } });
    reader.onerror = () => tell(say("{name} cannot be read.", { name: file.name }));
    reader.readAsDataURL(file);
  }
  /** @param {any} message */
  function take(message) {
    const [[left, right], [low, high]] = message.ranges;
    paint(message.points);
    loaded.textContent = say("{name}: {n} points. To the right {x}, from {left} to {right}; upwards {y}, from {low} to {high}. Blue circles are {zero}, orange squares {one}.",
      { name: message.name, n: message.points.length, x: message.columns[0], left: brief(left), right: brief(right), y: message.columns[1], low: brief(low), high: brief(high), zero: message.classes[0], one: message.classes[1] });
  }

  const tools = make("div", { className: "row", role: "group", "aria-label": say("What the pointer does") });
  const kinds = [["probe", say("look at a point")], ["1", say("paint orange")], ["0", say("paint blue")], ["erase", say("erase")]];
  for (const [tool, words] of kinds) {
    tools.append(button(words, () => {
      model.set("tool", tool);
      for (const other of tools.children) other.setAttribute("aria-pressed", String(other === tools.querySelector(`[data-tool="${tool}"]`)));
    }, { "data-tool": tool, "aria-pressed": String(tool === "probe") }));
  }

  const layers = make("div", {});
  function buildLayers() {
    const hidden = get("hidden", [4, 3]);
    const rows = hidden.map((/** @type {number} */ size, /** @type {number} */ l) => slider(say("Units in hidden layer {l}", { l: l + 1 }), { low: 1, high: 8, step: 1, value: size }, (value) => {
      const next = [...get("hidden", [4, 3])];
      next[l] = value;
      change({ hidden: next });
    }));
    const more = button(say("Add a layer"), () => resize([...hidden, 3]), { disabled: hidden.length === 4 });
    const less = button(say("Remove a layer"), () => resize(hidden.slice(0, -1)), { disabled: hidden.length === 1 });
    layers.replaceChildren(...rows, make("div", { className: "row" }, more, less));
  }
  /** @param {number[]} hidden */
  function resize(hidden) {
    change({ hidden });
    buildLayers();
  }
  buildLayers();

  // -- one step, forwards and backwards ----------------------------------------------------------------------
  function ask() {
    const probe = model.get("probe");
    if (!probe) return;
    talk.say({ do: "pause" });
    const points = model.get("points"), far = (/** @type {number[]} */ p) => Math.hypot(p[0] - probe[0], p[1] - probe[1]);
    const nearest = points.reduce((/** @type {any} */ a, /** @type {any} */ b) => (far(a) <= far(b) ? a : b), points[0] ?? [0, 0, 0]);
    awaited = "";
    follow(nearest[2]);
  }
  /** The frame that waits for the trace of the network in it. @type {any} */
  let waiting = null;
  let awaited = "";
  /** Ask for the way of the probe through the network as it is now. @param {number} y its target */
  function follow(y) {
    talk.say({ do: "ask", what: "trace", about: { x: model.get("probe"), y } });
  }
  /** @param {any} message */
  function answer(message) {
    if (message.reply === "table") return take(message);
    const values = waiting ?? {}, moment = Math.max(0, message.trace.findIndex((/** @type {any} */ record) => record.name === awaited));
    waiting = null;
    sources = message.sources;
    target = message.y;
    model.update({ ...values, trace: message.trace, moment });
    showMoment(moment);
  }
  /** @param {number} moment */
  function showMoment(moment) {
    const trace = model.get("trace");
    if (!trace) {
      detail.replaceChildren(make("p", { className: "muted" }, say("Choose a point of the plane, and go through one step of training with it: forwards to the answer, backwards to the slope of every weight.")),
        button(say("Begin with the middle"), () => { model.set("probe", [0.3, 0.3]); ask(); }, { id: "begin" }));
      return;
    }
    model.set("moment", moment);
    const record = trace[moment], rows = Array.isArray(record.value) ? record.value.flat(1) : [record.value];
    const phase = { forward: say("forward"), loss: say("loss"), backward: say("backward"), update: say("update") }[/** @type {string} */ (record.phase)];
    const go = (/** @type {number} */ next) => () => { showMoment(next); detail.querySelector(next > moment ? "#next" : "#before")?.focus(); };
    detail.replaceChildren(
      make("div", { className: "row" },
        button(say("Back"), go(moment - 1), { id: "before", disabled: moment === 0 }), button(say("Next"), go(moment + 1), { id: "next", className: "main", disabled: moment + 1 === trace.length }),
        make("span", { className: "muted small", id: "phase" }, `${moment + 1} / ${trace.length} · ${phase}`),
        button(say("Whole network"), () => { model.update({ moment: -1, trace: null, probe: null }); showMoment(-1); })),
      make("p", { className: "muted small" }, target ? say("The target is the colour of the nearest point: orange.") : say("The target is the colour of the nearest point: blue.")),
      make("p", { className: "formula" }, make("code", {}, record.formula)),
      make("p", { className: "small" }, rows.length <= 16 ? rows.map((/** @type {any} */ v) => text(v)).join("   ") : `${rows.slice(0, 16).map((/** @type {any} */ v) => text(v)).join("   ")} …`,
        make("span", { className: "muted" }, record.shape.length ? `   ${say("shape {shape}", { shape: record.shape.join(" × ") })}` : "")),
      ...(record.function ? [make("pre", { tabIndex: 0, role: "region", "aria-label": record.function }, make("code", {}, sources[record.function]))] : []));
  }
  showMoment(-1);

  /** @param {any} now @param {any} first */
  function show(now, first) {
    frame = now;
    if (first !== about) {
      about = first;
      source.show(about);
      if (get("shape", "circles") !== "own") model.values.points = about.points;
      learnt = model.get("points");
    }
    counter.replaceChildren(say("epoch"), " ", make("strong", { id: "count" }, now.epoch.toLocaleString()), ` · ${say("loss")} `, make("strong", { id: "loss" }, text(now.loss)), ` · ${say("right")} `, make("strong", {}, now.accuracy === null ? "–" : `${Math.round(100 * now.accuracy)} %`));
    warning.textContent = now.diverged ? `${say("Training left the finite numbers: try a smaller learning rate.")} ${retell(now.diverged)}` : "";
    const values = { answer: now.answer, units: now.units, weights: now.weights, biases: now.biases, sizes: now.sizes, curve: now.curve, points: model.get("points") };
    const stale = model.get("trace") && now.epoch !== epoch;
    epoch = now.epoch;
    if (stale && !now.playing) {  // the same moment, of the network as it is after this step; both are shown together
      awaited = model.get("trace")[model.get("moment")].name;
      waiting = values;
      return follow(target);
    }
    waiting = null;
    if (stale) {
      model.update({ ...values, trace: null, moment: -1 });
      return showMoment(-1);
    }
    model.update(values);
  }

  const rate = RATES.reduce((a, b, i) => (Math.abs(Math.log(b / get("learning_rate", 0.03))) < Math.abs(Math.log(RATES[a] / get("learning_rate", 0.03))) ? i : a), 0);
  const same = (/** @type {string[]} */ list) => list.map((name) => /** @type {[string, string]} */ ([name, name]));
  const controls = make("div", { className: "stack" },
    card(say("Points"), shapes,
      slider(say("Number"), { low: 20, high: 500, step: 20, value: get("n", 200) }, (n) => change({ n })),
      slider(say("Noise"), { low: 0, high: 0.3, step: 0.01, value: get("noise", 0.05) }, (noise) => change({ noise })),
      seed(say("Seed of the points"), get("data_seed", 0), (data_seed) => change({ data_seed }))),
    card(say("Network"), layers,
      choice(say("Activation"), same(["tanh", "relu", "logistic", "leaky_relu", "elu", "softplus", "gelu", "silu", "identity"]), get("activation", "tanh"), (activation) => change({ activation }))),
    card(say("Learning"),
      choice(say("Loss"), [["log_loss", say("cross-entropy")], ["squared_error", say("squared error")], ["focal", say("focal loss")], ["sum_of_squares", say("sum of squares")]], get("loss", "log_loss"), (loss) => change({ loss })),
      choice(say("Optimizer"), same(["adam", "sgd", "rmsprop", "adamw"]), get("solver", "adam"), (solver) => change({ solver })),
      slider(say("Learning rate"), { low: 0, high: RATES.length - 1, step: 1, value: rate }, (i) => change({ learning_rate: RATES[i] }), (i) => String(RATES[i])),
      slider(say("Batch size"), { low: 1, high: 100, step: 1, value: get("batch_size", 20) }, (batch_size) => change({ batch_size }))));
  const closings = [network.render({ model, el: graph }), boundary.render({ model, el: plane }), curve.render({ model, el: chart })];
  const nodes = [
    make("h1", {}, say("A network learns to tell two colours apart")),
    make("p", { className: "lead" }, say("Each hidden unit draws one soft line; the next layer combines them. Press Play, and watch what every unit sees. Paint points of your own.")),
    bar(counter, 0, () => frame && frame.epoch >= frame.of), warning,
    make("div", { className: "grid playground" }, controls,
      make("div", { className: "stack" }, card(say("The network"), graph), card(say("One step, forwards and backwards"), detail)),
      make("div", { className: "stack" }, card(say("What it answers"), tools, plane, make("div", { className: "field table" }, make("label", { for: "table" }, say("Or drop a CSV file on the plane: two columns of numbers, and the class in the last")), chosen), loaded), card(say("Loss"), chart))),
    source.node,
  ];
  return { nodes, show, answer, close: () => closings.forEach((end) => end()) };
}
