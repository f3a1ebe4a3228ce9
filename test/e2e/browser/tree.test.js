// Browsing keys in the console, as a tree that is loaded in parts.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gone, item, live, openConsole, retryNow } from './support/browser.js';
import { fill, Proxy, put, rest, serve, shared, start } from './support/server.js';

const url = await serve(shared);
const rows = (console) => console.getByRole('treeitem');
const names = (console) => console.locator('#tree .name').allTextContents();

const search = (console) => console.getByLabel('Search keys');
const note = (console, text) => console.locator('#tree-note').getByText(text).waitFor();

// counting calls prepare of openConsole so that lists is called with the URL of every list.
const counting = (lists) => (page) => page.on('request', (request) => {
  if (request.method() === 'GET' && request.url().includes('/v1/values?')) lists.push(new URL(request.url()).searchParams);
});

// timeToOpen clicks on a folder and returns how many ms pass until its keys were painted.
async function timeToOpen(name) {
  const rows = () => [...document.querySelectorAll('[role=treeitem]')];
  const before = rows().length;
  const start = performance.now();
  rows().find((row) => row.querySelector('.name').textContent === name).click();
  while (rows().length === before) await new Promise(requestAnimationFrame);
  await new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
  return Math.round(performance.now() - start);
}

// KV_TREE_KEYS=1000000 node --test tree.test.js measures the figure of docs/guides/browser.md.
test('a level is one request, however many keys are below it', async (t) => {
  const digits = (n) => String(n).padStart(7, '0');
  const size = Number(process.env.KV_TREE_KEYS ?? 20_000);
  for (let at = 0; at < size; at += 10_000) await fill(url, Array.from({ length: 10_000 }, (_, i) => `big/${digits(at + i)}`));
  await fill(url, ['small/a', 'small/deep/b', 'top']);
  const lists = [];
  const console = await openConsole(t, url, {}, counting(lists));
  await item(console, 'top').waitFor();
  assert.deepEqual(await names(console), ['big/', 'small/', 'top']);
  assert.equal(lists.length, 1, 'requests of the first level');
  await item(console, 'small/').click();
  await item(console, 'a').waitFor();
  await item(console, 'deep/').waitFor();
  assert.equal(lists.length, 2, 'requests of two levels');
  await item(console, 'small/').click();
  await item(console, 'big/').click();
  await item(console, '0000499').waitFor();
  assert.equal(lists.length, 3, 'requests of three levels');
  assert.equal(await rows(console).count(), 504, 'a page of it is shown');
  await item(console, 'big/').getByText('500+').waitFor();
  await console.getByRole('treeitem', { name: 'More' }).click();
  await item(console, '0000999').waitFor();
  assert.equal(await item(console, '0000500').count(), 1);
  assert.equal(lists.length, 4, 'requests with a second page');
  assert.ok(lists.every((list) => list.get('delimiter') === '/' && list.get('view') === 'keys'), 'no values are read');
  const times = [];
  while (times.length < (process.env.KV_TREE_KEYS ? 20 : 1)) {
    await console.reload();
    await item(console, 'big/').waitFor();
    await live(console);
    times.push(await console.evaluate(timeToOpen, 'big/'));
  }
  t.diagnostic(`ms to open a folder of ${size} keys: ${times.join(' ')}`);
});

