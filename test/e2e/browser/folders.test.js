// What the console does with whole folders and with several keys.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { gone, item, openConsole } from './support/browser.js';
import { fill, put, rest, serve, shared } from './support/server.js';

const url = await serve(shared);

const count = async (prefix) => (await (await rest(url, 'DELETE', `/v1/values?prefix=${prefix}&dryRun=true`)).json()).deleted;
const menu = async (console, name, choice) => {
  await item(console, name).click({ button: 'right' });
  await console.getByRole('menuitem', { name: choice }).click();
};
const selected = (console) => console.getByRole('treeitem', { selected: true }).allTextContents();

test('a new key begins in the folder it is made in', async (t) => {
  await fill(url, ['new/deep/a']);
  const console = await openConsole(t, url);
  await menu(console, 'new/', 'New key here');
  const name = console.locator('input[name=key]');
  assert.equal(await name.inputValue(), 'new/');
  await console.keyboard.type('made');
  await console.getByLabel('Value', { exact: true }).fill('x');
  await console.getByRole('button', { name: 'Create' }).click();
  await console.getByRole('heading', { name: 'new/made' }).waitFor();
  await item(console, 'new/').click();
  await item(console, 'made').waitFor();
  await item(console, 'deep/').focus();
  await console.keyboard.press('n');
  assert.equal(await name.inputValue(), 'new/deep/');
});

test('a folder is deleted after its prefix was typed, a part at a time, and may be stopped', async (t) => {
  await fill(url, Array.from({ length: 3500 }, (_, i) => `doomed/${i % 2 ? 'odd' : 'even'}/${i}`));
  await fill(url, ['doomed-not', 'kept']);
  const console = await openConsole(t, url);
  await item(console, 'doomed/').click();
  await item(console, 'odd/').waitFor();
  await item(console, 'doomed/').focus();
  await console.keyboard.press('Delete');
  const dialog = console.getByRole('dialog');
  await dialog.getByText('3,500 entries. This cannot be undone.').waitFor();
  const confirm = dialog.getByRole('button', { name: 'Delete' });
  await dialog.getByLabel('Type the prefix').fill('doomed');
  assert.equal(await confirm.isDisabled(), true, 'the prefix must be complete');
  await dialog.getByLabel('Type the prefix').fill('doomed/');
  // The first part is held back until the user has pressed Stop.
  let release;
  const pressed = new Promise((resolve) => { release = resolve; });
  await console.route((to) => to.pathname === '/v1/values' && !to.searchParams.has('dryRun'), async (route) => {
    if (route.request().method() === 'DELETE') await pressed;
    await route.continue();
  });
  await confirm.click();
  await dialog.getByText('0 of 3,500 entries deleted.').waitFor();
  await dialog.getByRole('button', { name: 'Stop' }).click();
  release();
  await gone(dialog);
  await console.getByText('Deleted 1,000 entries.').waitFor();

  await item(console, 'doomed/').focus();
  await console.keyboard.press('d');
  await dialog.getByText('2,500 entries. This cannot be undone.').waitFor();
  await dialog.getByLabel('Type the prefix').fill('doomed/');
  await console.keyboard.press('Enter');
  await console.getByText('Deleted 2,500 entries.').waitFor();
  await gone(item(console, 'doomed/'));
  await gone(item(console, 'odd/'));
  await item(console, 'doomed-not').waitFor();
  assert.equal(await count('doomed/'), 0);
  assert.equal(await count('doomed'), 1);
});

test('deleting a folder goes on after a failure', async (t) => {
  await fill(url, Array.from({ length: 1500 }, (_, i) => `cut/${i}`));
  const console = await openConsole(t, url);
  await menu(console, 'cut/', 'Delete folder');
  const dialog = console.getByRole('dialog');
  await dialog.getByText('1,500 entries.').waitFor();
  await dialog.getByLabel('Type the prefix').fill('cut/');
  let parts = 0;
  await console.route((to) => to.pathname === '/v1/values' && !to.searchParams.has('dryRun'), (route) => {
    if (route.request().method() === 'DELETE' && ++parts === 2) return route.fulfill({ status: 503, json: { detail: 'The store is away.' } });
    return route.continue();
  });
  await console.keyboard.press('Enter');
  await dialog.getByText('The store is away.').waitFor();
  await dialog.getByText('1,000 of 1,500 entries deleted.').waitFor();
  await dialog.getByRole('button', { name: 'Go on' }).click();
  await console.getByText('Deleted 1,500 entries.').waitFor();
  await gone(item(console, 'cut/'));
});

