// examples/browser as in its README: on another origin, over gRPC-Web.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { test } from 'node:test';

import { page } from './support/browser.js';
import { apiKey, Proxy, put, rest, root, serve } from './support/server.js';

const example = join(root, 'examples/browser');
execFileSync('npm', ['run', 'build', '--silent'], { cwd: example, stdio: 'inherit' });

/** host serves the files of the example and returns their origin. */
async function host(t) {
  const types = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer(async (request, response) => {
    const path = normalize(request.url === '/' ? '/index.html' : request.url);
    const body = await readFile(join(example, 'public', path)).catch(() => null);
    response.writeHead(body ? 200 : 404, { 'content-type': types[/\.\w+$/.exec(path)?.[0]] ?? 'text/plain' });
    response.end(body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  });
  return `http://127.0.0.1:${server.address().port}`;
}

async function open(t, origin, url, key = apiKey) {
  const example = await page(t);
  await example.goto(origin);
  await example.getByLabel('Server').fill(url);
  await example.getByLabel('API key').fill(key);
  return example;
}

const press = (example, name) => example.getByRole('button', { name }).click();
const output = (example, text) => example.getByRole('status').getByText(text).waitFor();

test('the page sets, gets, lists and watches over gRPC-Web', async (t) => {
  const origin = await host(t);
  const url = await serve(t, '--cors-origins', origin);
  const proxy = await Proxy.before(t, url);
  const example = await open(t, origin, proxy.url);
  const calls = [];
  example.on('request', (request) => {
    if (request.method() === 'POST') calls.push([new URL(request.url()).pathname, request.headers()['content-type'], request.headers()['x-api-key']]);
  });
  await example.getByLabel('Value').fill('over gRPC-Web \u{1f600}');
  await press(example, 'Set');
  await output(example, 'created');
  assert.equal((await (await rest(url, 'GET', '/v1/values/hello')).json()).value, 'over gRPC-Web \u{1f600}');
  await press(example, 'Get');
  await output(example, 'over gRPC-Web \u{1f600}');
  await put(url, 'hello/again', 'x');
  await press(example, 'List');
  await output(example, 'hello/again');
  await press(example, 'Watch');
  await output(example, 'SYNC');
  await put(url, 'hello/1', 'x');
  await output(example, 'PUT hello/1');
  proxy.cut();
  await put(url, 'hello/2', 'x');
  await rest(url, 'DELETE', '/v1/values/hello/1');
  await output(example, 'DELETE hello/1');
  const [first, ...events] = (await example.getByRole('status').textContent()).trimEnd().split('\n');
  assert.equal(first, 'SYNC ');
  const changes = events.filter((event) => event !== 'SYNC '); // which comes again after 15 s without a change
  assert.deepEqual(changes, ['PUT hello/1', 'PUT hello/2', 'DELETE hello/1']);
  const service = '/keyvalue.v1.KeyValueService/';
  const want = ['Set', 'Get', 'List', 'Watch', 'Watch'].map((name) => [service + name, 'application/grpc-web+proto', apiKey]);
  assert.deepEqual(calls, want);
});

test('the page shows errors', async (t) => {
  const origin = await host(t);
  const url = await serve(t, '--cors-origins', origin);
  const example = await open(t, origin, url, 'wrong');
  await press(example, 'Get');
  await output(example, '[unauthenticated]');
  await example.getByLabel('API key').fill(apiKey);
  await press(example, 'Get');
  await output(example, '[not_found]');
});

test('a page of an origin that is not allowed gets no response', async (t) => {
  const origin = await host(t);
  const url = await serve(t, '--cors-origins', 'http://elsewhere.example');
  const example = await open(t, origin, url);
  await press(example, 'Set');
  await output(example, 'ConnectError');
  await assert.rejects(rest(url, 'GET', '/v1/values/hello'), /404/);
});
