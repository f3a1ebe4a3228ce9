// One level of the tree: what begins with a prefix, up to the next delimiter. One request loads one page of it.

import { compare, place } from './order.js';

const pageSize = 500;
/** maxLive is the number of children up to which new ones are inserted. */
const maxLive = 5_000;

/**
 * Level holds the children that were loaded, in order. A child is { key, name, level, open, expires }: level is null for a
 * key, and expires is by performance.now(), or null.
 */
export class Level {
  children = [];
  loaded = false; // at least the first page
  loading = false;
  stale = false; // there are new keys that are not in children
  error = null; // of the last load
  ready = null; // a promise that the load under way has ended
  fixed = false; // the children are not from the server, and stay
  #token = '';
  #last = ''; // the last key or prefix that was listed
  #waiting = []; // changes that arrived while loading

  /** Names are relative to the last delimiter of the prefix. Without a delimiter there is a single level. */
  constructor(prefix, delimiter) {
    this.prefix = prefix;
    this.delimiter = delimiter;
    this.base = delimiter === '' ? '' : prefix.slice(0, endOf(prefix, prefix.lastIndexOf(delimiter), delimiter));
  }

  get complete() { return this.loaded && !this.#token; }

  /** more loads the next page. */
  more(api, signal) {
    return this.#load(async () => {
      const page = await this.#list(api, this.#token, signal);
      this.#take(page, this.loaded ? this.children : []);
    });
  }

  /** reload replaces the children with those that exist now. It loads about as many as before. */
  reload(api, signal) {
    return this.#load(async () => {
      const wanted = Math.min(this.children.length, maxLive);
      const found = [];
      let page = { token: '' };
      do {
        page = await this.#list(api, page.token, signal);
        found.push(...page.children);
      } while (page.token && found.length < wanted);
      const old = new Map(this.children.map((child) => [child.key, child]));
      const kept = found.map((child) => (old.has(child.key) ? Object.assign(old.get(child.key), { expires: child.expires }) : child));
      this.stale = false;
      this.#take({ ...page, children: kept }, []);
    });
  }

  /** clear makes the level one that has no keys. */
  clear() {
    this.forget();
    this.loaded = true;
  }

  /** forget makes the level one that was not loaded. */
  forget() {
    this.children = [];
    this.loaded = false;
    this.#token = '';
  }

  /** waited returns the changes that arrived while loading. The loaded pages may or may not include them. */
  waited() { return this.#waiting.splice(0); }

  /** hold keeps a change until the level is loaded. It reports whether the level is being loaded. */
  hold(change) {
    if (this.loading) this.#waiting.push(change);
    return this.loading;
  }

  /** find returns the child that is a key or contains it, or null. */
  find(key) {
    const { key: wanted } = this.#childOf(key);
    const child = this.children[place(this.children, wanted)];
    return child?.key === wanted ? child : null;
  }

  /** insert adds the child that is a key or contains it, and returns it. It returns null if a later page will include it. */
  insert(key, expires) {
    if (this.#token && compare(key, this.#last) > 0) return null;
    if (this.children.length >= maxLive) {
      this.stale = true;
      return null;
    }
    const child = this.#childOf(key, expires);
    this.children.splice(place(this.children, child.key), 0, child);
    return child;
  }

  remove(child) {
    const at = this.children.indexOf(child);
    if (at >= 0) this.children.splice(at, 1);
  }

  #load(pages) {
    this.loading = true;
    this.error = null;
    this.ready = pages().catch((error) => {
      if (error.name !== 'AbortError') this.error = error;
    }).finally(() => { this.loading = false; });
    return this.ready;
  }

  // list returns a page, with its keys and prefixes in order.
  async #list(api, token, signal) {
    const page = await api.level(this.prefix, { delimiter: this.delimiter, token, size: pageSize, signal });
    const folders = page.prefixes.map((prefix) => this.#childOf(prefix));
    const keys = page.entries.map(({ key, expires }) => this.#childOf(key, expires));
    const children = folders.length && keys.length ? [...folders, ...keys].sort((a, b) => compare(a.key, b.key)) : [...folders, ...keys];
    return { children, token: page.token };
  }

  #take({ children, token }, before) {
    this.children = [...before, ...children];
    this.#last = children.at(-1)?.key ?? this.#last;
    this.#token = token;
    this.loaded = true;
  }

  #childOf(key, expires = null) {
    const end = this.delimiter === '' ? 0 : endOf(key, key.indexOf(this.delimiter, this.prefix.length), this.delimiter);
    const own = end ? key.slice(0, end) : key;
    return { key: own, name: own.slice(this.base.length), level: end ? new Level(own, this.delimiter) : null, open: false, expires: end ? null : expires };
  }
}

// endOf returns where the delimiter at an index ends, or 0 if there is none.
const endOf = (text, at, delimiter) => (at < 0 ? 0 : at + delimiter.length);
