// Which calls share a request, and that this changes nothing else.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KeyValueClient } from 'key-value-client';

import { apiKey, binary, put, serve, shared } from '../../../test/e2e/browser/support/server.js';
import { reasonOf, recorder } from './support.js';

const url = await serve(shared);

function open(options) {
  const { fetch, calls } = recorder();
  return { kv: new KeyValueClient(url, { apiKey, fetch, ...options }), calls };
}

const times = (n, call) => Promise.all(Array.from({ length: n }, (_, i) => call(i)));

test('the calls of one tick are one request, and a single call is sent as it is', async () => {
  const { kv, calls } = open();
  await times(64, (i) => kv.set(`tick/${i}`, `${i}`));
  assert.deepEqual(calls.splice(0), ['Batch']);
  assert.deepEqual((await times(64, (i) => kv.get(`tick/${i}`))).map((entry) => entry.value), Array.from({ length: 64 }, (_, i) => `${i}`));
  assert.deepEqual(calls.splice(0), ['Batch']);
  await kv.get('tick/1');
  assert.deepEqual(calls, ['Get']);
});

test('callers that continue at different turns of the tick share a request', async () => {
  const { kv, calls } = open();
  await times(20, async (i) => {
    for (let turn = 0; turn < i % 6; turn++) await null;
    await kv.set(`turns/${i}`, 'x');
  });
  assert.deepEqual(calls, ['Batch']);
});

test('the callers whose calls one response answers call again together', async () => {
  const { kv, calls } = open();
  await times(10, async (i) => {
    await kv.set(`again/${i}`, '1');
    await kv.increment(`again/${i}`);
    await kv.delete(`again/${i}`);
  });
  assert.deepEqual(calls, ['Batch', 'Batch', 'Batch']);
});

test('the operations of a batch are carried out in the order of the calls', async () => {
  const { kv } = open();
  const [, got] = await Promise.all([kv.set('order', 'first'), kv.get('order'), kv.set('order', 'second')]);
  assert.equal(got.value, 'first');
  assert.equal((await kv.get('order')).value, 'second');
});

test('each call has its own error and condition', async () => {
  const { kv, calls } = open();
  await put(url, 'own/there', 'x');
  calls.length = 0;
  const got = await Promise.all([
    kv.get('own/there'), kv.get('own/none'), kv.get('own/..'), kv.set('own/there', 'y', { ifAbsent: true }),
    kv.set('own/there', 'y', { ttl: 0 }), kv.set('own/there', 1), kv.increment('own/there'), kv.touch('own/there', { ifMatch: 'other' }), kv.get('own/there'),
  ].map(reasonOf));
  assert.deepEqual(got, ['ok', 'KEY_NOT_FOUND', 'KEY_INVALID', 'KEY_EXISTS', 'TTL_INVALID', 'VALUE_INVALID', 'NOT_AN_INTEGER', 'ETAG_MISMATCH', 'ok']);
  assert.deepEqual(calls, ['Batch']);
});

test('a batch has at most 256 operations, and large values travel by themselves', async () => {
  const { kv, calls } = open();
  await times(600, (i) => kv.set(`many/${i}`, 'x'));
  assert.deepEqual(calls.splice(0), ['Batch', 'Batch', 'Batch']);
  await times(40, (i) => kv.set(`heavy/${i}`, 'x'.repeat(15 << 10)));
  assert.deepEqual(calls.splice(0), ['Batch', 'Batch', 'Batch']); // 256 KiB each
  await Promise.all([kv.set('large', 'x'.repeat(100_000)), kv.set('small/1', 'x'), kv.set('small/2', 'x')]);
  assert.deepEqual(calls.splice(0).sort(), ['Batch', 'Set']);
});

