// The digits' room: draw one, and see three networks look at it while they learn.
import { button, card, choice, sourcePanel } from "../controls.js";
import { Model } from "../talk.js";
import * as confusion from "../views/confusion.js";
import * as curve from "../views/curve.js";
import * as pad from "../views/digits.js";
import * as maps from "../views/maps.js";
import { make, say } from "../views/paint.js";

const NETWORKS = ["mlp", "cnn", "rbm"], DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], PATIENCE = 60;
let judged = "cnn", channel = 0;

/** What one network makes of the image: its answer, and the probability of every digit. @param {string} name @param {string} title */
function reading(name, title) {
  const digit = make("span", { className: "big", id: `reads-${name}` }, "–"), sure = make("span", { className: "muted" }), score = make("p", { className: "muted small" });
  const bars = DIGITS.map((d) => ({ bar: make("i", {}), words: make("span", { className: "share" }), d }));
  const list = make("ul", { className: "bars", "aria-label": say("Probabilities by the {network}", { network: title }) },
    ...bars.map(({ bar, words, d }) => make("li", {}, make("span", {}, String(d)), make("span", { className: "meter" }, bar), words)));
  /** @param {number[] | null} given null where it has not learned yet @param {boolean} empty */
  function show(given, empty) {
    const p = given ?? [], blank = empty || !given, best = p.indexOf(Math.max(...p));
    digit.textContent = blank ? "–" : String(best);
    sure.textContent = blank ? "" : `${Math.round(100 * p[best])} %`;
    for (const { bar, words, d } of bars) {
      bar.style.width = blank ? "0" : `${100 * p[d]}%`;
      words.textContent = blank ? "" : `${Math.round(100 * p[d])} %`;
    }
    return blank ? null : best;
  }
  const judge = (/** @type {number} */ share, /** @type {number} */ tested) => {
    score.textContent = say("{share} % of the {n} held-out digits right", { share: (100 * share).toFixed(1), n: tested });
  };
  return { head: make("div", { className: "verdict" }, digit, sure), list, score, show, judge };
}

