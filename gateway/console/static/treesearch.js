// Searches the tree: on the server for keys that begin with a text, and in what is loaded for keys that contain it.

import { Level } from './level.js';
import { Tree } from './tree.js';

const maxShown = 500;

/** Search emits "change", as its tree does. It shows what begins with the text if there is any, or else what contains it. */
export class Search extends EventTarget {
  #chosen = ''; // what the user wants to see: begins, contains, or "" for the better one

  /** Browsed is the tree whose loaded keys are searched. */
  constructor(api, browsed, text) {
    super();
    this.browsed = browsed;
    this.text = text;
    const { scope } = browsed.root;
    this.allowed = scope.rights.may('read', text);
    this.tree = new Tree(api, new Level(text, scope));
    if (!this.allowed) this.tree.root.clear();
    this.tree.addEventListener('change', ({ detail }) => this.dispatchEvent(new CustomEvent('change', { detail })));
  }

  start() { return this.allowed ? this.tree.more(this.tree.root) : undefined; }

  /** toggle shows the other kind of results. */
  toggle() { this.#chosen = this.begins ? 'contains' : 'begins'; }

  /** begins reports whether it shows what begins with the text. */
  get begins() {
    const { children, complete } = this.tree.root;
    return this.#chosen ? this.#chosen === 'begins' : children.length > 0 || !complete;
  }

  rows() {
    if (this.begins) return this.tree.rows();
    return this.#matches().slice(0, maxShown).map((thing) => ({ thing, depth: 1, label: thing.key, flat: true }));
  }

  /** note says what the results are, and the label of the button that shows the others, if there are any. */
  note() {
    const { root } = this.tree;
    if (root.error || !root.loaded) return { text: '' };
    const quoted = `\u201c${this.text}\u201d`;
    const matches = this.#matches();
    if (this.begins) {
      const others = matches.filter((child) => !child.key.startsWith(this.text)).length;
      return { text: `Keys that begin with ${quoted}, found on the server.`, other: others && `Show ${others.toLocaleString()} loaded that contain it` };
    }
    const loaded = loadedIn(this.browsed.root).length.toLocaleString();
    const found = matches.length ? `${matches.length.toLocaleString()} of ${loaded} loaded keys and folders contain ${quoted}` : `None of ${loaded} loaded keys and folders contains ${quoted}`;
    const more = matches.length > maxShown ? `; the first ${maxShown} are shown` : '';
    const rest = !this.allowed ? ' This API key may not search for more.' : root.children.length ? '' : ' No key begins with it.';
    return { text: `${found}${more}.${rest}`, other: root.children.length && 'Show keys that begin with it' };
  }

  // matches returns the children whose own name completes a match. Those below a match are found in it.
  #matches() {
    const wanted = this.text.toLowerCase();
    return loadedIn(this.browsed.root).filter(({ key, name }) => {
      const at = key.toLowerCase().lastIndexOf(wanted);
      return at >= 0 && at + wanted.length > key.length - name.length;
    });
  }
}

// loadedIn returns all children that are loaded, whether or not their folders are open.
function loadedIn(level, all = []) {
  for (const child of level.children) {
    all.push(child);
    if (child.level?.loaded) loadedIn(child.level, all);
  }
  return all;
}
