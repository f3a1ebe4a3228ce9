// Parses server-sent events (WHATWG HTML, section 9.2). EventSource cannot be used because it cannot send an API key.

/** Parser parses text/event-stream that arrives in arbitrary chunks. */
export class Parser {
  #rest = '';
  #data = [];
  #type = '';
  #id = '';

  /** push returns the events that the next chunk completes. */
  push(text) {
    const events = [];
    this.#rest += text;
    let start = 0;
    for (let end; (end = this.#lineEnd(start)) >= 0;) {
      this.#line(this.#rest.slice(start, end), events);
      start = end + (this.#rest.startsWith('\r\n', end) ? 2 : 1);
    }
    this.#rest = this.#rest.slice(start);
    return events;
  }

  // lineEnd returns the end of the line that starts at from, or -1. A CR at the end of the chunk may be half of a CRLF.
  #lineEnd(from) {
    for (let i = from; i < this.#rest.length; i++) {
      if (this.#rest[i] === '\n') return i;
      if (this.#rest[i] === '\r') return i + 1 < this.#rest.length ? i : -1;
    }
    return -1;
  }

  #line(line, events) {
    if (line === '') return this.#dispatch(events);
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
  }

  #dispatch(events) {
    if (this.#data.length) events.push({ type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id });
    this.#data = [];
    this.#type = '';
  }
}
