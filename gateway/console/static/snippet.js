// What the snippets of all tools share. No snippet contains the API key: all read it from KV_API_KEY.
//
// An action is { op, key, content, ttl, etag, prefix }. Op is get, set, delete, touch, list or watch. Content is text, or
// anything else for content that must be in a file. Ttl is in ms, null for no TTL, or undefined to keep that of the entry.
// Etag is null if the key must be new.

import { keyPath, query } from './api.js';
import { hidden } from './dom.js';
import { toGo } from './duration.js';

/** maxInline is the length of the longest value that is part of a command line, in characters. */
const maxInline = 4000;

/** quote quotes text as one word of a POSIX shell. */
export const quote = (text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** json serializes a value, escaping hidden characters. */
export function json(value) {
  return JSON.stringify(value).replace(hidden, (c) =>
    c.split('').map((unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0')).join(''));
}

/** literal returns a string literal of Go and Python. JSON escapes characters above U+FFFF as surrogate pairs, which they do not accept. */
export function literal(text) {
  return json(text).replace(/\\ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}/gi, (pair) =>
    '\\U' + JSON.parse(`"${pair}"`).codePointAt(0).toString(16).padStart(8, '0'));
}

/** inline reports whether the content of an action can be part of a command line. */
export const inline = (action) => typeof action.content === 'string' && action.content.length <= maxInline;

/** rest returns the REST request of an action: { method, path, headers, body }. Body is for JSON, or "file" for the file. */
export function rest(action) {
  const { op, key, prefix, ttl, etag } = action;
  const condition = etag === undefined ? {} : etag === null ? { 'if-none-match': '*' } : { 'if-match': `"${etag}"` };
  const asJSON = { 'content-type': 'application/json', ...condition };
  switch (op) {
    case 'get': return { method: 'GET', path: keyPath(key), headers: {} };
    case 'delete': return { method: 'DELETE', path: keyPath(key), headers: condition };
    case 'touch': return { method: 'PATCH', path: keyPath(key), headers: asJSON, body: { ttl: ttl && toGo(ttl) } };
    case 'list': return { method: 'GET', path: query('/v1/values', { prefix, view: 'keys' }), headers: {} };
    case 'watch': return { method: 'GET', path: query('/v1/values:watch', { prefix }), headers: {} };
  }
  const life = ttl === undefined ? 'keep' : ttl === null ? undefined : toGo(ttl);
  if (inline(action)) return { method: 'PUT', path: keyPath(key), headers: asJSON, body: { value: action.content, ...(life && { ttl: life }) } };
  const headers = { 'content-type': 'application/octet-stream', ...condition };
  return { method: 'PUT', path: query(keyPath(key), { ttl: life }), headers, body: 'file' };
}
