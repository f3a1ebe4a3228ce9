// A cache shows what the store has, through cuts and restarts, and never something older than before.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyValueClient } from 'key-value-client';

import { Cache } from '../dist/cache.js';
import { apiKey, Proxy, serve, shared, start } from '../../../test/e2e/browser/support/server.js';
import { reasonOf } from './support.js';

const url = await serve(shared);
const kv = new KeyValueClient(url, { apiKey });
const values = (cache, prefix) => cache.entries(prefix).map((entry) => `${entry.key}=${entry.value}`);

test('a cache has what was there, what comes, and nothing else', async () => {
  await Promise.all([kv.set('has/a', '1'), kv.set('has/b', Uint8Array.of(255)), kv.set('hasnot', 'x')]);
  const cache = kv.cache({ prefix: 'has/' });
  assert.throws(() => cache.get('has/a'), { message: 'the cache is not ready: await ready() first' });
  await cache.ready();
  assert.deepEqual(values(cache), ['has/a=1', 'has/b=255']);
  const { revision } = await kv.set('has/c', '3');
  await cache.waitRevision(revision);
  assert.equal(cache.get('has/c').value, '3');
  const { revision: deleted } = await kv.delete('has/a');
  await cache.waitRevision(deleted);
  assert.equal(cache.get('has/a'), undefined);
  const touched = await kv.touch('has/c', { ttl: 3_600_000 });
  await cache.waitRevision(touched.revision);
  const { value, etag, ttl } = cache.get('has/c');
  assert.deepEqual([value, etag, ttl], ['3', touched.etag, 3_600_000]);
  await Promise.all([kv.set('has/\u{1f600}', 'x'), kv.set('has/\uffee', 'x')]).then((all) => Promise.all(all.map((w) => cache.waitRevision(w.revision))));
  assert.deepEqual(values(cache), ['has/b=255', 'has/c=3', 'has/\uffee=x', 'has/\u{1f600}=x']);
  assert.deepEqual(values(cache, 'has/c'), ['has/c=3']);
  cache.close();
  assert.throws(() => cache.get('has/c'), { message: 'the cache is closed' });
  await assert.rejects(cache.waitRevision(touched.revision), { message: 'the cache is closed' });
});

test('an entry is not returned once its TTL has elapsed, even without the store', async (t) => {
  const proxy = await Proxy.before(t, url);
  const cache = new KeyValueClient(proxy.url, { apiKey }).cache({ prefix: 'ttl/' });
  t.after(() => cache.close());
  await cache.ready();
  const { revision } = await kv.set('ttl/a', '1', { ttl: 200 });
  await cache.waitRevision(revision);
  proxy.down();
  while (cache.get('ttl/a')) await new Promise((resolve) => { setTimeout(resolve, 5); });
  assert.deepEqual(values(cache), []);
});

test('a cache survives a restart of the store, and tells what has changed', async (t) => {
  const first = await start(t, []);
  const proxy = await Proxy.before(t, first.url);
  const before = new KeyValueClient(first.url, { apiKey });
  await Promise.all([before.set('a', '1'), before.set('b', '1')]);
  const cuts = [];
  const cache = new KeyValueClient(proxy.url, { apiKey }).cache({ prefix: '', onCut: (error) => cuts.push(error.reason) });
  t.after(() => cache.close());
  await cache.ready();
  const changes = [];
  cache.onChange(({ key, entry, previous }) => changes.push([key, entry?.value, previous?.value]));
  await first.stop();
  assert.deepEqual(values(cache), ['a=1', 'b=1']); // until it knows better
  const second = await start(t, []);
  const after = new KeyValueClient(second.url, { apiKey });
  const { revision } = await after.set('b', '2');
  proxy.to(second.url);
  await cache.waitRevision(revision);
  assert.deepEqual(values(cache), ['b=2']);
  assert.deepEqual(changes, [['b', '2', '1'], ['a', undefined, '1']]);
  assert.ok(cuts.includes('SERVICE_UNAVAILABLE') && cuts.includes('RESUME_TOO_OLD'), String(cuts));
  assert.ok(cache.age() < 60_000);
});

test('readers never see an older version than before, under writers and cuts', async (t) => {
  const proxy = await Proxy.before(t, url);
  const cache = new KeyValueClient(proxy.url, { apiKey }).cache({ prefix: 'mono/' });
  t.after(() => cache.close());
  await cache.ready();
  const seen = new Map();
  let reads = 0;
  const read = () => {
    for (const { key, revision, value } of cache.entries()) {
      const last = seen.get(key) ?? { revision: 0n, value: -1 };
      assert.ok(revision > last.revision ? Number(value) > last.value : revision === last.revision, `${key}: ${value} at ${revision} after ${last.value} at ${last.revision}`);
      seen.set(key, { revision, value: Number(value) });
      reads++;
    }
  };
  cache.onChange(read);
  let last;
  for (let i = 0; i < 200; i++) {
    const written = await Promise.all(['a', 'b', 'c'].map((key) => kv.set(`mono/${key}`, `${i}`)));
    last = written.reduce((most, { revision }) => (revision > most ? revision : most), 0n);
    if (i % 50 === 25) proxy.cut();
    read();
  }
  await cache.waitRevision(last);
  assert.deepEqual(values(cache), ['mono/a=199', 'mono/b=199', 'mono/c=199']);
  assert.ok(reads > 0);
});