test('several keys are selected with the mouse and deleted at one instant', async (t) => {
  await fill(url, ['many/a', 'many/b', 'many/c', 'many/d', 'many/e']);
  const console = await openConsole(t, url);
  await item(console, 'many/').click();
  await item(console, 'b').click({ modifiers: ['ControlOrMeta'] });
  await item(console, 'd').click({ modifiers: ['Shift'] });
  await console.getByText('3 keys selected').waitFor();
  assert.deepEqual(await console.locator('[aria-selected=true] .name').allTextContents(), ['b', 'c', 'd']);
  await item(console, 'c').click({ modifiers: ['ControlOrMeta'] });
  await console.getByText('2 keys selected').waitFor();
  await console.getByRole('region', { name: 'Keys' }).getByRole('button', { name: 'Delete' }).click();
  const dialog = console.getByRole('dialog');
  await dialog.getByText('many/d', { exact: true }).waitFor();
  const sent = console.waitForRequest((request) => request.url().endsWith('/v1/values:batch'));
  await dialog.getByRole('button', { name: 'Delete' }).click();
  assert.equal((await sent).postDataJSON().atomic, true);
  await console.getByText('Deleted 2 entries.').waitFor();
  await gone(item(console, 'b'));
  await gone(item(console, 'd'));
  assert.equal(await count('many/'), 3);
  await gone(console.getByText('keys selected'));
});

test('several keys are selected with the keyboard', async (t) => {
  await fill(url, ['some/a', 'some/b', 'some/c']);
  const console = await openConsole(t, url);
  const press = async (...all) => { for (const key of all) await console.keyboard.press(key); };
  await item(console, 'some/').click();
  await item(console, 'a').focus();
  await press('Shift+ArrowDown');
  await console.getByText('2 keys selected').waitFor();
  await press('Escape');
  await gone(console.getByText('keys selected'));
  await press('ArrowDown', 'Control+ ');
  await console.getByText('1 key selected').waitFor();
  assert.deepEqual(await selected(console).then((all) => all.length), 1);
  await press('Delete');
  await console.getByRole('dialog').getByText('some/c', { exact: true }).waitFor();
  await press('Tab', 'Enter');
  await gone(item(console, 'c'));

  assert.equal(await count('some/'), 2);
});

test('the menu of a row is used with the keyboard', async (t) => {
  await fill(url, ['keys/a', 'keys/b']);
  const console = await openConsole(t, url);
  const press = async (...all) => { for (const key of all) await console.keyboard.press(key); };
  const focused = () => console.evaluate(() => document.activeElement.textContent);
  const menu = console.getByRole('menu');
  await item(console, 'keys/').focus();
  await press('Shift+F10');
  await menu.waitFor();
  const walk = [];
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'Home', 'End', 'ArrowUp']) {
    walk.push(await focused());
    await press(key);
  }
  assert.deepEqual(walk, ['New key here', 'Delete folder\u2026', 'New key here', 'Delete folder\u2026', 'New key here', 'Delete folder\u2026']);
  await press('n');
  assert.equal(await focused(), 'New key here', 'the letters of the page do nothing in a menu');
  await press('Escape');
  await gone(menu);
  assert.equal(await item(console, 'keys/').evaluate((row) => row === document.activeElement), true, 'the focus returns to the row');
  await press('Shift+F10', 'Tab');
  await gone(menu);
  await item(console, 'keys/').focus();
  await press('Shift+F10', 'ArrowUp', 'Enter');
  await console.getByRole('dialog').getByText('2 entries. This cannot be undone.').waitFor();
  await press('Escape');
  assert.equal(await item(console, 'keys/').evaluate((row) => row === document.activeElement), true, 'and after a dialog');
  await press('ArrowRight');
  await item(console, 'b').waitFor();
  await press('ArrowDown', 'Shift+F10', 'Enter');
  await console.getByText('1 key selected').waitFor();
  assert.equal(await count('keys/'), 2);
});

test('what could not be deleted is named', async (t) => {
  await fill(url, ['part/a', 'part/b']);
  const console = await openConsole(t, url);
  await item(console, 'part/').click();
  await item(console, 'a').click({ modifiers: ['ControlOrMeta'] });
  await item(console, 'b').click({ modifiers: ['ControlOrMeta'] });
  // A store of several shards answers so to an atomic batch.
  await console.route('**/v1/values:batch', (route) => (route.request().postDataJSON().atomic
    ? route.fulfill({ status: 400, json: { detail: 'not stored together' } })
    : route.fulfill({ json: { results: [{ delete: { deleted: true, revision: '1' } }, { error: { code: 'unavailable', message: 'the shard is away' } }] } })));
  await console.getByRole('region', { name: 'Keys' }).getByRole('button', { name: 'Delete' }).click();
  await console.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await console.getByRole('heading', { name: '1 entry not deleted' }).waitFor();
  await console.getByRole('listitem').filter({ hasText: 'part/b the shard is away' }).waitFor();
});