test('values that do not fit into the response are fetched by themselves, and counted once', async () => {
  const { kv, calls } = open();
  await times(3, (i) => kv.set(`big/${i}`, `${i}`.repeat(200_000)));
  const before = await kv.stats();
  calls.length = 0;
  const got = await times(4, (i) => kv.get(i < 3 ? `big/${i}` : 'small/1'));
  assert.deepEqual(got.map((entry) => entry.value.length), [200_000, 200_000, 200_000, 1]);
  assert.deepEqual(calls, ['Batch', 'Get', 'Get']);
  assert.equal((await kv.stats()).hits - before.hits, 4);
});

test('a call that the API key forbids does not affect others', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kv-keys-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'keys.json');
  const key = execFileSync(binary, ['keys', 'create', '--file', file, '--id', 'fruit', '--prefix', 'fruit/'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  const scoped = new KeyValueClient(await serve(t, '--api-keys-file', file), { apiKey: key });
  const got = await Promise.all(['fruit/a', 'other', 'fruit/b'].map((name) => reasonOf(scoped.set(name, 'x'))));
  assert.deepEqual(got, ['ok', 'PERMISSION_DENIED', 'ok']);
});

test('a batch that is longer than a server allows is sent in parts', async (t) => {
  const small = new KeyValueClient(await serve(t, '--max-value-bytes', '1024'), { apiKey });
  const got = await times(100, (i) => reasonOf(small.set(`part/${i}`, 'x'.repeat(i === 7 ? 1025 : 1024))));
  assert.deepEqual([got[7], got.filter((reason) => reason === 'ok').length], ['VALUE_TOO_LARGE', 99]);
});

test('a caller that gives up does not affect others', async () => {
  const { kv, calls } = open();
  const [early, late] = [new AbortController(), new AbortController()];
  const outcomes = Promise.allSettled([
    kv.set('abort/early', 'x', { signal: early.signal }), kv.set('abort/late', 'x', { signal: late.signal }), kv.set('abort/other', 'x'),
  ]);
  early.abort();
  setImmediate(() => late.abort()); // the batch is on its way
  const [first, second, third] = await outcomes;
  assert.equal(first.reason, early.signal.reason);
  assert.equal(second.reason, late.signal.reason);
  assert.equal(third.status, 'fulfilled');
  assert.deepEqual(calls, ['Batch']);
  assert.equal(await reasonOf(kv.get('abort/early')), 'KEY_NOT_FOUND');
});

test('calls that all gave up before they were sent are not sent', async () => {
  const { kv, calls } = open();
  const controller = new AbortController();
  const outcomes = Promise.allSettled([kv.set('never/1', 'x', controller), kv.set('never/2', 'x', controller)]);
  controller.abort(new Error('changed my mind'));
  assert.deepEqual((await outcomes).map(({ reason }) => reason.message), ['changed my mind', 'changed my mind']);
  assert.equal(await reasonOf(kv.get('never/1')), 'KEY_NOT_FOUND');
  assert.deepEqual(calls, ['Get']);
});

test('a request is aborted when nobody waits for it any more', async () => {
  const aborted = new Promise((resolve) => {
    const silent = (_, { signal }) => new Promise((_, reject) => {
      signal.addEventListener('abort', () => { resolve(); reject(signal.reason); });
    });
    const kv = new KeyValueClient(url, { apiKey, fetch: silent });
    const controllers = [new AbortController(), new AbortController()];
    for (const { signal } of controllers) kv.get('x', { signal }).catch(() => {});
    for (const controller of controllers) setImmediate(() => controller.abort());
  });
  await aborted;
});

test('many calls share a signal without a warning', async () => {
  const warnings = [];
  const note = (warning) => warnings.push(warning.message);
  process.on('warning', note);
  const { kv } = open({ gather: false });
  const { signal } = new AbortController();
  await times(30, (i) => kv.set(`signal/${i}`, 'x', { signal }));
  await new Promise(setImmediate);
  process.off('warning', note);
  assert.deepEqual(warnings, []);
});

test('without gathering every call is a request', async () => {
  const { kv, calls } = open({ gather: false });
  await times(3, (i) => kv.set(`single/${i}`, 'x'));
  assert.deepEqual(calls, ['Set', 'Set', 'Set']);
});
