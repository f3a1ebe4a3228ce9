// The console with an API key that is restricted to a prefix.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { binary, fill, serve, shared } from './support/server.js';
import { item, page } from './support/browser.js';

const directory = mkdtempSync(join(tmpdir(), 'keys-'));
shared.after(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'keys.json');
const scoped = execFileSync(binary, ['keys', 'create', '--file', file, '--id', 'fruit', '--prefix', 'fruit/'], { encoding: 'utf8' }).trim();
const url = await serve(shared, '--api-keys-file', file);
await fill(url, ['fruit/apple', 'zebra']);

test('a key of one prefix browses what it may read, and is told what it may not', async (t) => {
  const console = await page(t);
  await console.goto(url);
  await console.getByLabel('API key').fill(scoped);
  await console.keyboard.press('Enter');
  await console.locator('#tree').getByText('may not read every key.').waitFor();
  await console.locator('#facts').getByText('may not read every key. Charts are not available.').waitFor();
  await console.locator('#state[data-state=online]').waitFor();
  assert.equal(await console.locator('#banner').isVisible(), false, 'the store is available');

  await console.getByLabel('Search keys by prefix').fill('fruit/');
  await item(console, 'apple').click();
  await console.getByRole('heading', { name: 'fruit/apple' }).waitFor();
  await console.locator('pre.value').waitFor();
});
