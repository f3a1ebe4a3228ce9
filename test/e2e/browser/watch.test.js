// The changes in the console, and how it recovers from broken connections.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { item, live, openConsole, retryNow } from './support/browser.js';
import { apiKey, fill, Proxy, put, rest, serve, shared, start } from './support/server.js';

const url = await serve(shared);
const feed = (console) => console.locator('#feed');
const keys = (console) => feed(console).locator('button').allTextContents();

test('changes are shown as they happen', async (t) => {
  const console = await openConsole(t, url);
  await put(url, 'news/1', 'hello   there');
  await feed(console).getByText('hello there').waitFor();
  await rest(url, 'DELETE', '/v1/values/news/1');
  await feed(console).getByText('delete', { exact: true }).waitFor();
  await put(url, 'news/2', 'x', '?ttl=10ms');
  await feed(console).getByText('expire', { exact: true }).waitFor();
  assert.deepEqual(await keys(console), ['news/2', 'news/2', 'news/1', 'news/1']);
  await console.getByRole('button', { name: 'Pause' }).click();
  await put(url, 'news/3', 'x');
  await console.getByRole('button', { name: 'Resume (1 new)' }).click();
  await feed(console).getByText('news/3').click();
  await console.getByRole('heading', { name: 'news/3' }).waitFor();
  await put(url, 'news/3', 'y');
  await console.locator('pre.value').getByText('y', { exact: true }).waitFor();
  await console.getByLabel('Watch changes with this prefix').fill('only/');
  await console.getByText('Nothing has changed').waitFor();
  await live(console);
  await fill(url, ['news/4', 'only/1']);
  await feed(console).getByText('only/1').waitFor();
  assert.deepEqual(await keys(console), ['only/1']);
});

test('a page has one watch and a bounded list of changes', async (t) => {
  const own = await serve(t);
  const console = await openConsole(t, own);
  const many = Array.from({ length: 3000 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
  await fill(own, many);
  await feed(console).getByText('many/2999').waitFor();
  assert.ok(await feed(console).locator('li').count() <= 200);
  await item(console, 'many/').waitFor();
  const { watchers } = await (await rest(own, 'GET', '/v1/stats')).json();
  assert.equal(watchers, 1);
});

test('an interrupted watch resumes without missing a change', async (t) => {
  const proxy = await Proxy.before(t, url);
  const console = await openConsole(t, proxy.url);
  await put(url, 'cut/before', '1');
  await feed(console).getByText('cut/before').waitFor();
  const resumed = console.waitForRequest((request) => request.url().includes(':watch') && 'last-event-id' in request.headers());
  proxy.down();
  await fill(url, ['cut/1', 'cut/2', 'cut/3']);
  await console.getByText('Cannot reach the server.').waitFor();
  await console.getByText('Not connected').waitFor();
  await retryNow(console, proxy);
  await resumed;
  await feed(console).getByText('cut/3').waitFor();
  await console.getByText('Connected', { exact: true }).waitFor();
  assert.deepEqual(await keys(console), ['cut/3', 'cut/2', 'cut/1', 'cut/before']);
});

test('changes that the server no longer keeps are reported as missed', async (t) => {
  const old = await start(t, []);
  const proxy = await Proxy.before(t, old.url);
  await put(old.url, 'age/old', 'x');
  const console = await openConsole(t, proxy.url);
  await item(console, 'age/').click();
  await item(console, 'old').click();
  await console.locator('pre.value').waitFor();
  const renewed = await serve(t);
  await put(renewed, 'age/new', 'x');
  proxy.to(renewed);
  proxy.cut();
  await feed(console).getByText('Some are missing here.').waitFor();
  await item(console, 'new').waitFor();
  await console.getByText('This key does not exist.').waitFor();
  await live(console);
  await put(renewed, 'age/newer', 'x');
  await feed(console).getByText('age/newer').waitFor();
});

test('a revoked API key is asked for again, and the draft is kept', async (t) => {
  const other = await start(t, [], 'another-key');
  const proxy = await Proxy.before(t, url);
  const console = await openConsole(t, proxy.url);
  await console.getByRole('button', { name: 'New entry' }).click();
  await console.locator('input[name=key]').fill('kept');
  proxy.to(other.url);
  proxy.cut();
  await console.getByText('no longer accepts this API key').waitFor();
  assert.equal(await item(console, 'cut/').count(), 0, 'the page no longer shows what was read');
  await console.getByLabel('API key').fill('another-key');
  await console.keyboard.press('Enter');
  await console.getByRole('dialog').waitFor({ state: 'hidden' });
  assert.equal(await console.locator('input[name=key]').inputValue(), 'kept');
  assert.notEqual(apiKey, 'another-key');
});

test('the charts show the activity of the store', async (t) => {
  const own = await serve(t, '--max-memory', '64MiB');
  const console = await openConsole(t, own);
  const charts = console.getByLabel('Activity');
  await charts.getByText('0 keys, limit 64.0 MiB').waitFor();
  await put(own, 'a', 'x');
  await rest(own, 'GET', '/v1/values/a');
  await assert.rejects(rest(own, 'GET', '/v1/values/b'), /404/);
  await charts.getByText('50.0% of 2 reads in total').waitFor();
  await charts.getByText('1 key, limit 64.0 MiB').waitFor();
  for (const name of ['Rate', 'Hit ratio', 'Memory']) {
    const chart = console.getByRole('img', { name: new RegExp(`^${name}: `) });
    const line = await chart.locator('.chart-line-0').getAttribute('d');
    assert.match(line, /^M/, name);
    const heights = [...line.matchAll(/ ([\d.]+)/g)].map((found) => Number(found[1]));
    assert.ok(heights.every((y) => y > 2 && y < 62), `${name} is within its frame of 64: ${heights}`);
  }
});

test('after a reload, the charts show what the server recorded before', async (t) => {
  const own = await serve(t);
  await put(own, 'a', 'x'.repeat(100_000));
  await rest(own, 'GET', '/v1/values/a');
  await assert.rejects(rest(own, 'GET', '/v1/values/b'), /404/);
  const recorded = async () => (await (await rest(own, 'GET', '/v1/stats?history=true')).json()).history.some(({ hits, memoryBytes }) => hits === 1 && memoryBytes > 100_000);
  while (!await recorded());
  await rest(own, 'DELETE', '/v1/values/a');
  const console = await openConsole(t, own);
  const peaks = async () => {
    await console.getByLabel('Activity').getByText('0 keys').waitFor();
    const line = await console.getByRole('img', { name: /^Memory: / }).locator('.chart-line-0').getAttribute('d');
    return [...line.matchAll(/ ([\d.]+)/g)].map((found) => Number(found[1])).filter((y) => y < 32).length;
  };
  assert.ok(await peaks() > 0, 'the memory that was in use before the page was opened');
  assert.equal(await console.evaluate(() => Object.values(sessionStorage).join().includes('memoryBytes')), false);
  await console.reload();
  await live(console);
  assert.ok(await peaks() > 0, 'and after a reload');
});
