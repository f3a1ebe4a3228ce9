// Polls the statistics of the store and charts them. The polls also determine whether the console is connected.

import { Problem } from './api.js';
import { formatBytes } from './bytes.js';
import { Chart } from './chart.js';
import { byId, el } from './dom.js';
import { countdown } from './duration.js';

const every = 2000; // ms
const longestWait = 15_000;

const number = (n) => (n < 10 && n % 1 ? n.toFixed(1) : Math.round(n).toLocaleString());
const percent = (n) => `${(100 * n).toFixed(n === 1 || n === 0 ? 0 : 1)}%`;

export class Stats {
  until = 0; // the time of the next poll, by performance.now()
  #last = null;
  #failures = 0;
  #timer = 0;
  #changes = 0; // seen by the watch since the last sample
  #run = 0;

  constructor(api) {
    this.api = api;
    const charts = byId('charts');
    this.rate = new Chart(charts, { title: 'Rate', names: ['reads/s', 'changes/s'], format: number });
    this.ratio = new Chart(charts, { title: 'Hit ratio', names: [''], format: percent });
    this.memory = new Chart(charts, { title: 'Memory', names: [''], format: (n) => formatBytes(Math.round(n)), ceiling: 1024, headroom: 0.25 });
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.#run) this.now(); });
  }

  start() {
    this.stop();
    this.#run++;
    this.#sample(this.#run);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#run++;
    this.#last = null;
  }

  /** now polls immediately. */
  now() {
    clearTimeout(this.#timer);
    this.#sample(this.#run);
  }

  sawChanges(n) { this.#changes += n; }

  async #sample(run) {
    clearTimeout(this.#timer);
    const sent = performance.now();
    try {
      const stats = await this.api.stats();
      if (run !== this.#run) return;
      this.#failures = 0;
      this.#take(stats, (sent + performance.now()) / 2);
      this.api.session.working();
    } catch (error) {
      if (run !== this.#run) return;
      this.#failures++;
      this.#last = null;
      if (error instanceof Problem && error.status === 403) {
        this.api.session.working(); // a key restricted to prefixes may not read statistics
        byId('facts').replaceChildren(el('div', {}, el('dd', {}, `${error.message} Charts are not available.`)));
      } else if (error instanceof Problem && error.status !== 401) this.api.session.working(error.message);
    }
    const wait = this.#failures ? Math.min(longestWait, 500 * 2 ** this.#failures) : every;
    this.until = performance.now() + wait;
    // A hidden page does not poll.
    if (this.api.session.state !== 'locked' && !document.hidden) this.#timer = setTimeout(() => this.#sample(run), wait);
  }

  #take(stats, at) {
    const uptime = parseGo(stats.uptime);
    const last = this.#last?.stats.run === stats.run ? this.#last : null;
    const seconds = last ? (at - last.at) / 1000 : 0;
    const hits = last ? stats.hits - last.stats.hits : 0;
    const reads = hits + (last ? stats.misses - last.stats.misses : 0);
    this.rate.add(last ? [reads / seconds, this.#changes / seconds] : [null, null], 'the last 5 minutes');
    const total = stats.hits + stats.misses;
    this.ratio.add([reads ? hits / reads : null], total ? `${percent(stats.hits / total)} of ${number(total)} reads in total` : 'no reads yet');
    this.memory.add([stats.memoryBytes], `${number(stats.keys)} ${stats.keys === 1 ? 'key' : 'keys'}` +
      (stats.maxMemoryBytes ? `, limit ${formatBytes(stats.maxMemoryBytes)}` : ', no limit'));
    this.#facts(stats, uptime);
    this.#changes = 0;
    this.#last = { stats, at };
  }

  #facts(stats, uptime) {
    const facts = [['Expired', number(stats.expirations)], ['Evicted', number(stats.evictions)], ['Watches', number(stats.watchers)],
      ['Uptime', countdown(uptime)], ['Engine', stats.guarantees.engine],
      ['After a crash', stats.guarantees.durability]];
    byId('facts').replaceChildren(...facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
  }
}

// parseGo parses a duration in the syntax of Go and returns ms.
function parseGo(text) {
  const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, '\u00b5s': 0.001, ns: 1e-6 };
  return [...text.matchAll(/([\d.]+)(h|ms|m|s|\u00b5s|ns)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}
