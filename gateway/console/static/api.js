// The REST routes of the gateway that served this page.

import { fromBase64 } from './bytes.js';

/** Problem is an answer that is not a success. */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || `The server answered with status ${status}.`);
    this.status = status;
    this.reason = body.reason ?? '';
  }
}

/** Unreachable is no answer at all. */
export class Unreachable extends Error {
  constructor() { super('The server could not be reached. A change may have been made or not.'); }
}

/** TooLong is a value that nobody has asked to load in full. */
export class TooLong extends Error {
  constructor(bytes, etag) {
    super('The value is long.');
    this.bytes = bytes;
    this.etag = etag;
  }
}

/** longBytes is how long an answer may be, in bytes, to be loaded without asking. */
const longBytes = 4 << 20;

/** keyPath is the path of a key's own route. Slashes stay, because people read it. */
export function keyPath(key) {
  return '/v1/values/' + key.split('/').map(encodeURIComponent).join('/');
}

export function query(path, parameters) {
  const all = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return path + '?' + all.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
}

/** entryOf makes an entry of JSON as REST has it: text is set, or bytes. */
export function entryOf(json, etag = json.etag) {
  return {
    key: json.key, etag,
    text: json.value,
    bytes: json.data === undefined ? undefined : fromBase64(json.data),
    expires: json.expireTime ? Date.parse(json.expireTime) : null,
    updated: json.updateTime ? Date.parse(json.updateTime) : null,
  };
}

export class API {
  constructor(session) { this.session = session; }

  async send(method, path, { headers = {}, body, signal, key = this.session.key } = {}) {
    let response;
    try {
      response = await fetch(path, {
        method, body, signal, headers: { 'x-api-key': key, ...headers },
        cache: 'no-store', credentials: 'omit', redirect: 'error',
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      this.session.lost();
      throw new Unreachable();
    }
    this.session.reached();
    if (response.ok) return response;
    if (response.status === 401) this.session.refused(key);
    throw new Problem(response.status, await response.json().catch(() => ({})));
  }

  /** get reads an entry. It fails with TooLong if that is long, unless all of it is wanted. */
  async get(key, { all = false, signal } = {}) {
    const abort = new AbortController();
    signal?.addEventListener('abort', () => abort.abort());
    const response = await this.send('GET', keyPath(key), { signal: abort.signal });
    const bytes = Number(response.headers.get('content-length'));
    if (bytes > longBytes && !all) {
      abort.abort();
      throw new TooLong(bytes, unquote(response));
    }
    return entryOf(await this.#body(response.json()), unquote(response));
  }

  /** raw reads a value as it is stored. */
  async raw(key) {
    return this.#body((await this.send('GET', keyPath(key), { headers: { accept: 'application/octet-stream' } })).blob());
  }

  /** put writes content, which is text or bytes, and returns the new etag. An etag of null: the key must be new. */
  async put(key, content, { ttl = null, etag } = {}) {
    const isText = typeof content === 'string';
    const path = ttl && !isText ? query(keyPath(key), { ttl }) : keyPath(key);
    const headers = { 'content-type': isText ? 'application/json' : 'application/octet-stream', ...condition(etag) };
    const body = isText ? JSON.stringify({ value: content, ...(ttl && { ttl }) }) : content;
    return unquote(await this.send('PUT', path, { headers, body }));
  }

  /** touch changes when an entry expires: after ttl, or never if that is null. */
  async touch(key, ttl, etag) {
    const headers = { 'content-type': 'application/json', ...condition(etag) };
    const response = await this.send('PATCH', keyPath(key), { headers, body: JSON.stringify({ ttl }) });
    return entryOf(await this.#body(response.json()), unquote(response));
  }

  async delete(key, etag) {
    await this.send('DELETE', keyPath(key), { headers: condition(etag) });
  }

  /** list returns a page of keys without their values. */
  async list(prefix, { token, size, signal } = {}) {
    const path = query('/v1/values', { prefix, view: 'keys', pageSize: size, pageToken: token });
    const page = await this.#body((await this.send('GET', path, { signal })).json());
    return { keys: page.values.map((entry) => entry.key), token: page.nextPageToken ?? '' };
  }

  async stats(key = this.session.key) {
    return this.#body((await this.send('GET', '/v1/stats', { key })).json());
  }

  /** body waits for the rest of an answer, which can be cut as well. */
  async #body(promise) {
    try {
      return await promise;
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      this.session.lost();
      throw new Unreachable();
    }
  }
}

function condition(etag) {
  if (etag === undefined) return {};
  return etag === null ? { 'if-none-match': '*' } : { 'if-match': `"${etag}"` };
}

function unquote(response) {
  return (response.headers.get('etag') ?? '').replace(/^"|"$/g, '');
}
