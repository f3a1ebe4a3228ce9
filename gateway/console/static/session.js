// The API key, and what is known of the connection.

const slot = 'kv-api-key';

/**
 * Session says "change" when its state does:
 *   locked   no key, or one that is not accepted
 *   online   the last request was answered
 *   trouble  the gateway answers, but the store behind it does not
 *   offline  the last request was not answered
 */
export class Session extends EventTarget {
  // In sessionStorage a key lives as long as its tab and is seen by no other.
  key = sessionStorage.getItem(slot) ?? '';
  state = this.key ? 'online' : 'locked';
  detail = '';
  #skew = 0; // the server's clock minus ours, in ms

  unlock(key) {
    this.key = key;
    sessionStorage.setItem(slot, key);
    this.#become('online');
  }

  lock(detail = '') {
    this.key = '';
    sessionStorage.removeItem(slot);
    this.#become('locked', detail);
  }

  /** refused is told that a key was not accepted, which counts only if it is still the one in use. */
  refused(key) {
    if (key === this.key && this.state !== 'locked') this.lock('The server does not accept this API key any more.');
  }

  reached() {
    if (this.state === 'offline') this.#become('online');
  }

  lost() {
    if (this.state !== 'locked') this.#become('offline');
  }

  /** working is told whether the store answers, and what it says if not. */
  working(detail = '') {
    if (this.state !== 'locked') this.#become(detail ? 'trouble' : 'online', detail);
  }

  /** now is the server's time, which is the one that decides when an entry expires. */
  now() { return Date.now() + this.#skew; }

  setClock(serverTime, at) { this.#skew = serverTime - at; }

  #become(state, detail = '') {
    if (state === this.state && detail === this.detail) return;
    this.state = state;
    this.detail = detail;
    this.dispatchEvent(new Event('change'));
  }
}
