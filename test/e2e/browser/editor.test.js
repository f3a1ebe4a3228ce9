// The field for values: JSON, line numbers, find, binary data.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openConsole } from './support/browser.js';
import { put, rest, serve, shared } from './support/server.js';

const url = await serve(shared);

const stored = async (key) => (await rest(url, 'GET', `/v1/values/${key}`)).json();
const value = (console) => console.getByLabel('Value', { exact: true });
const save = (console) => console.getByRole('button', { name: 'Save' }).click();

async function edit(console, key) {
  await console.goto(`${url}/#/${encodeURIComponent(key)}`);
  await console.getByRole('button', { name: 'Edit' }).click();
}

// Numbers that no float holds, duplicate members, an order, escapes and spellings: parsing would lose all of these.
const compact = '{"z":12345678901234567890,"a":1.0,"a":-0,"e":1E400,"s":"\\u00e9\\/","n":[],"o":{}}';
const formatted = '{\n  "z": 12345678901234567890,\n  "a": 1.0,\n  "a": -0,\n  "e": 1E400,\n  "s": "\\u00e9\\/",\n  "n": [],\n  "o": {}\n}';

test('JSON opens formatted, and is stored as it was unless it is edited', async (t) => {
  await put(url, 'doc', compact, '?ttl=1h');
  const console = await openConsole(t, url);
  await edit(console, 'doc');
  assert.equal(await value(console).inputValue(), formatted);
  await console.getByText('the stored value stays as it is').waitFor();
  const { etag } = await stored('doc');
  await save(console);
  await console.getByText('Nothing was changed.').waitFor();
  assert.equal((await stored('doc')).etag, etag, 'saving without a change writes nothing');
  await edit(console, 'doc');
  await console.locator('select[name=ttl]').selectOption('never');
  await save(console);
  await console.getByText('never expires').waitFor();
  assert.equal((await stored('doc')).value, compact);
  await edit(console, 'doc');
  await value(console).fill(formatted.replace('"o": {}', '"o": 1'));
  await console.getByText('saved as shown').waitFor();
  const answered = console.waitForResponse((response) => response.request().method() === 'PUT'); // "Saved." may still be there from before
  await save(console);
  await answered;
  await console.getByText('Saved.').waitFor();
  assert.equal((await stored('doc')).value, formatted.replace('"o": {}', '"o": 1'));
  await edit(console, 'doc');
  await console.getByRole('button', { name: 'Compact' }).click();
  assert.equal(await value(console).inputValue(), compact.replace('"o":{}', '"o":1'));
  await console.getByRole('button', { name: 'Format' }).click();
  await save(console);
  await console.getByText('Nothing was changed.').waitFor();
});

test('JSON is checked while it is typed, and saving what no longer is JSON asks first', async (t) => {
  await put(url, 'checked', '{"a":1,"b":[1,2]}');
  const console = await openConsole(t, url);
  await edit(console, 'checked');
  const wrong = '{\n  "a": 1,\n  "b": [1, 2,]\n}';
  await value(console).fill(wrong);
  await console.getByText('Not valid JSON. Line 3, column 14: expected a value, found \u201c]\u201d.').waitFor();
  await save(console);
  await console.getByRole('dialog').getByText('Line 3, column 14').waitFor();
  await console.getByRole('button', { name: 'Keep editing' }).click();
  assert.equal((await stored('checked')).value, '{"a":1,"b":[1,2]}');
  await console.waitForFunction((at) => document.activeElement.selectionStart === at, wrong.indexOf(',]') + 1);
  await console.keyboard.press('Backspace'); // the cursor is at the mistake
  await console.getByText('valid JSON, saved as shown').waitFor();
  await value(console).fill('text');
  await save(console);
  await console.getByRole('button', { name: 'Save as text' }).click();
  await console.getByText('Saved.').waitFor();
  assert.equal((await stored('checked')).value, 'text');
  await edit(console, 'checked');
  await value(console).fill('other text');
  await save(console);
  await console.locator('pre.value').getByText('other text').waitFor(); // without a question
});

