// What is typed is not lost, whatever happens to the server, the network and the entry.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gone, live, openConsole } from './support/browser.js';
import { apiKey, Proxy, put, rest, serve, shared, start } from './support/server.js';

const url = await serve(shared);

const stored = async (url, key) => (await (await rest(url, 'GET', `/v1/values/${key}`)).json()).value;
const value = (console) => console.getByLabel('Value', { exact: true });
const save = (console) => console.getByRole('button', { name: 'Save' }).click();

async function edit(console, url, key, text) {
  await console.goto(`${url}/#/${key}`);
  await console.getByRole('button', { name: 'Edit' }).click();
  await value(console).fill(text);
}

test('a draft outlives the network', async (t) => {
  await put(url, 'away', 'old');
  const proxy = await Proxy.before(t, url);
  const console = await openConsole(t, proxy.url);
  await edit(console, proxy.url, 'away', 'typed');
  proxy.down();
  await save(console);
  await console.locator('.editor').getByText('The server could not be reached.').waitFor();
  assert.equal(await value(console).inputValue(), 'typed');
  proxy.up();
  await console.getByText('Connected', { exact: true }).waitFor();
  await save(console);
  await console.locator('pre.value').getByText('typed').waitFor();
  assert.equal(await stored(url, 'away'), 'typed');
});

test('a save whose response was lost is not taken for a conflict', async (t) => {
  await put(url, 'lost', 'old');
  const console = await openConsole(t, url);
  await edit(console, url, 'lost', 'typed');
  await console.route('**/v1/values/lost*', async (route) => {
    await route.fetch();
    await route.abort();
  }, { times: 1 });
  await save(console);
  await console.getByText('A change may or may not have been applied.').waitFor();
  assert.equal(await stored(url, 'lost'), 'typed');
  await save(console);
  await console.locator('pre.value').getByText('typed').waitFor();
});

test('a draft outlives a restart of the server that loses the entry', async (t) => {
  const before = await start(t, []);
  await put(before.url, 'session', 'old');
  const console = await openConsole(t, before.url);
  await edit(console, before.url, 'session', 'typed');
  await before.stop();
  await start(t, ['--listen', new URL(before.url).host]);
  await live(console);
  await save(console);
  await console.getByRole('dialog').getByRole('button', { name: 'Create it from yours' }).click();
  await console.locator('pre.value').getByText('typed').waitFor();
  assert.equal(await stored(before.url, 'session'), 'typed');
});

test('two tabs that edit one entry both keep what was typed', async (t) => {
  await put(url, 'both', 'old');
  const first = await openConsole(t, url);
  const second = await first.context().newPage();
  await second.goto(url);
  await second.getByLabel('API key').fill(apiKey);
  await second.keyboard.press('Enter');
  await live(second);
  await edit(first, url, 'both', 'of the first');
  await edit(second, url, 'both', 'of the second');
  await save(first);
  await first.locator('pre.value').getByText('of the first').waitFor();
  await second.getByText('was changed while you were editing').waitFor();
  assert.equal(await value(second).inputValue(), 'of the second');
  await save(second);
  const dialog = second.getByRole('dialog');
  await dialog.getByText('of the first').waitFor();
  await dialog.getByText('of the second').waitFor();
  await dialog.getByRole('button', { name: 'Overwrite with yours' }).click();
  await gone(dialog);
  await first.locator('pre.value').getByText('of the second').waitFor();
});
