// Single-key shortcuts. They work wherever the focus is, except in a field.

import { byId } from './dom.js';

const slot = 'kv-shortcuts-off';

/** listen calls the action of a key that is pressed. Actions map keys to functions. */
export function listen(actions) {
  const toggle = byId('shortcuts-on');
  toggle.checked = !sessionStorage.getItem(slot);
  toggle.addEventListener('change', () => (toggle.checked ? sessionStorage.removeItem(slot) : sessionStorage.setItem(slot, '1')));
  document.addEventListener('keydown', (event) => {
    const action = actions[event.key];
    if (!action || !toggle.checked || typing(event) || document.querySelector('dialog[open], [role=menu]')) return;
    event.preventDefault();
    action();
  });
}

function typing({ target, ctrlKey, metaKey, altKey }) {
  return ctrlKey || metaKey || altKey || target.closest('input, textarea, select') !== null;
}
