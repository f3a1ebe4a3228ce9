// Reading and writing entries in the console.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { gone, item, openConsole } from './support/browser.js';
import { put, rest, serve, shared } from './support/server.js';

const url = await serve(shared);

const stored = async (key) => (await rest(url, 'GET', `/v1/values/${key}`)).json();
const show = (console, key) => console.goto(`${url}/#/${encodeURIComponent(key)}`);
const value = (console) => console.getByLabel('Value', { exact: true });

test('an entry is created, read as JSON, text and bytes, and downloaded', async (t) => {
  const console = await openConsole(t, url);
  await console.getByRole('button', { name: 'New entry' }).click();
  await console.getByLabel('Key', { exact: false }).first().waitFor();
  await console.locator('input[name=key]').fill('made/here');
  await value(console).fill('{"n":12345678901234567890,"n":1.0,"s":"é"}');
  await console.getByText('valid JSON').waitFor();
  await console.getByRole('button', { name: 'Create' }).click();
  const pretty = console.getByLabel('Value as JSON');
  await pretty.waitFor();
  assert.equal(await pretty.textContent(), '{\n  "n": 12345678901234567890,\n  "n": 1.0,\n  "s": "é"\n}');
  assert.equal((await stored('made/here')).value, '{"n":12345678901234567890,"n":1.0,"s":"é"}');
  await console.getByRole('button', { name: 'Text' }).click();
  assert.equal(await value(console).textContent(), '{"n":12345678901234567890,"n":1.0,"s":"é"}');
  await console.getByRole('button', { name: 'Bytes' }).click();
  assert.match(await console.getByLabel('Value as bytes').textContent(), /^00000000 {2}7b 22 6e 22 3a 31 .* {2}\{"n":1/);
  const saving = console.waitForEvent('download');
  await console.getByRole('button', { name: 'Download' }).click();
  const download = await saving;
  assert.equal(download.suggestedFilename(), 'here');
  assert.equal(await readFile(await download.path(), 'utf8'), '{"n":12345678901234567890,"n":1.0,"s":"é"}');
});

test('bytes are shown in hex, by pages, and replaced with a file', async (t) => {
  await put(url, 'bin', Uint8Array.from({ length: 5000 }, (_, i) => 255 - (i % 256)));
  const console = await openConsole(t, url);
  await show(console, 'bin');
  const hex = console.getByLabel('Value as bytes');
  assert.match(await hex.textContent(), /^00000000 {2}ff fe fd /);
  await console.getByRole('button', { name: 'Next' }).click();
  assert.match(await hex.textContent(), /^00001000 {2}ff fe /);
  await console.getByText('4.0 KiB to 4.9 KiB of 4.9 KiB').waitFor();
  await console.getByRole('button', { name: 'Edit' }).click();
  await console.getByLabel('Value from a file').setInputFiles({ name: 'x', mimeType: '', buffer: Buffer.from([0, 255, 1]) });
  await console.getByRole('button', { name: 'Save' }).click();
  await console.getByText('00 ff 01').waitFor();
  assert.equal((await stored('bin')).data, 'AP8B');
});

test('saving keeps the expiry and the line ends', async (t) => {
  await put(url, 'lines', 'a\r\nb\r\n', '?ttl=1h');
  const console = await openConsole(t, url);
  await show(console, 'lines');
  await console.getByText(/expires in 59m|expires in 1h/).waitFor();
  await console.getByRole('button', { name: 'Edit' }).click();
  await value(console).fill('a\nb\nc');
  await console.getByRole('button', { name: 'Save' }).click();
  await console.getByText('Saved.').waitFor();
  const now = await stored('lines');
  assert.equal(now.value, 'a\r\nb\r\nc');
  const left = Date.parse(now.expireTime) - Date.now();
  assert.ok(left > 3_500_000 && left <= 3_601_000, `it expires in ${left} ms`);
});

test('a save that conflicts with another change shows both versions and lets the user choose', async (t) => {
  await put(url, 'shared', 'first');
  const console = await openConsole(t, url);
  await show(console, 'shared');
  const collide = async (mine, theirs) => {
    await console.getByRole('button', { name: 'Edit' }).click();
    await value(console).fill(mine);
    await (theirs === null ? rest(url, 'DELETE', '/v1/values/shared') : put(url, 'shared', theirs));
    await console.getByText('while you were editing').waitFor();
    await console.getByRole('button', { name: 'Save' }).click();
    const dialog = console.getByRole('dialog');
    await dialog.getByText(mine, { exact: true }).waitFor();
    if (theirs !== null) await dialog.getByText(theirs, { exact: true }).waitFor();
    return dialog;
  };
  let dialog = await collide('mine 1', 'theirs 1');
  await dialog.getByRole('button', { name: 'Decide later' }).click();
  assert.equal((await stored('shared')).value, 'theirs 1');
  await console.getByRole('button', { name: 'Save' }).click();
  await dialog.getByRole('button', { name: 'Overwrite with yours' }).click();
  await console.getByText('Saved.').waitFor();
  assert.equal((await stored('shared')).value, 'mine 1');
  dialog = await collide('mine 2', 'theirs 2');
  await dialog.getByRole('button', { name: 'Use the stored version' }).click();
  await console.locator('pre.value').getByText('theirs 2').waitFor();
  assert.equal((await stored('shared')).value, 'theirs 2');
  dialog = await collide('mine 3', null);
  await dialog.getByRole('button', { name: 'Create it from yours' }).click();
  await console.locator('pre.value').getByText('mine 3').waitFor();
  assert.equal((await stored('shared')).value, 'mine 3');
});

test('a new entry does not overwrite an existing key', async (t) => {
  await put(url, 'taken', 'theirs');
  const console = await openConsole(t, url);
  await console.getByRole('button', { name: 'New entry' }).click();
  await console.locator('input[name=key]').fill('taken');
  await value(console).fill('mine');
  await console.getByRole('button', { name: 'Create' }).click();
  await console.getByRole('dialog').getByText('theirs', { exact: true }).waitFor();
  await console.keyboard.press('Escape');
  assert.equal((await stored('taken')).value, 'theirs');
});

test('a click elsewhere does not lose a draft', async (t) => {
  await put(url, 'near', 'near');
  const console = await openConsole(t, url);
  await console.getByRole('button', { name: 'New entry' }).click();
  await console.locator('input[name=key]').fill('draft');
  await item(console, 'near').click();
  await console.getByRole('button', { name: 'Keep editing' }).click();
  assert.equal(await console.locator('input[name=key]').inputValue(), 'draft');
  await item(console, 'near').click();
  await console.getByRole('button', { name: 'Discard' }).click();
  await console.locator('pre.value').getByText('near').waitFor();
});

test('deleting asks first, and does not delete a version that was not shown', async (t) => {
  await put(url, 'doomed', 'old');
  const console = await openConsole(t, url);
  await show(console, 'doomed');
  // The watch does not report the change, so only the etag prevents the delete.
  await console.getByLabel('Watch changes with this prefix').fill('nothing/');
  await console.locator('#feed-state[data-state=live]').waitFor();
  await console.locator('pre.value').getByText('old').waitFor();
  await console.getByRole('button', { name: 'Delete' }).click();
  await put(url, 'doomed', 'new');
  await console.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await console.locator('pre.value').getByText('new').waitFor();
  assert.equal((await stored('doomed')).value, 'new');
  await console.getByRole('button', { name: 'Delete' }).click();
  await console.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await console.getByText('Select a key').waitFor();
  await gone(item(console, 'doomed'));
  await assert.rejects(stored('doomed'), /404/);
});

test('the TTL is counted down, changed and removed', async (t) => {
  await put(url, 'brief', 'x', '?ttl=2h');
  const console = await openConsole(t, url);
  await show(console, 'brief');
  const expire = async (choice, typed) => {
    await console.getByRole('button', { name: 'Expiry' }).click();
    await console.getByRole('dialog').getByRole('combobox').selectOption(choice);
    if (typed) await console.getByLabel('Expires in').fill(typed);
    await console.getByRole('button', { name: 'Set' }).click();
  };
  await console.locator('.timer', { hasText: /expires in (2h|1h 59m)/ }).waitFor();
  await expire('custom', 'soon');
  await console.getByText('Invalid duration').waitFor();
  await console.keyboard.press('Escape');
  await expire('never');
  await console.getByText('never expires').waitFor();
  assert.equal((await stored('brief')).expireTime, undefined);
  await console.evaluate(() => {
    window.counted = [];
    new MutationObserver(() => {
      const [, seconds] = /^expires in (\d)s$/.exec(document.querySelector('.timer')?.textContent) ?? [];
      if (seconds && window.counted.at(-1) !== seconds) window.counted.push(seconds);
    }).observe(document.getElementById('entry'), { childList: true, subtree: true });
  });
  await expire('custom', '5s');
  await console.getByText('This entry expired.').waitFor();
  const counted = await console.evaluate(() => window.counted);
  assert.ok(counted.length > 1 && counted.every((n, i) => i === 0 || n < counted[i - 1]), `it counted ${counted}`);
});