/** @param {any} given */
export function open({ settings, start, talk, bar, keep }) {
  const drawing = new Model({ strokes: settings.strokes ?? [], editable: true });
  const [mlpUnits, rbmUnits, cnnMaps, kernel, map, pooled, judging] = Array.from({ length: 7 }, () => new Model());
  const titles = { mlp: say("MLP: multilayer perceptron"), cnn: say("CNN: convolutional network"), rbm: say("RBM + logistic regression") };
  const readings = Object.fromEntries(NETWORKS.map((name) => [name, reading(name, titles[/** @type {keyof typeof titles} */ (name)])]));
  const counter = make("span", { className: "count" }), verdict = make("p", { id: "verdict", role: "status" });
  const places = Object.fromEntries(["pad", "mlp", "rbm", "cnn", "kernel", "map", "pooled", "matrix", "chart"].map((name) => [name, make("div", {})]));
  const source = sourcePanel();
  /** @type {any} */
  let frame = null;
  /** @type {any} */
  let about = null;
  /** @type {any} */
  let seen = null;
  let asked = 0, later = 0;

  // -- what the networks look at -------------------------------------------------------------------------------
  /** @param {Record<string, any>} what */
  function put(what) {
    Object.assign(settings, what);
    keep(what);
    look(true);
  }
  function look(now = false) {
    clearTimeout(later);
    const wait = asked + PATIENCE - performance.now();
    if (!now && wait > 0) {
      later = window.setTimeout(look, wait);
      return;
    }
    asked = performance.now();
    const image = drawing.get("strokes").length ? -1 : settings.image ?? -1;
    talk.say({ do: "ask", what: "look", about: { strokes: drawing.get("strokes"), image } });
  }
  drawing.on("change:strokes", () => look());
  drawing.on("save:strokes", () => put({ strokes: drawing.get("strokes"), image: -1 }));
  /** @param {number[][][]} strokes */
  function redraw(strokes) {
    drawing.update({ strokes });
    put({ strokes, image: -1 });
  }
  /** @param {boolean} mistaken */
  function takeNext(mistaken) {
    const image = ((settings.image ?? -1) + 1) % about.tests;
    drawing.values.strokes = [];
    talk.say({ do: "ask", what: "look", about: { strokes: [], image, mistaken } });
  }

  /** @param {any} now a frame, or the answer to a look */
  function showImage(now) {
    seen = now;
    drawing.update({ bitmap: now.image < 0 ? now.bitmap : null, counts: now.counts });
    const read = NETWORKS.map((name) => readings[name].show(now.probabilities?.[name] ?? null, now.blank));
    const truth = now.digit === null ? "" : ` ${say("It is a {digit}.", { digit: now.digit })}`;
    const words = !now.probabilities ? say("A moment: the three learn from 1,347 digits for the first time. You can draw meanwhile.")
      : now.blank ? say("Draw a digit, or take one of the held-out ones.")
      : read.every((digit) => digit === read[0]) ? say("All three read a {digit}.", { digit: read[0] })
        : say("They disagree: MLP {mlp}, CNN {cnn}, RBM {rbm}.", { mlp: read[0], cnn: read[1], rbm: read[2] });
    if (verdict.textContent !== words + truth) verdict.textContent = words + truth;
    if (!now.probabilities) return;
    mlpUnits.update({ maps: [{ title: say("Its 100 hidden units"), rows: 10, columns: 10, cell: 12, values: now.mlp_units }] });
    rbmUnits.update({ maps: [
      { title: say("Its 100 hidden units: how likely each is on"), rows: 10, columns: 10, cell: 12, full: 1, values: now.rbm_units },
      { title: say("The digit as the machine sees it, from them alone"), rows: 8, columns: 8, cell: 12, full: 1, values: now.rbm_image }] });
    cnnMaps.update({ chosen: [1, channel], maps: [
      { title: say("Eight kernels of 3 × 3 pixels"), rows: 3, columns: 3, cell: 9, values: now.kernels },
      { title: say("Where each was found: feature maps"), rows: 8, columns: 8, cell: 7, across: 4, values: now.a1, sources: now.source1, windows: [4, 4] },
      { title: say("The second convolution, on their maxima"), rows: 4, columns: 4, cell: 7, across: 8, values: now.a2, sources: now.source2, windows: [2, 2] },
      { title: say("Its maxima: all that the dense layers see"), rows: 2, columns: 2, cell: 14, across: 8, values: now.m2 }] });
    showChannel();
  }
  function showChannel() {
    if (!seen?.probabilities) return;
    const part = (/** @type {Float32Array} */ values, /** @type {number} */ size) => values.slice(channel * size, (channel + 1) * size);
    kernel.update({ maps: [{ title: say("1. The kernel"), rows: 3, columns: 3, cell: 42, values: part(seen.kernels, 9) }] });
    map.update({ maps: [{ title: say("2. Its feature map"), rows: 8, columns: 8, cell: 34, values: part(seen.a1, 64), sources: part(seen.source1, 16), windows: [4, 4] }] });
    pooled.update({ maps: [{ title: say("3. The maxima"), rows: 4, columns: 4, cell: 34, values: part(seen.m1, 16) }] });
  }
  const channels = choice(say("Kernel"), Array.from({ length: 8 }, (_, k) => [String(k), String(k + 1)]), String(channel), (value) => setChannel(Number(value)));
  /** @param {number} k */
  function setChannel(k) {
    channel = k;
    channels.querySelector("select").value = String(k);
    cnnMaps.set("chosen", [1, k]);
    showChannel();
  }
  cnnMaps.on("save:chosen", () => {
    const [group, k] = cnnMaps.get("chosen");
    setChannel(group < 2 ? k : channel);
  });

  // -- how they do on the held-out part ------------------------------------------------------------------------
  const judges = make("div", { className: "row", role: "group", "aria-label": say("Network") }, ...NETWORKS.map((name) =>
    button(name.toUpperCase(), () => { judged = name; showJudging(); }, { "data-network": name, title: titles[/** @type {keyof typeof titles} */ (name)] })));
  function showJudging() {
    for (const knob of judges.children) knob.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (knob).dataset.network === judged));
    if (!frame?.epoch) return;
    const shares = frame.accuracies[judged];
    judging.update({ classes: DIGITS, confusion: frame[`confusion_${judged}`], curve: [shares.map((/** @type {number} */ _, /** @type {number} */ i) => i + 1), shares], curve_label: say("share of held-out digits right") });
  }

  /** @param {any} now @param {any} first */
  function show(now, first) {
    frame = now;
    if (first !== about) {
      about = first;
      seen = null;
      source.show(about);
      if (settings.strokes) look(true);
      else if (!drawing.get("strokes").length) drawing.update({ strokes: about.strokes }); // else somebody is drawing
    }
    counter.replaceChildren(say("epoch"), " ", make("strong", { id: "count" }, String(now.epoch)), ` / ${now.of}`);
    for (const name of now.epoch ? NETWORKS : []) readings[name].judge(now.accuracies[name].at(-1), now.tested);
    if (!seen || now.number > seen.number) showImage(now);  // the answer to a look may have come between
    showJudging();
  }
  /** @param {any} message */
  function answer(message) {
    if (message.reply !== "look") return;
    if (message.image >= 0 && !drawing.get("strokes").length && settings.image !== message.image) {
      Object.assign(settings, { strokes: [], image: message.image });
      keep({ strokes: [], image: message.image });
    }
    showImage(message);
  }

  const network = (/** @type {string} */ name, /** @type {Node[]} */ ...more) =>
    card(titles[/** @type {keyof typeof titles} */ (name)], readings[name].head, readings[name].list, readings[name].score, ...more);
  const closings = [pad.render({ model: drawing, el: places.pad }), maps.render({ model: mlpUnits, el: places.mlp }), maps.render({ model: rbmUnits, el: places.rbm }),
    maps.render({ model: cnnMaps, el: places.cnn }), maps.render({ model: kernel, el: places.kernel }), maps.render({ model: map, el: places.map }),
    maps.render({ model: pooled, el: places.pooled }), confusion.render({ model: judging, el: places.matrix }), curve.render({ model: judging, el: places.chart })];
  const nodes = [
    make("h1", {}, say("Three networks read your handwriting")),
    make("p", { className: "lead" }, say("Draw a digit: three networks look at the same 64 numbers, each in its own way. They learn from the handwriting of 13 people; press Play, and watch them learn to read.")),
    bar(counter, 0, () => frame && frame.epoch >= frame.of),
    make("div", { className: "grid digits" },
      card(say("Draw a digit"), places.pad,
        make("div", { className: "row" },
          button(say("Clear"), () => redraw([]), { id: "clear" }), button(say("Undo"), () => redraw(drawing.get("strokes").slice(0, -1)), { id: "undo" }),
          button(say("A held-out digit"), () => takeNext(false), { id: "held-out" }), button(say("One that is misread"), () => takeNext(true), { id: "misread" })),
        verdict),
      make("div", { className: "grid trio" }, network("mlp", places.mlp), network("cnn", places.cnn), network("rbm", places.rbm))),
    make("div", { className: "grid pair" },
      card(say("One kernel of the convolutional network, number by number"), make("div", { className: "row" }, channels), make("div", { className: "side" }, places.kernel, places.map, places.pooled),
        make("p", { className: "muted small" }, say("The kernel is laid on every place of the image; nine products and a bias make one number, and what is below zero becomes zero. Of each 2 × 2 the largest goes on: the frames mark where it came from, and there alone goes the error signal back."))),
      card(say("The held-out digits"), judges, places.matrix, places.chart)),
    source.node,
  ];
  showJudging();
  return { nodes, show, answer, close: () => { clearTimeout(later); closings.forEach((end) => end()); } };
}
