// The pane of the keys: the tree, its search, and the separator of its folders.

import { copyAs } from './copyas.js';
import { byId } from './dom.js';

const slot = 'kv-delimiter';

/** KeysPane emits "refresh". */
export class KeysPane extends EventTarget {
  constructor(view) {
    super();
    this.view = view;
    this.search = byId('search');
    this.delimiter = byId('delimiter');
    this.delimiter.value = localStorage.getItem(slot) ?? '/';
    view.delimiter = this.delimiter.value;
    let timer = 0;
    this.search.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => view.search(this.search.value), 200);
    });
    this.search.addEventListener('keydown', (event) => this.#down(event));
    this.delimiter.addEventListener('change', () => this.#separate());
    view.addEventListener('reveal', ({ detail: key }) => this.#reveal(key));
    byId('refresh').addEventListener('click', () => this.dispatchEvent(new Event('refresh')));
    byId('list-copy').addEventListener('click', () => copyAs({ op: 'list', prefix: this.search.value }));
  }

  /** show loads everything again, as the API key may see it. */
  show() {
    this.view.open();
    this.view.search(this.search.value);
  }

  /** find moves the focus to the search field. */
  find() {
    this.search.focus();
    this.search.select();
  }

  #down(event) {
    if (event.key !== 'ArrowDown' && event.key !== 'Enter') return;
    event.preventDefault();
    this.view.focus();
  }

  // The separator is remembered, unless it is the usual one.
  #separate() {
    const { value } = this.delimiter;
    if (value === '/') localStorage.removeItem(slot);
    else localStorage.setItem(slot, value);
    this.view.delimiter = value;
    if (this.view.browsed) this.show();
  }

  #reveal(key) {
    this.search.value = '';
    this.view.search('');
    this.view.reveal(key);
  }
}
