// The walk between two chosen pictures; with a challenger, both versions go the same way beside each other.

import { walkFile, walkFrames } from "./api.js";
import { offerScales } from "./scales.js";

const FRAMES = 24;
const FRAMES_PER_SECOND = 12;
const element = (id) => document.getElementById(id);

export function makeWalk({ onClose, onTrouble }) {
  const slider = element("walk-position");
  const play = element("walk-play");
  let current = null;
  let asked = 0;
  let timer = null;
  let forwards = true;
  slider.max = FRAMES - 1;

  function show() {
    const { from, to, champion, challenger } = current;
    const position = Number(slider.value);
    const share = Math.round((100 * position) / (FRAMES - 1));
    const way = `${share} percent of the way from seed ${from.seed} to seed ${to.seed}`;
    element("walk-picture").src = champion.sources[position];
    element("walk-picture").alt = challenger ? `Champion, ${way}` : way;
    element("walk-caption").textContent = `${challenger ? "champion, " : ""}version ${champion.version} · ${share} %`;
    element("walk-challenger").hidden = challenger === null;
    if (challenger) {
      element("walk-challenger-picture").src = challenger.sources[position];
      element("walk-challenger-picture").alt = `Challenger, ${way}`;
      element("walk-challenger-caption").textContent = `challenger, version ${challenger.version} · ${share} %`;
    }
    slider.setAttribute("aria-valuetext", `${share} percent of the way`);
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  // To and fro, as the animation that can be downloaded loops.
  function step() {
    const position = Number(slider.value);
    if (position >= FRAMES - 1) forwards = false;
    if (position <= 0) forwards = true;
    slider.value = position + (forwards ? 1 : -1);
    show();
  }

  // `facts` are the model's; `scrolls`: somebody chose the ends and wants to see what is between them.
  async function open(from, to, facts, scrolls) {
    const mine = asked += 1;
    const ask = (alias) => walkFrames(facts.name, from.seed, to.seed, FRAMES, alias);
    let champion, challenger;
    try {
      [champion, challenger] = await Promise.all([
        ask(facts.alias), facts.challenger === null ? null : ask("challenger").catch(() => null),
      ]);
      if (mine !== asked) return;
      current = { from, to, champion, challenger, facts };
    } catch (error) {
      if (mine === asked) onTrouble(error);
      return;
    }
    element("walk-from").src = champion.sources[0];
    element("walk-from").alt = `Start: seed ${from.seed}`;
    element("walk-to").src = champion.sources.at(-1);
    element("walk-to").alt = `End: seed ${to.seed}`;
    const { channels, image_size: side, max_values: most } = facts;
    offerScales(element("walk-scale"), side, (scale) => FRAMES * channels * (side * scale) ** 2 <= most);
    slider.value = 0;
    element("walk").hidden = false;
    element("hint").textContent =
      `From seed ${from.seed} to seed ${to.seed}${challenger ? ", both versions with the same latents" : ""}. ` +
      "Choose two other pictures for another walk.";
    show();
    if (scrolls) element("walk").scrollIntoView({ block: "nearest" });
  }

  function close() {
    asked += 1;
    current = null;
    pause();
    element("walk").hidden = true;
    element("hint").textContent = "Choose two pictures to walk from one to the other.";
  }

  slider.addEventListener("input", () => { pause(); if (current) show(); });
  play.addEventListener("click", () => {
    if (timer !== null) { pause(); return; }
    play.textContent = "Pause";
    timer = setInterval(() => { if (current && !document.hidden) step(); }, 1000 / FRAMES_PER_SECOND);
  });
  element("walk-close").addEventListener("click", () => { close(); onClose(); });
  element("walk-download").addEventListener("click", async () => {
    if (!current) return;
    const { from, to, facts } = current;
    const scale = element("walk-scale").value;
    try {
      const file = await walkFile(facts.name, from.seed, to.seed, FRAMES, facts.alias, scale);
      save(file, `walk-${from.seed}-${to.seed}.webp`);
    } catch (error) {
      onTrouble(error);
    }
  });
  return { open, close };
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
