// The playground: samples, the walk between two, champion against challenger, and news of promotions.

import { drawSeeds, modelFacts, readiness } from "./api.js";
import { makeBoard } from "./board.js";
import { offerScales } from "./scales.js";
import { asksForKey, hideTrouble, onKey, showTrouble } from "./trouble.js";
import { makeWalk, save } from "./walk.js";

const SAMPLES = 16;
const COLUMNS = 4;
const NEWS_EVERY = 2000;
const element = (id) => document.getElementById(id);

let model = new URLSearchParams(location.search).get("model");
let alias = "champion";
let facts = null;
let shownVersion = null;
let announced = null;
let kept = null;
let looking = false;
let versions = [];  // that drew the samples

const walk = makeWalk({ onClose: () => board.clear(), onTrouble: showTrouble });
const board = makeBoard(element("samples"), (chosen, byHand) => {
  if (chosen.length === 2) walk.open(...chosen, facts, byHand);
  else walk.close();
});
const opponent = makeBoard(element("challenger"), () => {});

function day(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function challengerText({ challenger, canary_percent: share }) {
  if (challenger === null) return "none";
  return share ? `version ${challenger}, draws ${share} % of the requests` : `version ${challenger}`;
}

function describe() {
  element("model").textContent = facts.name;
  document.title = `${facts.name} · version ${facts.version}`;
  const { fid } = facts.metrics;
  const images = `${facts.data_set.count.toLocaleString()} images of ${facts.data_set.name}`;
  element("origin").textContent =
    `${facts.alias} is version ${facts.version}, served since ${day(facts.since)}; trained on ${images}`;
  const rows = {
    "Version": `${facts.version} (${facts.alias})`,
    "Challenger": challengerText(facts),
    "Registered": day(facts.registered),
    "Trained on": images,
    "Steps": facts.lineage.generator_steps.toLocaleString(),
    ...(fid ? { "Fréchet distance": `${fid.mean.toPrecision(3)} (${fid.low.toPrecision(3)} to ${fid.high.toPrecision(3)})` } : {}),
    "Images": `${facts.image_size}×${facts.image_size}, ${facts.channels === 1 ? "grey" : "colour"}`,
    "Noise": `${facts.latent_dim} numbers`,
  };
  element("facts").replaceChildren(...Object.entries(rows).map(([name, value]) => {
    const [pair, term, meaning] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    [term.textContent, meaning.textContent] = [name, value];
    pair.append(term, meaning);
    return pair;
  }));
  offerScales(element("scale"), COLUMNS * facts.image_size);
  element("compare-choice").hidden = facts.challenger === null;
  if (facts.challenger === null) element("compare").checked = false;
}

async function draw() {
  const field = element("seed");
  if (model === null || !field.reportValidity()) return;
  const [mine, first] = [model, Number(field.value)];
  const seeds = Array.from({ length: SAMPLES }, (_, index) => first + index);
  board.busy();
  try {
    let found = facts?.name === mine ? facts : await modelFacts(mine, alias);
    // In a canary, what every client gets; beside the challenger's own samples, the champion's alone.
    const shared = found.canary_percent > 0 && !element("compare").checked;
    const drawn = await drawSeeds(mine, seeds, shared ? null : alias);
    const known = [found.version, ...(shared ? [found.challenger] : [])];
    const changed = !drawn.versions.every((one) => known.includes(one)) || !drawn.versions.includes(found.version);
    if (changed) found = await modelFacts(mine, alias);  // the champion no longer draws what it drew
    if (mine !== model) return;  // another was chosen meanwhile
    facts = found;
    if (shared && !facts.canary_percent) return await draw();  // it has just ended
    describe();
    board.show(seeds, drawn, facts.name, shared ? facts.challenger : null);
    shownVersion = facts.version;
    versions = [...new Set(drawn.versions)].sort((one, two) => one - two);
    element("samples-version").textContent = `${whoDrew(drawn, shared)} · seeds ${first} to ${first + SAMPLES - 1}`;
    if (announced === shownVersion) element("news").hidden = true;
    board.chooseEnds();
    await drawOpponent();
    hideTrouble();
  } catch (error) {
    board.idle();
    showTrouble(error);
  }
}

function whoDrew(drawn, shared) {
  if (!shared) return `version ${drawn.versions[0]}`;
  const share = drawn.versions.filter((one) => one === facts.challenger).length;
  return `version ${facts.version}; version ${facts.challenger} drew ${share} of ${SAMPLES}`;
}

async function drawOpponent() {
  const wanted = element("compare").checked;
  element("challenger-board").hidden = !wanted;
  element("layout").classList.toggle("comparing", wanted);
  element("samples-title").textContent = wanted ? "Champion" : "Samples";
  if (!wanted) return;
  opponent.busy();
  const seeds = board.seeds();
  const drawn = await drawSeeds(model, seeds, "challenger");
  opponent.show(seeds, drawn, facts.name);
  element("challenger-version").textContent = `version ${drawn.versions[0]} · the same seeds`;
}

// Offer the models; stay with the one that was chosen, or begin with the default.
function offerModels(state) {
  const names = state.models.map((one) => one.name);
  if (!names.includes(model)) use(state.model);
  element("chooser").hidden = names.length < 2;
  const choice = element("model-choice");
  const texts = state.models.map((one) => (one.ready ? one.name : `${one.name} (nothing to draw with yet)`));
  if ([...choice.options].some((option, index) => option.text !== texts[index]) || choice.length !== names.length) {
    choice.replaceChildren(...names.map((name, index) => new Option(texts[index], name)));
  }
  choice.value = model ?? "";
  return state.models.find((one) => one.name === model);
}

function use(name) {
  model = name;
  facts = shownVersion = announced = kept = null;
  element("news").hidden = true;
  walk.close();  // another model's until new frames are there
}

async function lookForNews() {
  if (document.hidden || looking) return;
  looking = true;
  try {
    const state = await readiness();
    const mine = offerModels(state);
    if (!mine?.ready) throw new Error(mine?.reason ?? state.reason ?? "There is no model to draw with yet.");
    alias = mine.alias;
    if (shownVersion === null) {
      await draw();
    } else if (mine.version !== shownVersion && mine.version !== kept) {
      announced = mine.version;
      element("news-text").textContent = `Version ${mine.version} is live; these pictures are version ${shownVersion}'s.`;
      element("news").hidden = false;
    } else {
      const challenger = mine.aliases.challenger?.serving ?? null;
      const share = mine.canary_percent;
      if (facts && (challenger !== facts.challenger || share !== facts.canary_percent)) {
        const moves = share !== facts.canary_percent && mine.version === shownVersion;
        facts = await modelFacts(model, alias);
        describe();
        if (moves) await draw();
        else board.chooseAgain();
      }
      if (mine.version === shownVersion) element("news").hidden = true;
    }
    if (!asksForKey()) hideTrouble();
  } catch (error) {
    showTrouble(error);
  } finally {
    looking = false;
  }
}

// All pictures of the board as one PNG, made here, so that it is exactly what is seen, each pixel enlarged.
async function download() {
  const images = await Promise.all(board.sources().map(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    return image;
  }));
  if (!images.length) return;
  const size = images[0].naturalWidth * Number(element("scale").value);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size * COLUMNS;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  images.forEach((image, index) => {
    context.drawImage(image, (index % COLUMNS) * size, Math.floor(index / COLUMNS) * size, size, size);
  });
  canvas.toBlob((blob) => save(blob, `${facts.name}-v${versions.join("-v")}-seed-${board.seeds()[0]}.png`));
}

element("controls").addEventListener("submit", (event) => { event.preventDefault(); draw(); });
element("shuffle").addEventListener("click", () => {
  element("seed").value = crypto.getRandomValues(new Uint32Array(1))[0];
  draw();
});
element("model-choice").addEventListener("change", (event) => {
  use(event.target.value);
  history.replaceState(null, "", `?model=${encodeURIComponent(model)}`);
  lookForNews();
});
element("compare").addEventListener("change", () => {
  if (facts.canary_percent > 0) draw();
  else drawOpponent().catch(showTrouble);
});
element("download").addEventListener("click", download);
element("news-show").addEventListener("click", draw);
element("news-keep").addEventListener("click", () => { kept = announced; element("news").hidden = true; });
onKey(draw);

lookForNews();
setInterval(lookForNews, NEWS_EVERY);
