// The API key, what it may do, and the state of the connection.

import { Rights } from './rights.js';

/** slot is where storage has the key. Gateways below paths of the same host have one each. */
const slot = `kv-api-key ${new URL('..', import.meta.url).pathname}`;

/**
 * Session emits "change" when its state changes:
 *   locked   there is no API key, or the server rejected it
 *   online   the last request got a response
 *   trouble  the gateway responds, but its store is unavailable
 *   offline  the last request got no response
 * and "caller" when the server has told what the API key is and may do.
 */
export class Session extends EventTarget {
  // sessionStorage keeps the key until the tab is closed, and no other tab can read it. localStorage has it only if the user
  // wants it remembered.
  key = sessionStorage.getItem(slot) ?? localStorage.getItem(slot) ?? '';
  state = this.key ? 'online' : 'locked';
  detail = '';
  caller = null; // as GET /v1/caller has it, once that is known
  rights = new Rights();

  constructor() {
    super();
    addEventListener('storage', ({ key, oldValue, newValue }) => {
      if (key === slot && newValue === null && oldValue === this.key) this.lock('The console was locked in another tab.');
    });
  }

  /** knows records what the API key is and may do. */
  knows(caller) {
    this.caller = caller;
    this.rights = new Rights(caller?.grants);
    this.dispatchEvent(new Event('caller'));
  }

  unlock(key, caller, remember) {
    this.key = key;
    this.knows(caller);
    (remember ? localStorage : sessionStorage).setItem(slot, key);
    this.#become('online');
  }

  lock(detail = '') {
    this.key = '';
    sessionStorage.removeItem(slot);
    localStorage.removeItem(slot);
    this.knows(null);
    this.#become('locked', detail);
  }

  /** refused locks the session after the server rejected key, unless another key is in use by now. */
  refused(key) {
    if (key === this.key && this.state !== 'locked') this.lock('The server no longer accepts this API key.');
  }

  reached() {
    if (this.state === 'offline') this.#become('online');
  }

  lost() {
    if (this.state !== 'locked') this.#become('offline');
  }

  /** working records that the store responds, or its error message if it does not. */
  working(detail = '') {
    if (this.state !== 'locked') this.#become(detail ? 'trouble' : 'online', detail);
  }

  #become(state, detail = '') {
    if (state === this.state && detail === this.detail) return;
    this.state = state;
    this.detail = detail;
    this.dispatchEvent(new Event('change'));
  }
}
