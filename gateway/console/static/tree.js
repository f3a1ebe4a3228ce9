// The keys as a tree: slashes separate levels. A folder is loaded only when it is opened.

const pageSize = 500;
/** wantedRows is how many rows "More" adds, unless that takes scanning more than maxScan keys. */
const wantedRows = 100;
const maxScan = 10_000;
/** maxLive is the number of rows up to which new keys are inserted into a folder. */
const maxLive = 5_000;

/** compare orders keys as the server does: by their UTF-8 bytes, which is by code point, unlike <. */
export function compare(a, b) {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    if (a.charCodeAt(i) === b.charCodeAt(i)) continue;
    return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
  }
  return a.length - b.length;
}

// rank orders surrogates, which encode the code points above U+FFFF, after all other units.
const rank = (unit) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** Folder is a prefix and the children that were loaded. */
export class Folder {
  children = []; // in order; { key, name, folder } where folder is a Folder or null
  scanned = 0;
  token = '';
  started = false;
  stale = false; // keys were created that are not in children
  open = false;
  #loading = false;
  #waiting = []; // changes that arrived while loading: [key, exists]
  #last = ''; // the last key that was scanned

  /** Names are relative to base; keys begin with filter, which is longer than base if a search ends within a name. */
  constructor(base, filter = base) {
    this.base = base;
    this.filter = filter;
  }

  get complete() { return this.started && !this.token; }

  /** load scans further keys, beginning with the first. It returns the children that it added. */
  async load(api, signal) {
    this.#loading = true;
    try {
      return await this.#load(api, signal);
    } finally {
      this.#loading = false;
    }
  }

  /** waited returns the changes that arrived while loading. The loaded pages may or may not include them. */
  waited() { return this.#waiting.splice(0); }

  async #load(api, signal) {
    const added = [];
    let scanned = 0;
    do {
      const page = await api.list(this.filter, { token: this.token || undefined, size: pageSize, signal });
      for (const key of page.keys) {
        const child = this.#fold(key);
        if (child) added.push(child);
      }
      scanned += page.keys.length;
      this.#last = page.keys.at(-1) ?? this.#last;
      this.token = page.token;
      this.started = true;
    } while (this.token && added.length < wantedRows && scanned < maxScan);
    this.scanned += scanned;
    return added;
  }

  // fold adds the child that contains a key, unless it exists. Keys arrive in order, and so do folders.
  #fold(key) {
    const child = this.#childOf(key);
    const at = this.#place(child.key);
    if (this.children[at]?.key === child.key) return null;
    this.children.splice(at, 0, child);
    return child;
  }

  #childOf(key) {
    const slash = key.indexOf('/', this.base.length);
    if (slash < 0) return { key, name: key.slice(this.base.length), folder: null };
    const prefix = key.slice(0, slash + 1);
    return { key: prefix, name: prefix.slice(this.base.length), folder: new Folder(prefix) };
  }

  // place returns the index of a child, or the index to insert it at. A key that ends in a slash is inside the folder of the same name.
  #place(key) {
    let low = 0;
    let high = this.children.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.children[middle].key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * changed updates the loaded children after a key was stored or removed. It returns { folder, child, added, removed } of
   * the innermost folder that shows the key, or null if none does.
   */
  changed(key, exists) {
    if (!key.startsWith(this.filter)) return null;
    if (this.#loading) this.#waiting.push([key, exists]);
    if (this.#loading || !this.started) return null;
    const wanted = this.#childOf(key);
    const at = this.#place(wanted.key);
    const child = this.children[at]?.key === wanted.key ? this.children[at] : null;
    if (child?.folder) return this.#inside(child, at, key, exists);
    if (child && !exists) {
      this.children.splice(at, 1);
      return { folder: this, child, removed: true };
    }
    if (child || !exists) return child && { folder: this, child };
    return this.#insert(wanted, at, key);
  }

  #inside(child, at, key, exists) {
    const result = child.folder.changed(key, exists);
    if (!child.folder.complete || child.folder.children.length > 0) return result ?? { folder: this, child };
    this.children.splice(at, 1); // the folder is empty
    return { folder: this, child, removed: true };
  }

  #insert(child, at, key) {
    if (this.token && compare(key, this.#last) > 0) return null; // a later page will include it
    if (this.children.length >= maxLive) {
      this.stale = true;
      return { folder: this, child: null };
    }
    this.children.splice(at, 0, child);
    return { folder: this, child, added: true };
  }
}
