// The walk between two chosen pictures.

import { walkFile, walkFrames } from "./api.js";

const FRAMES = 24;
const element = (id) => document.getElementById(id);

export function makeWalk({ onClose, onTrouble }) {
  const section = element("walk");
  const slider = element("walk-position");
  let current = null;
  slider.max = FRAMES - 1;

  function show() {
    const { from, to, drawn } = current;
    const position = Number(slider.value);
    const share = Math.round((100 * position) / (FRAMES - 1));
    element("walk-picture").src = drawn.sources[position];
    element("walk-picture").alt = `${share} percent of the way from seed ${from.seed} to seed ${to.seed}`;
    element("walk-caption").textContent = `${share} % · version ${drawn.version}`;
    slider.setAttribute("aria-valuetext", `${share} percent of the way`);
  }

  async function open(from, to) {
    current = null;
    try {
      const drawn = await walkFrames(from.seed, to.seed, FRAMES);
      current = { from, to, drawn };
    } catch (error) {
      onTrouble(error);
      return;
    }
    element("walk-from").src = from.source;
    element("walk-from").alt = `Start: seed ${from.seed}`;
    element("walk-to").src = to.source;
    element("walk-to").alt = `End: seed ${to.seed}`;
    slider.value = 0;
    section.hidden = false;
    show();
    section.scrollIntoView({ block: "nearest" });
  }

  function close() {
    current = null;
    section.hidden = true;
  }

  slider.addEventListener("input", () => current && show());
  element("walk-close").addEventListener("click", () => { close(); onClose(); });
  element("walk-download").addEventListener("click", async (event) => {
    event.preventDefault();
    if (!current) return;
    try {
      const { from, to } = current;
      save(await walkFile(from.seed, to.seed, FRAMES), `walk-${from.seed}-${to.seed}.webp`);
    } catch (error) {
      onTrouble(error);
    }
  });
  element("walk-download").href = "#walk";
  return { open, close };
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
