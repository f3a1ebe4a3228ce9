// Shows which keys are hot, which prefixes are big and which calls were slow. It is loaded when it is first opened.

import { formatBytes } from './bytes.js';
import { button, el, visible } from './dom.js';
import { clock, countdown, parseGo } from './duration.js';

const every = 2000; // ms
const rows = 10; // of each list

/** oneKey are the methods whose calls name a key rather than a prefix. */
const oneKey = new Set(['Get', 'Set', 'Delete', 'Touch', 'Increment', 'Batch']);

const number = (n) => (n > 0 && n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString());
const percent = (n) => `${number(100 * n)} %`;
const took = (ms) => (ms < 1 ? `${Math.round(1000 * ms)} \u00b5s` : ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toFixed(2)} s`);

/** showHot shows the lists until the dialog is closed. It returns the key that was chosen, or "". */
export function showHot(api) {
  return new Promise((resolve) => { new HotDialog(api, resolve).show(); });
}

class HotDialog {
  #abort = new AbortController();

  constructor(api, resolve) {
    this.api = api;
    const choose = (key) => this.dialog.close(key);
    this.lists = {
      reads: new List('Hot by reads', ['Key', 'Reads/s', 'Share'], choose),
      writes: new List('Hot by writes', ['Key', 'Writes/s', 'Share'], choose),
      sizes: new List('Big prefixes', ['Prefix', 'Memory', 'Entries'], choose),
      slow: new List('Slowest calls', ['Call', 'Took', 'Ago'], choose),
    };
    this.note = el('p', { class: 'quiet' }, 'Loading\u2026');
    this.failure = el('p', { class: 'failure', role: 'alert', hidden: true });
    this.parts = el('div', { class: 'hot' }, ...Object.values(this.lists).map((list) => list.element));
    this.dialog = el('dialog', { class: 'wide', 'aria-labelledby': 'hot-title' }, el('h2', { id: 'hot-title' }, 'Hot keys'), this.note, this.failure,
      this.parts, el('div', { class: 'actions' }, button('Close', () => this.dialog.close(), { class: 'primary' })));
    this.dialog.addEventListener('close', () => {
      this.#abort.abort();
      this.dialog.remove();
      resolve(this.dialog.returnValue);
    });
    // The rights may change, or the console be locked.
    api.session.addEventListener('caller', () => { if (!api.session.rights.all()) this.dialog.close(); }, { signal: this.#abort.signal });
    api.session.addEventListener('change', () => { if (api.session.state === 'locked') this.dialog.close(); }, { signal: this.#abort.signal });
  }

  show() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.dialog.querySelector('.actions button').focus();
    this.#refresh();
  }

  async #refresh() {
    const { signal } = this.#abort;
    try {
      if (!document.hidden) this.#take(await this.api.keyStats(rows, signal));
    } catch (error) {
      if (signal.aborted) return;
      this.failure.textContent = error.message;
      this.failure.hidden = false;
    }
    if (!signal.aborted) setTimeout(() => this.#refresh(), every);
  }

  // take shows an answer, unless a key has the focus, which would move away.
  #take(stats) {
    if (this.parts.contains(document.activeElement)) {
      this.note.textContent = 'Paused while a key has the focus.';
      return;
    }
    this.failure.hidden = stats.enabled;
    this.failure.textContent = 'The store does not gather these statistics: start it with --key-stats=true.';
    this.parts.hidden = !stats.enabled;
    const sampled = stats.sampledEvery > 1 ? `, from one in ${stats.sampledEvery.toLocaleString()} operations` : '';
    this.note.textContent = stats.enabled ? `Rates over the last ${countdown(parseGo(stats.window))}${sampled}. As of ${clock(Date.now())}.` : '';
    for (const kind of ['reads', 'writes']) {
      const { perSecond, keys } = stats[kind];
      this.lists[kind].fill(`${number(perSecond)}/s in all`, keys.map((k) => ({ key: k.key, cells: [number(k.perSecond), percent(k.share)] })));
    }
    this.#sizes(stats.sizes);
    this.lists.slow.fill('', stats.slowCalls.map((call) => ({
      key: call.key, open: oneKey.has(call.method),
      more: [call.operations > 1 ? `${call.method} of ${call.operations.toLocaleString()}` : call.method, call.code, call.requestId].filter(Boolean).join(' \u00b7 '),
      cells: [took(parseGo(call.duration)), countdown(parseGo(call.age))],
    })));
  }

  #sizes({ known, unknownReason, exact, entries, bytes, prefixes }) {
    if (!known) return this.lists.sizes.fill('', [], `Not known: ${unknownReason}.`);
    const about = exact ? '' : '~';
    const largest = prefixes.toSorted((a, b) => b.bytes - a.bytes).slice(0, rows);
    this.lists.sizes.fill(`${formatBytes(bytes)} in ${entries.toLocaleString()} ${entries === 1 ? 'entry' : 'entries'}`,
      largest.map((p) => ({ key: p.prefix, open: false, cells: [about + formatBytes(p.bytes), about + p.entries.toLocaleString()] })), 'No key contains "/".');
  }
}

/** List is a table of keys with two numbers each. */
class List {
  constructor(title, heads, choose) {
    this.choose = choose;
    this.total = el('small', {});
    this.body = el('tbody');
    this.none = el('p', { class: 'quiet note' });
    this.table = el('table', { 'aria-label': title }, el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', { scope: 'col' }, head)))), this.body);
    this.element = el('section', {}, el('h3', {}, title, this.total), this.table, this.none);
  }

  /** fill shows rows, or none if there are no rows. A row is { key, open, more, cells }: open is false if the key is a prefix. */
  fill(total, all, none = 'None in the last minutes.') {
    this.total.textContent = total;
    this.table.hidden = all.length === 0;
    this.none.textContent = all.length ? '' : none;
    this.body.replaceChildren(...all.map(({ key, open = true, more, cells }) => el('tr', {}, el('th', { scope: 'row' },
      open ? button(visible(key), () => this.choose(key), { class: 'link mono' }) : el('span', { class: 'mono' }, visible(key) || '(all keys)'),
      more && el('small', {}, more)), ...cells.map((cell) => el('td', {}, cell)))));
  }
}
