// The rows of the tree.

import { el, visible } from './dom.js';
import { countdown, moment } from './duration.js';
import { Level } from './level.js';

/** Row is the element of a child, or of a level for its last row. */
export class Row {
  #shown = '';

  constructor(thing) {
    this.thing = thing;
    this.name = el('span', { class: 'name' });
    this.aside = el('span', { class: 'aside quiet', 'aria-hidden': 'true' });
    const twist = el('span', { class: 'twist', 'aria-hidden': 'true' });
    const menu = el('span', { class: 'dots', 'aria-hidden': 'true' }, '\u22ef');
    this.element = el('div', { role: 'treeitem', tabindex: -1 }, ...(thing instanceof Level ? [this.name] : [twist, this.name, this.aside, menu]));
    this.element.className = thing instanceof Level ? 'row last' : thing.level ? 'row folder' : 'row';
  }

  /** update shows the thing as it is now. The label is the name by default. A flat folder cannot be opened where it is. */
  update({ depth, selected, label = this.thing.name, flat = false }) {
    if (this.thing instanceof Level) this.#last(depth);
    else this.#child(depth, selected, label, flat);
  }

  /** tick counts the TTL down. */
  tick() {
    const { expires } = this.thing;
    if (expires) this.aside.textContent = countdown(expires - performance.now());
  }

  #last(depth) {
    const { error, stale, loading, children } = this.thing;
    if (!this.#differs([depth, error?.message, stale, loading, children.length])) return;
    this.#place(depth, loading);
    const count = children.length.toLocaleString();
    this.name.textContent = error ? `${error.message} Retry` : stale ? 'More keys were created. Reload' : `More\u2026 (${count} shown)`;
    this.element.classList.toggle('failed', error !== null);
  }

  #child(depth, selected, label, flat) {
    const { key, level, open, expires } = this.thing;
    const count = level && level.loaded ? level.children.length.toLocaleString() + (level.complete ? '' : '+') : '';
    if (!this.#differs([depth, selected, label, open, expires, count, level?.loading, flat])) return;
    this.#place(depth, level?.loading);
    this.name.replaceChildren(visible(label) || el('i', {}, '(empty name)'));
    this.aside.textContent = count;
    this.element.title = visible(key) + (expires ? `\nexpires ${moment(Date.now() + expires - performance.now())}` : '');
    if (level) this.element.ariaExpanded = flat ? null : String(open);
    else this.element.setAttribute('aria-selected', String(selected));
    this.tick();
  }

  #place(depth, busy) {
    this.element.setAttribute('aria-level', depth);
    this.element.style.setProperty('--level', depth);
    this.element.ariaBusy = busy ? 'true' : null;
  }

  // differs reports whether the row has to be changed to show these values.
  #differs(values) {
    const shown = JSON.stringify(values);
    const differs = shown !== this.#shown;
    this.#shown = shown;
    return differs;
  }
}

/** flash highlights an element that has changed. */
export function flash(element) {
  element.classList.remove('flash');
  void element.offsetWidth; // restarts the animation
  element.classList.add('flash');
}
