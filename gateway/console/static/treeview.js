// The tree on the screen: a flat list of rows with levels, as in ARIA's tree pattern.

import { byId } from './dom.js';
import { Level } from './level.js';
import { Selection } from './selection.js';
import { Tree } from './tree.js';
import { pressed } from './treekeys.js';
import { flash, Row } from './treerow.js';

const maxOpenRoots = 4;

/** TreeView emits "open" with a key when it is selected, "enter" with the key or prefix of any row that is used, and "menu". */
export class TreeView extends EventTarget {
  tree = null;
  delimiter = '/';
  #rows = new Map(); // child, or level for its last row → Row
  #rowOf = new WeakMap(); // element → Row
  shown = ''; // the key whose entry is shown
  selection = new Selection();
  #flashes = new Set(); // children that changed since the last frame
  #frame = 0;

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

  /** show shows the keys with a prefix. Without one, it shows all that may be read, below a root for each prefix of that. */
  show(prefix) {
    this.clear();
    const scope = { delimiter: this.delimiter, rights: this.api.session.rights };
    const roots = prefix ? [prefix] : scope.rights.roots();
    const rooted = !prefix && (roots.length !== 1 || roots[0] !== '');
    this.tree = new Tree(this.api, rooted ? Level.of(roots, scope) : new Level(prefix, scope));
    this.tree.addEventListener('change', ({ detail }) => this.#later(detail));
    this.element.setAttribute('aria-busy', 'true');
    if (!rooted) return this.tree.more(this.tree.root);
    return Promise.all(this.tree.root.children.slice(0, maxOpenRoots).map((child) => this.tree.open(child)));
  }

  /** reload loads again what is open. */
  reload() { return this.tree?.reload(); }

  /** retry loads again what could not be loaded. */
  retry() { return this.tree?.retry(); }

  clear() {
    this.tree?.stop();
    this.tree = null;
    this.#flashes.clear();
    this.#draw();
  }

  /** changed updates the tree after a key was stored, or removed if entry is null. */
  changed(key, entry) {
    this.tree?.changed(key, entry);
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
  keys() { return this.tree.rows().map(({ thing }) => thing).filter((thing) => thing.level === null).map((child) => child.key); }

  focus() { (this.element.querySelector('[tabindex="0"]') ?? byId('search')).focus(); }

  /** activate performs the action of a click on a row. */
  activate(element) {
    const { thing } = this.#rowOf.get(element);
    if (thing instanceof Level) return thing.error || thing.stale ? this.tree.renew(thing) : this.#more(thing, element);
    this.dispatchEvent(new CustomEvent('enter', { detail: thing.key }));
    if (!thing.level) return this.dispatchEvent(new CustomEvent('open', { detail: thing.key }));
    if (!thing.open) return this.tree.open(thing);
    this.tree.close(thing);
    this.#draw(); // at once, for the next key
  }

  // more loads the next page of a level. The focus moves from its last row to the first of the new ones.
  async #more(level, element) {
    const before = level.children.length;
    await this.tree.more(level);
    const focused = element === document.activeElement;
    this.#draw();
    if (focused) this.#rows.get(level.children[before])?.element.focus({ preventScroll: true });
  }

  #later(child) {
    if (child) this.#flashes.add(child);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const rows = this.tree?.rows() ?? [];
    this.#drop(new Set(rows.map(({ thing }) => thing)));
    let at = this.element.firstElementChild;
    for (const { thing, depth } of rows) {
      const row = this.#rows.get(thing) ?? this.#create(thing);
      row.update(depth, this.selection.keys.has(thing.key));
      if (row.element === at) at = at.nextElementSibling;
      else this.element.insertBefore(row.element, at);
    }
    for (const child of this.#flashes) if (this.#rows.has(child)) flash(this.#rows.get(child).element);
    this.#flashes.clear();
    this.#settle();
  }

  #create(thing) {
    const row = new Row(thing);
    this.#rows.set(thing, row);
    this.#rowOf.set(row.element, row);
    return row;
  }

  // drop removes the rows of all other things. If one of them has the focus, the next row gets it.
  #drop(things) {
    for (const [thing, { element }] of this.#rows) {
      if (things.has(thing)) continue;
      const heir = element.nextElementSibling ?? element.previousElementSibling;
      const focused = element === document.activeElement;
      if (element.tabIndex === 0) this.#rove(heir);
      element.remove();
      this.#rows.delete(thing);
      if (thing.key !== this.shown) this.selection.drop(thing.key);
      if (focused) heir?.focus();
    }
  }

  // settle makes exactly one row reachable with Tab.
  #settle() {
    const first = this.element.firstElementChild;
    if (first && !this.element.querySelector('[tabindex="0"]')) first.tabIndex = 0;
    const root = this.tree?.root;
    if (!root?.loading) this.element.removeAttribute('aria-busy');
    const empty = root?.complete && root.children.length === 0;
    this.note.textContent = !empty ? '' : !this.api.session.rights.any('read') ? 'This API key may not read any keys.' : root.prefix ? 'No keys have this prefix.' : 'The store is empty. Press N to create the first entry.';
    this.element.hidden = first === null;
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
