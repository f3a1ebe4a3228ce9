// Finds the first mistake in a text that is meant to be JSON.

import { isJSON } from './json.js';

const space = /[ \t\n\r]*/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const escape = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** mistake returns the first mistake, { at, line, column, message }, or null if text is JSON. */
export function mistake(text) {
  if (isJSON(text)) return null;
  const { at, message } = new Scanner(text).run();
  const before = text.slice(0, at);
  const start = before.lastIndexOf('\n') + 1;
  return { at, line: before.split('\n').length, column: [...before.slice(start)].length + 1, message };
}

// What may come next. A container wants its first element or its end, then a comma or its end, then an element.
const wanted = {
  value: 'a value', 'first value': 'a value or \u201c]\u201d', name: 'a name in double quotes', 'first name': 'a name in double quotes or \u201c}\u201d',
  colon: '\u201c:\u201d', 'after a value in {': '\u201c,\u201d or \u201c}\u201d', 'after a value in [': '\u201c,\u201d or \u201c]\u201d', end: 'the end',
};

class Scanner {
  #at = 0;
  #want = 'value';
  #open = []; // the brackets that are open, the innermost last
  #message = '';

  constructor(text) { this.text = text; }

  run() {
    do this.#skip(space); while (this.#step());
    return { at: this.#at, message: this.#message || this.#unexpected() };
  }

  #unexpected() {
    const c = String.fromCodePoint(this.text.codePointAt(this.#at) ?? 0);
    return `expected ${wanted[this.#want]}, found ${this.#at === this.text.length ? 'the end' : `\u201c${c}\u201d`}`;
  }

  #skip(pattern) {
    pattern.lastIndex = this.#at;
    const length = pattern.exec(this.text)?.[0].length ?? 0;
    this.#at += length;
    return length > 0;
  }

  // step reads one token and reports whether it was one of those wanted.
  #step() {
    const c = this.text[this.#at];
    switch (this.#want) {
      case 'value': case 'first value':
        if (c === ']' && this.#want === 'first value') return this.#close();
        if (c === '{' || c === '[') return this.#into(c);
        return (c === '"' ? this.#string() : this.#skip(scalar)) && this.#after();
      case 'name': case 'first name':
        if (c === '}' && this.#want === 'first name') return this.#close();
        return c === '"' && this.#string() && this.#become('colon');
      case 'colon': return c === ':' && this.#pass('value');
      case 'after a value in {': return c === '}' ? this.#close() : c === ',' && this.#pass('name');
      case 'after a value in [': return c === ']' ? this.#close() : c === ',' && this.#pass('value');
    }
    return false;
  }

  #become(want) {
    this.#want = want;
    return true;
  }

  #pass(want) {
    this.#at++;
    return this.#become(want);
  }

  #into(bracket) {
    this.#open.push(bracket);
    return this.#pass(bracket === '{' ? 'first name' : 'first value');
  }

  #close() {
    this.#open.pop();
    this.#at++;
    return this.#after();
  }

  #after() { return this.#become(this.#open.length ? `after a value in ${this.#open.at(-1)}` : 'end'); }

  // string reads a string. If it is not closed or has a character that must be escaped, that is the mistake.
  #string() {
    for (this.#at++; this.#at < this.text.length;) {
      const c = this.text[this.#at];
      if (c === '"') {
        this.#at++;
        return true;
      }
      if (c < ' ') return this.#fail(c === '\n' ? 'the string does not end on its line' : 'a control character must be escaped');
      if (c === '\\' ? !this.#skip(escape) : !++this.#at) return this.#fail('invalid escape');
    }
    return this.#fail('the string does not end');
  }

  #fail(message) {
    this.#message = message;
    return false;
  }
}
