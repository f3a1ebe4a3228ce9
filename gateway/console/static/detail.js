// Shows one entry and its actions.

import { Problem, TooLong } from './api.js';
import { ask, form } from './ask.js';
import { formatBytes, toBytes } from './bytes.js';
import { show, viewNames, views } from './content.js';
import { button, byId, el, say, visible } from './dom.js';
import { countdown, moment, toGo } from './duration.js';
import { Editor } from './editor.js';
import { ttlField } from './ttlfield.js';

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
    if (!this.entry || this.editor || !this.#writable) return;
    const entry = this.entry;
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
    const entry = this.entry;
    if (!entry || this.editor || !this.#writable) return;
    const choice = await ask('Delete this entry?', [el('p', { class: 'mono key' }, visible(entry.key)),
      el('p', {}, 'This cannot be undone.')],
    [{ name: '', label: 'Keep it' }, { name: 'delete', label: 'Delete', kind: 'danger' }]);
    if (choice !== 'delete') return;
    try {
      await this.api.delete(entry.key, entry.etag);
      say('Deleted.');
      this.dispatchEvent(new CustomEvent('deleted', { detail: entry.key }));
    } catch (error) {
      this.#refused(error, entry.key);
    }
  }

  async setTTL() {
    const entry = this.entry;
    if (!entry || this.editor || !this.#writable) return;
    const field = ttlField({ label: 'Expires' });
    const save = async () => {
      const ttl = field.read();
      const touched = await this.api.touch(entry.key, ttl === null ? null : toGo(ttl), entry.etag);
      if (this.entry === entry) {
        this.#show();
        this.#present({ ...entry, etag: touched.etag, expires: touched.expires });
      }
      say(ttl === null ? 'The entry no longer expires.' : 'Expiry set.');
    };
    let refused = null;
    await form('Set expiry', [el('p', { class: 'mono key' }, visible(entry.key)), field.element], 'Set',
      () => save().catch((error) => {
        if (!(error instanceof Problem) || error.status !== 412) throw error;
        refused = error; // nothing in the dialog can fix it
      }));
    if (refused) this.#refused(refused, entry.key);
  }

  async download() {
    if (!this.key || this.editor) return;
    try {
      const url = URL.createObjectURL(await this.api.raw(this.key));
      el('a', { href: url, download: this.key.split('/').filter(Boolean).at(-1) ?? 'value' }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      say(error.message, 'error');
    }
  }

  /** action returns the action that "Copy as" shows. */
  action() {
    if (!this.editor) return { op: 'get', key: this.key, etag: this.entry?.etag };
    const { key, content, ttl, etag } = this.editor.draft();
    return { op: 'set', key, content, ttl, etag };
  }

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
