// The keys that are selected in the tree.

/** Selection emits "change". The anchor is where a range begins. */
export class Selection extends EventTarget {
  keys = new Set();
  #anchor = '';

  /** only selects one key, or none if it is empty. */
  only(key) { this.#become(new Set(key ? [key] : []), key); }

  toggle(key) {
    const keys = new Set(this.keys);
    if (!keys.delete(key)) keys.add(key);
    this.#become(keys, key);
  }

  /** extend selects the keys between the anchor and a key, as they are shown. */
  extend(key, shown) {
    const [from, to] = [shown.indexOf(this.#anchor), shown.indexOf(key)].sort((a, b) => a - b);
    this.#become(new Set(shown.slice(from < 0 ? to : from, to + 1)), from < 0 ? key : this.#anchor);
  }

  add(keys) { this.#become(new Set([...this.keys, ...keys]), this.#anchor); }

  drop(key) {
    if (this.keys.delete(key)) this.#tell();
  }

  #become(keys, anchor) {
    this.keys = keys;
    this.#anchor = anchor;
    this.#tell();
  }

  #tell() { this.dispatchEvent(new Event('change')); }
}
