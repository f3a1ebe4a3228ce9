// Watches that are cut, fall silent, lose their place, or are left.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { KeyValueClient, KeyValueError } from 'key-value-client';

import { watch } from '../dist/watch.js';
import { apiKey, Proxy, serve, start } from '../../../test/e2e/browser/support/server.js';
import { reasonOf } from './support.js';

const protocols = ['connect', 'grpc-web'];

/** until waits until condition holds. */
async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => { setTimeout(resolve, 5); });
}

const label = (event) => [event.type, event.key, event.entry?.value].filter(Boolean).join(' ');

for (const protocol of protocols) {
  test(`${protocol}: each change is reported once and in order, however often the watch is cut`, async (t) => {
    const url = await serve(t);
    const proxy = await Proxy.before(t, url);
    const direct = new KeyValueClient(url, { apiKey });
    const kv = new KeyValueClient(proxy.url, { apiKey, protocol });
    const cuts = [];
    const got = [];
    for await (const event of kv.watch({ prefix: 'cut/', onCut: (error) => cuts.push(error.reason) })) {
      if (event.type !== 'sync') got.push(label(event));
      else if (got.length === 0) void direct.set('cut/0', '0');
      if (got.length === 20) break;
      if (event.type !== 'put') continue;
      const i = got.length;
      if (i % 3 === 0) proxy.cut();
      void direct.set(`cut/${i}`, `${i}`);
    }
    assert.deepEqual(got, Array.from({ length: 20 }, (_, i) => `put cut/${i} ${i}`));
    assert.deepEqual(cuts, Array(6).fill('SERVICE_UNAVAILABLE'));
  });

  test(`${protocol}: leaving the loop, throwing in it and aborting the signal close the watch`, async (t) => {
    const url = await serve(t);
    const kv = new KeyValueClient(url, { apiKey, protocol });
    const closed = () => until(async () => (await kv.stats()).watchers === 0);
    for await (const event of kv.watch({ prefix: '' })) {
      assert.equal(event.type, 'sync');
      assert.equal((await kv.stats()).watchers, 1);
      break;
    }
    await closed();
    await assert.rejects(async () => {
      for await (const event of kv.watch({ prefix: '' })) throw new Error(`a mistake in ${event.type}`);
    }, { message: 'a mistake in sync' });
    await closed();
    const controller = new AbortController();
    const reason = new Error('enough');
    await assert.rejects(async () => {
      for await (const event of kv.watch({ prefix: '', signal: controller.signal })) if (event.type === 'sync') controller.abort(reason);
    }, (error) => error === reason);
    await closed();
  });

  test(`${protocol}: a watch goes on after the store has restarted, from a snapshot if told to`, async (t) => {
    const first = await start(t, []);
    const proxy = await Proxy.before(t, first.url);
    const kv = new KeyValueClient(proxy.url, { apiKey, protocol });
    await kv.set('a', '1');
    const strict = kv.watch({ prefix: '' });
    const lenient = kv.watch({ prefix: '', snapshot: true, startOver: true });
    assert.equal((await strict.next()).value.type, 'sync');
    assert.deepEqual([label((await lenient.next()).value), label((await lenient.next()).value)], ['put a 1', 'sync']);
    await first.stop();
    const second = await start(t, []);
    proxy.to(second.url);
    await new KeyValueClient(second.url, { apiKey }).set('b', '2');
    proxy.cut();
    assert.equal(await reasonOf(strict.next()), 'RESUME_TOO_OLD');
    const events = [];
    for (let i = 0; i < 3; i++) events.push(label((await lenient.next()).value));
    assert.deepEqual(events, ['reset', 'put b 2', 'sync']);
    await lenient.return();
  });

  test(`${protocol}: a watch survives while nothing listens, and ends when the API key is wrong`, async (t) => {
    const url = await serve(t);
    const proxy = await Proxy.before(t, url);
    const kv = new KeyValueClient(proxy.url, { apiKey, protocol });
    let cuts = 0;
    const events = kv.watch({ prefix: '', onCut: () => { if (++cuts === 3) proxy.up(); } });
    await events.next();
    proxy.down();
    const next = change(events);
    await new KeyValueClient(url, { apiKey }).set('a', '1');
    assert.equal(label(await next), 'put a 1');
    assert.equal(cuts, 3);
    const other = await start(t, [], 'another-key');
    proxy.to(other.url);
    proxy.cut();
    assert.equal(await reasonOf(change(events)), 'API_KEY_INVALID');
  });
}

