// A small chart of recent samples.

import { el, svg } from './dom.js';

const width = 300;
const height = 64;
/** edge is what is left free above the scale and below it, so that a line at either end is drawn whole. */
const edge = 4;
/** span is the time that a chart covers, in ms. */
const span = 900_000;
/** reach is how far from a sample the pointer still selects it, in ms. */
const reach = 3000;

/** Chart draws one or two series. A sample has a time and one value for each series, or null for none. */
export class Chart {
  #samples = [];
  #lines;

  /** Format formats a value. Ceiling is the minimum of the scale, and headroom the share of the largest value that is left free above it. */
  constructor(parent, { title, names, format, ceiling = 1, headroom = 0 }) {
    Object.assign(this, { title, names, format, ceiling, headroom });
    this.value = el('span', { class: 'chart-value' }, '\u2013');
    this.top = el('span', { class: 'chart-top quiet' });
    this.area = svg('path', { class: 'chart-area' });
    this.#lines = names.map((_, i) => svg('path', { class: `chart-line chart-line-${i}` }));
    this.drawing = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': title },
      svg('path', { class: 'chart-grid', d: `M0 ${height - edge}H${width}M0 ${height / 2}H${width}M0 ${edge}H${width}` }), this.area, ...this.#lines);
    this.note = el('p', { class: 'quiet chart-note' });
    parent.append(el('section', { class: 'chart' },
      el('header', {}, el('h3', {}, title), this.value),
      el('div', { class: 'chart-plot' }, this.drawing, this.top), this.note));
    this.drawing.addEventListener('pointermove', (e) => this.#point(e));
    this.drawing.addEventListener('pointerleave', () => this.#write(this.#samples.at(-1)));
  }

  clear() { this.#samples = []; }

  /** add appends a sample, which show draws. At is in ms, by any clock. */
  add(at, values) {
    this.#samples.push({ at, values });
    while (this.#samples[0].at < at - span) this.#samples.shift();
  }

  show(note = '') {
    this.note.textContent = note;
    this.#draw();
    if (!this.drawing.matches(':hover')) this.#write(this.#samples.at(-1));
  }

  #draw() {
    const max = Math.max(this.ceiling, Math.max(...this.#samples.flatMap(({ values }) => values)) * (1 + this.headroom));
    this.top.textContent = this.format(max);
    this.#lines.forEach((line, i) => line.setAttribute('d', this.#path(i, max)));
    this.area.setAttribute('d', this.#area(max));
    this.drawing.setAttribute('aria-label', `${this.title}: ${this.#text(this.#samples.at(-1))}, scale up to ${this.format(max)}`);
  }

  #x(i) { return width * (1 - (this.#samples.at(-1).at - this.#samples[i].at) / span); }

  #y(value, max) { return height - edge - ((height - 2 * edge) * value) / max; }

  #path(series, max) {
    let d = '';
    let drawing = false;
    this.#samples.forEach(({ values }, i) => {
      if (values[series] === null) {
        drawing = false;
        return;
      }
      d += `${drawing ? 'L' : 'M'}${this.#x(i).toFixed(1)} ${this.#y(values[series], max).toFixed(1)}`;
      drawing = true;
    });
    return d;
  }

  // area returns the area below the first series, as one shape for each run without gaps.
  #area(max) {
    let d = '';
    let start = -1;
    for (let i = 0; i <= this.#samples.length; i++) {
      const value = this.#samples[i]?.values[0] ?? null;
      if (value !== null) {
        d += start < 0 ? `M${this.#x(i).toFixed(1)} ${height}` : '';
        d += `L${this.#x(i).toFixed(1)} ${this.#y(value, max).toFixed(1)}`;
        if (start < 0) start = i;
      } else if (start >= 0) {
        d += `L${this.#x(i - 1).toFixed(1)} ${height}Z`;
        start = -1;
      }
    }
    return d;
  }

  #point(event) {
    const box = this.drawing.getBoundingClientRect();
    const at = (this.#samples.at(-1)?.at ?? 0) - span * (1 - (event.clientX - box.left) / box.width);
    this.#write(this.#samples.find((sample) => Math.abs(sample.at - at) < reach));
  }

  #text(sample) {
    if (!sample) return '\u2013';
    return sample.values.map((value, i) => (value === null ? '\u2013' : this.format(value)) + (this.names[i] ? ` ${this.names[i]}` : '')).join(', ');
  }

  #write(sample) {
    this.value.replaceChildren(...(sample?.values ?? [null]).map((value, i) =>
      el('span', { class: `chart-number chart-number-${i}` }, value === null ? '\u2013' : this.format(value), this.names[i] ? el('small', {}, ` ${this.names[i]}`) : null)));
  }
}
