// A board: a grid of pictures of consecutive seeds, of which two can be chosen; `onChoice` hears which, and whether a person chose them.

export function makeBoard(grid, onChoice) {
  let seeds = [];
  let chosen = [];

  const cells = () => [...grid.querySelectorAll(".cell")];

  function mark() {
    cells().forEach((cell, index) => {
      const place = chosen.indexOf(index);
      cell.setAttribute("aria-pressed", String(place >= 0));
      cell.dataset.mark = place >= 0 ? "AB"[place] : "";
    });
  }

  const picked = () => chosen.map((one) => ({ seed: seeds[one] }));

  function choose(index) {
    chosen = chosen.includes(index) ? chosen.filter((one) => one !== index) : [...chosen, index].slice(-2);
    mark();
    onChoice(picked(), true);
  }

  // Arrow keys walk through the grid, as in any grid; Tab reaches it once.
  function move(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -4, ArrowDown: 4, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    const all = cells();
    const here = all.indexOf(document.activeElement);
    const target = Math.max(0, Math.min(all.length - 1, here + steps[event.key]));
    event.preventDefault();
    all.forEach((cell, index) => { cell.tabIndex = index === target ? 0 : -1; });
    all[target].focus();
  }

  grid.addEventListener("keydown", move);

  return {
    // `challenger` is the version that draws a share of them; null: none does.
    show(newSeeds, drawn, name, challenger = null) {
      seeds = newSeeds;
      chosen = [];
      const hadFocus = grid.contains(document.activeElement);
      grid.replaceChildren(...drawn.sources.map((source, index) => {
        const cell = document.createElement("button");
        cell.type = "button";
        cell.className = "cell";
        cell.tabIndex = index === 0 ? 0 : -1;
        const version = drawn.versions[index];
        cell.title = `seed ${seeds[index]}`;
        if (challenger !== null) {
          cell.title += `, version ${version}`;
          cell.dataset.version = `v${version}`;
          cell.classList.toggle("challengers", version === challenger);
        }
        const image = document.createElement("img");
        image.src = source;
        image.alt = `Sample of seed ${seeds[index]}, ${name} version ${version}`;
        cell.append(image);
        cell.addEventListener("click", () => choose(index));
        return cell;
      }));
      grid.setAttribute("aria-busy", "false");
      mark();
      if (hadFocus) cells()[0]?.focus();
    },
    busy() { grid.setAttribute("aria-busy", "true"); },
    idle() { grid.setAttribute("aria-busy", "false"); },
    clear() { chosen = []; mark(); onChoice([], false); },
    chooseAgain() { onChoice(picked(), false); },
    chooseEnds() { chosen = [0, seeds.length - 1]; mark(); onChoice(picked(), false); },
    seeds: () => seeds,
    sources: () => cells().map((cell) => cell.firstElementChild.src),
  };
}
