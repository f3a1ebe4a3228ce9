// Deletes a folder: counts what is in it, asks for its prefix, and shows how far it is.

import { button, el, visible } from './dom.js';

const entries = (n) => `${n.toLocaleString()} ${n === 1 ? 'entry' : 'entries'}`;

/** deleteFolder shows the dialog. It returns how many entries were deleted. */
export function deleteFolder(api, prefix) {
  return new Promise((resolve) => { new FolderDialog(api, prefix, resolve).show(); });
}

class FolderDialog {
  #abort = new AbortController();
  #total = 0;
  #counted = false;
  #deleted = 0;
  #token; // of the next part
  #running = false;

  constructor(api, prefix, resolve) {
    this.api = api;
    this.prefix = prefix;
    this.count = el('p', { role: 'status' });
    this.typed = el('input', { class: 'mono', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', oninput: () => this.#draw() });
    this.field = el('label', { class: 'field' }, el('span', {}, 'Type the prefix to delete it'), this.typed);
    this.progress = el('progress', { 'aria-label': 'Deleted', hidden: true });
    this.failure = el('p', { class: 'failure', role: 'alert', hidden: true });
    this.cancel = button('Keep them', () => this.#stop());
    this.delete = el('button', { class: 'danger' }, 'Delete');
    const form = el('form', { onsubmit: (event) => {
      event.preventDefault();
      if (this.#confirmed) this.#run();
    } }, el('h2', { id: 'folder-title' }, 'Delete this folder?'), el('p', { class: 'mono key' }, visible(prefix)), this.count, this.field,
    this.progress, this.failure, el('div', { class: 'actions' }, this.cancel, this.delete));
    this.dialog = el('dialog', { 'aria-labelledby': 'folder-title' }, form);
    this.dialog.addEventListener('cancel', (event) => {
      if (!this.#running) return;
      event.preventDefault();
      this.#stop();
    });
    this.dialog.addEventListener('close', () => {
      this.#abort.abort();
      this.dialog.remove();
      resolve(this.#deleted);
    });
  }

  show() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.typed.focus();
    this.#draw();
    this.#count();
  }

  get #confirmed() { return [this.prefix, visible(this.prefix)].includes(this.typed.value); }

  // count counts the entries, a part at a time, until it is done or the deletion begins.
  async #count() {
    const { signal } = this.#abort;
    let token;
    try {
      do {
        const part = await this.api.deleteRange(this.prefix, { dryRun: true, token, signal });
        if (this.#running) return;
        this.#total += part.deleted;
        token = part.token;
        this.#counted = !token;
        this.#draw();
      } while (token);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  // run deletes a part at a time. After a failure it can be run again, and goes on.
  async #run() {
    this.#running = true;
    this.failure.hidden = true;
    const { signal } = this.#abort;
    this.#draw();
    try {
      do {
        const part = await this.api.deleteRange(this.prefix, { token: this.#token, signal });
        this.#deleted += part.deleted;
        this.#token = part.token;
        this.#draw();
      } while (this.#token && this.#running);
      this.dialog.close();
    } catch (error) {
      this.#running = false;
      if (!signal.aborted) this.#fail(error);
    }
  }

  // stop ends the deletion after the part under way, or closes the dialog.
  #stop() {
    if (!this.#running) return this.dialog.close();
    this.#running = false;
    this.cancel.disabled = true;
  }

  #fail(error) {
    this.failure.textContent = error.message;
    this.failure.hidden = false;
    this.#draw();
  }

  #draw() {
    const begun = this.#running || this.#deleted > 0;
    const total = `${entries(this.#total)}${this.#counted ? '' : ' or more'}`;
    this.count.textContent = begun ? `${this.#deleted.toLocaleString()} of ${total} deleted.`
      : this.#counted ? `${total}. This cannot be undone.` : `Counting\u2026 ${this.#total.toLocaleString()}`;
    this.field.hidden = begun;
    this.progress.hidden = !begun;
    this.progress.max = Math.max(this.#total, 1);
    this.progress.value = Math.min(this.#deleted, this.progress.max);
    this.cancel.textContent = this.#running ? 'Stop' : begun ? 'Close' : 'Keep them';
    this.delete.textContent = begun ? 'Go on' : 'Delete';
    this.delete.hidden = this.#running;
    this.delete.disabled = !this.#confirmed;
  }
}
