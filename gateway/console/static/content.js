// Shows a value as JSON, text or bytes.

import { formatBytes, hexRows, toBytes } from './bytes.js';
import { button, el } from './dom.js';
import { isJSON, looksStructured, pretty } from './json.js';

/** maxColoured is the length in characters up to which JSON is coloured. */
const maxColoured = 200_000;
const hexPage = 256; // rows

/** views returns the ways to show an entry, the best one first. */
export function views(entry) {
  if (entry.text === undefined) return ['bytes'];
  if (looksStructured(entry.text)) return ['json', 'text', 'bytes'];
  return isJSON(entry.text) ? ['text', 'json', 'bytes'] : ['text', 'bytes'];
}

export const viewNames = { json: 'JSON', text: 'Text', bytes: 'Bytes' };

export function show(entry, view) {
  if (view === 'bytes') return hex(entry.bytes ?? toBytes(entry.text));
  if (view === 'json') return json(entry.text);
  if (entry.text === '') return el('p', { class: 'quiet' }, 'The value is empty.');
  return el('pre', { class: 'value', tabindex: 0, 'aria-label': 'Value' }, entry.text);
}

function json(text) {
  const tokens = pretty(text);
  const parts = text.length > maxColoured
    ? [tokens.map((t) => t.text).join('')]
    : tokens.map((t) => (t.kind === 'space' || t.kind === 'mark' ? t.text : el('span', { class: `json-${t.kind}` }, t.text)));
  return el('pre', { class: 'value', tabindex: 0, 'aria-label': 'Value as JSON' }, ...parts);
}

function hex(bytes) {
  if (bytes.length === 0) return el('p', { class: 'quiet' }, 'The value is empty.');
  const width = matchMedia('(max-width: 560px)').matches ? 8 : 16;
  const pre = el('pre', { class: 'value hex', tabindex: 0, 'aria-label': 'Value as bytes' });
  const range = el('span', { class: 'quiet' });
  const size = hexPage * width;
  let from = 0;
  const back = button('Previous', () => turn(from - size));
  const forth = button('Next', () => turn(from + size));
  const turn = (to) => {
    from = to;
    const rows = hexRows(bytes, from, hexPage, width);
    pre.replaceChildren(...rows.flatMap((row) => [
      el('span', { class: 'hex-offset' }, row.offset), '  ', row.hex, '  ', el('span', { class: 'hex-text' }, row.text), '\n']));
    back.disabled = from === 0;
    forth.disabled = from + size >= bytes.length;
    range.textContent = `${formatBytes(from)} to ${formatBytes(Math.min(from + size, bytes.length))} of ${formatBytes(bytes.length)}`;
  };
  turn(0);
  return el('div', { class: 'hex-view' }, pre, bytes.length > size && el('div', { class: 'pager' }, back, forth, range));
}
