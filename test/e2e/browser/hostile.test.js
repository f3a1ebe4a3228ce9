// Stored keys and values are shown as text, whatever they contain.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openConsole, page } from './support/browser.js';
import { put, serve, shared } from './support/server.js';

const url = await serve(shared);

const attacks = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  '</textarea></pre><iframe srcdoc="<script>parent.alert(1)</script>">',
  'javascript:alert(1)',
  '{"__proto__":{"innerHTML":"<img src=x onerror=alert(1)>"},"<b>":"<script>alert(1)</script>"}',
  '${alert(1)}{{constructor.constructor("alert(1)")()}}',
];

// In addition, the checks of page fail the test on dialogs, errors and violations of the policy.
test('hostile keys and values are shown and never run', async (t) => {
  const console = await openConsole(t, url);
  const elements = () => console.locator('main :is(script, img, iframe, svg:not([role], [aria-hidden]), b)').count();
  for (const attack of attacks) {
    const key = `hostile/${attack.replaceAll('/', '\u2215')}`;
    await put(url, key, attack);
    await console.locator('#feed').getByText(key).first().waitFor();
    await console.goto(`${url}/#/${encodeURIComponent(key)}`);
    await console.getByRole('heading', { name: key, exact: true }).waitFor();
    await console.getByRole('button', { name: 'Text', exact: true }).click();
    assert.equal(await console.locator('#entry pre.value').textContent(), attack);
    await console.getByRole('button', { name: 'Bytes', exact: true }).click();
    await console.getByRole('button', { name: 'Edit', exact: true }).click();
    await console.getByRole('button', { name: 'Copy as\u2026', exact: true }).click();
    await console.getByRole('button', { name: 'Close', exact: true }).click();
    await console.getByLabel('Value', { exact: true }).fill(`${attack} `);
    await put(url, key, `${attack}!`);
    await console.getByText('while you were editing').waitFor();
    await console.getByRole('button', { name: 'Save', exact: true }).click();
    await console.getByRole('dialog').getByText(`${attack}!`, { exact: true }).waitFor();
    assert.equal(await elements(), 0, 'no element was created from a value');
    await console.getByRole('button', { name: 'Use the stored version' }).click();
    await console.getByRole('button', { name: 'Delete\u2026', exact: true }).click();
    await console.getByRole('button', { name: 'Keep it' }).click();
  }
  await console.getByRole('treeitem', { name: 'hostile/' }).click();
  await console.getByRole('treeitem', { name: '<script>' }).first().waitFor();
  assert.equal(await elements(), 0);
  assert.equal(await console.evaluate(() => ({}).innerHTML), undefined);
});

// Everything that the page shows, apart from a value and fields to type into, which hold what is stored.
const shownText = () => [
  document.title,
  ...[...document.querySelectorAll('[title], [aria-label]')].flatMap((e) => [e.title, e.ariaLabel ?? '']),
  ...[...document.querySelectorAll('body *:not(pre.value, pre.value *, script, style)')].flatMap((e) =>
    [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data)),
].join('');

test('characters of a key that are invisible or reorder text are shown as escapes', async (t) => {
  const console = await openConsole(t, url);
  const raw = /[\p{C}\p{Zl}\p{Zp}\u2067\u3164\ufe0f]/u;
  const clean = async (where) => assert.doesNotMatch((await console.evaluate(shownText)).replaceAll(/\s/g, ' '), raw, where);
  for (const c of ['\u202e', '\u2067', '\u2028', '\u200b', '\ufeff', '\ue000', '\u0378', '\u3164', '\ufe0f', '\u{e0041}']) {
    const key = `hidden/a${c}b`;
    const shown = `a\u27e8U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}\u27e9b`;
    await put(url, key, 'value');
    await console.goto(`${url}/#/${encodeURIComponent(key)}`);
    await console.getByRole('heading', { name: `hidden/${shown}`, exact: true }).waitFor();
    await console.locator('#feed').getByText(`hidden/${shown}`).first().waitFor();
    assert.equal(await console.title(), `hidden/${shown} \u00b7 key-value`);
    await clean('the entry and the feed');
    await console.getByRole('button', { name: 'Edit', exact: true }).click();
    await console.getByRole('heading', { name: `hidden/${shown}`, exact: true }).waitFor();
    await clean('the editor');
    await console.getByLabel('Value', { exact: true }).fill('another value');
    await put(url, key, 'changed');
    await console.getByText('while you were editing').waitFor();
    await console.getByRole('button', { name: 'Save', exact: true }).click();
    await console.getByRole('dialog').getByText(`hidden/${shown}`, { exact: true }).waitFor();
    await clean('the conflict');
    await console.getByRole('button', { name: 'Use the stored version' }).click();
    await console.getByRole('button', { name: 'Delete\u2026', exact: true }).click();
    await clean('the question');
    await console.getByRole('button', { name: 'Keep it' }).click();
  }
  await console.getByRole('treeitem', { name: 'hidden/' }).click();
  await console.getByRole('treeitem', { name: 'a\u27e8U+202E\u27e9b', exact: true }).waitFor();
  await clean('the tree');
});

test('the URL of the page cannot run code', async (t) => {
  const console = await openConsole(t, `${url}/#/${encodeURIComponent('<img src=x onerror=alert(1)>')}`);
  await console.getByText('This key does not exist.').waitFor();
  await console.goto(`${url}/#/%E0%A4%A`);
  await console.getByText('Select a key').waitFor();
});

test('the policy stops code that the console fails to stop', async (t) => {
  const console = await page(t);
  await console.goto(url);
  const stopped = await console.evaluate(async () => {
    const tried = (f) => {
      try {
        return f() ?? 'done';
      } catch (error) {
        return error.name;
      }
    };
    return [
      tried(() => { document.body.innerHTML = '<p>'; }),
      tried(() => { document.createElement('script').src = '/console/main.js'; }),
      await fetch('data:text/plain,x').then(() => 'done', (error) => error.name),
    ];
  }).finally(() => console.forget());
  assert.deepEqual(stopped, ['TypeError', 'TypeError', 'TypeError']);
});
