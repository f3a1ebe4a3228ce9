// The dialog that shows an action as a command or a program.

import { root } from './api.js';
import { button, el, say } from './dom.js';
import { go } from './snippetgo.js';
import { javascript, python } from './snippetscript.js';
import { bufCurl, curl, kv } from './snippetshell.js';

/** tools are what an action can be written for: [label, function]. */
export const tools = {
  curl: ['curl', curl], kv: ['kv', kv], buf: ['buf curl', bufCurl], go: ['Go', go], js: ['JavaScript', javascript], python: ['Python', python],
};
const names = { get: 'Read', set: 'Write', delete: 'Delete', touch: 'Set expiry', list: 'List', watch: 'Watch' };
let tool = 'curl';

/** copyAs shows an action and related ones. */
export function copyAs(action) {
  const actions = related(action);
  const what = el('select', { 'aria-label': 'Action' }, ...actions.map((a) => el('option', { value: a.op }, names[a.op])));
  const text = el('textarea', { class: 'mono snippet', readonly: true, rows: 12, 'aria-label': 'Command', spellcheck: 'false' });
  const choose = () => {
    text.value = tools[tool][1](actions.find((a) => a.op === what.value), root);
    for (const b of group.children) b.setAttribute('aria-pressed', String(b.dataset.tool === tool));
  };
  const group = el('div', { class: 'segments', role: 'group', 'aria-label': 'Tool' }, ...Object.entries(tools).map(([name, [label]]) =>
    button(label, () => { tool = name; choose(); }, { 'data-tool': name })));
  what.addEventListener('change', choose);
  const dialog = el('dialog', { class: 'wide', 'aria-labelledby': 'copy-title' },
    el('h2', { id: 'copy-title' }, 'Copy as'),
    el('div', { class: 'toolbar' }, what, group), text,
    el('p', { class: 'quiet' }, 'The command reads the API key from KV_API_KEY, and a value that is long or binary from the file \u201cvalue\u201d.'),
    el('div', { class: 'actions' }, button('Close', () => dialog.close()), button('Copy', () => copy(text), { class: 'primary' })));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  choose();
  dialog.showModal();
  dialog.querySelector('.primary').focus();
}

// related returns an action and others for the same key.
function related(action) {
  if (action.op !== 'get') return [action];
  const { key, etag } = action;
  return [{ op: 'get', key }, { op: 'delete', key, etag }, { op: 'touch', key, ttl: 3_600_000, etag }, { op: 'watch', prefix: key }];
}

// copy falls back to execCommand, because browsers offer navigator.clipboard only in secure contexts.
async function copy(area) {
  try {
    await navigator.clipboard.writeText(area.value);
  } catch {
    area.select();
    document.execCommand('copy');
  }
  say('Copied.');
}
