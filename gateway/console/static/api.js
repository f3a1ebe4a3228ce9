// The REST routes of the gateway that served this page.

import { fromBase64 } from './bytes.js';

/** Problem is an error response. */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || `The server responded with status ${status}.`);
    this.status = status;
    this.reason = body.reason ?? '';
  }
}

/** Unreachable means that there was no response. */
export class Unreachable extends Error {
  constructor() { super('The server could not be reached. A change may or may not have been applied.'); }
}

/** TooLong means that the value is long and was not requested in full. */
export class TooLong extends Error {
  constructor(bytes, etag) {
    super('The value is long.');
    this.bytes = bytes;
    this.etag = etag;
  }
}

/** root is the URL of the gateway, without a slash at the end. It has a path if a proxy serves the gateway below one. */
export const root = new URL('..', import.meta.url).href.slice(0, -1);

/** longBytes is the size of the largest response that is loaded without asking, in bytes. */
const longBytes = 4 << 20;

/** keyPath returns the path of a key's own route. Slashes are not escaped, so that it is easy to read. */
export function keyPath(key) {
  return '/v1/values/' + key.split('/').map(encodeURIComponent).join('/');
}

export function query(path, parameters) {
  const all = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return [path, all.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')].filter(Boolean).join('?');
}

/**
 * entryOf converts an entry from its JSON form. Either text or bytes is set. Expires is when the entry expires by
 * performance.now(), which does not depend on how the clocks of server and browser are set, or null.
 */
export function entryOf(json, etag = json.etag) {
  return {
    key: json.key, etag,
    text: json.value,
    bytes: json.data === undefined ? undefined : fromBase64(json.data),
    expires: json.ttl ? performance.now() + 1000 * parseFloat(json.ttl) : null,
    updated: json.updateTime ? Date.parse(json.updateTime) : null,
  };
}

export class API {
  constructor(session) { this.session = session; }

  async send(method, path, { headers = {}, body, signal, key = this.session.key } = {}) {
    let response;
    try {
      response = await fetch(root + path, {
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

  /** get reads an entry. It throws TooLong if the response exceeds longBytes, unless all is set. */
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

  /** raw reads a value as a blob. */
  async raw(key) {
    return this.#body((await this.send('GET', keyPath(key), { headers: { accept: 'application/octet-stream' } })).blob());
  }

  /**
   * put stores content, which is text or bytes, and returns the new etag. Ttl is as in REST: a duration, keep, or null for
   * none. If etag is null, the key must be new.
   */
  async put(key, content, { ttl = null, etag } = {}) {
    const isText = typeof content === 'string';
    const path = query(keyPath(key), { ttl: ttl ?? undefined });
    const headers = { 'content-type': isText ? 'application/json' : 'application/octet-stream', ...condition(etag) };
    const body = isText ? JSON.stringify({ value: content }) : content;
    return unquote(await this.send('PUT', path, { headers, body }));
  }

  /** touch sets the TTL of an entry. Null removes it. */
  async touch(key, ttl, etag) {
    const headers = { 'content-type': 'application/json', ...condition(etag) };
    const response = await this.send('PATCH', keyPath(key), { headers, body: JSON.stringify({ ttl }) });
    return entryOf(await this.#body(response.json()), unquote(response));
  }

  async delete(key, etag) {
    await this.send('DELETE', keyPath(key), { headers: condition(etag) });
  }

  /** level returns a page of what begins with a prefix: the keys without their values, and with a delimiter one level of them. */
  async level(prefix, { start, end, delimiter, token, size, signal } = {}) {
    const path = query('/v1/values', { prefix, start, end, delimiter: delimiter || undefined, view: 'keys', pageSize: size, pageToken: token || undefined });
    const page = await this.#body((await this.send('GET', path, { signal })).json());
    return { entries: page.values.map((json) => entryOf(json)), prefixes: page.prefixes ?? [], token: page.nextPageToken ?? '' };
  }

  /** deleteRange deletes up to 1,000 entries with a prefix, or only counts them, and returns how many, and the token to go on. */
  async deleteRange(prefix, { dryRun, token, signal } = {}) {
    const path = query('/v1/values', { prefix, dryRun, pageToken: token || undefined });
    const { deleted, nextPageToken } = await this.#body((await this.send('DELETE', path, { signal })).json());
    return { deleted, token: nextPageToken };
  }

  /** batch runs operations and returns their results. */
  async batch(operations, atomic) {
    const body = JSON.stringify({ operations, atomic });
    const response = await this.send('POST', '/v1/values:batch', { headers: { 'content-type': 'application/json' }, body });
    return (await this.#body(response.json())).results;
  }

  /** caller returns what an API key is and may do. */
  async caller(key = this.session.key) {
    return this.#body((await this.send('GET', '/v1/caller', { key })).json());
  }

  /** stats returns the statistics, with samples of the last minutes if history is true. */
  async stats(history) {
    return this.#body((await this.send('GET', `/v1/stats${history ? '?history=true' : ''}`)).json());
  }

  /** keyStats returns which keys are hot, which prefixes are big and which calls were slow. */
  async keyStats(limit, signal) {
    return this.#body((await this.send('GET', query('/v1/stats/keys', { limit }), { signal })).json());
  }

  /** body waits for the body of a response, during which the connection can break too. */
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
