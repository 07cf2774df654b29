// How much a download is enlarged: whole multiples, each named with its size in pixels.

const SCALES = [1, 2, 4, 8, 16];
const USUAL_SIDE = 512;
const LARGEST_SIDE = 8192;

// Offer the scales at which a picture of `side` pixels fits, and of which `fits` says so. What was chosen stays chosen;
// at first it is the largest that makes no more of it than USUAL_SIDE.
export function offerScales(select, side, fits = () => true) {
  const before = Number(select.value) || Math.max(1, USUAL_SIDE / side);
  const offered = SCALES.filter((scale) => scale === 1 || (side * scale <= LARGEST_SIDE && fits(scale)));
  select.replaceChildren(...offered.map((scale) => {
    const option = document.createElement("option");
    option.value = scale;
    option.textContent = `${scale}× · ${side * scale} pixels`;
    return option;
  }));
  select.value = Math.max(...offered.filter((scale) => scale <= before));
}
