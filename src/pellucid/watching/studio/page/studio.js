// The studio's frame: rooms, language, light and dark, the link that restores a room, and the exported script.
import { button, choice, seed, slider, SPEEDS, speedWords } from "./controls.js";
import { Talk } from "./talk.js";
import { make, retell, say, speak } from "./views/paint.js";

/** @type {Record<string, () => Promise<any>>} */
const ROOMS = {
  neuron: () => import("./rooms/neuron.js"),
  playground: () => import("./rooms/playground.js"),
  digits: () => import("./rooms/digits.js"),
  hopfield: () => import("./rooms/hopfield.js"),
  rbm: () => import("./rooms/rbm.js"),
  sentences: () => import("./rooms/sentences.js"),
};

const place = /** @type {HTMLElement} */ (document.getElementById("room"));
const live = /** @type {HTMLElement} */ (document.getElementById("live"));
const top_ = /** @type {HTMLElement} */ (document.getElementById("top"));
let language = stored("language") ?? (document.documentElement.dataset.language || (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"));
let theme = stored("theme") ?? "";
let name = "playground", settings = /** @type {any} */ ({}), playing = false, speed = 4;
/** @type {any} */
let room = null, about = /** @type {any} */ ({}), frame = /** @type {any} */ (null), scheduled = false, drawn = 0, telling = 0;
/** The number of what was opened last: what is said of a room before it is let go. */
let run = 0, entering = 0;

/** @param {string} key */
function stored(key) {
  try { return localStorage.getItem(`pellucid-${key}`); } catch { return null; }
}
/** @param {string} key @param {string} value */
function store(key, value) {
  try { localStorage.setItem(`pellucid-${key}`, value); } catch { /* the choice lasts as long as the page */ }
}

const talk = new Talk((message) => {
  if (message.connected) return connected(message.again);
  if (message.lost) return lost(message);
  if (message.run !== undefined && message.run !== run) return;
  if (message.playing !== undefined && message.playing !== playing) setPlaying(message.playing);
  if (message.busy) return busy(message);
  if (message.unopened) return tell(say("This room is not open, since its settings were refused. Change them, or choose the room above: so it opens as it usually does."));
  if (message.refused) return tell(retell(message.said ?? message.refused));
  if (message.failed) return tell(say("Something went wrong in this room ({name}). Reset starts it anew.", { name: message.failed }));
  if (message.reply === "export") return showScript(message.script);
  if (message.reply) return room?.answer(message);
  if (message.formulas) about = message;
  frame = message;
  if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(show);
  }
});

function show() {
  scheduled = false;
  if (!room || !frame) return;
  room.show(frame, about);
  place.dataset.frames = String(++drawn);
  place.dataset.ready = String(!frame.begins);
}

/** @param {string} text @param {boolean} [stays] until something else is told */
function tell(text, stays = false) {
  live.textContent = text;
  clearTimeout(telling);
  if (!stays) telling = window.setTimeout(() => { live.textContent = ""; }, 7000);
}

/** The line to the studio is open: the room with it, since the studio knows nothing of the one before. @param {boolean} again */
function connected(again) {
  if (module) start({}, playing && !again);
  if (again) tell(say("The studio is there again. The room begins anew, as it was set."));
}
/** @param {{trying: boolean, full?: boolean}} how */
function lost({ trying, full }) {
  setPlaying(false);
  if (full) return; // it was told why
  if (trying) tell(say("There is no connection to the studio. Trying again …"), true);
  else tell(say("The studio cannot be reached. If it was closed, start it again and load its new page; else press any button to try again."), true);
}
/** What was said last was not taken. @param {{of?: string, pages?: number}} what */
function busy({ of, pages }) {
  if (pages !== undefined) return tell(say("The studio has at most {n} pages open at a time. Close another one.", { n: pages }), true);
  if (of === "open") return void setTimeout(start, 300, {}, playing);
  if (of === "speed") return void setTimeout(sendSpeed, 300);
  setPlaying(false); // if it does play, the next picture says so
  tell(say("The studio is busy; try again in a moment."));
}

/** Open the room anew with these settings. @param {any} changed @param {boolean} [play] */
function start(changed = {}, play = playing) {
  settings = { ...settings, ...changed };
  remember();
  frame = null;
  playing = play;
  sendSpeed();
  talk.say({ do: "open", run: ++run, room: name, settings, play });
  setPlaying(play);
}
/** Change settings that need no new beginning. @param {any} changed */
function keep(changed) {
  settings = { ...settings, ...changed };
  remember();
}
function sendSpeed() {
  talk.say({ do: "speed", speed: SPEEDS[speed], frames: 60 });
}
function remember() {
  const text = btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(settings)))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  history.replaceState(null, "", `#${name}${Object.keys(settings).length ? `/${text}` : ""}`);
}
/** Return the room that the address names, and its settings. @returns {[string, any]} */
function recall() {
  const [asked, text] = location.hash.slice(1).split("/"), known = Object.hasOwn(ROOMS, asked) ? asked : name;
  try {
    if (text) return [known, JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))))];
  } catch {
    tell(say("This link is damaged; the room opens as it usually does."));
  }
  return [known, {}];
}

