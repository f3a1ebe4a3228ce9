// The form that creates or edits an entry.

import { Problem } from './api.js';
import { ask } from './ask.js';
import { resolveConflict } from './conflict.js';
import { button, el, say, visible } from './dom.js';
import { countdown, toGo } from './duration.js';
import { ttlField } from './ttlfield.js';
import { ValueField } from './valuefield.js';

/**
 * Editor edits an entry, or creates one if entry is null. It emits "saved" with the key, "cancel", and "copyas".
 */
export class Editor extends EventTarget {
  #initial;
  #busy = false;

  constructor(api, entry, { key = '', value } = {}) {
    super();
    this.api = api;
    this.entry = entry;
    this.etag = entry ? entry.etag : null;
    this.value = new ValueField(value ?? entry?.text ?? entry?.bytes ?? '');
    this.#build(key || entry?.key || '');
    this.#initial = this.#state();
  }

  get dirty() { return this.#state() !== this.#initial; }

  get key() { return this.entry ? this.entry.key : this.name.value; }

  focus() { (this.entry || this.name.value ? this.value : this.name).focus(); }

  /** draft returns what saving would store. Ttl is undefined if the entry keeps its own. It throws if the TTL is invalid. */
  draft() {
    return { key: this.key, content: this.value.content(), ttl: this.ttl.read(), etag: this.etag };
  }

  /** changedElsewhere shows a notice that saving will ask which version to keep. Entry is the stored one, or null. */
  changedElsewhere(how, entry) {
    if (this.entry && entry) this.entry.expires = entry.expires;
    this.ttl.relabel(this.#keepLabel());
    this.notice.textContent = `This entry ${how} while you were editing. Saving will show both versions.`;
    this.notice.hidden = false;
  }

  /** leave reports whether the editor may be closed: nothing was changed, or the user discards the changes. */
  async leave() {
    if (!this.dirty) return true;
    return await ask('Discard your changes?', [el('p', {}, 'They have not been saved.')], [
      { name: '', label: 'Keep editing' }, { name: 'discard', label: 'Discard', kind: 'danger' },
    ]) === 'discard';
  }

  async save() {
    if (this.#busy) return;
    this.#busy = true;
    this.saveButton.disabled = true;
    try {
      this.#fail('');
      const draft = this.draft();
      if (this.entry && !this.dirty) this.#done(draft.key, 'Nothing was changed.');
      else if (await this.value.confirm()) await this.#write(draft);
    } catch (error) {
      this.#fail(error.message);
    } finally {
      this.#busy = false;
      this.saveButton.disabled = false;
    }
  }

  async #write(draft) {
    try {
      await this.api.put(draft.key, draft.content, { ttl: draft.ttl === undefined ? 'keep' : draft.ttl && toGo(draft.ttl), etag: draft.etag });
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 412) throw error;
      return this.#conflict(draft);
    }
    this.#done(draft.key, this.entry ? 'Saved.' : 'Created.');
  }

  #done(key, message) {
    this.#initial = this.#state();
    if (message) say(message);
    this.dispatchEvent(new CustomEvent('saved', { detail: key }));
  }

  async #conflict(draft) {
    const now = await this.api.get(draft.key, { all: true }).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
    // An earlier attempt may have stored it, and lost only its response.
    if (now && now.text === draft.content) {
      this.etag = now.etag;
      return draft.ttl === undefined ? this.#done(draft.key, 'Saved.') : this.#write(this.draft());
    }
    const choice = await resolveConflict(draft.key, draft.content, now && (now.text ?? now.bytes));
    if (choice === 'theirs') {
      this.#done(draft.key);
    } else if (choice === 'mine') {
      this.etag = now ? now.etag : null;
      const again = this.draft();
      await this.#write(now || again.ttl !== undefined ? again : { ...again, ttl: this.#remaining() });
    }
  }

  // remaining returns what is left of the TTL of an entry that the store no longer has, and so cannot keep.
  #remaining() {
    if (this.entry.expires === null) return null;
    const left = Math.ceil(this.entry.expires - performance.now());
    if (left <= 0) throw new Error('The entry has expired. Choose when the new one expires.');
    return left;
  }

  #state() { return JSON.stringify([this.name.value, this.value.state, this.ttl.state()]); }

  #fail(message) {
    this.failure.textContent = message;
    this.failure.hidden = !message;
  }

  #build(key) {
    this.name = el('input', {
      name: 'key', class: 'mono', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', required: true, maxlength: 1024,
      placeholder: 'user/42/name', 'aria-describedby': 'key-help',
    });
    this.name.value = key;
    this.ttl = ttlField({ keep: this.#keepLabel() });
    this.notice = el('p', { class: 'notice', role: 'status', hidden: true });
    this.failure = el('p', { class: 'failure', role: 'alert', hidden: true });
    this.saveButton = el('button', { class: 'primary', title: 'Ctrl+Enter' }, this.entry ? 'Save' : 'Create');
    this.element = el('form', { class: 'editor', 'aria-label': this.entry ? 'Edit entry' : 'New entry', onsubmit: (event) => {
      event.preventDefault();
      this.save();
    }, onkeydown: (event) => this.#pressed(event) },
    this.entry ? el('h2', { class: 'mono key' }, visible(this.entry.key)) : el('h2', {}, 'New entry'),
    this.notice,
    this.entry ? null : el('label', { class: 'field' }, el('span', {}, 'Key'), this.name,
      el('small', { id: 'key-help' }, 'Slashes make folders. You are asked before an existing key is overwritten.')),
    this.value.element,
    this.ttl.element, this.failure,
    el('div', { class: 'actions' },
      button('Copy as\u2026', () => this.dispatchEvent(new Event('copyas'))),
      button('Cancel', () => this.dispatchEvent(new Event('cancel'))), this.saveButton));
  }

  #keepLabel() {
    if (!this.entry) return '';
    return this.entry.expires !== null ? `unchanged: in ${countdown(this.entry.expires - performance.now())}` : 'unchanged: never';
  }

  #pressed(event) {
    if ((event.ctrlKey || event.metaKey) && (event.key === 'Enter' || event.key === 's')) {
      event.preventDefault();
      this.element.requestSubmit();
    } else if ((event.ctrlKey || event.metaKey) && event.key === 'f') {
      event.preventDefault();
      this.value.find();
    } else if (event.key === 'Escape') {
      event.preventDefault();
      this.dispatchEvent(new Event('cancel'));
    }
  }
}