test('a search says whether it was on the server or in what is loaded', async (t) => {
  const own = await serve(t);
  await fill(own, Array.from({ length: 2000 }, (_, i) => `big/${String(i).padStart(4, '0')}`));
  await fill(own, ['color/blue', 'color/dark-blue', 'shade/blue', 'top']);
  const lists = [];
  const console = await openConsole(t, own, {}, counting(lists));
  for (const folder of ['color/', 'big/']) await item(console, folder).click();
  await item(console, '0499').waitFor();
  lists.splice(0);
  await search(console).fill('big/199');
  await note(console, 'Keys that begin with \u201cbig/199\u201d, found on the server.');
  assert.deepEqual(await names(console), Array.from({ length: 10 }, (_, i) => `199${i}`), 'keys that were not loaded are found');
  assert.ok(lists.some((list) => list.get('prefix') === 'big/199'));
  await search(console).fill('BLUE');
  await note(console, '2 of 506 loaded keys and folders contain \u201cBLUE\u201d. No key begins with it.');
  assert.deepEqual(await names(console), ['color/blue', 'color/dark-blue']);
  await item(console, 'color/dark-blue').click();
  await console.getByRole('heading', { name: 'color/dark-blue' }).waitFor();
  await search(console).fill('o');
  await note(console, 'contain \u201co\u201d');
  assert.deepEqual(await names(console), ['color/', 'top']);
  await item(console, 'color/').click();
  assert.equal(await search(console).inputValue(), '', 'a folder that was found is shown where it is');
  await item(console, 'color/').and(console.locator(':focus')).waitFor();
  await search(console).fill('top');
  await note(console, 'Keys that begin with \u201ctop\u201d');
  await put(own, 'stop', 'x');
  await console.getByRole('button', { name: 'Show 1 loaded that contain it' }).click();
  assert.deepEqual(await names(console), ['stop', 'top']);
  await console.getByRole('button', { name: 'Show keys that begin with it' }).click();
  assert.deepEqual(await names(console), ['top']);
  await search(console).fill('none');
  await note(console, 'None of 507 loaded keys and folders contains \u201cnone\u201d. No key begins with it.');
  await fill(own, ['none/new']);
  await item(console, 'none/').waitFor();
  lists.splice(0);
  await search(console).fill('');
  await item(console, 'dark-blue').waitFor();
  assert.deepEqual(lists, [], 'what was open before the search is still there');
});

test('folders are separated as the user likes, which is remembered', async (t) => {
  const own = await serve(t);
  await fill(own, ['a:b:c', 'a:b/d', 'e']);
  const console = await openConsole(t, own);
  await item(console, 'a:b/').waitFor();
  await console.getByLabel('Separator of folders').selectOption(':');
  await item(console, 'a:').click();
  await item(console, 'b/d').waitFor();
  await item(console, 'b:').click();
  await item(console, 'c').waitFor();
  assert.deepEqual(await names(console), ['a:', 'b/d', 'b:', 'c', 'e']);
  await console.reload();
  await item(console, 'a:').waitFor();
  await console.getByLabel('Separator of folders').selectOption('none');
  await item(console, 'a:b/d').waitFor();
  assert.deepEqual(await names(console), ['a:b/d', 'a:b:c', 'e']);
});