/** @param {boolean} now */
function setPlaying(now) {
  playing = now;
  const knob = document.getElementById("play");
  if (knob) knob.textContent = now ? say("Pause") : say("Play");
}

/** Run at another speed. @param {number} step of the slider */
function pace(step) {
  speed = step;
  const knob = /** @type {HTMLInputElement | null} */ (place.querySelector(".bar input[type=range]"));
  if (knob) {
    knob.value = String(step);
    knob.dispatchEvent(new Event("input"));
  }
  sendSpeed();
}

/** The bar that every room has. @param {Node} counter @param {number} usual the seed where none was chosen @param {() => boolean} [ended] whether playing means beginning again @param {() => void} [again] which is so done */
function bar(counter, usual, ended = () => false, again = () => start({}, true)) {
  const play = button(playing ? say("Pause") : say("Play"), () => {
    if (!playing && ended()) return again();
    setPlaying(!playing);
    talk.say({ do: playing ? "play" : "pause" });
  }, { id: "play", className: "main" });
  const step = button(say("Step"), () => {
    setPlaying(false);
    talk.say({ do: "step" });
  }, { id: "step" });
  return make("div", { className: "bar", role: "group", "aria-label": say("Run") },
    play, step, button(say("Reset"), () => start({}, false), { id: "reset" }),
    slider(say("Speed"), { low: 0, high: SPEEDS.length - 1, step: 1, value: speed }, (value) => { speed = value; sendSpeed(); }, speedWords),
    seed(say("Seed"), settings.seed ?? usual, (value) => start({ seed: value })), counter,
    button(say("Export Python"), () => talk.say({ do: "ask", what: "export" }), { id: "export" }),
    button(say("Copy link"), copyLink));
}
/** Copy what stands behind # in the address: before it stands this studio's secret. */
async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.hash);
    tell(say("Copied: what stands in the address from # on. Behind the address of any studio it opens this room, as it is set."));
  } catch {
    tell(say("It cannot be copied here: it is what stands in the address bar from # on."));
  }
}

/** @param {string} script */
function showScript(script) {
  const dialog = make("dialog", { "aria-label": say("Export Python") },
    make("h2", {}, say("This program comes to what is on the screen")), make("pre", { tabIndex: 0, role: "region", "aria-label": "Python" }, make("code", { id: "script" }, script)),
    make("div", { className: "row" },
      button(say("Copy"), () => navigator.clipboard?.writeText(script), { className: "main" }), button(say("Close"), () => dialog.close())));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function buildTop() {
  const titles = {
    neuron: say("Neuron"),
    playground: say("Playground"),
    digits: say("Digits"),
    hopfield: say("Hopfield network"),
    rbm: say("Boltzmann machine"),
    sentences: say("Sentences"),
  };
  const tabs = Object.entries(titles).map(([key, title]) =>
    make("a", { className: "tab", href: `#${key}`, ...(key === name ? { "aria-current": "page" } : {}) }, title));
  const themes = choice(say("Appearance"), [["", say("as the system")], ["light", say("light")], ["dark", say("dark")]], theme, (value) => {
    theme = value;
    store("theme", value);
    dress();
  });
  const other = button(language === "zh" ? "English" : "中文", async () => {
    language = language === "zh" ? "en" : "zh";
    store("language", language);
    await listen();
    build();
  }, { id: "language", lang: language === "zh" ? "en" : "zh-Hans" });
  top_.replaceChildren(make("span", { className: "name" }, "Pellucid"), make("nav", { "aria-label": say("Rooms") }, ...tabs), make("div", { className: "rest" }, themes, other));
  document.title = `${titles[/** @type {keyof typeof titles} */ (name)]} · Pellucid`;
}
function dress() {
  if (theme) document.body.dataset.theme = theme;
  else delete document.body.dataset.theme;
  window.dispatchEvent(new Event("pellucid:appearance"));
}
async function listen() {
  speak(language === "zh" ? await (await fetch("zh.json")).json() : null);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  /** @type {HTMLElement} */ (document.querySelector(".skip")).textContent = say("Skip to the room");
}

/** Build the page's text and controls, and show the last frame in them again. */
function build() {
  buildTop();
  room?.close();
  room = module.open({ settings, start, keep, talk, bar, tell, pace });
  place.replaceChildren(...room.nodes);
  setPlaying(playing);
  if (frame) show();
}
/** @type {any} */
let module = null;

async function enter() {
  const mine = ++entering, [asked, wanted] = recall(), found = await ROOMS[asked]();
  if (mine !== entering) return; // another room was asked for meanwhile
  [name, settings, module] = [asked, wanted, found];
  speed = module.SPEED ?? 4;
  frame = null;
  playing = false;
  build();
  start({}, false);
}
window.addEventListener("hashchange", enter);
dress();
await listen();
await enter();
