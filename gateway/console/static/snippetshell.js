// Writes an action as a command for curl, kv or buf curl.

import { hidden } from './dom.js';
import { toGo, toSeconds } from './duration.js';
import { inline, json, quote, rest } from './snippet.js';

/** curl returns an action as a command that uses REST. */
export function curl(action, url) {
  const { method, path, headers, body } = rest(action);
  const words = ['curl', ...(action.op === 'watch' ? ['-N'] : []), ...(method === 'GET' ? [] : ['-X', method]), quote(url + path),
    '-H "x-api-key: $KV_API_KEY"'];
  return [words.join(' '), ...Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`),
    ...(body === undefined ? [] : [body === 'file' ? '--data-binary @value' : `-d ${quote(json(body))}`])].join(' \\\n  ');
}

/** kv returns an action as a command of this store's own command line. */
export function kv(action, url) {
  const { op, key, prefix, ttl, etag } = action;
  const name = word(op === 'list' || op === 'watch' ? prefix : key, 'key');
  const condition = etag === undefined ? [] : etag === null ? ['--create-only'] : ['--if-match', quote(etag)];
  const life = ttl === undefined ? ['--keep-ttl'] : ttl === null ? [] : ['--ttl', toGo(ttl)];
  const command = (verb, flags, ...words) => [...name.before, ['kv', verb, '--url', quote(url), ...flags, ...words].join(' ')].join('\n');
  switch (op) {
    case 'get': return command('get', [], '--', name.word);
    case 'delete': return command('del', condition, '--', name.word);
    case 'touch': return command('touch', [...(ttl ? life : ['--persist']), ...condition], '--', name.word);
    case 'list': return command('ls', ['--keys'], '--', name.word);
    case 'watch': return command('watch', ['--prefix', name.word]);
  }
  const flags = [...life, ...condition];
  if (!inline(action)) return command('set', flags, '--', name.word, '< value');
  const value = word(action.content, 'value');
  return [...value.before, command('set', flags, '--', name.word, value.word)].join('\n');
}

// word returns text as a word of a shell. If characters would be invisible, a variable gets it from their octal codes. The dot
// keeps the shell from dropping line ends.
function word(text, variable) {
  if (!text.replaceAll(/[\n\t]/g, '').match(hidden)) return { before: [], word: quote(text) };
  const codes = text.replaceAll('\\', '\\\\').replace(hidden, (c) => [...new TextEncoder().encode(c)].map((b) => `\\0${b.toString(8).padStart(3, '0')}`).join(''));
  return { before: [`${variable}=$(printf '%b.' ${quote(codes)})`], word: `"\${${variable}%.}"` };
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
