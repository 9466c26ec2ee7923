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
let room = null, about = /** @type {any} */ ({}), frame = /** @type {any} */ (null), scheduled = false, drawn = 0, run = 0;

/** @param {string} key */
function stored(key) {
  try { return localStorage.getItem(`pellucid-${key}`); } catch { return null; }
}
/** @param {string} key @param {string} value */
function store(key, value) {
  try { localStorage.setItem(`pellucid-${key}`, value); } catch { /* the choice lasts as long as the page */ }
}

const talk = new Talk((message) => {
  if (message.closed) return tell(say("The studio has closed. Start it again, and load the new page."));
  if (message.refused || message.busy) return tell(message.refused ? retell(message.said ?? message.refused) : say("The studio is busy; try again in a moment."));
  if (message.failed) return tell(say("Something went wrong in this room ({name}). Reset starts it anew.", { name: message.failed }));
  if (message.reply === "export") return showScript(message.script);
  if (message.reply) return room?.answer(message);
  if (message.formulas) about = message;
  frame = message;
  if (playing && !message.playing && message.frame) setPlaying(false);
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
  place.dataset.ready = "true";
}

/** @param {string} text */
function tell(text) {
  live.textContent = text;
  clearTimeout(run);
  run = window.setTimeout(() => { live.textContent = ""; }, 7000);
}

/** Open the room anew with these settings. @param {any} changed @param {boolean} [play] */
function start(changed = {}, play = playing) {
  settings = { ...settings, ...changed };
  remember();
  frame = null;
  playing = play;
  sendSpeed();
  talk.say({ do: "open", room: name, settings, play });
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
function recall() {
  const [asked, text] = location.hash.slice(1).split("/");
  if (Object.hasOwn(ROOMS, asked)) name = asked;
  settings = {};
  try {
    if (text) settings = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0))));
  } catch {
    tell(say("This link is damaged; the room opens as it usually does."));
  }
}

/** @param {boolean} now */
function setPlaying(now) {
  playing = now;
  const knob = document.getElementById("play");
  if (knob) knob.textContent = now ? say("Pause") : say("Play");
}

/** The bar that every room has. @param {Node} counter @param {number | null} usual the seed where none was chosen; null: the room has none @param {() => boolean} [ended] whether playing means starting anew */
function bar(counter, usual, ended = () => false) {
  const play = button(playing ? say("Pause") : say("Play"), () => {
    if (!playing && ended()) return start({}, true);
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
    ...(usual === null ? [] : [seed(say("Seed"), settings.seed ?? usual, (value) => start({ seed: value }))]), counter,
    button(say("Export Python"), () => talk.say({ do: "ask", what: "export" }), { id: "export" }),
    button(say("Copy link"), copyLink));
}
async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    tell(say("The link to this room, as it is set, is copied."));
  } catch {
    tell(say("The link to this room, as it is set, is in the address bar."));
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
  room = module.open({ settings, start, keep, talk, bar, tell });
  place.replaceChildren(...room.nodes);
  setPlaying(playing);
  if (frame) show();
}
/** @type {any} */
let module = null;

async function enter() {
  recall();
  module = await ROOMS[name]();
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
