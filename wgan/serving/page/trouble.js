// The banners that both pages share: what is wrong, and the form for an API key (trouble.html).

import { useKey } from "./api.js";

const element = (id) => document.getElementById(id);

// Show an error; if a key is missing or wrong, ask for one instead.
export function showTrouble(error) {
  element("key-form").hidden = error.status !== 401;
  element("trouble").hidden = error.status === 401;
  element("trouble-text").textContent = error.message;
}

export function hideTrouble() {
  element("trouble").hidden = true;
  element("key-form").hidden = true;
}

export const asksForKey = () => !element("key-form").hidden;

// Call `retry` once the user has entered a key.
export function onKey(retry) {
  element("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(element("key").value);
    retry();
  });
}