test('mistakes in JSON are found where they are', async (t) => {
  const console = await openConsole(t, url);
  const found = await console.evaluate(async (texts) => {
    const { mistake } = await import('/console/jsoncheck.js');
    return texts.map((text) => { const m = mistake(text); return m && `${m.line}:${m.column} ${m.message}`; });
  }, ['', '{', '[1 2]', '{"a" 1}', "{'a':1}", '{"a":1,}', '[1,\n 01]', '"a\nb"', '"a', '"\\x"', '"\\u12g4"', '["a\tb"]', '{"a":tru}', '[]]', '[1]\n x',
    '{"é😀": nope}', '\ufeff{}', '{"a":{"b":[}}', '+1', '.5', '1.', 'NaN', '/* c */ 1', '[1]', '{"a":[{}],"b":"\\ud83d"}']);
  assert.deepEqual(found, [
    '1:1 expected a value, found the end', '1:2 expected a name in double quotes or “}”, found the end', '1:4 expected “,” or “]”, found “2”',
    '1:6 expected “:”, found “1”', "1:2 expected a name in double quotes or “}”, found “'”", '1:8 expected a name in double quotes, found “}”',
    '2:3 expected “,” or “]”, found “1”', '1:3 the string does not end on its line', '1:3 the string does not end', '1:2 invalid escape', '1:2 invalid escape',
    '1:4 a control character must be escaped', '1:6 expected a value, found “t”', '1:3 expected the end, found “]”', '2:2 expected the end, found “x”',
    '1:8 expected a value, found “n”', '1:1 expected a value, found “\ufeff”', '1:12 expected a value or “]”, found “}”', '1:1 expected a value, found “+”',
    '1:1 expected a value, found “.”', '1:2 expected the end, found “.”', '1:1 expected a value, found “N”', '1:1 expected a value, found “/”', null, null,
  ]);
});

test('lines are numbered, and text is found', async (t) => {
  await put(url, 'long', JSON.stringify(Array.from({ length: 500 }, (_, i) => `item ${i} of Many`)));
  const console = await openConsole(t, url);
  await edit(console, 'long');
  assert.match(await console.locator('.code-gutter').textContent(), /^1\n2\n3\n.*\n502$/s);
  await value(console).press('Control+f');
  const find = console.getByLabel('Find in the value');
  await find.fill('many');
  await console.getByText('1 of 500').waitFor();
  await find.fill('item 49');
  await console.getByText('1 of 11').waitFor();
  await find.press('Enter');
  await find.press('Enter');
  await console.getByText('3 of 11').waitFor();
  const selected = () => value(console).evaluate((area) => {
    const { selectionStart, selectionEnd, scrollTop, clientHeight } = area;
    const top = area.value.slice(0, selectionStart).split('\n').length * parseFloat(getComputedStyle(area).lineHeight);
    return { text: area.value.slice(selectionStart, selectionEnd + 1), visible: top > scrollTop && top < scrollTop + clientHeight };
  });
  assert.deepEqual(await selected(), { text: 'item 491', visible: true });
  assert.equal(await console.evaluate(() => [...CSS.highlights.get('find')].length), 11);
  await find.press('Shift+Enter');
  assert.deepEqual(await selected(), { text: 'item 490', visible: true });
  await find.fill('nothing');
  await console.getByText('no match').waitFor();
  await find.press('Escape'); // closes the bar, not the editor
  await console.keyboard.type('typed');
  assert.match(await value(console).inputValue(), /typed/);
  await console.getByRole('button', { name: 'Wrap lines' }).click();
  assert.equal(await console.locator('.code-gutter').isVisible(), false);
});

test('changing the expiry of binary data keeps the data', async (t) => {
  await put(url, 'blob', Uint8Array.of(0, 255, 1), '?ttl=1h');
  const console = await openConsole(t, url);
  await edit(console, 'blob');
  await console.getByPlaceholder('3 B of binary data').waitFor();
  await console.locator('select[name=ttl]').selectOption('never');
  await save(console);
  await console.getByText('never expires').waitFor();
  assert.equal((await stored('blob')).data, 'AP8B');
});

test('JSON that is nested without end opens', async (t) => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000);
  await put(url, 'deep', deep);
  const console = await openConsole(t, url);
  await edit(console, 'deep');
  assert.equal((await value(console).inputValue()).length, deep.length);
  await value(console).press('Control+End');
  await console.keyboard.type(']');
  await console.getByText('Not valid JSON. Line 1, column 400001: expected the end').waitFor();
});
