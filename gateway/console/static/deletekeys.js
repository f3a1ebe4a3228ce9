// Deletes several keys, and names those that could not be deleted.

import { Problem } from './api.js';
import { ask } from './ask.js';
import { el, say, visible } from './dom.js';

const perBatch = 1000;
const named = 10; // keys that a dialog names

const entries = (n) => `${n.toLocaleString()} ${n === 1 ? 'entry' : 'entries'}`;

/** deleteKeys asks, and deletes what the API key may. It returns the keys that were deleted. */
export async function deleteKeys(api, keys) {
  const may = keys.filter((key) => api.session.rights.may('write', key));
  const mayNot = keys.filter((key) => !may.includes(key));
  const content = [list(may)];
  if (mayNot.length) content.push(el('p', { class: 'notice' }, `Not allowed to this API key, and left alone: ${entries(mayNot.length)}.`), list(mayNot));
  const choice = await ask(`Delete ${entries(may.length)}?`, [...content, el('p', {}, 'This cannot be undone.')],
    [{ name: '', label: 'Keep them' }, ...(may.length ? [{ name: 'delete', label: 'Delete', kind: 'danger' }] : [])]);
  if (choice !== 'delete') return [];
  const failures = new Map(); // :: key → message
  for (let at = 0; at < may.length; at += perBatch) {
    for (const [key, message] of await deleteBatch(api, may.slice(at, at + perBatch))) failures.set(key, message);
  }
  const deleted = may.filter((key) => !failures.has(key));
  if (failures.size) await report(failures, deleted.length);
  else say(`Deleted ${entries(deleted.length)}.`);
  return deleted;
}

// deleteBatch deletes keys all at one instant if the store can, or else each by itself. It returns the failures.
async function deleteBatch(api, keys) {
  const operations = keys.map((key) => ({ delete: { key } }));
  try {
    await api.batch(operations, true);
    return [];
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 400) return keys.map((key) => [key, error.message]);
  }
  try {
    const results = await api.batch(operations, false);
    return keys.map((key, i) => [key, results[i].error?.message]).filter(([, message]) => message);
  } catch (error) {
    return keys.map((key) => [key, error.message]);
  }
}

function report(failures, deleted) {
  const rows = [...failures].slice(0, named).map(([key, message]) => el('li', {}, el('span', { class: 'mono key' }, visible(key)), ` ${message}`));
  return ask(`${entries(failures.size)} not deleted`, [el('p', {}, `Deleted: ${entries(deleted)}. Not deleted:`), el('ul', { class: 'names' }, ...rows, rest(failures.size))],
    [{ name: '', label: 'Close' }]);
}

const list = (keys) => el('ul', { class: 'names mono' }, ...keys.slice(0, named).map((key) => el('li', { class: 'key' }, visible(key))), rest(keys.length));

const rest = (n) => n > named && el('li', { class: 'quiet' }, `and ${entries(n - named)} more`);
