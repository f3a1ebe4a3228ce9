// Creates elements without parsing markup, so text always stays text.

/** el creates an element. Props beginning with "on" are listeners, the others attributes. Null and false are omitted. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

const svgNamespace = 'http://www.w3.org/2000/svg';

/** svg creates an SVG element. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** byId returns an element of index.html. */
export const byId = (id) => document.getElementById(id);

/** button creates a button that calls onclick. */
export function button(label, onclick, props = {}) {
  return el('button', { type: 'button', onclick, ...props }, label);
}

/** say shows a short message, also to screen readers, until the next one or a timeout. */
export function say(message, kind = 'info') {
  const toast = byId('toast');
  toast.textContent = message;
  toast.dataset.kind = kind;
  toast.hidePopover();
  toast.showPopover(); // above a dialog, if there is one
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { toast.hidePopover(); }, kind === 'error' ? 8000 : 3500);
}

/** hidden matches what is invisible or reorders text: controls, formats, line separators, private, unassigned and ignorable characters. */
export const hidden = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** visible escapes hidden characters, so that keys that differ in them do not look alike. */
export function visible(text) {
  return text.replace(hidden, (c) => `\u27e8U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}\u27e9`);
}
