// What can be done with the rows of the tree: new keys in a folder, and deletes of folders and of several keys.

import { deleteFolder } from './deletefolder.js';
import { deleteKeys } from './deletekeys.js';
import { byId, say } from './dom.js';
import { showMenu } from './treemenu.js';

/** TreeActions emits "create" with the prefix of a new key, and "deleted" with a function that tells whether a key may be gone. */
export class TreeActions extends EventTarget {
  constructor(api, view) {
    super();
    this.api = api;
    this.view = view;
    view.addEventListener('menu', ({ detail: { element, child } }) => showMenu(element, this.#choices(child)));
    view.selection.addEventListener('change', () => this.#showPicked());
    byId('picked-clear').addEventListener('click', () => this.clear());
    byId('picked-delete').addEventListener('click', () => this.#deletePicked());
  }

  /** delete deletes the keys that are selected, or the folder that has the focus. It reports false if there are none. */
  delete() {
    const child = this.view.focused();
    if (this.#several()) this.#deletePicked();
    else if (child?.level && this.#mayDelete(child)) this.#deleteFolder(child.key);
    else return false;
    return true;
  }

  /** clear leaves only the key selected whose entry is shown. */
  clear() { this.view.selection.only(this.view.shown); }

  #choices(child) {
    const { rights } = this.api.session;
    const { selection } = this.view;
    const tell = (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail }));
    if (!child.level) {
      return [{ label: selection.keys.has(child.key) ? 'Unselect' : 'Select', act: () => selection.toggle(child.key) },
        rights.may('write', child.key) && { label: 'Delete\u2026', act: () => this.#deleteKeys([child.key]), kind: 'danger' }].filter(Boolean);
    }
    return [rights.may('write', child.key) && { label: 'New key here', act: () => tell('create', child.key) },
      this.#mayDelete(child) && { label: 'Delete folder\u2026', act: () => this.#deleteFolder(child.key), kind: 'danger' }].filter(Boolean);
  }

  #mayDelete(child) { return child.key !== '' && this.api.session.rights.mayAll('write', child.key); }

  // several reports whether keys are selected besides the one whose entry is shown.
  #several() { return [...this.view.selection.keys].some((key) => key !== this.view.shown); }

  #showPicked() {
    const { size } = this.view.selection.keys;
    byId('picked').hidden = !this.#several();
    byId('picked-count').textContent = this.#several() ? `${size.toLocaleString()} ${size === 1 ? 'key' : 'keys'} selected` : '';
    byId('picked-delete').hidden = !this.api.session.rights.any('write');
  }

  #deletePicked() { return this.#deleteKeys([...this.view.selection.keys]); }

  async #deleteKeys(keys) {
    const deleted = new Set(await deleteKeys(this.api, keys));
    for (const key of deleted) this.view.changed(key, null);
    this.#deleted(deleted.size, (key) => deleted.has(key));
  }

  async #deleteFolder(prefix) {
    const deleted = await deleteFolder(this.api, prefix);
    if (deleted) say(`Deleted ${deleted.toLocaleString()} ${deleted === 1 ? 'entry' : 'entries'}.`);
    await this.view.reload();
    this.#deleted(deleted, (key) => key.startsWith(prefix));
  }

  #deleted(count, has) {
    this.view.focus();
    if (count) this.dispatchEvent(new CustomEvent('deleted', { detail: has }));
  }
}
