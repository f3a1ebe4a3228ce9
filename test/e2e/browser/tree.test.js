// Browsing keys in the console, as a tree that is loaded in parts.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gone, item, openConsole } from './support/browser.js';
import { fill, put, rest, serve, shared } from './support/server.js';

const url = await serve(shared);
const rows = (console) => console.getByRole('treeitem');

test('a hundred thousand keys are browsed without loading them', async (t) => {
  const digits = (n) => String(n).padStart(5, '0');
  await fill(url, Array.from({ length: 100_000 }, (_, i) => `big/${digits(i)}`));
  await put(url, 'small/a', '1');
  let pages = 0;
  const console = await openConsole(t, url, {}, (page) => page.on('request', (request) => {
    pages += Number(request.url().includes('/v1/values?'));
  }));
  await item(console, 'big/').waitFor();
  const more = console.getByRole('treeitem', { name: 'More' });
  await more.getByText('10,000 keys scanned').waitFor();
  assert.equal(pages, 20, 'it stops after scanning 10,000 keys');
  await item(console, 'big/').click();
  await item(console, '00499').waitFor();
  assert.ok(await rows(console).count() < 600, 'not all keys are shown');
  await more.first().click();
  await item(console, '00999').waitFor();
  assert.equal(await item(console, '00500').count(), 1);
  await console.getByLabel('Search keys by prefix').fill('big/9999');
  await item(console, '99999').waitFor();
  assert.equal(await rows(console).count(), 10);
  await console.getByLabel('Search keys by prefix').fill('sm');
  await item(console, 'small/').waitFor();
  assert.equal(await rows(console).count(), 1);
  await console.getByLabel('Search keys by prefix').fill('none');
  await console.getByText('No keys have this prefix.').waitFor();
  await fill(url, ['none/new']);
  await item(console, 'none/').waitFor();
});

test('keys created elsewhere appear in order, and disappear when they are deleted', async (t) => {
  const own = await serve(t);
  await fill(own, ['b/2', 'b/4', 'd', 'f/\u{ffee}', 'f/\u{1f600}']);
  const console = await openConsole(t, own);
  for (const folder of ['b/', 'f/']) await item(console, folder).click();
  await item(console, '\u{1f600}').waitFor();
  const expect = async (...names) => {
    await item(console, names.at(-1)).waitFor();
    const texts = () => rows(console).allTextContents();
    for (let tries = 0; (await texts()).join() !== names.join() && tries < 100; tries++) await console.evaluate(() => new Promise(requestAnimationFrame));
    assert.deepEqual(await texts(), names);
  };
  await expect('b/', '2', '4', 'd', 'f/', '\u{ffee}', '\u{1f600}');
  await fill(own, ['a/x', 'b/3', 'b/5/deep', 'c', 'f/\u{fffd}', 'z']);
  await expect('a/', 'b/', '2', '3', '4', '5/', 'c', 'd', 'f/', '\u{ffee}', '\u{fffd}', '\u{1f600}', 'z');
  for (const key of ['b/2', 'b/3', 'b/4', 'c', 'a/x']) await rest(own, 'DELETE', `/v1/values/${key}`);
  await gone(item(console, 'c'));
  await item(console, '5/').click();
  await item(console, 'deep').waitFor();
  await rest(own, 'DELETE', '/v1/values/b/5/deep');
  await gone(item(console, 'b/'));
});

test('keys with unusual characters are read and stored', async (t) => {
  const console = await openConsole(t, url);
  for (const key of ['odd//two', 'odd/ends/', 'odd/%2F?&#+ "\'<b>', 'odd/\u00e9\u{1f600}', '/leads', 'odd/\u202egnp.exe']) {
    await put(url, key, `value of ${key}`);
    await console.goto(`${url}/#/${encodeURIComponent(key)}`);
    await console.locator('pre.value').getByText(`value of ${key}`, { exact: true }).waitFor();
    await console.getByRole('button', { name: 'Edit' }).click();
    await console.getByLabel('Value', { exact: true }).fill(`new value of ${key}`);
    await console.getByRole('button', { name: 'Save' }).click();
    await console.locator('pre.value').getByText(`new value of ${key}`, { exact: true }).waitFor();
  }
  await console.getByRole('heading', { name: 'odd/\u27e8U+202E\u27e9gnp.exe' }).waitFor();
  await console.getByLabel('Search keys by prefix').fill('odd/ends/');
  await item(console, '(empty name)').click();
  await console.getByRole('heading', { name: 'odd/ends/' }).waitFor();
});
