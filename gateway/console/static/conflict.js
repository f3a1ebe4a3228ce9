// The dialog for an entry that changed while it was edited.

import { ask } from './ask.js';
import { formatBytes } from './bytes.js';
import { el, visible } from './dom.js';
import { looksStructured, prettyText } from './json.js';

/**
 * resolveConflict shows both versions and returns "mine", "theirs", or "" to decide later. Mine and theirs are text or
 * bytes; theirs is null if the entry no longer exists.
 */
export function resolveConflict(key, mine, theirs) {
  const gone = theirs === null;
  const [left, right] = gone ? [lines(mine), null] : marked(readable(mine), readable(theirs));
  return ask(gone ? 'This entry was deleted in the meantime' : 'This entry was changed in the meantime', [
    el('p', {}, gone
      ? 'The version you edited no longer exists. Nothing has been saved yet.'
      : 'You edited an older version than the stored one. Nothing has been saved yet.'),
    el('p', { class: 'mono key' }, visible(key)),
    el('div', { class: 'versions' },
      version('Yours', left), gone ? null : version('Stored', right)),
  ], [
    { name: '', label: 'Decide later' },
    { name: 'theirs', label: gone ? 'Leave it deleted' : 'Use the stored version' },
    { name: 'mine', label: gone ? 'Create it from yours' : 'Overwrite with yours', kind: 'danger' },
  ], { wide: true });
}

function version(title, content) {
  return el('section', {}, el('h3', {}, title), el('pre', { class: 'value', tabindex: 0 }, ...content));
}

// readable formats JSON, so that versions that differ in white space are not marked as a whole.
const readable = (content) => (typeof content === 'string' && looksStructured(content) ? prettyText(content) : content);

const lines = (content) => [typeof content === 'string' ? content : `${formatBytes(content.byteLength ?? content.size)} of binary data`];

// marked returns both texts, with the lines between their common start and common end marked.
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
