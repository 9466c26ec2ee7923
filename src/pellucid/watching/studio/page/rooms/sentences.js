// The room of SPINN: two sentences, the machine that reads one of them, and what the first says of the second.
import { button, card, choice, sourcePanel, SPEEDS } from "../controls.js";
import { Model } from "../talk.js";
import { make, retell, say, text } from "../views/paint.js";
import * as spinn from "../views/spinn.js";

export const SPEED = 1; // a step a second, to begin with

const SIDES = ["premise", "hypothesis"];
// Pairs to begin with: parsed, plain, and what is no good English.
const EXAMPLES = [
  ["( ( every ( big dog ) ) runs )", "( ( some animal ) ( does ( not sleep ) ) )"],
  ["no small cat moves", "some small cat walks"],
  ["every person walks", "no woman sits"],
  ["some dog runs", "every dog runs"],
  ["every poodle jogs", "some beagle sprints"],
  ["( ( ( every big ) dog ) runs )", "every big unicorn runs"],
];

/** A probability in percent; one that is neither 0 nor 1 looks like neither. @param {number} p */
const percent = (p) => (p > 0.999 && p < 1 ? "> 99.9 %" : p < 0.001 && p > 0 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`);

/** @param {any} given */
export function open({ settings, start, talk, bar, keep, pace }) {
  const model = new Model({ reading: null, moment: 0 });
  const counter = make("span", { className: "count" }), source = sourcePanel();
  const opening = make("p", { className: "muted" }, say("Opening the model …"));
  const missing = make("section", { className: "card", id: "missing", hidden: true });
  const learning = make("section", { className: "card", id: "learning", hidden: true });
  const trouble = make("p", { className: "warn" });
  const machine = make("div", {}), likely = make("div", { className: "likely" }), verdict = make("p", { id: "verdict" }), rules = make("p", { id: "rules" });
  const words = make("p", { className: "small" }), numbers = make("div", {});
  const step = make("details", { className: "step" }, make("summary", {}, say("This step: formulas, numbers, source")), numbers);
  /** @type {any} */
  let frame = null;
  /** @type {any} */
  let about = null;
  let reading = "", atEnd = true, begun = false, paced = false, wanted = -1, patience = 0;

  // -- the sentences ---------------------------------------------------------------------------------------------
  /** @type {Record<string, {area: HTMLTextAreaElement, below: HTMLElement}>} */
  const fields = Object.fromEntries(SIDES.map((side) => {
    const area = make("textarea", { id: side, rows: 2, maxLength: 1000, spellcheck: false, "aria-describedby": `${side}-below`, value: settings[side] ?? "" });
    area.addEventListener("change", () => read({ [side]: area.value }));
    area.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      read({ [side]: area.value });
    });
    return [side, { area, below: make("div", { id: `${side}-below`, className: "small below" }) }];
  }));
  /** @param {Record<string, string>} changed */
  function read(changed) {
    if (Object.keys(changed).every((name) => changed[name] === frame?.asked[name])) return;
    Object.assign(settings, changed);
    keep(changed);
    talk.say({ do: "ask", what: "read", about: changed });
  }
  const examples = choice(say("Pairs to try"), [["", say("choose a pair …")], ...EXAMPLES.map((pair, i) => /** @type {[string, string]} */ ([String(i), pair.map((one) => one.replaceAll(/[()] ?/g, "").trim()).join(" / ")]))], "", (place) => {
    if (!place) return;
    const [premise, hypothesis] = EXAMPLES[Number(place)];
    fields.premise.area.value = premise;
    fields.hypothesis.area.value = hypothesis;
    read({ premise, hypothesis });
  });
  const watched = choice(say("Watch"), [["premise", say("the first sentence")], ["hypothesis", say("the second sentence")]], settings.shown ?? "premise", (shown) => read({ shown }));
  const parses = choice(say("Read by"), [["predicted", say("the model's own parse")], ["given", say("the given parse, if there is one")]], settings.parses ?? "predicted", (way) => read({ parses: way }));

  /** @param {any} now */
  function showSentences(now) {
    for (const side of SIDES) {
      const { area, below } = fields[side], { given, found, problem, unknown } = now.sentences[side];
      if (document.activeElement !== area || area.value === "") area.value = now.asked[side];
      area.setAttribute("aria-invalid", String(Boolean(problem)));
      const parse = found === null ? "" : given === null ? say("It parses it so: {parse}", { parse: found }) : found === given ? say("Its own parse is the given one.") : say("Its own parse is another: {parse}", { parse: found });
      below.replaceChildren(...(problem ? [make("p", { className: "warn" }, `${say("This cannot be read:")} ${retell(problem)}`)] : [make("p", { className: "muted" }, parse)]),
        ...(unknown.length ? [make("p", { className: "warn" }, say("Unknown: {words}. All unknown words are one and the same to it.", { words: unknown.map((/** @type {string} */ word) => `“${word}”`).join(", ") }))] : []));
    }
    watched.querySelector("select").value = now.asked.shown;
    parses.querySelector("select").value = now.asked.parses;
  }

  // -- the answer ------------------------------------------------------------------------------------------------
  /** @param {any} now */
  function showAnswer(now) {
    const names = { entailment: say("entailment"), neutral: say("neutral"), contradiction: say("contradiction") };
    const meanings = {
      entailment: say("If the first sentence is true, so is the second."), neutral: say("The first sentence leaves the second open."),
      contradiction: say("If the first sentence is true, the second is not."),
    };
    if (!now.likely) {
      likely.replaceChildren();
      rules.textContent = "";
      verdict.textContent = now.begins ? "" : now.learning ? say("It says something as soon as it has begun to learn.") : say("It needs two sentences.");
      return;
    }
    const best = now.labels[now.likely.indexOf(Math.max(...now.likely))];
    likely.replaceChildren(...now.labels.flatMap((/** @type {keyof typeof names} */ label, /** @type {number} */ i) => {
      const fill = make("i", {});
      fill.style.width = `${100 * now.likely[i]}%`;
      return [make("span", { className: label === best ? "best" : "" }, names[label]), make("div", { className: "meter" }, fill), make("span", { className: "share" }, percent(now.likely[i]))];
    }));
    rules.className = now.rules && now.rules !== best ? "warn" : "muted small";
    rules.textContent = !now.rules ? say("The rules of its fragment say nothing here: it guesses from what it learned.") : now.rules === best ? say("The rules of its fragment, which nobody told it, say the same.") : say("It errs: by the rules of its fragment it is {label}.", { label: names[/** @type {keyof typeof names} */ (now.rules)] });
    const guess = SIDES.some((side) => now.sentences[side].unknown.length) ? ` ${say("But with a word that it never met, this is a guess.")}` : "";
    verdict.replaceChildren(make("strong", {}, names[/** @type {keyof typeof names} */ (best)]), ` – ${meanings[/** @type {keyof typeof meanings} */ (best)]}${guess}`);
  }

  // -- learning, and one step in numbers -------------------------------------------------------------------------
  /** @param {any} now */
  function showLearning(now) {
    learning.hidden = !now.learning;
    anew.hidden = Boolean(now.learning || now.begins);
    trouble.textContent = now.trouble ? say("The model that was kept cannot be used, so it learns anew. {reason}", { reason: now.trouble }) : now.learning || now.kept || now.begins ? "" : say("What it learned could not be kept: next time it learns anew.");
    if (!now.learning) return;
    const { epoch, batch, batches, loss, score, pairs, left } = now.learning;
    const bar = make("progress", { max: batches || 1, value: batch, "aria-label": say("Learning") });
    const state = batch ? say("Batch {n} of {total}: loss {loss}.", { n: batch.toLocaleString(), total: batches.toLocaleString(), loss: text(loss) })
      : begun ? say("It writes {n} pairs of sentences, and begins to learn from them; the first batches take longest.", { n: pairs.toLocaleString() })
      : say("It has not learned yet. Press Play: it learns from {n} pairs of sentences, about a minute, and what it learns is kept for next time.", { n: pairs.toLocaleString() });
    learning.replaceChildren(make("h2", {}, say("Learning")), make("p", {}, state,
      epoch ? ` ${say("After epoch {n} it judges {share} % of the pairs rightly that it has never seen.", { n: epoch, share: (100 * score).toFixed(1) })}` : "",
      left === null ? "" : ` ${say("About {left} s are left.", { left: Math.ceil(left) })}`), bar,
      ...(batch ? [make("p", { className: "muted small" }, say("You can pause it. Below you see how it reads by now."))] : []));
  }
  function showStep() {
    step.hidden = !model.get("reading");
    const values = model.get("reading"), moment = model.get("moment");
    if (!values || !step.open) return numbers.replaceChildren();
    const now = values.steps[moment - 1];
    if (!now) return numbers.replaceChildren(make("p", { className: "muted" }, say("Take a step to see what it computes.")));
    numbers.replaceChildren(
      ...Object.entries(now.formulas).flatMap(([name, formula]) => [
        make("p", { className: "formula" }, make("code", {}, `${formula}`), make("span", { className: "muted small" }, `   ${say("shape {shape}", { shape: now.shapes[name].join(" × ") })}`)),
        make("p", { className: "small numbers" }, `${name} = ${now.values[name].slice(0, 8).map((/** @type {number} */ v) => text(v)).join("   ")}${now.values[name].length > 8 ? " …" : ""}`)]),
      ...now.functions.flatMap((/** @type {string} */ name) => [make("h3", {}, say("The code that ran: {name}", { name })), make("pre", { tabIndex: 0, role: "region", "aria-label": say("The code of this step: {name}", { name }) }, make("code", {}, about.sources[name]))]));
  }
  step.addEventListener("toggle", showStep);
  model.on("change:moment", () => { counted(); showStep(); });
  model.on("save:moment", () => {
    atEnd = model.get("moment") === frame?.of;
    if (frame?.learning) return; // until it has learned, playing is learning, and the page alone goes through the steps
    if (frame?.playing) talk.say({ do: "pause" });
    [wanted, patience] = [model.get("moment"), performance.now() + 1000];
    talk.say({ do: "ask", what: "go", about: { moment: wanted } });
  });
  function counted() {
    const total = model.get("reading")?.steps.length ?? 0;
    if (frame.learning) counter.replaceChildren(say("batch"), " ", make("strong", { id: "count" }, String(frame.learning.batch)), ` / ${frame.learning.batches || "…"}`);
    else counter.replaceChildren(say("step"), " ", make("strong", { id: "count" }, String(model.get("moment"))), ` / ${total}`);
  }

  /** @param {any} now @param {any} first */
  function show(now, first) {
    frame = now;
    opening.hidden = !now.begins;
    missing.hidden = !now.missing;
    room.hidden = Boolean(now.missing);
    if (now.missing) {
      missing.replaceChildren(make("h2", {}, say("This room needs PyTorch")), make("p", {}, say("Install it, and start the studio again:")), make("pre", { tabIndex: 0, role: "region", "aria-label": say("command") }, make("code", {}, "pip install 'pellucid[torch]'")), make("p", { className: "muted" }, say("The other rooms need nothing more.")));
      return;
    }
    if (first !== about) {
      about = first;
      source.show(about);
    }
    if (paced !== Boolean(now.learning)) {
      paced = Boolean(now.learning);
      pace(paced ? SPEEDS.length - 1 : SPEED); // it learns as fast as it goes, and reads slowly
    }
    if (settings.anew && now.kept && !now.learning) {
      settings.anew = undefined;
      keep({ anew: undefined }); // it has learned anew, and need not once more
    }
    const number = run.querySelector("input[type=number]");
    if (settings.seed === undefined && document.activeElement !== number) number.value = String(now.seed);
    showLearning(now);
    showSentences(now);
    showAnswer(now);
    words.textContent = now.begins ? "" : now.vocabulary.length ? now.vocabulary.join(" · ") : say("It learns them with its first pairs.");
    const key = JSON.stringify(now.reading);
    if (now.moment === wanted || performance.now() > patience) wanted = -1; // until then frames tell of an earlier step
    const moment = wanted >= 0 ? wanted : now.learning ? (atEnd ? now.of : Math.min(model.get("moment"), now.of)) : now.moment;
    if (key === reading) model.update({ moment });
    else model.update({ reading: now.reading, moment });
    reading = key;
    counted();
    showStep();
  }

  const closing = spinn.render({ model, el: machine });
  const anew = make("div", { className: "row" },
    button(say("Learn anew"), () => { settings.anew = true; start({ anew: true, seed: frame?.seed ?? 0 }, false); }, { id: "anew" }),
    make("span", { className: "muted small" }, say("It forgets what it knows and learns again, from the seed above; what it then knows is kept.")));
  const run = bar(counter, 0, () => frame && !frame.learning && frame.moment === frame.of, () => {
    talk.say({ do: "ask", what: "go", about: { moment: 0 } });
    talk.say({ do: "play" });
  });
  for (const name of ["#play", "#step"]) run.querySelector(name)?.addEventListener("click", () => { begun = true; if (frame) showLearning(frame); });
  const room = make("div", {}, run, anew, trouble, learning,
    make("div", { className: "grid sentences" },
      make("div", { className: "stack" },
        card(say("Two sentences"),
          make("label", { for: "premise", className: "muted" }, say("The first: what is given")), fields.premise.area, fields.premise.below,
          make("label", { for: "hypothesis", className: "muted" }, say("The second: what about this?")), fields.hypothesis.area, fields.hypothesis.below, examples,
          make("p", { className: "muted small" }, say("Write plain words, or a parse with brackets: ( ( every dog ) runs ). Enter reads it."))),
        card(say("What the first says of the second"), likely, verdict, rules),
        make("details", { className: "card", id: "vocabulary" }, make("summary", {}, say("The words that it knows")), words,
          make("p", { className: "muted small" }, say("It learned from sentences of one kind: every, some, no or not every; big, small or neither; a noun; a verb, or does not and a verb. Any other word is read as one unknown word, which it never met while it learned.")))),
      card(say("The machine"), make("div", { className: "row two" }, watched, parses), machine, step)),
    source.node);
  const nodes = [
    make("h1", {}, say("A machine that reads sentences")),
    make("p", { className: "lead" }, say("Words wait in a buffer. SHIFT takes the next one onto the stack; REDUCE makes one of the two uppermost. A tree grows, and at the end one state is left: the sentence. From two of them a small network says what the first tells of the second.")),
    opening, missing, room,
  ];
  room.hidden = true;
  return { nodes, show, answer() {}, close: closing };
}
