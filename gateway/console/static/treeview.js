// The tree on the screen: a flat list of rows with levels, as in ARIA's tree pattern.

import { button, byId } from './dom.js';
import { Folder } from './tree.js';
import { pressed } from './treekeys.js';
import { childRow, flash, lastRow } from './treerow.js';

/** TreeView emits "open" with a key when it is selected. */
export class TreeView extends EventTarget {
  #rows = new Map(); // child or folder (for its last row) → element
  #things = new WeakMap(); // element → child or folder
  #loading = new AbortController();
  #selected = '';

  constructor(api) {
    super();
    this.api = api;
    this.element = byId('tree');
    this.note = byId('tree-note');
    this.element.addEventListener('click', (e) => this.#clicked(e.target.closest('[role=treeitem]')));
    this.element.addEventListener('keydown', (e) => pressed(e, this));
    this.element.addEventListener('focusin', (e) => this.#rove(e.target.closest('[role=treeitem]')));
  }

  /** show loads the keys with a prefix. If the prefix is the same as before, open folders stay open. */
  async show(prefix) {
    const again = prefix === this.root?.filter;
    this.#loading.abort();
    this.#loading = new AbortController();
    this.root = new Folder(prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix);
    this.root.open = true;
    const root = this.root;
    this.element.setAttribute('aria-busy', 'true');
    try {
      await root.load(this.api, this.#loading.signal);
      if (root !== this.root) return;
      const opened = again ? this.#openFolders() : [];
      const focused = this.#things.get(document.activeElement)?.key;
      this.element.replaceChildren();
      this.#rows.clear();
      this.#insertAfter(null, root, 1);
      this.#catchUp(root);
      for (const base of opened) {
        const child = this.#find(base);
        if (child?.folder) await this.expand(child);
      }
      if (focused !== undefined) (this.#rows.get(this.#find(focused)) ?? this.element.firstElementChild)?.focus();
      this.#settle();
    } catch (error) {
      if (root === this.root && error.name !== 'AbortError') this.#failed(error);
    } finally {
      if (root === this.root) this.element.removeAttribute('aria-busy');
    }
  }

  clear() {
    this.#loading.abort();
    this.root = null;
    this.#rows.clear();
    this.element.replaceChildren();
    this.note.replaceChildren();
  }

  /** changed updates the tree after a change of a key. */
  changed(key, exists) {
    const result = this.root?.changed(key, exists);
    if (!result) return;
    const { folder, child } = result;
    if (result.removed) this.#remove(child);
    else if (result.added && this.#shown(folder)) this.#insertChild(folder, child);
    else if (!child) this.#showLast(folder);
    const row = this.#rows.get(child);
    if (row && !result.removed) flash(row);
    this.#note();
  }

  /** select marks the row of a key, if it is shown. */
  select(key) {
    this.#selected = key;
    for (const [thing, row] of this.#rows) this.#mark(thing, row);
  }

  /** thingOf returns the child of a row, or the folder if it is the last row of one. */
  thingOf(row) { return this.#things.get(row); }

  focus() { (this.element.querySelector('[tabindex="0"]') ?? byId('search')).focus(); }

  #find(key) { return [...this.#rows.keys()].find((thing) => thing.key === key); }

  #catchUp(folder) {
    for (const [key, exists] of folder.waited()) this.changed(key, exists);
  }

  #openFolders() {
    return [...this.#rows.keys()].filter((thing) => thing.folder?.open).map((thing) => thing.folder.base);
  }

  // failed shows an error in place of the keys.
  #failed(error) {
    this.#rows.clear();
    this.element.replaceChildren();
    this.element.hidden = true;
    const again = button('Retry', () => this.show(this.root.filter));
    this.note.replaceChildren(...(error.status === 403 ? [`${error.message} Search for a prefix that it may read.`] : [error.message + ' ', again]));
  }

  // settle makes exactly one row reachable with Tab.
  #settle() {
    const rows = [...this.element.children];
    if (!rows.some((row) => row.tabIndex === 0) && rows.length) rows[0].tabIndex = 0;
    this.#note();
  }

  #note() {
    const { filter, children, complete } = this.root;
    this.note.replaceChildren(
      ...(children.length || !complete ? [] : [filter ? 'No keys have this prefix.' : 'The store is empty. Press N to create the first entry.']));
    this.element.hidden = this.element.children.length === 0;
  }

  #shown(folder) { return folder === this.root || (folder.open && this.#ownerOf(folder) !== undefined); }

  #ownerOf(folder) {
    for (const thing of this.#rows.keys()) if (thing.folder === folder) return thing;
    return undefined;
  }

  #levelOf(folder) {
    return folder === this.root ? 1 : Number(this.#rows.get(this.#ownerOf(folder)).getAttribute('aria-level')) + 1;
  }

  // insertAfter adds rows for the loaded children of a folder after a row, or at the end if row is null.
  #insertAfter(row, folder, level) {
    const fragment = document.createDocumentFragment();
    for (const child of folder.children) {
      fragment.append(this.#row(child, level));
      if (child.folder?.open) this.#insertAfter(fragment.lastChild, child.folder, level + 1);
    }
    if (!folder.complete || folder.stale) fragment.append(this.#keep(folder, lastRow(folder, level)));
    if (row) row.after(fragment);
    else this.element.append(fragment);
  }

  #insertChild(folder, child) {
    const at = folder.children.indexOf(child);
    const row = this.#row(child, this.#levelOf(folder));
    if (at === 0) {
      const owner = this.#rows.get(this.#ownerOf(folder));
      if (owner) owner.after(row);
      else this.element.prepend(row);
    } else this.#lastOf(folder.children[at - 1]).after(row);
    this.#settle();
  }

  // lastOf returns the last row of a child: its own, or the last one inside it.
  #lastOf(child) {
    let last = this.#rows.get(child);
    const level = Number(last.getAttribute('aria-level'));
    while (Number(last.nextElementSibling?.getAttribute('aria-level')) > level) last = last.nextElementSibling;
    return last;
  }

  #remove(child) {
    const row = this.#rows.get(child);
    if (!row) return;
    this.collapse(child);
    const heir = row.nextElementSibling ?? row.previousElementSibling;
    const focused = row === document.activeElement;
    if (row.tabIndex === 0 && heir) heir.tabIndex = 0;
    row.remove();
    this.#rows.delete(child);
    if (focused) heir?.focus();
  }

  #row(child, level) { return this.#keep(child, childRow(child, level)); }

  #keep(thing, row) {
    this.#rows.set(thing, row);
    this.#things.set(row, thing);
    this.#mark(thing, row);
    return row;
  }

