// The front page: every model with its champion's pictures, what is on the way, retrainings and schedules. Read-only.

import { ask, drawSeeds } from "./api.js";
import { hideTrouble, onKey, showTrouble } from "./trouble.js";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const EVERY = 5000;
const GOOD = ["Completed"];
const BAD = ["Failed", "Crashed", "TimedOut", "Forbidden"];
const OPEN = ["Running", "Pending", "Paused", "Suspended", "AwaitingRetry", "Retrying", "AwaitingConcurrencySlot"];
const element = (id) => document.getElementById(id);
const pictures = new Map();  // model → the element with its champion's pictures
let shown = "";
let looking = false;

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const link = (href, text) => make("a", { href, textContent: text, rel: "noreferrer" });
const day = (time) => new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
const kind = (state) => (GOOD.includes(state) ? "good" : BAD.includes(state) ? "bad" : OPEN.includes(state) ? "open" : "");
const badge = (state) => make("span", { className: `state ${kind(state)}`, textContent: state });
const quiet = (text) => make("span", { className: "quiet", textContent: text });

function took(began, ended) {
  const seconds = Math.round((new Date(ended) - new Date(began)) / 1000);
  return seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function list(title, entries, empty, tag = "ul") {
  return [make("h3", { textContent: title }), entries.length ? make(tag, {}, ...entries) : quiet(empty)];
}

function retraining(run) {
  const when = run.began ? `${day(run.began)}${run.ended ? `, took ${took(run.began, run.ended)}` : ""}` : "not started yet";
  const message = run.message ? [make("span", { className: "message", textContent: run.message })] : [];
  return make("li", {}, badge(run.state), link(run.page, run.name), " ", quiet(when), ...message);
}

function waiting(version) {
  const until = version.until ? ` The wait ends by itself at ${day(version.until)}.` : "";
  const since = version.since ? ` since ${day(version.since)}` : "";
  const waits = make("span", { className: "message", textContent: `Waits for ${version.waits_for}.${until}` });
  return make("li", {}, badge(version.stage), link(version.page, `version ${version.version}`), quiet(since), waits);
}

function schedule(entry) {
  const next = entry.paused ? "paused" : entry.next_run ? `next ${day(entry.next_run)}` : "no run is due";
  return make("li", {}, link(entry.page, entry.name), " ", quiet(`${entry.when} · ${next}`));
}

// The pictures of a served version; they stay until another version is served.
function picturesOf(model) {
  const known = pictures.get(model.name);
  if (known?.dataset.version === String(model.version)) return known;
  const grid = make("div", { className: "pictures" });
  grid.dataset.version = model.version;
  grid.append(...SEEDS.map(() => make("img", { alt: "" })));
  pictures.set(model.name, grid);
  drawSeeds(model.name, SEEDS, "champion").then((drawn) => {
    [...grid.children].forEach((image, index) => {
      image.src = drawn.sources[index];
      image.alt = `Sample of seed ${SEEDS[index]}, ${model.name} version ${drawn.versions[index]}`;
    });
  }).catch(() => pictures.delete(model.name));  // the next look tries again
  return grid;
}

function article(model) {
  const since = model.since ? `, champion since ${day(model.since)}` : model.loaded ? `, served since ${day(model.loaded)}` : "";
  const previous = model.previous ? ` A rollback returns to version ${model.previous}.` : "";
  const state = model.version === null ? model.reason : `Version ${model.version}${since}.${previous}`;
  const running = model.retrainings.filter((run) => OPEN.includes(run.state));
  const over = model.retrainings.filter((run) => !OPEN.includes(run.state));
  const links = [link(model.model_page, "Model")];
  if (model.version_page) links.push(link(model.version_page, `Version ${model.version}`));
  if (model.run_page) links.push(link(model.run_page, "Its run"));
  const title = model.version === null ? model.name : link(`playground?model=${encodeURIComponent(model.name)}`, model.name);
  const text = make("div", {},
    make("h2", {}, title),
    make("p", { textContent: state }),
    make("p", { className: "links" }, ...links),
    ...list("On the way", [...model.on_its_way.map(waiting), ...running.map(retraining)], "Nothing."),
    ...list("Last retrainings", over.map(retraining), "None that Prefect knows.", "ol"),
    ...list("Schedules", model.schedules.map(schedule), "None."));
  const made = make("article", { className: "panel model" });
  made.dataset.model = model.name;
  made.append(model.version === null ? make("div", { className: "pictures" }) : picturesOf(model), text);
  return made;
}

function show(overview) {
  element("mlflow").href = overview.mlflow;
  element("prefect").href = overview.prefect;
  element("asked").textContent = overview.asked ? `As of ${new Date(overview.asked).toLocaleTimeString()}` : "";
  element("problems").replaceChildren(...overview.problems.map((text) => make("li", { textContent: text })));
  element("problems").hidden = !overview.problems.length;
  const content = JSON.stringify(overview.models);
  const complete = overview.models.every((model) => model.version === null || pictures.has(model.name));
  if (content === shown && complete) return;  // nothing moves under the reader's eyes
  shown = content;
  const main = element("models");
  main.replaceChildren(...overview.models.map(article));
  if (!overview.models.length) main.append(quiet("No model has a champion yet, and none is being trained."));
  main.setAttribute("aria-busy", "false");
}

async function look() {
  if (document.hidden || looking) return;
  looking = true;
  try {
    show(await ask("v1/overview"));
    hideTrouble();
  } catch (error) {
    showTrouble(error);
  } finally {
    looking = false;
  }
}

onKey(look);
document.addEventListener("visibilitychange", look);
setInterval(look, EVERY);
look();
