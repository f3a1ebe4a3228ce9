// What to do when somebody else has changed an entry in the meantime.

import { ask } from './ask.js';
import { formatBytes } from './bytes.js';
import { el } from './dom.js';

/**
 * resolveConflict shows both versions and returns "mine", "theirs" or "" to decide later. Mine and theirs are text or
 * bytes; theirs is null if the entry is gone.
 */
export function resolveConflict(key, mine, theirs) {
  const gone = theirs === null;
  const [left, right] = gone ? [lines(mine), null] : marked(mine, theirs);
  return ask(gone ? 'This entry was deleted meanwhile' : 'This entry was changed meanwhile', [
    el('p', {}, gone
      ? 'You began with a version that is gone. Nothing has been saved yet.'
      : 'You began with an older version than the one that is stored now. Nothing has been saved yet.'),
    el('p', { class: 'mono key' }, key),
    el('div', { class: 'versions' },
      version('Yours', left), gone ? null : version('Stored now', right)),
  ], [
    { name: '', label: 'Decide later' },
    { name: 'theirs', label: gone ? 'Leave it deleted' : 'Take what is stored' },
    { name: 'mine', label: gone ? 'Create it with yours' : 'Overwrite with yours', kind: 'danger' },
  ], { wide: true });
}

function version(title, content) {
  return el('section', {}, el('h3', {}, title), el('pre', { class: 'value', tabindex: 0 }, ...content));
}

const lines = (content) => [typeof content === 'string' ? content : `${formatBytes(content.byteLength ?? content.size)} of bytes`];

// marked returns both texts with the lines between what they have in common at their start and end marked.
function marked(mine, theirs) {
  if (typeof mine !== 'string' || typeof theirs !== 'string') return [lines(mine), lines(theirs)];
  const a = mine.split('\n');
  const b = theirs.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  return [a, b].map((all) => all.map((line, i) => {
    const text = i < all.length - 1 ? line + '\n' : line;
    return i >= start && i < all.length - end ? el('mark', {}, text || ' ') : text;
  }));
}