/** change returns the next event that is not the sync of a watch that was resumed. */
async function change(events) {
  for (;;) {
    const { value } = await events.next();
    if (value.type !== 'sync') return value;
  }
}

test('a callback that throws ends the watch with its error', async (t) => {
  const proxy = await Proxy.before(t, await serve(t));
  const kv = new KeyValueClient(proxy.url, { apiKey });
  const events = kv.watch({ prefix: '', onCut: (error) => { throw new TypeError('a mistake', { cause: error }); } });
  await events.next();
  proxy.cut();
  const error = await events.next().catch((e) => e);
  assert.ok(error instanceof TypeError && error.cause instanceof KeyValueError, error.stack);
});

/** scripted returns the client of a watch whose streams are these, and the requests of the streams. */
function scripted(...streams) {
  const requests = [];
  const rpc = {
    async* watch(request, { signal }) {
      requests.push({ ...request });
      const { messages = [], end } = streams.shift();
      yield* messages;
      if (end) throw end;
      await new Promise((_, reject) => { signal.addEventListener('abort', () => reject(signal.reason)); });
    },
  };
  return { rpc, requests };
}

const put = (key, resumeToken = '') => ({ event: { type: 1, revision: 1n, entry: { key, content: { value: key } } }, resumeToken });
const sync = (resumeToken) => ({ event: { type: 5, revision: 1n }, resumeToken });
const unavailable = new KeyValueError('SERVICE_UNAVAILABLE', 'unavailable', 'stopping');

async function take(events, n) {
  const taken = [];
  for (let i = 0; i < n; i++) taken.push(label((await events.next()).value));
  await events.return();
  return taken;
}

test('a snapshot that is cut starts again, after a reset if a part of it was reported', async () => {
  const { rpc, requests } = scripted(
    { end: unavailable },
    { messages: [put('a'), put('b')], end: unavailable },
    { end: unavailable },
    { messages: [put('a'), sync('1'), put('d', '2')], end: unavailable },
    { messages: [put('e', '3')] },
  );
  const events = watch(rpc, 'url', { prefix: '' }, { snapshot: true });
  assert.deepEqual(await take(events, 7), ['put a a', 'put b b', 'reset', 'put a a', 'sync', 'put d d', 'put e e']);
  assert.deepEqual(requests.map(({ snapshot, resumeToken }) => [snapshot, resumeToken]), [[true, ''], [true, ''], [true, ''], [true, ''], [false, '2']]);
});

test('events of kinds that this version does not know are skipped, and resumed after', async () => {
  const { rpc, requests } = scripted({ messages: [sync('1'), { event: { type: 99 }, resumeToken: '2' }], end: unavailable }, { messages: [put('a', '3')] });
  assert.deepEqual(await take(watch(rpc, 'url', { prefix: '' }, {}), 2), ['sync', 'put a a']);
  assert.equal(requests[1].resumeToken, '2');
});

test('a stream that brings nothing for too long is cut, and a slow reader does not count', async () => {
  const { rpc } = scripted({ messages: [sync('1'), put('a', '2')] }, { messages: [put('b', '3')] });
  const cuts = [];
  const events = watch(rpc, 'url', { prefix: '' }, { onCut: (error) => cuts.push(error.message) }, 30);
  assert.equal(label((await events.next()).value), 'sync');
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  assert.deepEqual(await take(events, 2), ['put a a', 'put b b']);
  assert.deepEqual(cuts, ['no answer from url: the watch brought nothing for 30 ms']);
});

test('a server that ends the stream without an error is asked again', async (t) => {
  let requests = 0;
  const server = createServer((_, response) => {
    requests++;
    response.writeHead(200, { 'content-type': 'application/connect+proto' });
    response.end(Buffer.concat([Buffer.of(2, 0, 0, 0, 2), Buffer.from('{}')]));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => { server.closeAllConnections(); server.close(); });
  const controller = new AbortController();
  const onCut = () => { if (requests === 3) controller.abort(new Error('enough')); };
  const kv = new KeyValueClient(`http://127.0.0.1:${server.address().port}`);
  await assert.rejects(kv.watch({ prefix: '', onCut, signal: controller.signal }).next(), { message: 'enough' });
});
