// What every platform and every protocol must do. These run in Node.js, Deno, a page and a worker, so they use nothing but the package.

import { KeyValueClient, KeyValueError } from 'key-value-client';

/** run runs all scenarios against the store at url, and returns the names of those that passed. It throws at the first failure. */
export async function run(url, apiKey, protocol) {
  const kv = new KeyValueClient(url, { apiKey, protocol });
  const passed = [];
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      await scenario(kv, `${protocol}/${name}/`.replaceAll(' ', '-'));
    } catch (error) {
      throw new Error(`${protocol}: ${name}: ${error?.stack ?? error}`, { cause: error });
    }
    passed.push(name);
  }
  return passed;
}

const text = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v instanceof Uint8Array ? [...v] : v));

/** equal throws unless both are the same, member by member. */
function equal(got, want) {
  if (text(got) !== text(want)) throw new Error(`got ${text(got)}, want ${text(want)}`);
}

/** fails throws unless call fails with reason. */
async function fails(call, reason) {
  const error = await call.then((value) => { throw new Error(`got ${text(value)}, want ${reason}`); }, (e) => e);
  if (!(error instanceof KeyValueError) || error.reason !== reason) throw new Error(`got ${error?.stack ?? error}, want ${reason}`);
  return error;
}

async function collect(list) {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

/** eventOf waits for an event of an EventSource. */
function eventOf(url, type) {
  const source = new EventSource(url);
  return new Promise((resolve, reject) => {
    source.addEventListener(type, resolve);
    source.addEventListener('error', () => reject(new Error('the EventSource failed')));
  }).finally(() => source.close());
}

export const scenarios = {
  'text, bytes and empty values come back': async (kv, p) => {
    for (const value of ['', 'Gr\u00fc\u00dfe \u{1f600}\0', Uint8Array.of(0xff, 0, 1), '{"n":12345678901234567890}']) {
      const { created, etag, revision } = await kv.set(`${p}k`, value);
      const entry = await kv.get(`${p}k`);
      equal([entry.value, entry.etag, entry.revision, created], [value, etag, revision, value === '']);
    }
    await kv.set(`${p}k`, new TextEncoder().encode('text as bytes'));
    const entry = await kv.get(`${p}k`);
    equal([entry.text(), entry.bytes().length], ['text as bytes', 13]);
    await kv.set(`${p}k`, '{"a":[1]}');
    equal((await kv.get(`${p}k`)).json(), { a: [1] });
    if (!(entry.updateTime > new Date(Date.now() - 3_600_000))) throw new Error(`update time ${entry.updateTime}`);
  },

  'keys that do not exist': async (kv, p) => {
    const error = await fails(kv.get(`${p}none`), 'KEY_NOT_FOUND');
    equal([error.code, error.message.includes(`${p}none`), error.name], ['not_found', true, 'KeyValueError']);
    equal(await kv.get(`${p}none`, { allowMissing: true }), undefined);
    equal(await kv.delete(`${p}none`), { deleted: false, revision: 0n });
    await fails(kv.touch(`${p}none`), 'KEY_NOT_FOUND');
  },

  'conditions': async (kv, p) => {
    const { etag } = await kv.set(`${p}k`, 'a', { ifAbsent: true });
    await fails(kv.set(`${p}k`, 'b', { ifAbsent: true }), 'KEY_EXISTS');
    await fails(kv.set(`${p}none`, 'b', { ifExists: true }), 'KEY_ABSENT');
    await kv.set(`${p}k`, 'b', { ifMatch: etag });
    await fails(kv.set(`${p}k`, 'c', { ifMatch: etag }), 'ETAG_MISMATCH');
    await fails(kv.delete(`${p}k`, { ifMatch: etag }), 'ETAG_MISMATCH');
    equal((await kv.get(`${p}k`)).value, 'b');
  },

  'times to live': async (kv, p) => {
    const set = await kv.set(`${p}k`, 'a', { ttl: 3_600_000 });
    const { ttl, expireTime } = await kv.get(`${p}k`);
    if (!(ttl > 3_500_000 && ttl <= 3_600_000 && expireTime > new Date() && set.ttl === 3_600_000)) throw new Error(`${ttl} ${expireTime} ${set.ttl}`);
    await kv.set(`${p}k`, 'b', { keepTtl: true });
    if (!((await kv.get(`${p}k`)).ttl > 3_500_000)) throw new Error('the TTL was not kept');
    equal((await kv.touch(`${p}k`)).ttl, undefined);
    equal([(await kv.get(`${p}k`)).ttl, (await kv.get(`${p}k`)).value], [undefined, 'b']);
    await fails(kv.set(`${p}k`, 'c', { ttl: -1 }), 'TTL_INVALID');
  },

  'counters': async (kv, p) => {
    equal(await kv.increment(`${p}n`), 1n);
    equal(await kv.increment(`${p}n`, -3), -2n);
    equal(await kv.increment(`${p}m`, 2n ** 62n, { initial: 5 }), 2n ** 62n + 5n);
    await fails(kv.increment(`${p}m`, 2n ** 62n), 'INTEGER_OVERFLOW');
    await kv.set(`${p}t`, 'text');
    await fails(kv.increment(`${p}t`), 'NOT_AN_INTEGER');
  },

  'batches': async (kv, p) => {
    const [set, missing, sum, gone, invalid] = await kv.batch([
      { set: { key: `${p}a`, value: '1' } }, { get: { key: `${p}none` } }, { increment: { key: `${p}a`, delta: 41 } },
      { delete: { key: `${p}none` } }, { touch: { key: `${p}..`.replace(/[^/]*$/, '..') } },
    ]);
    equal([set.created, missing.reason, missing instanceof KeyValueError, sum, gone.deleted, invalid.reason],
      [true, 'KEY_NOT_FOUND', true, 42n, false, 'KEY_INVALID']);
    const [a, none] = await kv.batch([{ get: { key: `${p}a` } }, { get: { key: `${p}none`, allowMissing: true } }], { atomic: true });
    equal([a.value, none], ['42', undefined]);
    const error = await fails(kv.batch([{ set: { key: `${p}b`, value: 'x' } }, { get: { key: `${p}none` } }], { atomic: true }), 'KEY_NOT_FOUND');
    equal([error.operation, await kv.get(`${p}b`, { allowMissing: true })], [1, undefined]);
    await fails(kv.batch([]), 'REQUEST_INVALID');
  },

  'calls of one tick': async (kv, p) => {
    await Promise.all(Array.from({ length: 300 }, (_, i) => kv.set(`${p}${i}`, `${i}`)));
    const got = await Promise.all(Array.from({ length: 301 }, (_, i) => kv.get(`${p}${i}`).then((entry) => entry.value, (error) => error.reason)));
    equal(got, [...Array.from({ length: 300 }, (_, i) => `${i}`), 'KEY_NOT_FOUND']);
  },

  'listings': async (kv, p) => {
    const keys = ['a', 'b/1', 'b/2', 'c', '\uffee', '\u{1f600}'].map((key) => p + key); // in the order of bytes
    await Promise.all(keys.map((key) => kv.set(key, key)));
    const names = (items) => items.map((item) => item.prefix ?? item.key);
    const all = await collect(kv.list({ prefix: p, pageSize: 2 }));
    equal([names(all), all.map((entry) => entry.value)], [keys, keys]);
    const bare = await collect(kv.list({ prefix: p, keysOnly: true, reverse: true }));
    equal([names(bare), bare[0].value], [keys.toReversed?.() ?? [...keys].reverse(), undefined]);
    equal(names(await collect(kv.list({ prefix: p, start: `${p}b`, end: `${p}c` }))), [`${p}b/1`, `${p}b/2`]);
    const level = [`${p}a`, `${p}b/`, `${p}c`, `${p}\uffee`, `${p}\u{1f600}`];
    equal(names(await collect(kv.list({ prefix: p, delimiter: '/' }))), level);
    equal(names(await collect(kv.list({ prefix: p, delimiter: '/', reverse: true }))), [...level].reverse());
    equal(await collect(kv.list({ prefix: `${p}none` })), []);
    equal([await kv.deleteRange({ prefix: p, dryRun: true }), await kv.deleteRange({ prefix: p }), await kv.deleteRange({ prefix: p })], [6, 6, 0]);
    await fails(kv.deleteRange({ prefix: '' }), 'REQUEST_INVALID');
  },

  'watches': async (kv, p) => {
    await kv.set(`${p}a`, '1');
    const events = kv.watch({ prefix: p, snapshot: true });
    const next = async () => (await events.next()).value;
    const [put, sync] = [await next(), await next()];
    equal([put.type, put.key, put.entry.value, sync.type], ['put', `${p}a`, '1', 'sync']);
    const { revision } = await kv.set(`${p}b`, Uint8Array.of(255));
    await kv.touch(`${p}b`, { ttl: 3_600_000 });
    await kv.delete(`${p}a`);
    const [b, touched, gone] = [await next(), await next(), await next()];
    equal([b.type, b.entry.value, b.revision, touched.type, touched.entry.value, gone.type, gone.key],
      ['put', Uint8Array.of(255), revision, 'touch', undefined, 'delete', `${p}a`]);
    await events.return();
    const resumed = kv.watch({ prefix: p, resumeFrom: b.resumeToken });
    equal((await resumed.next()).value.type, 'touch');
    await resumed.return();
    await fails(kv.watch({ prefix: p, resumeFrom: 'forged' }).next(), 'REQUEST_INVALID');
  },

  'a cache': async (kv, p) => {
    await kv.set(`${p}a`, '1');
    const cache = kv.cache({ prefix: p });
    const changes = [];
    cache.onChange(({ key, entry, previous }) => changes.push([key.slice(p.length), entry?.value, previous?.value]));
    await cache.ready();
    equal([cache.get(`${p}a`).value, cache.get(`${p}b`), cache.age() < 60_000], ['1', undefined, true]);
    const heard = new Promise((resolve) => { cache.onChange(({ key, entry }) => { if (key === `${p}a` && !entry) resolve(); }); });
    await kv.set(`${p}b`, '2');
    await kv.delete(`${p}a`);
    await heard;
    equal(cache.entries().map((entry) => entry.value), ['2']);
    equal(changes, [['a', '1', undefined], ['b', '2', undefined], ['a', undefined, '1']]);
    cache.close();
  },

  'signals': async (kv, p) => {
    const reason = new Error('not needed any more');
    const gives = async (call) => equal(await call.catch((error) => error === reason), true);
    await gives(kv.set(`${p}k`, 'x', { signal: AbortSignal.abort(reason) }));
    equal(await kv.get(`${p}k`, { allowMissing: true }), undefined);
    const controller = new AbortController();
    const events = kv.watch({ prefix: p, signal: controller.signal });
    await events.next();
    const calls = [
      events.next(), kv.get(`${p}k`, controller), kv.set(`${p}k`, 'y', controller), kv.batch([{ get: { key: `${p}k` } }], controller),
      kv.list({ signal: controller.signal }).next(),
    ].map(gives);
    controller.abort(reason);
    await Promise.all(calls);
  },

  'tickets': async (kv, p) => {
    const { ticket, expireTime, url } = await kv.ticket({ prefix: p, ttl: 600_000 });
    equal([url.endsWith(`/v1/values:watch?ticket=${ticket}`), expireTime > new Date(Date.now() - 3_600_000)], [true, true]);
    await kv.set(`${p}a`, '1');
    const response = await fetch(`${url}&snapshot=true`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ''; !text.includes('event: sync'); text += (await reader.read()).value) equal(response.status, 200);
    await reader.cancel();
    if (typeof EventSource === 'function') await eventOf(`${url}&snapshot=true`, 'put');
    await fails(kv.ticket({ key: `${p}a`, ttl: 2 * 3_600_000 }), 'TTL_INVALID');
  },

  'the caller and the statistics': async (kv) => {
    const { id, grants, expireTime } = await kv.caller();
    equal([typeof id, grants[0].prefix, expireTime], ['string', '', undefined]);
    const { keys, uptime, run } = await kv.stats();
    if (!(keys > 0 && uptime > 0 && run)) throw new Error(text({ keys, uptime, run }));
  },

  'a wrong key': async (kv, p) => {
    await fails(kv.set('a//../b', 'x'), 'KEY_INVALID');
    await fails(kv.set('', 'x'), 'KEY_INVALID');
    await fails(kv.set(`${p}k`, 'x'.repeat(3 << 20)), 'VALUE_TOO_LARGE');
  },
};
