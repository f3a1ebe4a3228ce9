// The console with API keys that may do less than everything.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { binary, fill, put, rest, serve, shared } from './support/server.js';
import { gone, item, live, page } from './support/browser.js';

const directory = mkdtempSync(join(tmpdir(), 'keys-'));
shared.after(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'keys.json');
const keys = (...args) => execFileSync(binary, ['keys', args[0], '--file', file, ...args.slice(1)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

// change edits the entry of an API key in the file.
function change(id, values) {
  const all = JSON.parse(readFileSync(file));
  Object.assign(all.keys.find((key) => key.id === id), values);
  writeFileSync(`${file}.new`, JSON.stringify(all), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

const fruit = keys('create', '--id', 'fruit', '--prefix', 'fruit/', '--expires', '2h');
const reader = keys('create', '--id', 'reader', '--ops', 'read');
const two = keys('create', '--id', 'two', '--prefix', 'fruit/', '--prefix', 'tree/');
const writer = keys('create', '--id', 'writer', '--ops', 'write');
const holes = keys('create', '--id', 'holes');
change('holes', { grants: [{ prefix: '', ops: ['read', 'write'] }, { prefix: 'fruit/', ops: [] }, { prefix: 'fruit/open/', ops: ['read'] }] });
const url = await serve(shared, '--api-keys-file', file);
await fill(url, ['fruit/apple', 'fruit/open/pear', 'first', 'tree/oak', 'zebra']);

const names = (console) => console.locator('#tree .name').allTextContents();

async function open(t, key, prepare = () => {}) {
  const console = await page(t);
  prepare(console);
  await console.goto(url);
  await console.getByLabel('API key').fill(key);
  await console.keyboard.press('Enter');
  return console;
}

test('a key of one prefix sees its keys at once, live, and is told what it may not', async (t) => {
  const denied = [];
  const console = await open(t, fruit, (opened) => opened.on('response', (response) => {
    if (response.status() === 403) denied.push(new URL(response.url()).pathname);
  }));
  await item(console, 'apple').waitFor();
  await live(console);
  assert.deepEqual(await names(console), ['fruit/', 'apple', 'open/']);
  await console.locator('#who').getByText(/^fruit, expires in 1h 59m/).waitFor();
  assert.match(await console.locator('#who').getAttribute('title'), /^May read and write fruit\/\*\. Expires /);
  await console.locator('#facts').getByText('may not read every key. Charts are not available.').waitFor();
  await console.locator('#state[data-state=online]').waitFor();
  assert.equal(await console.locator('#banner').isVisible(), false, 'the store is available');
  assert.deepEqual(denied.filter((path) => path !== '/v1/stats'), []);
  await put(url, 'fruit/new', 'x');
  await item(console, 'new').waitFor();
  await rest(url, 'DELETE', '/v1/values/fruit/new');
  await gone(item(console, 'new'));
  await item(console, 'apple').click();
  await console.getByRole('heading', { name: 'fruit/apple' }).waitFor();
  await console.getByRole('button', { name: 'Edit' }).waitFor();
  assert.equal(await console.locator('#hot').isVisible(), false, 'key statistics need all rights');
  await console.reload();
  await item(console, 'apple').waitFor();
});

test('a key of several prefixes has a root for each, and the watch follows the one in use', async (t) => {
  const console = await open(t, two);
  await item(console, 'oak').waitFor();
  assert.deepEqual(await names(console), ['fruit/', 'apple', 'open/', 'tree/', 'oak']);
  await live(console);
  await put(url, 'fruit/fig', 'x');
  await item(console, 'fig').waitFor();
  await put(url, 'tree/elm', 'x'); // not watched
  await item(console, 'oak').click();
  await item(console, 'elm').waitFor();
  await live(console);
  await put(url, 'tree/ash', 'x');

  await item(console, 'ash').waitFor();
  for (const key of ['fruit/fig', 'tree/elm', 'tree/ash']) await rest(url, 'DELETE', `/v1/values/${key}`);
});

test('a key that may not read a prefix sees the others', async (t) => {
  const console = await open(t, holes);
  await item(console, 'pear').waitFor();
  assert.deepEqual(await names(console), ['All keys', 'first', 'tree/', 'zebra', 'fruit/open/', 'pear']);
  await item(console, 'pear').click();
  await console.getByText('read only', { exact: true }).waitFor();
  assert.equal(await console.getByRole('button', { name: 'Edit' }).count(), 0);
  await item(console, 'zebra').click();
  await console.getByRole('button', { name: 'Edit' }).waitFor();
});

test('a key that may only read is offered no writes', async (t) => {
  const console = await open(t, reader);
  await item(console, 'fruit/').click();
  await item(console, 'apple').click();
  await console.getByText('read only', { exact: true }).waitFor();
  const offered = await console.locator('#entry button, header button').allTextContents();
  assert.deepEqual(offered.filter((label) => /New|Edit|Expiry|Delete/.test(label)), ['New entry']);
  assert.equal(await console.getByRole('button', { name: 'New entry' }).isVisible(), false);
  assert.equal(await console.locator('#hot').isVisible(), false, 'key statistics need all rights');
  for (const key of ['n', 'e', 't', 'd']) await console.keyboard.press(key);
  assert.equal(await console.locator('dialog[open], .editor').count(), 0);
});

test('a key that may not read is told so, and may create', async (t) => {
  const console = await open(t, writer);
  await console.getByText('This API key may not read any keys.').waitFor();
  await console.getByRole('button', { name: 'New entry' }).waitFor();
});

test('a key that is revoked while a draft is open loses no text, and one that gets other rights sees them', async (t) => {
  const brief = keys('create', '--id', 'brief', '--prefix', 'fruit/');
  const console = await open(t, brief);
  // The server reads the file once a second, so it may not know the key yet.
  const rejected = console.getByText('The server rejected this API key.');
  await rejected.or(item(console, 'apple')).first().waitFor();
  for (let known = !await rejected.isVisible(); !known;) {
    const answer = console.waitForResponse((response) => response.url().endsWith('/v1/caller'));
    await console.getByRole('button', { name: 'Unlock' }).click();
    known = (await answer).ok();
  }
  await item(console, 'apple').waitFor();
  await live(console);
  change('brief', { grants: [{ prefix: 'tree/', ops: ['read', 'write'] }] });
  await item(console, 'oak').waitFor();
  await gone(item(console, 'apple'));
  await console.getByRole('button', { name: 'New entry' }).click();
  await console.locator('input[name=key]').fill('tree/draft');
  await console.getByLabel('Value', { exact: true }).fill('typed');
  keys('revoke', '--id', 'brief');
  await console.getByText('no longer accepts this API key').waitFor();
  assert.equal(await item(console, 'oak').count(), 0, 'the page no longer shows what was read');
  await console.getByLabel('API key').fill(two);
  await console.keyboard.press('Enter');
  await item(console, 'oak').waitFor();
  assert.equal(await console.locator('input[name=key]').inputValue(), 'tree/draft');
  await console.getByRole('button', { name: 'Create' }).click();
  await console.locator('pre.value').getByText('typed').waitFor();
  await rest(url, 'DELETE', '/v1/values/tree/draft');
});
