// What goes wrong, and what the caller sees. Servers are real unless a failure needs one that fails on purpose.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { KeyValueClient, KeyValueError } from 'key-value-client';

import { apiKey, Proxy, serve, shared, start } from '../../../test/e2e/browser/support/server.js';
import { answers, failure, page, reasonOf, recorder } from './support.js';

const url = await serve(shared);
const protocols = ['connect', 'grpc-web'];

/** errorOf returns the KeyValueError with which a call fails. */
async function errorOf(call) {
  const error = await call.then((value) => assert.fail(`it returned ${value}`), (e) => e);
  assert.ok(error instanceof KeyValueError, error.stack);
  return error;
}

test('options that cannot work are rejected at once', () => {
  const bad = [
    ['localhost:8888', {}, 'invalid service URL "localhost:8888": want http://host:port'],
    ['', {}, 'invalid service URL "": want http://host:port'],
    ['ftp://a.example', {}, 'invalid service URL "ftp://a.example": want http://host:port'],
    ['http://me:secret@a.example', {}, 'invalid service URL "http://me:secret@a.example": want http://host:port'],
    ['http://a.example?x=1', {}, 'invalid service URL "http://a.example?x=1": want http://host:port'],
    ['http://a.example', { apiKey: 'two\nlines' }, 'invalid API key: it has characters that a header cannot have'],
    ['http://a.example', { protocol: 'grpc' }, 'invalid protocol "grpc": want "connect" or "grpc-web"'],
    ['http://a.example', { timeout: -1 }, 'invalid timeout: got -1, want a number of ms below 2^31, or 0 for any time'],
    ['http://a.example', { timeout: Infinity }, 'invalid timeout: got Infinity, want a number of ms below 2^31, or 0 for any time'],
  ];
  for (const [address, options, message] of bad) {
    assert.throws(() => new KeyValueClient(address, options), { name: 'TypeError', message });
  }
});

test('requests that cannot be sent as they are meant are rejected', async () => {
  const { fetch, calls } = recorder();
  const kv = new KeyValueClient(url, { apiKey, fetch });
  const bad = {
    KEY_INVALID: [() => kv.get('half \ud83d'), () => kv.get(undefined), () => kv.set(7, 'x'), () => kv.watch({ key: '\udc00' }).next(), () => kv.list({ prefix: '\ud83d' }).next()],
    VALUE_INVALID: [() => kv.set('a', '\ud83d'), () => kv.set('a', undefined), () => kv.set('a', null), () => kv.set('a', { a: 1 }), () => kv.set('a', 1n)],
    TTL_INVALID: [() => kv.set('a', 'x', { ttl: NaN }), () => kv.set('a', 'x', { ttl: '5m' }), () => kv.touch('a', { ttl: Infinity }), () => kv.increment('a', 1, { ttl: null })],
    REQUEST_INVALID: [
      () => kv.increment('a', 0.5), () => kv.increment('a', 2 ** 60), () => kv.increment('a', 2n ** 63n), () => kv.increment('a', 1, { initial: '1' }),
      () => kv.set('a', 'x', { ifMatch: undefined }), () => kv.set('a', 'x', { ifmatch: 'etag' }), () => kv.delete('a', { ifMatch: 'x', ifExists: true }),
      () => kv.batch([{}]), () => kv.batch([{ list: { prefix: 'a' } }]), () => kv.watch({}).next(), () => kv.watch({ key: 'a', prefix: 'b' }).next(),
      () => kv.list({ pageSize: 1.5 }).next(),
    ],
  };
  for (const [reason, list] of Object.entries(bad)) {
    for (const call of list) {
      const error = await errorOf(call());
      assert.deepEqual([error.reason, error.code], [reason, 'invalid_argument'], `${call}: ${error.message}`);
    }
  }
  assert.deepEqual(calls, []);
});

