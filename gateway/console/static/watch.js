// The only watch of the page: over HTTP/1.1 a browser has just six connections to a server.

import { entryOf, Problem, query } from './api.js';
import { Parser } from './sse.js';

/** silence is how long the stream may be idle, in ms, before it counts as dead. The server sends an event every 15 s. */
const silence = 45_000;
const longestWait = 15_000;

/**
 * Watch watches a prefix and resumes after an interruption. It emits
 *   changes  with the changes: [{type, key, entry}]
 *   begin    when it has begun, so that from now on no change is missed
 *   gap      when it has begun again but changes were missed, so that everything shown must be reloaded
 *   state    when its state changes: off, connecting, live, waiting, refused
 */
export class Watch extends EventTarget {
  state = 'off';
  until = 0; // the time of the next attempt by performance.now(), while waiting
  detail = '';
  prefix = '';
  #run = null;
  #wake = () => {};

  constructor(api) {
    super();
    this.api = api;
  }

  start(prefix) {
    this.stop();
    this.prefix = prefix;
    this.#run = new AbortController();
    this.#follow(prefix, this.#run.signal);
  }

  stop() {
    this.#run?.abort();
    this.#run = null;
    this.#become('off');
  }

  /** begun waits until the watch has begun, but no longer than ms, or until it has failed. It reports whether it has begun. */
  begun(ms) {
    return new Promise((resolve) => {
      const settle = ({ type }) => {
        if (type === 'begin' || type === 'gap' || ['waiting', 'refused', 'off'].includes(this.state)) done(type !== 'state');
      };
      const done = (begun) => {
        clearTimeout(timer);
        for (const type of ['begin', 'gap', 'state']) this.removeEventListener(type, settle);
        resolve(begun);
      };
      const timer = setTimeout(() => done(false), ms);
      for (const type of ['begin', 'gap', 'state']) this.addEventListener(type, settle);
    });
  }

  /** nudge retries immediately. */
  nudge() { this.#wake(); }

  async #follow(prefix, signal) {
    const position = { id: '' };
    for (let failures = 0; !signal.aborted;) {
      position.alive = false;
      this.#become('connecting');
      const error = await this.#listen(prefix, position, signal).catch((e) => e);
      if (signal.aborted) return;
      if (error instanceof Problem && [400, 401, 403].includes(error.status)) return this.#become('refused', error.message);
      if (error instanceof Problem && error.status === 410) {
        Object.assign(position, { id: '', begun: false, gap: true });
      }
      failures = position.alive ? 0 : failures + 1;
      await this.#wait(failures, signal);
    }
  }

  // listen reads one stream to its end.
  async #listen(prefix, position, signal) {
    const cut = new AbortController();
    const abort = () => cut.abort();
    signal.addEventListener('abort', abort);
    let timer = setTimeout(abort, silence);
    try {
      const headers = { accept: 'text/event-stream', ...(position.id && { 'last-event-id': position.id }) };
      const response = await this.api.send('GET', query('/v1/values:watch', { prefix }), { headers, signal: cut.signal });
      this.#become('live');
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new Parser();
      for (let piece; !(piece = await reader.read()).done;) {
        clearTimeout(timer);
        timer = setTimeout(abort, silence);
        this.#take(parser.push(piece.value), position);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      cut.abort();
    }
  }

  #take(events, position) {
    const changes = [];
    let failure = null;
    for (const event of events) {
      const data = JSON.parse(event.data);
      if (event.type === 'error') {
        failure = new Problem(data.status, data);
        break;
      }
      position.alive = true;
      if (!position.begun) this.#tell(position.gap ? 'gap' : 'begin'); // not before, so that nothing is missed between a reload and the watch
      position.begun = true;
      position.id = event.id || position.id;
      if (event.type !== 'sync') changes.push({ type: event.type, key: data.key, entry: data.etag ? entryOf(data) : null });
    }
    if (changes.length) this.#tell('changes', changes);
    if (failure) throw failure;
  }

  #wait(failures, signal) {
    if (failures === 0) failures = 0.5;
    const ms = Math.min(longestWait, 500 * 2 ** failures) * (0.75 + Math.random() / 2);
    this.until = performance.now() + ms;
    this.#become('waiting');
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => { clearTimeout(timer); resolve(); };
      signal.addEventListener('abort', this.#wake, { once: true });
    });
  }

  #become(state, detail = '') {
    this.state = state;
    this.detail = detail;
    this.#tell('state');
  }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
