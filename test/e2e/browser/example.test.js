// examples/browser as in its README: on another origin, over each protocol.


import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

import { page } from './support/browser.js';
import { apiKey, host, Proxy, put, rest, root, serve } from './support/server.js';

const directory = join(root, 'examples/browser');
execFileSync('npm', ['run', 'build', '--silent'], { cwd: directory, stdio: 'inherit' });

async function open(t, origin, url, key = apiKey) {
  const example = await page(t);
  await example.goto(origin);
  await example.getByLabel('Server').fill(url);
  await example.getByLabel('API key').fill(key);
  return example;
}

const press = (example, name) => example.getByRole('button', { name }).click();
const output = (example, text) => example.getByRole('status').getByText(text).waitFor();

// The content types of calls and of watches.
const protocols = { connect: ['application/proto', 'application/connect+proto'], 'grpc-web': ['application/grpc-web+proto', 'application/grpc-web+proto'] };

for (const [protocol, [call, stream]] of Object.entries(protocols)) {
  test(`the page sets, gets, lists and watches over ${protocol}`, async (t) => {
    const origin = await host(t, join(directory, 'public'));
    const url = await serve(t, '--cors-origins', origin);
    const proxy = await Proxy.before(t, url);
    const example = await open(t, origin, proxy.url);
    const calls = [];
    example.on('request', (request) => {
      if (request.method() === 'POST') calls.push([new URL(request.url()).pathname, request.headers()['content-type'], request.headers()['x-api-key']]);
    });
    await example.getByLabel('Protocol').selectOption(protocol);
    await example.getByLabel('Value').fill('caf\u00e9 \u{1f600}');
    await press(example, 'Set');
    await output(example, 'created');
    assert.equal((await (await rest(url, 'GET', '/v1/values/hello')).json()).value, 'caf\u00e9 \u{1f600}');
    await press(example, 'Get');
    await output(example, 'caf\u00e9 \u{1f600}');
    await put(url, 'hello/again', 'x');
    await press(example, 'List');
    await output(example, 'hello/again');
    await press(example, 'Watch');
    await output(example, 'sync');
    await put(url, 'hello/1', 'x');
    await output(example, 'put hello/1');
    proxy.cut();
    await put(url, 'hello/2', 'x');
    await rest(url, 'DELETE', '/v1/values/hello/1');
    await output(example, 'delete hello/1');
    const [first, ...events] = (await example.getByRole('status').textContent()).trimEnd().split('\n');
    assert.equal(first, 'sync');
    const changes = events.filter((event) => event !== 'sync'); // which comes again after 15 s without a change
    assert.deepEqual(changes, ['put hello/1', 'interrupted', 'put hello/2', 'delete hello/1']);
    const want = [['Set', call], ['Get', call], ['List', call], ['Watch', stream], ['Watch', stream]];
    assert.deepEqual(calls, want.map(([name, type]) => [`/keyvalue.v1.KeyValueService/${name}`, type, apiKey]));
  });
}

test('the page shows errors', async (t) => {
  const origin = await host(t, join(directory, 'public'));
  const url = await serve(t, '--cors-origins', origin);
  const example = await open(t, origin, url, 'wrong');
  await press(example, 'Get');
  await output(example, 'API_KEY_INVALID');
  await example.getByLabel('API key').fill(apiKey);
  await press(example, 'Get');
  await output(example, 'KEY_NOT_FOUND');
});

test('a page of an origin that is not allowed gets no response', async (t) => {
  const origin = await host(t, join(directory, 'public'));
  const url = await serve(t, '--cors-origins', 'http://elsewhere.example');
  const example = await open(t, origin, url);
  await press(example, 'Set');
  await output(example, 'SERVICE_UNAVAILABLE');
  await assert.rejects(rest(url, 'GET', '/v1/values/hello'), /404/);
});
