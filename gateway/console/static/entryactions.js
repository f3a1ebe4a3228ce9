// What can be done with a stored entry, besides editing it. A write that was based on an older version fails with status 412.

import { Problem } from './api.js';
import { ask, form } from './ask.js';
import { el, say, visible } from './dom.js';
import { toGo } from './duration.js';
import { ttlField } from './ttlfield.js';

/** deleteEntry asks, and reports whether the entry was deleted. */
export async function deleteEntry(api, { key, etag }) {
  const choice = await ask('Delete this entry?', [named(key), el('p', {}, 'This cannot be undone.')],
    [{ name: '', label: 'Keep it' }, { name: 'delete', label: 'Delete', kind: 'danger' }]);
  if (choice !== 'delete') return false;
  await api.delete(key, etag);
  say('Deleted.');
  return true;
}

/** setTTL asks for another TTL, and returns what it changed of the entry, or null if it was dismissed. */
export async function setTTL(api, { key, etag }) {
  const field = ttlField({ label: 'Expires' });
  let touched = null;
  let refused = null;
  await form('Set expiry', [named(key), field.element], 'Set', async () => {
    const ttl = field.read();
    try {
      const { etag: renewed, expires } = await api.touch(key, ttl === null ? null : toGo(ttl), etag);
      touched = { etag: renewed, expires };
      say(ttl === null ? 'The entry no longer expires.' : 'Expiry set.');
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) throw error;
      refused = error; // nothing in the dialog can fix it
    }
  });
  if (refused) throw refused;
  return touched;
}

/** download saves the value of a key as a file. */
export async function download(api, key) {
  try {
    const url = URL.createObjectURL(await api.raw(key));
    el('a', { href: url, download: key.split('/').filter(Boolean).at(-1) ?? 'value' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    say(error.message, 'error');
  }
}

const named = (key) => el('p', { class: 'mono key' }, visible(key));
