// What stands between a page and the store: another origin, libraries that replace EventSource or speak gRPC-Web, and a
// server that compresses.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import compression from 'compression';

import { page } from './support/browser.js';
import { apiKey, Proxy, put, serve } from './support/server.js';

const grpcWeb = fileURLToPath(import.meta.resolve('grpc-web'));
const polyfill = fileURLToPath(import.meta.resolve('event-source-polyfill/src/eventsource.min.js'));

/** listen serves HTTP on a free port and returns its origin. */
async function listen(t, handler) {
  const server = createServer(handler);
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** foreign opens an empty page of another origin, which the store at the returned URL allows. */
async function foreign(t) {
  const origin = await listen(t, (_, response) => { response.setHeader('content-type', 'text/html').end('<!doctype html>'); });
  const opened = await page(t);
  await opened.goto(origin);
  return { opened, url: await serve(t, '--cors-origins', origin) };
}

test('event-source-polyfill resumes after the last event', async (t) => {
  const { opened, url } = await foreign(t);
  const proxy = await Proxy.before(t, url);
  await opened.addScriptTag({ path: polyfill });
  const watches = [];
  opened.on('response', (response) => {
    if (response.request().method() === 'GET') watches.push([response.status(), new URL(response.url()).searchParams.get('lastEventId')]);
  });
  await opened.evaluate(({ url, apiKey }) => {
    window.seen = [];
    const show = (entry) => window.seen.push(entry.key);
    const headers = { 'x-api-key': apiKey, 'cache-control': 'no-cache' };
    const events = new EventSourcePolyfill(`${url}/v1/values:watch?prefix=news/&snapshot=true`, { headers });
    events.addEventListener('put', (event) => show(JSON.parse(event.data)));
    events.addEventListener('sync', (event) => { window.id = event.lastEventId; });
  }, { url: proxy.url, apiKey });
  const seen = (key) => opened.waitForFunction((key) => window.seen.includes(key), key);
  await opened.waitForFunction(() => window.id);
  await put(url, 'news/1', 'x');
  await seen('news/1');
  proxy.cut();
  await put(url, 'news/2', 'x');
  await seen('news/2');
  assert.deepEqual(await opened.evaluate(() => window.seen), ['news/1', 'news/2']);
  const [first, ...resumed] = watches;
  assert.deepEqual(first, [200, null]);
  assert.ok(resumed.length > 0 && resumed.every(([status, id]) => status === 200 && id), JSON.stringify(watches));
});

test('a page may send what libraries add for tracing and caches', async (t) => {
  const { opened, url } = await foreign(t);
  await put(url, 'hello', 'world');
  const headers = {
    'x-api-key': apiKey, 'cache-control': 'no-cache', 'last-event-id': '', baggage: 'a=1', tracestate: 'a=1',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'sentry-trace': '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1',
  };
  const status = await opened.evaluate(async ({ url, headers }) => (await fetch(`${url}/v1/values/hello`, { headers })).status, { url, headers });
  assert.equal(status, 200);
});

/** compressing starts a server that forwards every request to url and compresses the responses. It returns its URL. */
function compressing(t, url) {
  const compress = compression({ threshold: 0 });
  return listen(t, (request, response) => compress(request, response, () => {
    const { method, headers } = request;
    request.pipe(httpRequest(url + request.url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.on('error', () => response.destroy()).pipe(response);
    }).on('error', () => response.destroy()));
  }));
}

const envelope = (message) => {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
};

const streams = {
  'server-sent events': (url) => fetch(`${url}/v1/values:watch?prefix=squeezed/`, { headers: { 'x-api-key': apiKey } }),
  Connect: (url) => fetch(`${url}/keyvalue.v1.KeyValueService/Watch`, {
    method: 'POST', headers: { 'x-api-key': apiKey, 'content-type': 'application/connect+json' }, body: envelope({ prefix: 'squeezed/' }),
  }),
};

for (const [name, open] of Object.entries(streams)) {
  test(`a server that compresses does not hold back ${name}`, { timeout: 60_000 }, async (t) => {
    const url = await serve(t);
    const outer = await compressing(t, url);
    const document = await fetch(`${outer}/openapi.json`);
    assert.equal(document.headers.get('content-encoding'), 'gzip', 'other responses are compressed');
    await document.arrayBuffer();
    const watch = await open(outer);
    assert.equal(watch.headers.get('content-encoding'), null);
    const reader = watch.body.pipeThrough(new TextDecoderStream()).getReader();
    await put(url, 'squeezed/1', 'x');
    let text = '';
    while (!text.includes('squeezed/1')) text += (await reader.read()).value;
    await reader.cancel();
  });
}

for (const format of ['text', 'binary']) {
  test(`grpc-web calls in format ${format}`, async (t) => {
    const { opened, url } = await foreign(t);
    await put(url, 'hello', 'world');
    const module = await readFile(grpcWeb, 'utf8'); // of CommonJS
    await opened.addScriptTag({ content: `window.grpcWeb = ((exports) => { ${module}\nreturn exports; })({});` });
    await opened.evaluate(({ url, apiKey, format }) => {
      const { GrpcWebClientBase, MethodDescriptor, MethodType } = window.grpcWeb;
      const client = new GrpcWebClientBase({ format });
      // Each request has one field, the first; of responses it is enough to find text in them.
      const encode = (key) => Uint8Array.of(0x0a, key.length, ...new TextEncoder().encode(key));
      const decode = (bytes) => new TextDecoder().decode(bytes);
      const encodeWatch = (key) => Uint8Array.of(...encode(key), 0x20, 1); // with a snapshot
      const method = (name, type, encode) => new MethodDescriptor(`/keyvalue.v1.KeyValueService/${name}`, type, String, String, encode, decode);
      const metadata = { 'x-api-key': apiKey };
      const address = (name) => `${url}/keyvalue.v1.KeyValueService/${name}`;
      window.get = (key) => new Promise((resolve) => {
        client.rpcCall(address('Get'), key, metadata, method('Get', MethodType.UNARY, encode), (error, got) => {
          resolve(error ? `error ${error.code}: ${error.message}` : got);
        });
      });
      window.seen = '';
      window.watch = (key) => {
        client.serverStreaming(address('Watch'), key, metadata, method('Watch', MethodType.SERVER_STREAMING, encodeWatch))
          .on('data', (event) => { window.seen += event; })
          .on('error', (error) => { window.seen += `error ${error.code}: ${error.message}`; });
      };
    }, { url, apiKey, format });
    assert.match(await opened.evaluate(() => window.get('hello')), /world/);
    assert.match(await opened.evaluate(() => window.get('absent')), /^error 5: /);
    if (format === 'binary') return; // its streams need text
    await opened.evaluate(() => window.watch('hello'));
    await opened.waitForFunction(() => window.seen.includes('world'));
    await put(url, 'hello', 'later');
    await opened.waitForFunction(() => window.seen.includes('later'));
    assert.doesNotMatch(await opened.evaluate(() => window.seen), /error/);
  });
}
