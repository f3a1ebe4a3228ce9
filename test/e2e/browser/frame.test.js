// What surrounds keys and entries: the API key and the theme.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { live, openConsole, page } from './support/browser.js';
import { apiKey, serve, shared, start } from './support/server.js';

const url = await serve(shared);

/** storage returns what a kind of storage has of the API key. */
const storage = (console, kind) => console.evaluate((kind) => JSON.stringify(window[kind]), kind);

async function unlock(console, { remember = false } = {}) {
  await console.getByLabel('API key').fill(apiKey);
  if (remember) await console.getByLabel('Remember the key').check();
  await console.keyboard.press('Enter');
  await live(console);
}

test('an invalid API key is rejected, and a valid one is kept in its tab only', async (t) => {
  const console = await page(t);
  await console.goto(url);
  await console.getByLabel('API key').fill('wrong');
  await console.keyboard.press('Enter');
  await console.getByText('rejected this API key').waitFor();
  await console.getByLabel('API key').fill('my-secret-key');
  await console.keyboard.press('Enter');
  await console.getByText('Connected').waitFor();
  await console.reload();
  await console.getByText('Connected').waitFor();
  const other = await console.context().newPage();
  await other.goto(url);
  await other.getByLabel('API key').waitFor();
  assert.equal(await other.evaluate(() => JSON.stringify(localStorage)), '{}');
  await console.getByRole('button', { name: 'Lock' }).click();
  await console.getByLabel('API key').waitFor();
  assert.equal(await console.evaluate(() => JSON.stringify(sessionStorage)), '{}');
});

test('an API key is remembered on request, until the console is locked', async (t) => {
  const console = await page(t);
  await console.goto(url);
  await console.getByText('everyone who uses this browser profile can read it').waitFor();
  await unlock(console, { remember: true });
  assert.equal(await storage(console, 'sessionStorage'), '{}');
  const other = await console.context().newPage();
  await other.goto(url);
  await live(other);
  await other.getByRole('button', { name: 'Lock' }).click();
  await other.getByLabel('API key').waitFor();
  await console.getByText('locked in another tab').waitFor();
  assert.equal(await storage(console, 'localStorage'), '{}');
  await console.reload();
  await console.getByLabel('API key').waitFor();
});

test('a remembered API key that the server no longer accepts is forgotten', async (t) => {
  const { url: own, stop } = await start(t, []);
  const console = await page(t);
  await console.goto(own);
  await unlock(console, { remember: true });
  await stop();
  await start(t, ['--listen', new URL(own).host], 'another-key');
  await console.getByText('no longer accepts').waitFor();
  assert.equal(await storage(console, 'localStorage'), '{}');
});

test('the theme is that of the system, light or dark, and is remembered', async (t) => {
  const console = await openConsole(t, url, { colorScheme: 'light' });
  const dark = () => console.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)[0]) < 128);
  const press = (name) => console.getByRole('button', { name }).click();
  assert.equal(await dark(), false);
  await press('Theme: system');
  await console.emulateMedia({ colorScheme: 'dark' });
  assert.equal(await dark(), false, 'light, whatever the system has');
  await press('Theme: light');
  await console.emulateMedia({ colorScheme: 'light' });
  assert.equal(await dark(), true, 'dark, whatever the system has');
  await console.reload();
  await console.getByRole('button', { name: 'Theme: dark' }).waitFor();
  assert.equal(await dark(), true, 'after a reload');
  await press('Theme: dark');
  assert.equal(await dark(), false, 'as the system again');
  assert.equal(await storage(console, 'localStorage'), '{}');
});
