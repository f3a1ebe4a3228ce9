// The bar that finds text in a code area.

import { button, el } from './dom.js';

const maxMatches = 10_000;

export class FindBar {
  #matches = [];
  #current = -1;

  constructor(area) {
    this.area = area;
    this.input = el('input', { type: 'search', class: 'mono', 'aria-label': 'Find in the value', placeholder: 'Find', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' });
    this.count = el('span', { class: 'quiet', role: 'status' });
    this.element = el('div', { class: 'find', role: 'search', hidden: true, onkeydown: (event) => this.#pressed(event) }, this.input, this.count,
      button('\u2191', () => this.#go(-1), { class: 'icon', 'aria-label': 'Previous match', title: 'Shift+Enter' }),
      button('\u2193', () => this.#go(1), { class: 'icon', 'aria-label': 'Next match', title: 'Enter' }),
      button('Close', () => this.close()));
    this.input.addEventListener('input', () => this.#search(area.input.selectionStart));
    area.input.addEventListener('input', () => { if (!this.element.hidden) this.#search(-1); });
  }

  /** open shows the bar. It begins with what is selected in the text, unless that is several lines. */
  open() {
    const { selectionStart, selectionEnd } = this.area.input;
    const selected = this.area.text.slice(selectionStart, selectionEnd);
    if (selected && !selected.includes('\n')) this.input.value = selected;
    this.element.hidden = false;
    this.input.focus();
    this.input.select();
    this.#search(selectionStart);
  }

  close() {
    this.element.hidden = true;
    this.area.mark('find', []);
    this.area.mark('found', []);
    this.area.input.focus();
  }

  // search finds all matches and selects the first one at or after a position, or none if it is -1.
  #search(from) {
    this.#matches = matches(this.area.text, this.input.value);
    this.#current = from < 0 ? -1 : this.#matches.findIndex(([start]) => start >= from);
    if (from >= 0 && this.#current < 0 && this.#matches.length) this.#current = 0;
    this.area.mark('find', this.#matches);
    this.#show();
  }

  #go(step) {
    const n = this.#matches.length;
    if (!n) return;
    this.#current = this.#current < 0 && step < 0 ? n - 1 : (this.#current + step + n) % n;
    this.#show();
  }

  #show() {
    const n = this.#matches.length;
    const total = n === maxMatches ? `${n.toLocaleString()} or more` : n.toLocaleString();
    this.count.textContent = !this.input.value ? '' : n === 0 ? 'no match' : this.#current < 0 ? `${total} matches` : `${this.#current + 1} of ${total}`;
    const match = this.#matches[this.#current];
    this.area.mark('found', match ? [match] : []);
    if (match) this.area.select(...match);
  }

  #pressed(event) {
    if (event.key === 'Enter' && event.target === this.input) {
      event.preventDefault();
      this.#go(event.shiftKey ? -1 : 1);
    } else if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation(); // it would cancel the editor
      this.close();
    }
  }
}

function matches(text, query) {
  if (!query) return [];
  const pattern = new RegExp(query.replaceAll(/[$()*+./?[\\\]^{|}]/g, '\\$&'), 'giu');
  const all = [];
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (all.push([index, index + found.length]) === maxMatches) break;
  }
  return all;
}
