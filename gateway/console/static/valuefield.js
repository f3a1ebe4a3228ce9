// The field for the content of an entry: text, which is formatted and checked if it is JSON, or a file.

import { ask } from './ask.js';
import { formatBytes } from './bytes.js';
import { CodeArea } from './codearea.js';
import { button, el } from './dom.js';
import { FindBar } from './findbar.js';
import { compactText, isJSON, looksStructured, prettyText } from './json.js';
import { mistake } from './jsoncheck.js';

export class ValueField {
  #shown; // the text that the field had at first
  #windowsLines;
  #wasJSON;

  /** Content is what is stored, text or bytes. It is kept as it is if the user changes nothing. */
  constructor(content) {
    this.original = content;
    const text = typeof content === 'string' ? content : '';
    // A text area normalizes line ends to LF. If all of them were CRLF, saving restores CRLF.
    this.#windowsLines = /\r\n/.test(text) && !/(^|[^\r])\n|\r(?!\n)/.test(text);
    this.#wasJSON = isJSON(text);
    this.#build();
    this.area.text = looksStructured(text) ? prettyText(text) : text;
    this.#shown = this.area.text;
    this.formatted = this.#shown !== text && looksStructured(text);
    this.area.wrap(!looksStructured(text) && !text.includes('\n') && text.length > 0);
    this.wrapButton.setAttribute('aria-pressed', String(this.area.input.wrap === 'soft'));
    this.#judge();
  }

  /** state returns a string that changes when the user changes the content. */
  get state() { return JSON.stringify([this.area.text, this.file.files[0]?.name ?? '']); }

  /** content returns what saving stores: a file, text, or bytes. */
  content() {
    if (this.file.files[0]) return this.file.files[0];
    if (this.area.text === this.#shown) return this.original;
    return this.#windowsLines ? this.area.text.replaceAll('\n', '\r\n') : this.area.text;
  }

  focus() { this.area.input.focus(); }

  find() { this.bar.open(); }

  /** confirm reports whether the content may be saved. It asks if it was JSON and no longer is. */
  async confirm() {
    const content = this.content();
    const wrong = this.#wasJSON && typeof content === 'string' && mistake(content);
    if (!wrong) return true;
    const choice = await ask('This is no longer valid JSON', [el('p', {}, `${place(wrong)}.`), el('p', {}, 'The stored value is JSON, and programs may rely on that.')], [
      { name: '', label: 'Keep editing' }, { name: 'save', label: 'Save as text', kind: 'danger' },
    ]);
    if (choice === 'save') return true;
    this.focus();
    const here = mistake(this.area.text);
    if (here) this.area.select(here.at, here.at);
    return false;
  }

  #build() {
    const bytes = typeof this.original !== 'string';
    this.area = new CodeArea({ name: 'value', class: 'mono', 'aria-label': 'Value', rows: 12,
      placeholder: bytes ? `${formatBytes(this.original.length)} of binary data, which is kept unless you type text or choose a file` : null });
    this.bar = new FindBar(this.area);
    this.kind = el('span', { class: 'kind', role: 'status' });
    this.format = button('Format', () => this.#rewrite(prettyText));
    this.compact = button('Compact', () => this.#rewrite(compactText));
    this.wrapButton = button('Wrap lines', () => {
      this.area.wrap(this.area.input.wrap !== 'soft');
      this.wrapButton.setAttribute('aria-pressed', String(this.area.input.wrap === 'soft'));
    }, { 'aria-pressed': 'false' });
    this.file = el('input', { type: 'file', name: 'file', 'aria-label': 'Value from a file' });
    this.element = el('div', { class: 'field grow' }, el('span', { 'aria-hidden': 'true' }, 'Value'), this.bar.element, this.area.element,
      this.kind, el('div', { class: 'under' }, this.format, this.compact, this.wrapButton,
        button('Find', () => this.find(), { title: 'Ctrl+F' }),
        el('label', { class: 'file' }, el('span', { class: 'quiet' }, 'or from a file'), this.file)));
    this.area.input.addEventListener('input', () => this.#judge());
    this.file.addEventListener('change', () => this.#judge());
  }

  #rewrite(how) {
    this.area.text = how(this.area.text);
    this.#judge();
    this.focus();
  }

  #judge() {
    const { text } = this.area;
    const fromFile = this.file.files.length > 0;
    const valid = !fromFile && isJSON(text);
    const wrong = !fromFile && !valid && text.trim() && (this.#wasJSON || /^\s*[[{]/.test(text)) ? mistake(text) : null;
    this.area.input.disabled = fromFile;
    this.format.disabled = this.compact.disabled = !valid;
    this.area.mark('mistake', wrong ? [[wrong.at, wrong.at + 1]] : []);
    this.kind.classList.toggle('wrong', wrong !== null);
    this.kind.textContent = fromFile ? 'file contents' : wrong ? `Not valid JSON. ${place(wrong)}.` : valid ? this.#described(text) : 'text';
  }

  #described(text) {
    if (!this.formatted) return 'valid JSON';
    return text === this.#shown ? 'valid JSON, shown formatted; the stored value stays as it is' : 'valid JSON, saved as shown';
  }
}

const place = ({ line, column, message }) => `Line ${line}, column ${column}: ${message}`;
