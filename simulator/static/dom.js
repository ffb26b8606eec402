// Owns the shorthand for building DOM nodes and for looking up the page's fixed parts.

export function node(name, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    made.setAttribute(attribute, value);
  }
  made.append(...(text === undefined ? children : [text]));
  return made;
}

export function icon(name) {
  return node("span", { class: `icon icon-${name}`, "aria-hidden": "true" });
}

export function part(id) {
  return document.getElementById(id);
}