  #mark(thing, row) {
    if (thing instanceof Folder || thing.folder) return;
    row.setAttribute('aria-selected', String(thing.key === this.#selected));
  }

  #showLast(folder) {
    if (this.#rows.has(folder) || !this.#shown(folder)) return;
    const end = folder.children.at(-1);
    this.#lastOf(end).after(this.#keep(folder, lastRow(folder, this.#levelOf(folder))));
  }

  #clicked(row) {
    if (!row) return;
    row.focus();
    this.activate(row);
  }

  /** activate performs the action of a click on a row. */
  activate(row) {
    const thing = this.#things.get(row);
    if (thing instanceof Folder) return this.#more(thing, row);
    if (thing.folder) return thing.folder.open ? this.collapse(thing) : this.expand(thing);
    this.dispatchEvent(new CustomEvent('open', { detail: thing.key }));
  }

  /** expand opens a folder. */
  async expand(child) {
    const folder = child.folder;
    const row = this.#rows.get(child);
    if (folder.open || row.ariaBusy) return;
    row.ariaBusy = 'true';
    try {
      if (!folder.started) await folder.load(this.api, this.#loading.signal);
      if (!row.isConnected) return;
      folder.open = true;
      row.setAttribute('aria-expanded', 'true');
      this.#insertAfter(row, folder, Number(row.getAttribute('aria-level')) + 1);
      this.#catchUp(folder);
    } catch (error) {
      if (error.name !== 'AbortError') this.#failed(error);
    } finally {
      row.ariaBusy = null;
    }
  }

  /** collapse closes a folder and all folders inside it. */
  collapse(child) {
    if (!child.folder?.open) return;
    const row = this.#rows.get(child);
    const last = this.#lastOf(child);
    while (row !== last && row.nextElementSibling) {
      const gone = row.nextElementSibling;
      const thing = this.#things.get(gone);
      if (thing.folder) thing.folder.open = false;
      if (gone === document.activeElement) row.focus();
      if (gone.tabIndex === 0) row.tabIndex = 0;
      this.#rows.delete(thing);
      gone.remove();
      if (gone === last) break;
    }
    child.folder.open = false;
    row.setAttribute('aria-expanded', 'false');
  }

  // more loads the next part of a folder, in place of its last row.
  async #more(folder, row) {
    if (row.ariaBusy) return;
    if (folder.stale) return this.show(this.root.filter);
    row.ariaBusy = 'true';
    try {
      const added = await folder.load(this.api, this.#loading.signal);
      if (!row.isConnected) return;
      const level = Number(row.getAttribute('aria-level'));
      const focused = row === document.activeElement;
      const before = row.previousElementSibling;
      row.before(...added.map((child) => this.#row(child, level)));
      this.#rows.delete(folder);
      row.remove();
      if (!folder.complete) this.#lastOf(folder.children.at(-1)).after(this.#keep(folder, lastRow(folder, level)));
      if (focused) (before?.nextElementSibling ?? before ?? this.element.firstElementChild)?.focus();
      this.#settle();
      this.#catchUp(folder);
    } catch (error) {
      row.ariaBusy = null;
      if (error.name !== 'AbortError') this.#failed(error);
    }
  }

  #rove(row) {
    if (!row) return;
    for (const other of this.element.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    row.tabIndex = 0;
  }
}
