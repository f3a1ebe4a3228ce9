// Shows one entry and its actions.

import { TooLong } from './api.js';
import { formatBytes, toBytes } from './bytes.js';
import { show, viewNames, views } from './content.js';
import { button, byId, el, say, visible } from './dom.js';
import { countdown, moment } from './duration.js';
import { Editor } from './editor.js';
import { deleteEntry, download, setTTL } from './entryactions.js';

/** Detail emits "closed" when it shows no entry, "opened" with a key, "deleted" with a key, and "copyas" with an action. */
export class Detail extends EventTarget {
  entry = null;
  editor = null;
  key = '';
  #view = '';
  #recheck = 0; // when to look again whether the entry is still there, by performance.now()
  #generation = 0; // grows whenever the content is replaced, so that late responses are dropped

  constructor(api) {
    super();
    this.api = api;
    this.element = byId('entry');
    setInterval(() => this.#tick(), 500);
  }

  /** leave reports whether the content may be replaced. It asks if there are unsaved changes. */
  async leave() { return !this.editor || this.editor.leave(); }

  close() {
    this.#show();
    this.key = '';
    this.#place(el('div', { class: 'blank' },
      el('p', {}, 'Select a key to see its value.'),
      el('p', { class: 'quiet' }, el('kbd', {}, '/'), ' search  ', el('kbd', {}, 'N'), ' new  ', el('kbd', {}, '?'), ' all keys')));
  }

  /** open reads the entry of a key and shows it. */
  async open(key, { all = false, quiet = false } = {}) {
    const generation = this.#show();
    this.key = key;
    if (!quiet) this.#place(this.#heading(), el('p', { class: 'quiet' }, 'Loading\u2026'));
    try {
      const entry = await this.api.get(key, { all });
      if (generation === this.#generation) this.#present(entry);
    } catch (error) {
      if (generation === this.#generation) this.#missing(error);
    }
  }

  create(draft = {}) {
    this.#show();
    this.key = '';
    this.#edit(new Editor(this.api, null, draft));
  }

  edit() {
    if (!this.#changeable) return;
    const { entry } = this;
    this.#show();
    this.#edit(new Editor(this.api, entry));
  }

  /** changed updates the content after an event of the watch. */
  changed({ type, key, entry }) {
    if (key !== this.key) return;
    if (type === 'touch') {
      if (!this.entry && !this.editor) return this.refresh();
      entry = { ...entry, text: this.entry?.text, bytes: this.entry?.bytes };
    }
    const past = { put: 'was changed', touch: 'got another expiry', delete: 'was deleted', expire: 'expired', evict: 'was evicted' }[type];
    if (this.editor) {
      if (entry?.etag !== this.editor.etag) this.editor.changedElsewhere(past, entry);
    } else if (!entry) this.#gone(past);
    else if (entry.etag !== this.entry?.etag) {
      this.#show();
      this.#present(entry);
    }
  }

  /** refresh reloads the entry, after changes may have been missed. */
  refresh() {
    if (this.key && !this.editor) this.open(this.key, { quiet: true });
  }

  async delete() {
    if (!this.#changeable) return;
    const { entry } = this;
    try {
      if (await deleteEntry(this.api, entry)) this.dispatchEvent(new CustomEvent('deleted', { detail: entry.key }));
    } catch (error) {
      this.#refused(error, entry.key);
    }
  }

  async setTTL() {
    if (!this.#changeable) return;
    const { entry } = this;
    try {
      const touched = await setTTL(this.api, entry);
      if (!touched || this.entry !== entry) return;
      this.#show();
      this.#present({ ...entry, ...touched });
    } catch (error) {
      this.#refused(error, entry.key);
    }
  }

  async download() {
    if (this.key && !this.editor) await download(this.api, this.key);
  }

  /** action returns the action that "Copy as" shows. */
  action() {
    if (!this.editor) return { op: 'get', key: this.key, etag: this.entry?.etag };
    const { key, content, ttl, etag } = this.editor.draft();
    return { op: 'set', key, content, ttl, etag };
  }

  get #changeable() { return this.entry && !this.editor && this.#writable; }

  get #writable() { return this.api.session.rights.may('write', this.key); }

  // A write that failed with 412 was based on an older version, so the current one is loaded.
  #refused(error, key) {
    say(error.status === 412 ? 'The entry changed in the meantime, so nothing was done. This is the stored version.' : error.message, 'error');
    if (error.status === 412) this.open(key);
  }

  #show() {
    this.entry = null;
    this.editor = null;
    return ++this.#generation;
  }

  // place replaces the content. If the focus was inside, it moves to the heading.
  #place(...children) {
    const focused = this.element.contains(document.activeElement);
    this.element.replaceChildren(...children.filter(Boolean));
    if (focused) this.element.querySelector('h2')?.focus();
  }

  #edit(editor) {
    this.editor = editor;
    this.#place(editor.element);
    editor.addEventListener('saved', (e) => this.dispatchEvent(new CustomEvent('opened', { detail: e.detail })));
    editor.addEventListener('cancel', async () => {
      if (!await editor.leave()) return;
      this.#show();
      if (editor.entry) this.open(editor.entry.key);
      else this.dispatchEvent(new Event('closed'));
    });
    editor.addEventListener('copyas', () => this.#copyAs());
    editor.focus();
  }

  #copyAs() {
    try {
      this.dispatchEvent(new CustomEvent('copyas', { detail: this.action() }));
    } catch (error) {
      say(error.message, 'error');
    }
  }

  #present(entry) {
    this.entry = entry;
    this.timer = el('span', { class: 'timer' });
    const size = entry.bytes?.length ?? toBytes(entry.text).length;
    const facts = el('p', { class: 'facts' },
      el('span', {}, formatBytes(size)), el('span', {}, entry.text === undefined ? 'bytes' : 'text'), this.timer,
      !this.#writable && el('span', {}, 'read only'),
      entry.updated && el('span', {}, `changed ${moment(entry.updated)}`),
      el('span', { class: 'mono', title: 'Version, for If-Match' }, entry.etag));
    const body = el('div', { class: 'body' });
    this.#place(this.#heading(
      this.#writable && button('Edit', () => this.edit(), { class: 'primary', 'aria-keyshortcuts': 'e' }),
      this.#writable && button('Expiry\u2026', () => this.setTTL(), { 'aria-keyshortcuts': 't' }),
      button('Copy as\u2026', () => this.#copyAs(), { 'aria-keyshortcuts': 'c' }),
      button('Download', () => this.download()),
      this.#writable && button('Delete\u2026', () => this.delete(), { class: 'danger', 'aria-keyshortcuts': 'd' })),
    facts, this.#tabs(entry, body), body);
    this.#tick();
  }

  // tabs returns the buttons that select a view. The selected view applies to later entries too.
  #tabs(entry, body) {
    const names = views(entry);
    const choose = (view) => {
      body.replaceChildren(show(entry, view));
      for (const tab of group.children) tab.setAttribute('aria-pressed', String(tab.dataset.view === view));
    };
    const group = el('div', { class: 'segments', role: 'group', 'aria-label': 'Show as' }, ...names.map((view) =>
      button(viewNames[view], () => { this.#view = view; choose(view); }, { 'data-view': view })));
    choose(names.includes(this.#view) ? this.#view : names[0]);
    return group;
  }

  #heading(...actions) {
    return el('header', { class: 'entry-head' },
      el('h2', { class: 'mono key', tabindex: -1 }, visible(this.key)),
      actions.length ? el('div', { class: 'toolbar', role: 'toolbar', 'aria-label': 'Entry' }, ...actions) : null);
  }

  #missing(error) {
    const key = this.key;
    if (error instanceof TooLong) {
      return this.#place(this.#heading(), el('p', {}, `The value is about ${formatBytes(error.bytes)}.`),
        el('div', { class: 'toolbar' }, button('Show it anyway', () => this.open(key, { all: true })), button('Download', () => this.download())));
    }
    if (error.status !== 404) {
      return this.#place(this.#heading(), el('p', { class: 'failure' }, error.message), button('Retry', () => this.open(key)));
    }
    this.#place(this.#heading(), el('p', {}, 'This key does not exist.'), this.#writable && button('Create it', () => this.create({ key })));
  }

  // gone keeps showing the removed value, which can be restored.
  #gone(past) {
    const { key, entry } = this;
    if (!entry) return;
    this.#show();
    this.#place(this.#heading(), el('p', { class: 'notice', role: 'status' }, `This entry ${past}.`),
      this.#writable ? button('Restore it', () => this.create({ key, value: entry.text ?? entry.bytes })) : null,
      el('div', { class: 'body gone' }, show(entry, views(entry)[0])));
  }

  #tick() {
    if (!this.entry || !this.timer) return;
    const { expires } = this.entry;
    const left = expires - performance.now();
    this.timer.textContent = expires === null ? 'never expires' : left > 0 ? `expires in ${countdown(left)}` : 'expires now';
    this.timer.title = expires === null ? '' : moment(Date.now() + left);
    this.timer.classList.toggle('soon', expires !== null && left < 60_000);
    // The watch reports it too, unless it has another prefix or is interrupted.
    if (expires !== null && left < -1000 && performance.now() > this.#recheck) this.#expired();
  }

  async #expired() {
    const entry = this.entry;
    this.#recheck = performance.now() + 5000;
    const now = await this.api.get(entry.key).catch((error) => error);
    if (this.entry !== entry) return;
    if (now.status === 404) this.#gone('expired');
    else if (now.etag === entry.etag) entry.expires = now.expires;
    else if (!(now instanceof Error)) {
      this.#show();
      this.#present(now);
    }
  }
}
