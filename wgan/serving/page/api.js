// The serving API, as this page uses it.

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

async function ask(path, options = {}) {
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

export const readiness = () => ask("readyz");

export const modelFacts = (alias) => ask("v1/model", { headers: alias ? { "X-WGAN-Alias": alias } : {} });

// One picture of one seed: {version, source}.
export async function drawSeed(seed, alias) {
  const answer = await ask("v1/images", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(alias ? { "X-WGAN-Alias": alias } : {}) },
    body: JSON.stringify({ count: 1, seed, format: "png", layout: "base64" }),
  });
  return { version: answer.version, source: `data:image/png;base64,${answer.images[0]}` };
}

// The pictures of many seeds, all of one version: when a promotion lands in between, they are drawn again.
export async function drawSeeds(seeds, alias) {
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const drawn = await Promise.all(seeds.map((seed) => drawSeed(seed, alias)));
    if (drawn.every((one) => one.version === drawn[0].version)) {
      return { version: drawn[0].version, sources: drawn.map((one) => one.source) };
    }
  }
  throw new Refused(0, "The served version keeps changing: try again.");
}

const walkAddress = (from, to, frames) => `v1/interpolate?from=${from}&to=${to}&frames=${frames}`;

// The frames of a walk between two seeds: {version, sources}.
export async function walkFrames(from, to, frames) {
  const answer = await ask(walkAddress(from, to, frames));
  return { version: answer.version, sources: answer.images.map((image) => `data:image/png;base64,${image}`) };
}

// The animation as a file: a link could not send the key.
export async function walkFile(from, to, frames) {
  const key = sessionStorage.getItem(KEY);
  const headers = { Accept: "image/webp", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(walkAddress(from, to, frames), { headers });
  if (!answer.ok) throw new Refused(answer.status, "The animation could not be made.");
  return answer.blob();
}
