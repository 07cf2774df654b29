// The serving API, as these pages use it.

const KEY = "wgan-api-key";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

export async function ask(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Refused(0, "The server does not answer.");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok && answer.status !== 503) throw new Refused(answer.status, body.error?.message ?? answer.statusText);
  if (answer.status === 503 && !("ready" in body)) throw new Refused(503, body.error?.message ?? "Not ready.");
  return body;
}

const below = (model, path) => `v1/models/${encodeURIComponent(model)}/${path}`;
const under = (alias) => (alias === null ? {} : { "X-WGAN-Alias": alias });

export const readiness = () => ask("readyz");

export const modelFacts = (model, alias) => ask(below(model, "model"), { headers: under(alias) });

// One picture of one seed: {version, source}.
async function drawSeed(model, seed, alias) {
  const answer = await ask(below(model, "images"), {
    method: "POST",
    headers: { "Content-Type": "application/json", ...under(alias) },
    body: JSON.stringify({ count: 1, seed, format: "png", layout: "base64" }),
  });
  return { version: answer.version, source: `data:image/png;base64,${answer.images[0]}` };
}

// The pictures of many seeds: {versions, sources}. Those of an alias are all of one version: when a promotion lands in
// between, they are drawn again. Without an alias they are what every client gets, in a canary those of two versions.
export async function drawSeeds(model, seeds, alias) {
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const drawn = await Promise.all(seeds.map((seed) => drawSeed(model, seed, alias)));
    const versions = drawn.map((one) => one.version);
    if (new Set(versions).size <= (alias === null ? 2 : 1)) return { versions, sources: drawn.map((one) => one.source) };
  }
  throw new Refused(0, "The served version keeps changing: try again.");
}

const walkAddress = (model, from, to, frames) => below(model, `interpolate?from=${from}&to=${to}&frames=${frames}`);

// The frames of a walk between two seeds: {version, sources}.
export async function walkFrames(model, from, to, frames, alias) {
  const answer = await ask(walkAddress(model, from, to, frames), { headers: under(alias) });
  return { version: answer.version, sources: answer.images.map((image) => `data:image/png;base64,${image}`) };
}

// The animation as a file, enlarged: a link could not send the key.
export async function walkFile(model, from, to, frames, alias, scale) {
  const key = sessionStorage.getItem(KEY);
  const headers = { Accept: "image/webp", ...under(alias), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(`${walkAddress(model, from, to, frames)}&scale=${scale}`, { headers });
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, body.error?.message ?? "The animation could not be made.");
  }
  return answer.blob();
}
