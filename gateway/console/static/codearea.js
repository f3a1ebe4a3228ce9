// A text area with line numbers, in which places can be marked.

import { el } from './dom.js';

/** maxMarked is the length in characters up to which a mistake is marked while the user types. */
const maxMarked = 300_000;

/**
 * CodeArea has an element and the text area in it, input. Marks are drawn on a transparent copy of the text, with
 * highlights, which browsers without them do not show.
 */
export class CodeArea {
  #lines = 0;
  #ranges = new Map(); // :: name of a highlight → [[start, end]]

  constructor(props) {
    this.input = el('textarea', { spellcheck: 'false', autocapitalize: 'off', ...props });
    this.numbers = el('div', {});
    this.copy = el('div', {});
    this.marks = el('div', { class: 'code-marks mono', 'aria-hidden': 'true' }, this.copy);
    this.gutter = el('div', { class: 'code-gutter mono', 'aria-hidden': 'true' }, this.numbers);
    this.element = el('div', { class: 'code' }, this.gutter, el('div', { class: 'code-text' }, this.marks, this.input));
    this.input.addEventListener('scroll', () => this.#scrolled());
    this.input.addEventListener('input', () => this.#typed());
    new ResizeObserver(() => this.#scrolled()).observe(this.input);
    this.wrap(false);
  }

  get text() { return this.input.value; }

  set text(text) {
    this.input.value = text;
    this.#typed();
  }

  /** wrap sets whether long lines are wrapped. There are no line numbers then. */
  wrap(on) {
    this.input.wrap = on ? 'soft' : 'off';
    this.element.classList.toggle('wrapped', on);
    this.#scrolled();
  }

  /** mark marks ranges, [[start, end]], with a highlight: find, found or mistake. */
  mark(name, ranges) {
    if (name === 'mistake' && this.text.length > maxMarked) ranges = [];
    if (ranges.length) this.#ranges.set(name, ranges);
    else this.#ranges.delete(name);
    this.#draw();
  }

  /** select selects a range and scrolls to it. */
  select(start, end) {
    this.input.setSelectionRange(start, end);
    this.copy.textContent = this.text;
    const box = this.#range(start, Math.max(end, start + 1)).getBoundingClientRect();
    const view = this.input.getBoundingClientRect();
    if (box.top < view.top || box.bottom > view.bottom) this.input.scrollTop += box.top - view.top - view.height / 2;
    if (box.left < view.left || box.right > view.right) this.input.scrollLeft += box.left - view.left - view.width / 2;
    this.#draw();
  }

  #typed() {
    const lines = this.text.split('\n').length;
    if (lines !== this.#lines) this.numbers.textContent = Array.from({ length: lines }, (_, i) => i + 1).join('\n');
    this.#lines = lines;
    this.#draw();
  }

  #scrolled() {
    const { scrollTop, scrollLeft, clientWidth } = this.input;
    this.numbers.style.transform = `translateY(${-scrollTop}px)`;
    this.copy.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
    this.copy.style.width = `${clientWidth}px`;
  }

  #draw() {
    if (!window.CSS?.highlights) return;
    this.copy.textContent = this.#ranges.size ? this.text : '';
    for (const name of ['find', 'found', 'mistake']) {
      CSS.highlights.set(name, new Highlight(...(this.#ranges.get(name) ?? []).map(([start, end]) => this.#range(start, end))));
    }
  }

  #range(start, end) {
    const range = new Range();
    const node = this.copy.firstChild ?? this.copy;
    const length = node.length ?? 0;
    range.setStart(node, Math.min(start, length));
    range.setEnd(node, Math.min(end, length));
    return range;
  }
}