test('keys created elsewhere appear in order, and disappear when they are deleted', async (t) => {
  const own = await serve(t);
  await fill(own, ['b/2', 'b/4', 'd', 'f/\u{ffee}', 'f/\u{1f600}']);
  const console = await openConsole(t, own);
  for (const folder of ['b/', 'f/']) await item(console, folder).click();
  await item(console, '\u{1f600}').waitFor();
  const expect = async (...wanted) => {
    await item(console, wanted.at(-1)).waitFor();
    for (let tries = 0; (await names(console)).join() !== wanted.join() && tries < 100; tries++) await console.evaluate(() => new Promise(requestAnimationFrame));
    assert.deepEqual(await names(console), wanted);
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

test('a folder vanishes with its last key, whether or not it was opened', async (t) => {
  const own = await serve(t);
  await fill(own, ['closed/deep/a', 'closed/deep/b', 'kept/a', 'kept/b', 'opened/in/a', 'opened/in/b', 'top']);
  const lists = [];
  const console = await openConsole(t, own, {}, counting(lists));
  await item(console, 'opened/').click();
  await item(console, 'in/').waitFor();
  for (const key of ['closed/deep/a', 'kept/a', 'opened/in/a']) await rest(own, 'DELETE', `/v1/values/${key}`);
  await console.locator('#feed').getByText('opened/in/a').waitFor();
  for (const key of ['closed/deep/b', 'opened/in/b']) await rest(own, 'DELETE', `/v1/values/${key}`);
  await gone(item(console, 'closed/'));
  await gone(item(console, 'opened/'));
  assert.deepEqual(await names(console), ['kept/', 'top']);
  await fill(own, ['closed/again']);
  await item(console, 'closed/').waitFor();
  assert.ok(lists.every((list) => list.get('delimiter') === '/' || list.get('pageSize') === '1'), 'a look at a folder reads one key');
});

test('folders that many deletes empty vanish without a request for each', async (t) => {
  const own = await serve(t);
  const keys = Array.from({ length: 400 }, (_, i) => `${String(i).padStart(3, '0')}/key`);
  await fill(own, keys);
  await fill(own, ['kept/key']);
  const lists = [];
  const console = await openConsole(t, own, {}, counting(lists));
  await item(console, '399/').waitFor();
  await rest(own, 'DELETE', '/v1/values?start=0&end=4');
  await gone(item(console, '399/'));
  await item(console, 'kept/').waitFor();
  for (let tries = 0; (await rows(console).count()) > 1 && tries < 100; tries++) await console.evaluate(() => new Promise(requestAnimationFrame));
  assert.deepEqual(await names(console), ['kept/']);
  assert.ok(lists.length < 30, `${lists.length} lists`);
});

test('no change is missed between the first listing and the watch', async (t) => {
  const own = await serve(t);
  await fill(own, ['early']);
  const console = await openConsole(t, own, {}, (opened) => {
    const listed = opened.waitForResponse((response) => response.url().includes('/v1/values?'));
    opened.route('**/v1/values:watch?**', async (route) => {
      await listed;
      await put(own, 'late', 'x');
      await route.continue();
    }, { times: 1 });
  });
  await item(console, 'late').waitFor();
});

test('after the network was away, or the server restarted, the open folders show what is there', async (t) => {
  const old = await start(t, []);
  const proxy = await Proxy.before(t, old.url);
  await fill(old.url, ['a/deep/old', 'b/old', 'gone/old']);
  const console = await openConsole(t, proxy.url);
  for (const folder of ['a/', 'deep/', 'gone/']) await item(console, folder).click();
  await item(console, 'old').nth(1).waitFor();
  proxy.down();
  await console.getByText('Cannot reach the server.').waitFor();
  await item(console, 'b/').click();
  const failed = console.getByRole('treeitem', { name: 'Retry' });
  await failed.waitFor();
  assert.deepEqual(await names(console).then((all) => all.filter((name) => !name.endsWith('Retry'))), ['a/', 'deep/', 'old', 'b/', 'gone/', 'old'], 'what was read is still shown');
  const renewed = await serve(t);
  await fill(renewed, ['a/deep/new', 'b/new', 'c']);
  proxy.to(renewed);
  await retryNow(console, proxy);
  await item(console, 'c').waitFor();
  await gone(item(console, 'gone/'));
  await gone(failed);
  await item(console, 'new').nth(1).waitFor();
  assert.deepEqual(await names(console), ['a/', 'deep/', 'new', 'b/', 'new', 'c']);
});

test('rows show what is left of a TTL', async (t) => {
  const own = await serve(t);
  await put(own, 'brief', 'x', '?ttl=1h');
  await put(own, 'lasting', 'x');
  const console = await openConsole(t, own);
  await item(console, 'brief').getByText(/^(1h 00m|59m \d\ds)$/).waitFor();
  assert.equal(await item(console, 'lasting').locator('.aside').textContent(), '');
  await rest(own, 'PATCH', '/v1/values/brief', '{"ttl":null}', { 'content-type': 'application/json' });
  await item(console, 'brief').locator('.aside', { hasText: /^$/ }).waitFor({ state: 'attached' });
  await rest(own, 'PATCH', '/v1/values/lasting', '{"ttl":"2h"}', { 'content-type': 'application/json' });
  await item(console, 'lasting').getByText(/^(2h 00m|1h 59m)$/).waitFor();
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
  await search(console).fill('odd/ends/');
  await item(console, '(empty name)').click();
  await console.getByRole('heading', { name: 'odd/ends/' }).waitFor();
});
