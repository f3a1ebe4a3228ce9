// The list of changes, newest first.

import { byId, el, visible } from './dom.js';
import { clock, countdown } from './duration.js';
import { formatBytes } from './bytes.js';

const maxRows = 200;
const excerpt = 120; // characters
const words = { put: 'put', delete: 'delete', expire: 'expire', evict: 'evict', touch: 'touch' };

/** Feed emits "open" with a key when it is selected. */
export class Feed extends EventTarget {
  #held = []; // changes not yet shown: while paused, and until the next frame
  #missed = 0; // how many changes were dropped from held
  #paused = false;
  #frame = 0;

  constructor() {
    super();
    this.list = byId('feed');
    this.pause = byId('feed-pause');
    this.pause.addEventListener('click', () => this.#toggle());
  }

  add(changes) {
    const at = Date.now();
    this.#held.push(...changes.slice(-maxRows).map((change) => ({ ...change, at })));
    this.#missed += Math.max(0, changes.length - maxRows);
    if (this.#held.length > maxRows) this.#missed += this.#held.splice(0, this.#held.length - maxRows).length;
    this.#later();
  }

  /** mark adds a row with a message. */
  mark(text) {
    this.#held.push({ type: 'note', text, at: Date.now() });
    this.#later();
  }

  clear() {
    this.#held = [];
    this.#missed = 0;
    this.list.replaceChildren();
    this.#empty();
  }

  #toggle() {
    this.#paused = !this.#paused;
    this.pause.setAttribute('aria-pressed', String(this.#paused));
    this.#later();
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const count = this.#held.length + this.#missed;
    this.pause.textContent = this.#paused ? (count ? `Resume (${count} new)` : 'Resume') : 'Pause';
    if (this.#paused) return;
    if (this.#missed) this.#held.unshift({ type: 'note', text: `${this.#missed.toLocaleString()} more not shown`, at: this.#held[0].at });
    this.list.prepend(...this.#held.reverse().map((change) => this.#row(change)));
    while (this.list.children.length > maxRows) this.list.lastChild.remove();
    this.#held = [];
    this.#missed = 0;
    this.#empty();
  }

  #empty() { byId('feed-empty').hidden = this.list.children.length > 0; }

  #row({ type, key, entry, text, at }) {
    const time = el('time', {}, clock(at));
    if (type === 'note') return el('li', { class: 'feed-note' }, time, el('span', {}, text));
    return el('li', { class: `feed-${type}` }, time, el('span', { class: 'badge' }, words[type] ?? 'change'),
      el('button', { type: 'button', class: 'link mono', onclick: () => this.dispatchEvent(new CustomEvent('open', { detail: key })) }, visible(key)),
      entry && el('span', { class: 'mono quiet excerpt' }, type === 'touch' ? expiry(entry) : summary(entry)));
  }
}

function expiry({ expires }) {
  return expires === null ? 'no longer expires' : `expires in ${countdown(expires - performance.now())}`;
}

function summary(entry) {
  if (entry.text === undefined) return `${formatBytes(entry.bytes.length)} of binary data`;
  return visible(entry.text.slice(0, excerpt).replaceAll(/\s+/g, ' '));
}
