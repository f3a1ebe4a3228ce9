// Which key is shown, and on a narrow screen which pane.

import { byId, visible } from './dom.js';

const hashOf = (key) => (key ? `#/${encodeURIComponent(key)}` : '#');

/** route returns the selected key. It is in the fragment of the URL, so that back and forward work. */
const route = () => (location.hash.startsWith('#/') ? decode(location.hash.slice(2)) : '');

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** view selects the pane that a narrow screen shows. */
export function view(name) {
  document.body.dataset.view = name;
  for (const tab of byId('views').children) tab.setAttribute('aria-pressed', String(tab.dataset.view === name));
}

/** Navigation moves between the keys, unless the user wants to keep what is being edited. */
export class Navigation {
  #here = '';

  constructor(tree, detail) {
    this.tree = tree;
    this.detail = detail;
    byId('views').addEventListener('click', ({ target }) => { if (target.dataset.view) view(target.dataset.view); });
  }

  /** elsewhere reports whether the URL has another key than the one that is shown. */
  get elsewhere() { return route() !== this.#here; }

  /** go shows a key, or none if it is empty. */
  go(key) {
    if (key === route()) this.follow();
    else location.hash = hashOf(key);
  }

  /** follow shows the key of the URL. */
  async follow() {
    const key = route();
    if (!await this.detail.leave()) {
      history.replaceState(null, '', hashOf(this.#here));
      return;
    }
    this.#here = key;
    this.tree.select(key);
    document.title = key ? `${visible(key)} \u00b7 key-value` : 'key-value';
    view(key ? 'entry' : 'keys');
    if (key) await this.detail.open(key);
    else this.detail.close();
  }

  /** create begins a new entry whose key has a prefix. */
  async create(prefix) {
    if (!await this.detail.leave()) return;
    view('entry');
    this.detail.create({ key: prefix });
    const name = document.querySelector('#entry input[name=key]');
    name.focus();
    name.setSelectionRange(prefix.length, prefix.length);
  }
}
