// Elements are made by hand here, and text only ever becomes text: nothing in the console reads markup.

/** el makes an element. Props beginning with "on" are listeners, the others attributes; null and false are left out. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

const svgNamespace = 'http://www.w3.org/2000/svg';

/** svg makes an element of a drawing. */
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

/** byId returns an element of the page that is always there. */
export const byId = (id) => document.getElementById(id);

/** button makes a button that does something. */
export function button(label, onclick, props = {}) {
  return el('button', { type: 'button', onclick, ...props }, label);
}

/** say shows a short message, also to screen readers, until the next one or for a while. */
export function say(message, kind = 'info') {
  const toast = byId('toast');
  toast.textContent = message;
  toast.dataset.kind = kind;
  toast.hidePopover();
  toast.showPopover(); // above a dialog, if there is one
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { toast.hidePopover(); }, kind === 'error' ? 8000 : 3500);
}

/** visible shows control characters and those that reorder text as what they are, so that no key looks like another. */
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\u27e8U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}\u27e9`);
}
