// The dialog with hot keys, big prefixes and slow calls.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gone, live, openConsole } from './support/browser.js';
import { put, rest, serve, shared } from './support/server.js';

const url = await serve(shared);
const hostile = 'evil/<img src=x onerror=alert(1)>\u202e';

async function read(key, times) {
  for (let i = 0; i < times; i++) await rest(url, 'GET', `/v1/values/${key.split('/').map(encodeURIComponent).join('/')}`);
}

await put(url, 'users/1', 'one');
await put(url, 'users/2', 'x'.repeat(2000));
await put(url, hostile, 'x');
await read('users/1', 30);
await read(hostile, 20);

async function open(console) {
  await console.getByRole('button', { name: 'Hot keys' }).click();
  const dialog = console.getByRole('dialog', { name: 'Hot keys' });
  await dialog.getByRole('table', { name: 'Hot by reads' }).waitFor();
  return dialog;
}

const first = (dialog, list) => dialog.getByRole('table', { name: list }).getByRole('row').nth(1);

test('the four lists are shown, loaded only when they are opened', async (t) => {
  const loaded = [];
  const console = await openConsole(t, url, {}, (page) => page.on('request', (request) => loaded.push(new URL(request.url()).pathname)));
  assert.deepEqual(loaded.filter((path) => /hot/.test(path)), []);
  const dialog = await open(console);
  assert.match(await first(dialog, 'Hot by reads').innerText(), /^users\/1\s+[\d.]+\s+[\d.]+ %/);
  await dialog.getByRole('table', { name: 'Hot by writes' }).getByRole('button', { name: 'users/2' }).waitFor();
  assert.match(await first(dialog, 'Big prefixes').innerText(), /^users\/\s+2\.\d KiB\s+2$/);
  assert.match(await first(dialog, 'Slowest calls').innerText(), /(Get|Set|Batch|List).* \u00b7 ok \u00b7 [0-9a-f]{16}/);
  await dialog.getByText('<img src=x onerror=alert(1)>\u27e8U+202E\u27e9').first().waitFor();
  assert.equal(await dialog.locator('img').count(), 0);
});

test('the lists are refreshed while they are open, and a click opens an entry', async (t) => {
  const console = await openConsole(t, url);
  const dialog = await open(console);
  await put(url, 'fresh/key', 'new');
  await read('fresh/key', 5);
  const key = dialog.getByRole('table', { name: 'Hot by reads' }).getByRole('button', { name: 'fresh/key' });
  await key.click();
  await gone(dialog);
  await console.getByRole('heading', { name: 'fresh/key' }).waitFor();
});

test('the keyboard alone opens, holds and closes the lists', async (t) => {
  const console = await openConsole(t, url);
  await console.getByRole('button', { name: 'Hot keys' }).focus();
  await console.keyboard.press('Enter');
  const dialog = console.getByRole('dialog', { name: 'Hot keys' });
  const key = dialog.getByRole('button', { name: 'users/1' }).first();
  await key.waitFor();
  await key.focus();
  await dialog.getByText('Paused while a key has the focus.').waitFor();
  assert.ok(await key.evaluate((button) => button === document.activeElement));
  await console.keyboard.press('Escape');
  await gone(dialog);
  assert.ok(await console.getByRole('button', { name: 'Hot keys' }).evaluate((button) => button === document.activeElement));
  await console.keyboard.press('Enter');
  await key.waitFor();
  await key.focus();
  await console.keyboard.press('Enter');
  await console.getByRole('heading', { name: 'users/1' }).waitFor();
});

test('the dialog says why it has no lists, and goes on when it has', async (t) => {
  const console = await openConsole(t, url);
  const stats = (to) => to.pathname === '/v1/stats/keys';
  await console.route(stats, (route) => route.fulfill({ status: 503, json: { detail: 'The store is away.' } }), { times: 1 });
  await console.getByRole('button', { name: 'Hot keys' }).click();
  const dialog = console.getByRole('dialog', { name: 'Hot keys' });
  await dialog.getByText('The store is away.').waitFor();
  await first(dialog, 'Hot by reads').waitFor();
  await gone(dialog.getByText('The store is away.'));
});

test('a store without these statistics is named as such', async (t) => {
  const console = await openConsole(t, await serve(t, '--key-stats=false'));
  await console.getByRole('button', { name: 'Hot keys' }).click();
  await console.getByRole('dialog').getByText('start it with --key-stats=true').waitFor();
  await console.keyboard.press('Escape');
  await live(console);
});

test('locking the console in another tab closes the lists', async (t) => {
  const console = await openConsole(t, url);
  const dialog = await open(console);
  await console.route((to) => to.pathname === '/v1/stats/keys', (route) => route.fulfill({ status: 401, json: {} }));
  await gone(dialog);
  await console.getByLabel('API key').waitFor();
});
