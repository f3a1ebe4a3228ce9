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
  #next = { part: 0, token: '' }; // the page to load next
  #reached = ''; // where the next page begins
  #waiting = []; // changes that arrived while loading

  /**
   * Names are relative to the last delimiter of the prefix. A scope is { delimiter, rights }: with an empty delimiter there
   * is a single level, and only what the rights allow is listed.
   */
  constructor(prefix, scope) {
    this.prefix = prefix;
    this.scope = scope;
    this.base = scope.delimiter === '' ? '' : prefix.slice(0, endOf(prefix, prefix.lastIndexOf(scope.delimiter), scope.delimiter));
    this.parts = scope.rights.parts(prefix);
  }

  /** of returns a level with a folder for each prefix. */
  static of(prefixes, scope) {
    const level = new Level('', scope);
    level.clear();
    level.fixed = true;
    level.children = prefixes.map((prefix) => ({ key: prefix, name: prefix || 'All keys', level: new Level(prefix, scope), open: false, expires: null }));
    return level;
  }

  get complete() { return this.loaded && this.#next.part === this.parts.length; }

  /** more loads the next page. */
  more(api, signal) {
    return this.#load(async () => {
      const page = await this.#pages(api, this.#next, this.parts.length > 1 ? pageSize : 1, signal);
      this.#take(page, this.loaded ? this.children : []);
    });
  }

  /** reload replaces the children with those that exist now. It loads about as many as before. */
  reload(api, signal) {
    return this.#load(async () => {
      const page = await this.#pages(api, { part: 0, token: '' }, Math.min(this.children.length, maxLive), signal);
      const old = new Map(this.children.map((child) => [child.key, child]));
      const children = page.children.map((child) => (old.has(child.key) ? Object.assign(old.get(child.key), { expires: child.expires }) : child));
      this.stale = false;
      this.#take({ ...page, children }, []);
    });
  }

  /** clear makes the level one that has no keys. */
  clear() {
    this.forget();
    this.loaded = true;
    this.#next.part = this.parts.length;
  }

  /** forget makes the level one that was not loaded. */
  forget() {
    this.children = [];
    this.loaded = false;
    this.#next = { part: 0, token: '' };
  }

  /** any reports whether there is a key. */
  async any(api, signal) {
    for (const part of this.parts) {
      const { entries } = await api.level(this.prefix, { ...part, size: 1, signal });
      if (entries.length > 0) return true;
    }
    return false;
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
    if (this.fixed) return this.children.findLast((child) => key.startsWith(child.key)) ?? null;
    const { key: wanted } = this.#childOf(key);
    const child = this.children[place(this.children, wanted)];
    return child?.key === wanted ? child : null;
  }

  /** insert adds the child that is a key or contains it, and returns it. It returns null if a later page will include it. */
  insert(key, expires) {
    if (this.fixed || (!this.complete && compare(key, this.#reached) > 0)) return null;
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

  // pages returns as many children as wanted, or all there are, with the page that comes next.
  async #pages(api, next, wanted, signal) {
    const children = [];
    while (next.part < this.parts.length && (children.length === 0 || children.length < wanted)) {
      const page = await api.level(this.prefix, { ...this.parts[next.part], delimiter: this.scope.delimiter, token: next.token, size: pageSize, signal });
      children.push(...this.#merge(page));
      next = page.token ? { part: next.part, token: page.token } : { part: next.part + 1, token: '' };
    }
    return { children, next };
  }

  // merge returns the keys and prefixes of a page in order. A folder around the end of a part is on two pages.
  #merge({ prefixes, entries }) {
    const folders = prefixes.map((prefix) => this.#childOf(prefix));
    const keys = entries.map(({ key, expires }) => this.#childOf(key, expires));
    return folders.length && keys.length ? [...folders, ...keys].sort((a, b) => compare(a.key, b.key)) : [...folders, ...keys];
  }

  #take({ children, next }, before) {
    this.children = [...before, ...children].filter((child, i, all) => child.key !== all[i - 1]?.key);
    this.#reached = next.token ? this.children.at(-1).key : this.parts[next.part]?.start;
    this.#next = next;
    this.loaded = true;
  }

  #childOf(key, expires = null) {
    const { delimiter } = this.scope;
    const end = delimiter === '' ? 0 : endOf(key, key.indexOf(delimiter, this.prefix.length), delimiter);
    const own = end ? key.slice(0, end) : key;
    return { key: own, name: own.slice(this.base.length), level: end ? new Level(own, this.scope) : null, open: false, expires: end ? null : expires };
  }
}

// endOf returns where the delimiter at an index ends, or 0 if there is none.
const endOf = (text, at, delimiter) => (at < 0 ? 0 : at + delimiter.length);
