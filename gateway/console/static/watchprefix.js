// Which prefix the page watches: what the user typed, or one that the API key may read.

import { byId } from './dom.js';

/** WatchPrefix chooses the prefix. There is one watch, so with several prefixes it is that in use. */
export class WatchPrefix {
  #chosen = ''; // by the console, unless the user typed another

  constructor(session) {
    this.session = session;
    this.field = byId('feed-prefix');
  }

  /** get returns the prefix to watch, which the field then shows. */
  get() {
    const { value } = this.field;
    const roots = this.#roots();
    const keep = value === this.#chosen ? roots.includes(value) : this.session.rights.mayAll('read', value);
    if (!keep) this.#choose(roots[0] ?? '');
    return this.field.value;
  }

  /** follow changes the prefix to that of a key, if the console chose it. It reports whether the prefix has changed. */
  follow(key) {
    const root = this.#roots().find((prefix) => key.startsWith(prefix));
    if (this.field.value !== this.#chosen || root === undefined || root === this.#chosen) return false;
    this.#choose(root);
    return true;
  }

  #roots() { return this.session.rights.roots().filter((prefix) => this.session.rights.mayAll('read', prefix)); }

  #choose(prefix) {
    this.#chosen = prefix;
    this.field.value = prefix;
  }
}
