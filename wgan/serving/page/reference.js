// The API page: openapi.json for people. A request that exists with and without a model's name is shown once.

import { ask } from "./api.js";
import { hideTrouble, onKey, showTrouble } from "./trouble.js";

const NAMED = "/v1/models/{model}";
const element = (id) => document.getElementById(id);

// An element with a class and children; texts with `code` in backticks become that.
function make(tag, kind, ...children) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  node.append(...children.flatMap((child) => (typeof child === "string" ? words(child) : [child])));
  return node;
}

function words(text) {
  return text.split("`").map((part, index) => {
    if (index % 2 === 0) return document.createTextNode(part);
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}

function code(text) {
  const node = document.createElement("code");
  node.textContent = text;
  return node;
}

function resolved(schema, whole) {
  if (!schema?.$ref) return schema ?? {};
  return whole.components.schemas[schema.$ref.split("/").at(-1)] ?? {};
}

// What a value may be, in words.
function kind(given, whole) {
  const schema = resolved(given, whole);
  if (schema.enum) return schema.enum.join(", ");
  if (schema.const !== undefined) return String(schema.const);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) {
    return choices.filter((one) => one.type !== "null").map((one) => kind(one, whole)).join(" or ");
  }
  if (schema.type === "array") return `list of ${kind(schema.items, whole)}`;
  const { minimum, maximum } = schema;
  const most = maximum > 1e12 ? `2^${Math.round(Math.log2(maximum))} - 1` : maximum;
  if (minimum !== undefined && maximum !== undefined) return `${schema.type} from ${minimum} to ${most}`;
  if (minimum !== undefined) return `${schema.type}, at least ${minimum}`;
  return schema.title && schema.type === "object" ? "object" : schema.type ?? "any";
}

function about(schema, isRequired, whole) {
  const parts = [kind(schema, whole)];
  if (isRequired) parts.push("needed");
  else if (schema.default !== undefined && schema.default !== null) parts.push(`default ${schema.default}`);
  return parts.join("; ");
}

function entry(name, schema, isRequired, description, whole) {
  const term = make("dt", "", code(name), " ");
  term.append(make("span", "kind", about(schema, isRequired, whole)));
  return [term, make("dd", "", description ?? schema.description ?? "")];
}

function parameters(operation, whole) {
  const places = { query: "In the address", header: "In a header" };
  return Object.entries(places).flatMap(([place, title]) => {
    const found = (operation.parameters ?? []).filter((one) => one.in === place);
    if (!found.length) return [];
    const entries = found.flatMap((one) => entry(one.name, one.schema, one.required, one.description, whole));
    return [make("h3", "", title), make("dl", "", ...entries)];
  });
}

function bodies(operation, whole) {
  return Object.entries(operation.requestBody?.content ?? {}).flatMap(([type, { schema }]) => {
    const found = resolved(schema, whole);
    const title = make("h3", "", "Body, ", code(type));
    if (!found.properties) return [title, make("p", "", found.description ?? "")];
    const needed = found.required ?? [];
    const entries = Object.entries(found.properties)
      .flatMap(([name, property]) => entry(name, property, needed.includes(name), property.description, whole));
    return [title, make("dl", "", ...entries)];
  });
}

function answers(operation) {
  const entries = Object.entries(operation.responses).flatMap(([status, { description, content }]) => {
    const types = status === "200" ? Object.keys(content ?? {}) : [];
    const meaning = make("dd", "", description);
    if (types.length > 1) meaning.append(" As ", ...types.flatMap((type, index) => [index ? ", " : "", code(type)]), ".");
    return [make("dt", "", code(status)), meaning];
  });
  const box = make("details", "", make("summary", "", "Answers"), make("dl", "", ...entries));
  return box;
}

function example(method, path, operation, whole) {
  const address = new URL(path.slice(1), document.baseURI);
  for (const one of operation.parameters ?? []) {
    const given = one.schema?.examples?.[0];
    if (one.in === "query" && one.required && given !== undefined) address.searchParams.set(one.name, given);
  }
  const shown = decodeURI(address.href);
  const parts = ["curl -sS", shown.includes("?") ? `'${shown}'` : shown];
  const schema = resolved(operation.requestBody?.content?.["application/json"]?.schema, whole);
  if (method === "post" && schema.properties) {
    const body = Object.fromEntries(Object.entries(schema.properties)
      .filter(([, property]) => property.examples).map(([name, property]) => [name, property.examples[0]]));
    if (Object.keys(body).length) parts.push(`-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`);
    else return null;
  } else if (method === "post") {
    return null;
  }
  const types = operation.responses["200"]?.content ?? {};
  if ("image/webp" in types) parts.push("image/png" in types ? "-o images.png" : "-o walk.webp");
  return make("pre", "", code(parts.join(" ")));
}

const anchor = (method, path) => `${method}${path.replace(/[^a-z0-9]+/g, "-")}`;

function article(method, path, operation, whole) {
  const box = make("article", "panel");
  box.id = anchor(method, path);
  box.append(make("h2", "", make("span", "method", method.toUpperCase()), code(path)));
  box.append(make("p", "lead", `${operation.summary}.`));
  if (operation.description) box.append(make("p", "", operation.description));
  const twin = path.replace("/v1/", `${NAMED}/`);
  if (path.startsWith("/v1/") && twin in whole.paths) {
    box.append(make("p", "twin", "Of one of several models: ", code(twin), ". Without a name it is the default one."));
  }
  const shown = example(method, path, operation, whole);
  if (shown) box.append(shown);
  box.append(...parameters(operation, whole), ...bodies(operation, whole), answers(operation));
  return box;
}

function show(whole) {
  element("summary").textContent = whole.info.summary;
  const groups = new Map();
  for (const [path, methods] of Object.entries(whole.paths)) {
    const isTwin = path.startsWith(`${NAMED}/`) && path.replace(`${NAMED}/`, "/v1/") in whole.paths;
    if (isTwin) continue;
    for (const [method, operation] of Object.entries(methods)) {
      const group = operation.tags?.[0] ?? "other";
      groups.set(group, [...(groups.get(group) ?? []), [method, path, operation]]);
    }
  }
  element("contents").replaceChildren(...[...groups].flatMap(([group, found]) => {
    const links = found.map(([method, path]) => {
      const link = make("a", "", make("span", "method", method.toUpperCase()), code(path));
      link.href = `#${anchor(method, path)}`;
      return make("li", "", link);
    });
    return [make("h2", "", group), make("ul", "", ...links)];
  }));
  element("operations").replaceChildren(
    ...[...groups.values()].flat().map(([method, path, operation]) => article(method, path, operation, whole)),
  );
}

async function read() {
  try {
    show(await ask("openapi.json"));
    hideTrouble();
  } catch (error) {
    showTrouble(error);
  }
}

onKey(read);

read();