test('a bound that is too small ends the cache', async (t) => {
  for (const maxBytes of [0, -1, NaN, '10']) assert.throws(() => kv.cache({ prefix: '', maxBytes }), { name: 'RangeError', message: `invalid maxBytes: got ${maxBytes}, want more than zero` });
  await kv.set('bound/a', 'x'.repeat(100));
  const tooSmall = kv.cache({ prefix: 'bound/', maxBytes: 100 });
  assert.equal(await reasonOf(tooSmall.ready()), 'CACHE_TOO_SMALL');
  assert.throws(() => tooSmall.get('bound/a'), { reason: 'CACHE_TOO_SMALL', message: 'the entries exceed the bound of the cache: 107 bytes with "bound/a", maxBytes 100' });
  const enough = kv.cache({ prefix: 'bound/', maxBytes: 107 });
  t.after(() => enough.close());
  await enough.ready();
  await kv.set('bound/a', 'y'.repeat(100)); // in place of the other one
  const { revision } = await kv.set('bound/a', 'z'.repeat(100));
  await enough.waitRevision(revision);
  await kv.set('bound/b', '');
  assert.equal(await reasonOf(enough.waitRevision(revision + 1_000_000_000_000n)), 'CACHE_TOO_SMALL');
});

test('a listener that throws affects neither the cache nor other listeners', async (t) => {
  const cache = kv.cache({ prefix: 'listen/' });
  t.after(() => cache.close());
  await cache.ready();
  const heard = [];
  const uncaught = [];
  const stop = cache.onChange(({ key }) => { throw new Error(`a mistake with ${key}`); });
  cache.onChange(({ key }) => heard.push(key));
  process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error.message));
  t.after(() => process.setUncaughtExceptionCaptureCallback(null));
  await cache.waitRevision((await kv.set('listen/a', '1')).revision);
  await new Promise(setImmediate);
  stop();
  await cache.waitRevision((await kv.set('listen/b', '1')).revision);
  await new Promise(setImmediate);
  assert.deepEqual([heard, uncaught], [['listen/a', 'listen/b'], ['a mistake with listen/a']]);
  assert.equal(cache.get('listen/b').value, '1');
});

test('signals end a cache and a wait', async () => {
  const controller = new AbortController();
  const cache = kv.cache({ prefix: 'signal/', signal: controller.signal });
  await cache.ready();
  const far = 2n ** 63n;
  await assert.rejects(cache.waitRevision(far, { signal: AbortSignal.abort(new Error('at once')) }), { message: 'at once' });
  const wait = new AbortController();
  const waiting = cache.waitRevision(far, wait);
  wait.abort(new Error('too long'));
  await assert.rejects(waiting, { message: 'too long' });
  const other = cache.waitRevision(far);
  controller.abort(new Error('over'));
  await assert.rejects(other, { message: 'over' });
  assert.throws(() => cache.entries(), { message: 'over' });
});

test('a snapshot that starts again replaces what is shown when it is complete', async () => {
  let push;
  const queue = [];
  async function* events() {
    for (;;) {
      while (queue.length === 0) await new Promise((resolve) => { push = resolve; });
      yield queue.shift();
    }
  }
  const send = async (...more) => {
    queue.push(...more);
    push?.();
    await new Promise(setImmediate);
  };
  const entry = (key, value, etag) => ({ type: 'put', key, revision: 1n, resumeToken: '', entry: { key, value, etag } });
  const sync = { type: 'sync', revision: 1n, resumeToken: 't' };
  const cache = new Cache({ prefix: '' }, () => events());
  const changes = [];
  cache.onChange(({ key, entry: now, previous }) => changes.push([key, now?.value, previous?.value]));
  await send(entry('a', '1', 'e1'), entry('b', '1', 'e2'), sync);
  await cache.ready();
  await send({ type: 'reset' }, entry('b', '1', 'e2'), entry('c', '3', 'e3'));
  assert.deepEqual(values(cache), ['a=1', 'b=1']);
  await send({ type: 'reset' }, entry('b', '2', 'e4'), { type: 'delete', key: 'b', revision: 2n, resumeToken: '' }, entry('c', '3', 'e3'), sync);
  assert.deepEqual(values(cache), ['c=3']);
  assert.deepEqual(changes, [['a', '1', undefined], ['b', '1', undefined], ['c', '3', undefined], ['a', undefined, '1'], ['b', undefined, '1']]);
  cache.close();
});
