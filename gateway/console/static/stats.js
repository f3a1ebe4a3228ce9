// Polls the statistics of the store and charts them, after the samples that the server took before the page was opened. The polls also determine whether the console is connected.

import { Problem } from './api.js';
import { formatBytes } from './bytes.js';
import { Chart } from './chart.js';
import { byId, el } from './dom.js';
import { countdown, parseGo } from './duration.js';

const every = 2000; // ms
const longestWait = 15_000;

const number = (n) => (n < 10 && n % 1 ? n.toFixed(1) : Math.round(n).toLocaleString());
const percent = (n) => `${(100 * n).toFixed(n === 1 || n === 0 ? 0 : 1)}%`;

export class Stats {
  until = 0; // the time of the next poll, by performance.now()
  #last = null; // the latest sample, if the next one continues its line
  #restored = false; // whether the charts have what the server recorded
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
    this.#restored = false;
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
      const stats = await this.api.stats(!this.#restored);
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
    if (stats.history) this.#restore(stats, at);
    this.#add(stats, at, stats.history ? null : this.#changes);
    this.rate.show('the last 15 minutes');
    const total = stats.hits + stats.misses;
    this.ratio.show(total ? `${percent(stats.hits / total)} of ${number(total)} reads in total` : 'no reads yet');
    this.memory.show(`${number(stats.keys)} ${stats.keys === 1 ? 'key' : 'keys'}` +
      (stats.maxMemoryBytes ? `, limit ${formatBytes(stats.maxMemoryBytes)}` : ', no limit'));
    this.#facts(stats, parseGo(stats.uptime));
    this.#changes = 0;
  }

  // restore replaces the samples of the charts by those in stats. One that is as old as the answer gives no rate.
  #restore(stats, at) {
    for (const chart of [this.rate, this.ratio, this.memory]) chart.clear();
    for (const sample of stats.history) {
      const age = parseGo(sample.age);
      if (age >= 1000) this.#add({ ...sample, run: stats.run }, at - age, null);
    }
    this.#restored = true;
  }

  // add adds a sample to the charts. Changes is how many there were since the last one, or null if that is not known.
  #add({ run, hits, misses, memoryBytes }, at, changes) {
    const last = this.#last?.run === run ? this.#last : null;
    const found = last ? hits - last.hits : 0;
    const reads = found + (last ? misses - last.misses : 0);
    const rate = (n) => (last && n !== null ? (1000 * n) / (at - last.at) : null);
    this.rate.add(at, [rate(reads), rate(changes)]);
    this.ratio.add(at, [reads ? found / reads : null]);
    this.memory.add(at, [memoryBytes]);
    this.#last = { run, hits, misses, at };
  }

  #facts(stats, uptime) {
    const facts = [['Expired', number(stats.expirations)], ['Evicted', number(stats.evictions)], ['Watches', number(stats.watchers)],
      ['Uptime', countdown(uptime)], ['Engine', stats.guarantees.engine],
      ['After a crash', stats.guarantees.durability]];
    byId('facts').replaceChildren(...facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
  }
}
