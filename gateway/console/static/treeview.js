// The tree on the screen: a flat list of rows with levels, as in ARIA's tree pattern.

import { button, byId, visible } from './dom.js';
import { Level } from './level.js';
import { Selection } from './selection.js';
import { Tree } from './tree.js';
import { pressed } from './treekeys.js';
import { flash, Row } from './treerow.js';
import { Search } from './treesearch.js';

const maxOpenRoots = 4;

/**
 * TreeView emits "open" with a key when it is selected, "enter" with the key or prefix of any row that is used, "menu", and
 * "reveal" with the prefix of a folder that a search has found.
 */
export class TreeView extends EventTarget {
  browsed = null; // the tree of everything
  #search = null;
  delimiter = '/';
  #rows = new Map(); // child, or level for its last row → Row
  #rowOf = new WeakMap(); // element → Row
  shown = ''; // the key whose entry is shown
  selection = new Selection();
  #flashes = new Set(); // children that changed since the last frame
  #frame = 0;
  #said = '';
  #awaited = false; // whether the focus is to move to the first row as soon as there is one

  constructor(api) {
    super();
    this.api = api;
    this.element = byId('tree');
    this.note = byId('tree-note');
    this.element.addEventListener('click', (e) => this.#clicked(e.target.closest('[role=treeitem]'), e));
    this.element.addEventListener('contextmenu', (e) => this.#menu(e.target.closest('[role=treeitem]'), e));
    this.selection.addEventListener('change', () => this.#later());
    this.element.addEventListener('keydown', (e) => pressed(e, this));
    this.element.addEventListener('focusin', (e) => this.#rove(e.target.closest('[role=treeitem]')));
    setInterval(() => { for (const row of this.#rows.values()) row.tick(); }, 1000);
  }

  /** open shows all that may be read, below a root for each prefix of that. */
  open() {
    this.clear();
    const scope = { delimiter: this.delimiter, rights: this.api.session.rights };
    const roots = scope.rights.roots();
    const rooted = roots.length !== 1 || roots[0] !== '';
    this.browsed = new Tree(this.api, rooted ? Level.of(roots, scope) : new Level('', scope));
    this.browsed.addEventListener('change', ({ detail }) => this.#later(detail));
    this.element.setAttribute('aria-busy', 'true');
    this.#later();
    if (!rooted) return this.browsed.more(this.browsed.root);
    return Promise.all(this.browsed.root.children.slice(0, maxOpenRoots).map((child) => this.browsed.open(child)));
  }

  /** search shows what a text finds, or everything if it is empty. */
  search(text) {
    if (!this.browsed || text === (this.#search?.text ?? '')) return;
    this.#search?.tree.stop();
    this.#awaited = false;
    this.#search = text ? new Search(this.api, this.browsed, text) : null;
    this.#search?.addEventListener('change', ({ detail }) => this.#later(detail));
    this.#search?.start();
    this.#draw();
  }

  /** reveal shows a folder that is loaded, and moves the focus to it. */
  reveal(key) {
    for (let level = this.browsed.root, child; level && (child = level.find(key)); level = child.key === key ? null : child.level) {
      if (child.key === key) {
        this.#draw();
        this.#rows.get(child).element.focus();
      } else child.open = true;
    }
  }

  /** reload loads again what is open. */
  reload() { return this.#each((tree) => tree.reload()); }

  /** retry loads again what could not be loaded. */
  retry() { return this.#each((tree) => tree.retry()); }

  clear() {
    this.#each((tree) => tree.stop());
    this.browsed = null;
    this.#search = null;
    this.#flashes.clear();
    this.#draw();
  }

  /** changed updates the tree after a key was stored, or removed if entry is null. */
  changed(key, entry) {
    this.#each((tree) => tree.changed(key, entry));
    if (!entry) this.selection.drop(key);
  }

  /** select marks the row of the key whose entry is shown. */
  select(key) {
    this.shown = key;
    this.selection.only(key);
  }

  /** focused returns the child whose row has the focus, or null. */
  focused() {
    const thing = this.#rowOf.get(document.activeElement)?.thing;
    return !thing || thing instanceof Level ? null : thing;
  }

  /** prefix returns that of the folder which has the focus or contains the row that has it, or else what is searched for. */
  prefix() {
    const child = this.focused();
    if (!child) return byId('search').value;
    return child.level ? child.key : child.key.slice(0, child.key.length - child.name.length);
  }

  /** keys returns the keys that are shown, from top to bottom. */
  keys() { return this.#shownRows().map(({ thing }) => thing).filter((thing) => thing.level === null).map((child) => child.key); }

  /** focus moves the focus to the tree. If no row is there yet, it waits in the search field, unless the user goes elsewhere. */
  focus() {
    const row = this.element.querySelector('[tabindex="0"]');
    this.#awaited = row === null;
    (row ?? byId('search')).focus();
  }

  /** activate performs the action of a click on a row. */
  activate(element) {
    const { thing } = this.#rowOf.get(element);
    if (thing instanceof Level) return thing.error || thing.stale ? this.#tree.renew(thing) : this.#more(thing, element);
    this.dispatchEvent(new CustomEvent('enter', { detail: thing.key }));
    if (!thing.level) return this.dispatchEvent(new CustomEvent('open', { detail: thing.key }));
    if (!element.ariaExpanded) return this.dispatchEvent(new CustomEvent('reveal', { detail: thing.key }));
    if (!thing.open) return this.#tree.open(thing);
    this.#tree.close(thing);
    this.#draw(); // at once, for the next key
  }

  // more loads the next page of a level. The focus moves from its last row to the first of the new ones.
  async #more(level, element) {
    const before = level.children.length;
    await this.#tree.more(level);
    const focused = element === document.activeElement;
    this.#draw();
    if (focused) this.#rows.get(level.children[before])?.element.focus({ preventScroll: true });
  }

  // The tree that is shown. Both are kept right.
  get #tree() { return this.#search?.tree ?? this.browsed; }

  #each(f) { return Promise.all([this.browsed, this.#search?.tree].filter(Boolean).map(f)); }

  #shownRows() { return (this.#search ?? this.browsed)?.rows() ?? []; }

  #later(child) {
    if (child) this.#flashes.add(child);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const focused = this.element.contains(document.activeElement) || (this.#awaited && document.activeElement === byId('search'));
    const rows = this.#shownRows();
    this.#drop(new Set(rows.map(({ thing }) => thing)));
    let at = this.element.firstElementChild;
    for (const { thing, depth, label, flat } of rows) {
      const row = this.#rows.get(thing) ?? this.#create(thing);
      row.update({ depth, label, flat, selected: this.selection.keys.has(thing.key) });
      if (row.element === at) at = at.nextElementSibling;
      else this.element.insertBefore(row.element, at);
    }
    for (const child of this.#flashes) if (this.#rows.has(child)) flash(this.#rows.get(child).element);
    this.#flashes.clear();
    this.#settle();
    if (focused && !this.element.contains(document.activeElement)) this.focus();
  }

  #create(thing) {
    const row = new Row(thing);
    this.#rows.set(thing, row);
    this.#rowOf.set(row.element, row);
    return row;
  }

  // drop removes the rows of all other things. If one of them could be reached with Tab, the next row can.
  #drop(things) {
    for (const [thing, { element }] of this.#rows) {
      if (things.has(thing)) continue;
      if (element.tabIndex === 0) this.#rove(element.nextElementSibling ?? element.previousElementSibling);
      element.remove();
      this.#rows.delete(thing);
      if (thing.key !== this.shown) this.selection.drop(thing.key);
    }
  }

  // settle makes exactly one row reachable with Tab.
  #settle() {
    const first = this.element.firstElementChild;
    if (first && !this.element.querySelector('[tabindex="0"]')) first.tabIndex = 0;
    const { root } = this.#tree ?? {};
    if (!root?.loading) this.element.removeAttribute('aria-busy');
    this.#say(this.#search?.note() ?? { text: root?.complete && root.children.length === 0 ? this.#nothing() : '' });
    this.element.hidden = first === null;
  }

  #nothing() {
    return this.api.session.rights.any('read') ? 'The store is empty. Press N to create the first entry.' : 'This API key may not read any keys.';
  }

  // say shows a note, and a button for the other results of a search. What stays is not announced again.
  #say({ text, other = '' }) {
    const said = `${text}${other}`;
    if (said === this.#said) return;
    this.#said = said;
    this.note.replaceChildren(visible(text), ...(other ? [' ', button(other, () => this.#toggle(), { class: 'link' })] : []));
  }

  #toggle() {
    this.#search.toggle();
    this.#draw();
  }

  #clicked(element, event) {
    if (!element) return;
    element.focus();
    if (event.target.classList.contains('dots')) return this.#menu(element, event);
    const { thing } = this.#rowOf.get(element);
    if (thing.level !== null || !(event.shiftKey || event.ctrlKey || event.metaKey)) return this.activate(element);
    if (event.shiftKey) this.selection.extend(thing.key, this.keys());
    else this.selection.toggle(thing.key);
  }

  #menu(element, event) {
    const thing = this.#rowOf.get(element)?.thing;
    if (!thing || thing instanceof Level) return;
    event.preventDefault();
    this.dispatchEvent(new CustomEvent('menu', { detail: { element, child: thing } }));
  }

  #rove(row) {
    if (!row) return;
    for (const other of this.element.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    row.tabIndex = 0;
  }
}
