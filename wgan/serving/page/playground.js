// The playground: samples, the walk between two, champion against challenger, and news of promotions.

import { drawSeeds, modelFacts, readiness, useKey } from "./api.js";
import { makeBoard } from "./board.js";
import { makeWalk, save } from "./walk.js";

const SAMPLES = 16;
const NEWS_EVERY = 2000;
const element = (id) => document.getElementById(id);

let facts = null;
let shownVersion = null;
let announced = null;
let kept = null;

const walk = makeWalk({ onClose: () => board.clear(), onTrouble: complain });
const board = makeBoard(element("samples"), (chosen) => {
  element("hint").hidden = chosen.length === 2;
  if (chosen.length === 2) walk.open(...chosen);
  else walk.close();
});
const opponent = makeBoard(element("challenger"), () => {});

function complain(error) {
  element("key-form").hidden = error.status !== 401;
  element("trouble").hidden = error.status === 401;
  element("trouble-text").textContent = error.message;
}

function calm() {
  element("trouble").hidden = true;
  element("key-form").hidden = true;
}

function day(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function describe() {
  element("model").textContent = facts.name;
  document.title = `${facts.name} · version ${facts.version}`;
  const fid = facts.metrics.fid ? `, Fréchet distance ${facts.metrics.fid.mean.toPrecision(3)}` : "";
  element("origin").textContent =
    `${facts.alias} is version ${facts.version}, served since ${day(facts.since)}${fid}; ` +
    `trained on ${facts.data_set.count.toLocaleString()} images of ${facts.data_set.name}`;
  element("compare-choice").hidden = facts.challenger === null;
  if (facts.challenger === null) element("compare").checked = false;
}

async function draw() {
  const field = element("seed");
  if (!field.reportValidity()) return;
  const first = Number(field.value);
  const seeds = Array.from({ length: SAMPLES }, (_, index) => first + index);
  board.busy();
  try {
    const drawn = await drawSeeds(seeds);
    if (facts === null || facts.version !== drawn.version) facts = await modelFacts();
    describe();
    board.show(seeds, drawn, facts.name);
    shownVersion = drawn.version;
    element("samples-version").textContent = `version ${drawn.version} · seeds ${first} to ${first + SAMPLES - 1}`;
    if (announced === drawn.version) element("news").hidden = true;
    await drawOpponent();
    calm();
  } catch (error) {
    board.idle();
    complain(error);
  }
}

async function drawOpponent() {
  const wanted = element("compare").checked;
  element("challenger-board").hidden = !wanted;
  element("samples-title").textContent = wanted ? "Champion" : "Samples";
  if (!wanted) return;
  opponent.busy();
  const seeds = board.seeds();
  const drawn = await drawSeeds(seeds, "challenger");
  opponent.show(seeds, drawn, facts.name);
  element("challenger-version").textContent = `version ${drawn.version} · the same seeds`;
}

async function lookForNews() {
  if (document.hidden) return;
  try {
    const state = await readiness();
    if (!state.ready) throw new Error(state.reason ?? "There is no model to draw with yet.");
    if (shownVersion === null) {
      await draw();
    } else if (state.version !== shownVersion && state.version !== kept) {
      announced = state.version;
      element("news-text").textContent = `Version ${state.version} is live; these pictures are version ${shownVersion}'s.`;
      element("news").hidden = false;
    } else {
      const challenger = state.aliases.challenger?.serving ?? null;
      if (facts && challenger !== facts.challenger) {
        facts = await modelFacts();
        describe();
      }
      if (state.version === shownVersion) element("news").hidden = true;
    }
    if (element("key-form").hidden) calm();
  } catch (error) {
    complain(error);
  }
}

// All pictures of the board as one PNG, drawn here, so that it is exactly what is seen.
async function download() {
  const images = await Promise.all(board.sources().map(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    return image;
  }));
  if (!images.length) return;
  const size = images[0].naturalWidth;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * 4;
  const context = canvas.getContext("2d");
  images.forEach((image, index) => context.drawImage(image, (index % 4) * size, Math.floor(index / 4) * size));
  canvas.toBlob((blob) => save(blob, `${facts.name}-v${shownVersion}-seed-${element("seed").value}.png`));
}

element("controls").addEventListener("submit", (event) => { event.preventDefault(); draw(); });
element("shuffle").addEventListener("click", () => {
  element("seed").value = crypto.getRandomValues(new Uint32Array(1))[0];
  draw();
});
element("compare").addEventListener("change", () => drawOpponent().catch(complain));
element("download").addEventListener("click", download);
element("news-show").addEventListener("click", draw);
element("news-keep").addEventListener("click", () => { kept = announced; element("news").hidden = true; });
element("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(element("key").value);
  draw();
});

lookForNews();
setInterval(lookForNews, NEWS_EVERY);
