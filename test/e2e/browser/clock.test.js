// The console, while the clock of the server is set.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openConsole } from './support/browser.js';
import { put, rest, serve, serveStepped } from './support/server.js';

const linuxOnly = { skip: process.platform !== 'linux' && 'clockstep needs Linux' };
const minute = 60_000;

for (const by of ['1h', '-1h']) {
  test(`saving keeps the expiry when the clock of the server is set by ${by} meanwhile`, linuxOnly, async (t) => {
    const { url, step } = await serveStepped(t);
    await put(url, 'session', 'old', '?ttl=30m');
    const console = await openConsole(t, url);
    await console.goto(`${url}/#/session`);
    await console.getByText(/expires in (29|30)m/).waitFor();
    step(by);
    const polled = () => console.waitForResponse((response) => response.url().endsWith('/v1/stats'));
    await polled(); // may have been sent before the step
    await polled();
    await console.getByText(/expires in (29|30)m/).waitFor();
    await console.getByRole('button', { name: 'Edit' }).click();
    await console.getByLabel('Value', { exact: true }).fill('new');
    await console.getByRole('button', { name: 'Save' }).click();
    await console.getByText('Saved.').waitFor();
    const stored = await (await rest(url, 'GET', '/v1/values/session')).json();
    assert.equal(stored.value, 'new');
    const ttl = 1000 * parseFloat(stored.ttl);
    assert.ok(ttl > 25 * minute && ttl <= 30 * minute + 1000, `the entry has a TTL of ${stored.ttl}`);
  });
}

test('overwriting another change keeps the expiry that it set', async (t) => {
  const url = await serve(t);
  await put(url, 'session', 'old', '?ttl=1m');
  const console = await openConsole(t, url);
  await console.goto(`${url}/#/session`);
  await console.getByRole('button', { name: 'Edit' }).click();
  await console.getByLabel('Value', { exact: true }).fill('mine');
  await put(url, 'session', 'theirs', '?ttl=30m');
  await console.getByText('while you were editing').waitFor();
  await console.getByRole('button', { name: 'Save' }).click();
  await console.getByRole('dialog').getByRole('button', { name: 'Overwrite with yours' }).click();
  await console.getByText('Saved.').waitFor();
  const stored = await (await rest(url, 'GET', '/v1/values/session')).json();
  assert.equal(stored.value, 'mine');
  assert.ok(parseFloat(stored.ttl) > 25 * 60, `the entry has a TTL of ${stored.ttl}`);
});

test('saving keeps the expiry whatever the page takes the time to be', async (t) => {
  const url = await serve(t);
  await put(url, 'session', 'old', '?ttl=30m');
  const console = await openConsole(t, url);
  await console.goto(`${url}/#/session`);
  await console.getByRole('button', { name: 'Edit' }).click();
  await console.getByLabel('Value', { exact: true }).fill('new');
  await console.evaluate(() => {
    const now = performance.now.bind(performance);
    performance.now = () => now() + 29 * 60_000;
  });
  await console.getByRole('button', { name: 'Save' }).click();
  await console.getByText('Saved.').waitFor();
  const stored = await (await rest(url, 'GET', '/v1/values/session')).json();
  assert.equal(stored.value, 'new');
  assert.ok(parseFloat(stored.ttl) > 25 * 60, `the entry has a TTL of ${stored.ttl}`);
});

test('an entry that expires while it is edited is not lost', async (t) => {
  const url = await serve(t);
  await put(url, 'session', 'old', '?ttl=3s');
  const console = await openConsole(t, url);
  await console.goto(`${url}/#/session`);
  await console.getByRole('button', { name: 'Edit' }).click();
  await console.getByLabel('Value', { exact: true }).fill('typed');
  await console.getByText('expired while you were editing').waitFor();
  await console.getByRole('button', { name: 'Save' }).click();
  await console.getByRole('dialog').getByRole('button', { name: 'Create it from yours' }).click();
  await console.getByText('Choose when the new one expires.').waitFor();
  await console.locator('select[name=ttl]').selectOption('never');
  await console.getByRole('button', { name: 'Save' }).click();
  await console.getByText('Saved.').waitFor();
  const stored = await (await rest(url, 'GET', '/v1/values/session')).json();
  assert.deepEqual([stored.value, stored.ttl], ['typed', undefined]);
});
