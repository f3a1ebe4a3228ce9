// What the first page of the console weighs.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { item, live, page } from './support/browser.js';
import { apiKey, fill, serve } from './support/server.js';

test('the first page, with headers, stays below 100 KB', async (t) => {
  const url = await serve(t);
  await fill(url, ['first/key', 'second']);
  const console = await page(t);
  const network = await console.context().newCDPSession(console);
  await network.send('Network.enable');
  const sizes = [];
  network.on('Network.loadingFinished', ({ encodedDataLength }) => sizes.push(encodedDataLength));
  await console.goto(url);
  await console.getByLabel('API key').fill(apiKey);
  await console.keyboard.press('Enter');
  await item(console, 'first/').waitFor();
  await live(console);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${total} bytes in ${sizes.length} responses`);
  assert.ok(sizes.length > 10 && total < 100_000, `${total} bytes in ${sizes.length} responses`);
});
