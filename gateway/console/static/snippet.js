// Writes an action as a command. The command never contains the API key: it reads the key from KV_API_KEY.
//
// An action is { op, key, content, ttl, etag, prefix }. Op is get, set, delete, touch, list or watch. Content is text, or
// anything else for content that must be in a file. Ttl is in ms, null for no TTL, or undefined to keep that of the entry.
// Etag is null if the key must be new.

import { keyPath, query } from './api.js';
import { hidden } from './dom.js';
import { toGo, toSeconds } from './duration.js';

/** maxInline is the length of the longest value that is part of a command line, in characters. */
const maxInline = 4000;

/** quote quotes text as one word of a POSIX shell. */
export const quote = (text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** json serializes a value, escaping hidden characters. */
export function json(value) {
  return JSON.stringify(value).replace(hidden, (c) =>
    c.split('').map((unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0')).join(''));
}

/** inline reports whether the content of an action can be part of a command line. */
export const inline = (action) => typeof action.content === 'string' && action.content.length <= maxInline;

/** curl returns an action as a command that uses REST. */
export function curl(action, url) {
  const [method, path, options] = rest(action);
  const words = ['curl', ...(action.op === 'watch' ? ['-N'] : []), ...(method === 'GET' ? [] : ['-X', method]), quote(url + path),
    '-H "x-api-key: $KV_API_KEY"'];
  return [words.join(' '), ...options].join(' \\\n  ');
}

const jsonHeader = `-H 'content-type: application/json'`;

// life returns the TTL of an action that stores an entry, as REST expects it.
const life = ({ ttl }) => (ttl === undefined ? 'keep' : ttl === null ? undefined : toGo(ttl));

function rest(action) {
  const condition = action.etag === undefined ? []
    : [`-H ${quote(action.etag === null ? 'if-none-match: *' : `if-match: "${action.etag}"`)}`];
  switch (action.op) {
    case 'get': return ['GET', keyPath(action.key), []];
    case 'delete': return ['DELETE', keyPath(action.key), condition];
    case 'touch': return ['PATCH', keyPath(action.key), [jsonHeader, ...condition, `-d ${quote(json({ ttl: action.ttl && toGo(action.ttl) }))}`]];
    case 'list': return ['GET', query('/v1/values', { prefix: action.prefix, view: 'keys' }), []];
    case 'watch': return ['GET', query('/v1/values:watch', { prefix: action.prefix }), []];
  }
  if (!inline(action)) {
    const path = query(keyPath(action.key), { ttl: life(action) });
    return ['PUT', path, [`-H 'content-type: application/octet-stream'`, ...condition, '--data-binary @value']];
  }
  const body = { value: action.content, ttl: life(action) };
  return ['PUT', keyPath(action.key), [jsonHeader, ...condition, `-d ${quote(json(body))}`]];
}

/** bufCurl returns an action as a command that uses an RPC. */
export function bufCurl(action, url) {
  const [method, request] = rpc(action);
  const body = json(request);
  const fromFile = action.op === 'set' && !inline(action);
  return [
    ...(fromFile ? [`{ printf '%s' ${quote(body.slice(0, -1) + ',"data":"')}; base64 < value | tr -d '\\n'; printf '"}'; } |`] : []),
    `buf curl ${url.startsWith('https:') ? '' : '--http2-prior-knowledge '}-H "x-api-key: $KV_API_KEY" --reflect-header "*"`,
    `-d ${fromFile ? '@-' : quote(body)}`,
    quote(`${url}/keyvalue.v1.KeyValueService/${method}`),
  ].join(' \\\n  ').replace('| \\\n', '|\n');
}

function rpc(action) {
  const { op, key, prefix, ttl, etag } = action;
  const precondition = etag === undefined ? {} : { precondition: etag === null ? { exists: false } : { etag } };
  const life = ttl ? { ttl: toSeconds(ttl) } : ttl === undefined && op === 'set' ? { keepTtl: true } : {};
  switch (op) {
    case 'get': return ['Get', { key }];
    case 'delete': return ['Delete', { key, ...precondition }];
    case 'touch': return ['Touch', { key, ...life, ...precondition }];
    case 'list': return ['List', { prefix, keysOnly: true }];
    case 'watch': return ['Watch', { prefix }];
  }
  return ['Set', { key, ...(inline(action) && { value: action.content }), ...life, ...precondition }];
}