for (const protocol of protocols) {
  test(`${protocol}: a missing or wrong API key`, async () => {
    for (const key of [undefined, '', 'wrong']) {
      const kv = new KeyValueClient(url, { apiKey: key, protocol });
      const calls = [kv.get('a'), kv.set('a', 'x'), kv.list().next(), kv.caller(), kv.watch({ prefix: '' }).next(), kv.cache({ prefix: '' }).ready()];
      for (const error of await Promise.all(calls.map(errorOf))) {
        assert.deepEqual([error.reason, error.code], ['API_KEY_INVALID', 'unauthenticated']);
        assert.ok(!error.stack.includes('wrong'), error.stack);
      }
    }
  });

  test(`${protocol}: values and batches that are too long, by a byte and by far`, async () => {
    const kv = new KeyValueClient(url, { apiKey, protocol });
    await kv.set('long', 'x'.repeat(1 << 20));
    for (const size of [(1 << 20) + 1, 7 << 20, 30 << 20]) assert.equal(await reasonOf(kv.set('long', 'y'.repeat(size))), 'VALUE_TOO_LARGE', `${size} bytes`);
    assert.equal((await kv.get('long')).value[0], 'x');
    const heavy = Array.from({ length: 7 }, (_, i) => ({ set: { key: `long/${i}`, value: 'x'.repeat(1 << 20) } }));
    assert.equal(await reasonOf(kv.batch(heavy)), 'BATCH_TOO_LARGE');
    assert.equal(await reasonOf(kv.batch(Array.from({ length: 1001 }, () => ({ get: { key: 'a' } })))), 'BATCH_TOO_LARGE');
  });

  test(`${protocol}: nothing listens, and another program does`, async (t) => {
    const gone = await start(t, []);
    await gone.stop();
    const error = await errorOf(new KeyValueClient(gone.url, { apiKey, protocol }).set('a', 'x'));
    assert.deepEqual([error.reason, error.code], ['SERVICE_UNAVAILABLE', 'unavailable']);
    assert.ok(error.message.startsWith(`no answer from ${gone.url}: fetch failed: connect ECONNREFUSED`), error.message);
    for (const [status, reason] of [[200, ''], [404, ''], [403, 'PERMISSION_DENIED'], [503, 'SERVICE_UNAVAILABLE']]) {
      const { fetch } = answers(page(status));
      const kv = new KeyValueClient('http://store.example', { protocol, fetch, retry: false });
      for (const foreign of await Promise.all([kv.get('a'), kv.list().next(), kv.stats()].map(errorOf))) {
        assert.equal(foreign.reason, reason);
        assert.match(foreign.message, new RegExp(`^http://store.example/.* answered with HTTP ${status} and text/html, not as a store does: check the service URL$`));
      }
    }
    const elsewhere = await errorOf(new KeyValueClient(`${url}/wrong/path`, { apiKey, protocol }).get('a'));
    assert.match(elsewhere.message, /check the service URL|unknown procedure/);
  });

  test(`${protocol}: a server that is silent`, async (t) => {
    const silent = createServer(() => {});
    await new Promise((resolve) => { silent.listen(0, '127.0.0.1', resolve); });
    t.after(() => silent.close());
    const kv = new KeyValueClient(`http://127.0.0.1:${silent.address().port}`, { protocol, timeout: 50 });
    for (const error of await Promise.all([kv.get('a'), kv.set('a', 'x'), kv.stats()].map(errorOf))) {
      assert.deepEqual([error.reason, error.message], ['DEADLINE_EXCEEDED', 'the service did not answer in time']);
    }
    await assert.rejects(kv.get('a', { signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
  });

  test(`${protocol}: a signal that is aborted before, during and after a call`, async () => {
    const { fetch, calls } = recorder();
    const kv = new KeyValueClient(url, { apiKey, protocol, fetch });
    const signal = AbortSignal.abort();
    const all = [
      () => kv.get('a', { signal }), () => kv.set('a', 'x', { signal }), () => kv.batch([{ get: { key: 'a' } }], { signal }), () => kv.list({ signal }).next(),
      () => kv.deleteRange({ prefix: 'a', signal }), () => kv.stats({ signal }), () => kv.watch({ prefix: '', signal }).next(),
    ];
    for (const call of all) await assert.rejects(call(), (error) => error === signal.reason, `${call}`);
    assert.throws(() => kv.cache({ prefix: '', signal }), (error) => error === signal.reason);
    assert.deepEqual(calls, []);
    const during = new AbortController();
    const running = kv.list({ signal: during.signal }).next();
    setImmediate(() => during.abort('enough'));
    assert.equal(await running.then(() => 'enough', (error) => error), 'enough'); // or it was faster
    const after = new AbortController();
    await kv.set('a', 'x', after);
    after.abort();
    assert.equal((await kv.get('a')).value, 'x');
  });

  test(`${protocol}: reads are sent again over a new connection, writes are not`, async (t) => {
    const proxy = await Proxy.before(t, url);
    const { fetch, calls } = recorder();
    let cuts = 2;
    const cutting = async (...request) => {
      const response = fetch(...request);
      if (cuts-- > 0) proxy.down(); else proxy.up();
      return response;
    };
    const kv = new KeyValueClient(proxy.url, { apiKey, protocol, fetch: cutting });
    assert.equal(await reasonOf(kv.get('cut')), 'KEY_NOT_FOUND');
    assert.deepEqual(calls.splice(0), ['Get', 'Get', 'Get']);
    cuts = 1;
    assert.equal(await reasonOf(kv.set('cut', 'x')), 'SERVICE_UNAVAILABLE');
    assert.deepEqual(calls.splice(0), ['Set']);
    cuts = 1;
    assert.deepEqual(await Promise.all([kv.get('cut'), kv.set('cut', 'y'), kv.get('cut')].map(reasonOf)), ['KEY_NOT_FOUND', 'SERVICE_UNAVAILABLE', 'KEY_NOT_FOUND']);
    assert.deepEqual(calls, ['Batch', 'Batch']); // the second one without the write
  });
}

test('calls that the service did not carry out are sent again, four times at most', async () => {
  for (const reason of ['OVERLOADED', 'LOG_BEHIND']) {
    const { fetch, calls } = answers(failure(reason, 'unavailable', 503), failure(reason, 'unavailable', 503), failure('KEY_NOT_FOUND', 'not_found', 404));
    const kv = new KeyValueClient('http://store.example', { fetch });
    assert.equal(await reasonOf(kv.set('a', 'x')), 'KEY_NOT_FOUND');
    assert.equal(calls.length, 3);
  }
  const { fetch, calls } = answers(failure('OVERLOADED', 'unavailable', 503));
  const kv = new KeyValueClient('http://store.example', { fetch });
  assert.deepEqual(await Promise.all(Array.from({ length: 50 }, () => reasonOf(kv.set('a', 'x')))), Array(50).fill('OVERLOADED'));
  assert.deepEqual(calls.splice(0), ['Batch', 'Batch', 'Batch', 'Batch']);
  assert.equal(await reasonOf(kv.batch([{ set: { key: 'a', value: 'x' } }])), 'OVERLOADED');
  assert.equal(calls.splice(0).length, 4);
  assert.equal(await reasonOf(new KeyValueClient('http://store.example', { fetch, retry: false }).get('a')), 'OVERLOADED');
  assert.equal(calls.length, 1);
});

test('a service in trouble is not asked again by everybody', async () => {
  const { fetch, calls } = answers(failure('OVERLOADED', 'unavailable', 503));
  const kv = new KeyValueClient('http://store.example', { fetch, gather: false });
  await Promise.all(Array.from({ length: 1000 }, () => reasonOf(kv.get('a'))));
  assert.ok(calls.length >= 1000 && calls.length < 1600, `${calls.length} requests for 1,000 calls`);
});

test('answers that are cut, garbled or not those of the request', async () => {
  const proto = (bytes) => withUrl(new Response(Uint8Array.from(bytes), { headers: { 'content-type': 'application/proto' } }));
  const withUrl = (response) => Object.defineProperty(response, 'url', { value: 'http://store.example/' });
  const json = (text, status) => withUrl(new Response(text, { status, headers: { 'content-type': 'application/json' } }));
  for (const answer of [() => proto([0xff, 0xff, 0xff]), () => json('{"code":', 503), () => json('[]', 500)]) {
    const kv = new KeyValueClient('http://store.example', { fetch: async () => answer(), retry: false });
    assert.equal(await reasonOf(kv.get('a')), 'SERVICE_UNAVAILABLE');
  }
  const few = new KeyValueClient('http://store.example', { fetch: async () => proto([]), retry: false });
  assert.deepEqual(await Promise.all([few.get('a'), few.set('a', 'x')].map(reasonOf)), ['SERVICE_UNAVAILABLE', 'SERVICE_UNAVAILABLE']);
  const [result] = await few.batch([{ get: { key: 'a' } }]);
  assert.equal(result.reason, 'SERVICE_UNAVAILABLE');
});

test('reasons that this version does not know are passed on', async () => {
  const { fetch } = answers(failure('SOMETHING_NEW', 'failed_precondition', 400));
  const error = await errorOf(new KeyValueClient('http://store.example', { fetch }).get('a'));
  assert.deepEqual([error.reason, error.code, error.message], ['SOMETHING_NEW', 'failed_precondition', 'rejected: SOMETHING_NEW']);
});
