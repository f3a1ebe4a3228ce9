// Accessibility: keyboard, screen readers, phones, and light and dark colours.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { item, live, openConsole, page } from './support/browser.js';
import { apiKey, fill, put, rest, serve, shared } from './support/server.js';

const url = await serve(shared);
await fill(url, ['fruit/apple', 'fruit/pear', 'zebra']);

test('everything works with the keyboard alone', async (t) => {
  const console = await page(t);
  const press = async (...keys) => { for (const key of keys) await console.keyboard.press(key); };
  const focused = (locator) => locator.and(console.locator(':focus')).waitFor();
  await console.goto(url);
  await focused(console.getByLabel('API key'));
  await console.keyboard.type(apiKey);
  await press('Enter');
  await live(console);
  await item(console, 'fruit/').waitFor();
  await press('g', 'ArrowRight');
  await item(console, 'apple').waitFor();
  await press('ArrowRight');
  await focused(item(console, 'apple'));
  await press('ArrowLeft', 'ArrowLeft');
  assert.equal(await item(console, 'fruit/').getAttribute('aria-expanded'), 'false');
  await press('ArrowRight');
  await item(console, 'apple').waitFor();
  await press('End', 'ArrowUp', 'Enter');
  await console.getByRole('heading', { name: 'fruit/pear' }).waitFor();
  await console.locator('pre.value').waitFor();
  const outline = await console.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid', 'the focus is visible');

  await press('e');
  await focused(console.getByLabel('Value', { exact: true }));
  await press('Control+a');
  await console.keyboard.type('e n ? written');
  await press('Control+Enter');
  await console.locator('pre.value').getByText('e n ? written').waitFor();

  await focused(console.getByRole('heading', { name: 'fruit/pear' }));
  await press('t', 'ArrowDown', 'Tab', 'Tab', 'Enter');
  await console.locator('.timer', { hasText: /expires in (1m|5\ds)/ }).waitFor(); // the event of the watch may arrive before the response
  await console.getByRole('dialog').waitFor({ state: 'hidden' });

  await press('n');
  await focused(console.locator('input[name=key]'));
  await console.keyboard.type('berry');
  await press('Tab');
  await console.keyboard.type('blue');
  await press('Control+Enter');
  await console.getByRole('heading', { name: 'berry' }).waitFor();
  await console.locator('pre.value').waitFor();
  await press('d');
  await focused(console.getByRole('button', { name: 'Keep it' }));
  await press('Tab', 'Enter');
  await console.getByText('Select a key').waitFor();
  await assert.rejects(rest(url, 'GET', '/v1/values/berry'), /404/);

  await press('/');
  await console.keyboard.type('zeb');
  await item(console, 'fruit/').waitFor({ state: 'hidden' });
  await press('ArrowDown');
  await focused(item(console, 'zebra'));
  await press('?');
  await console.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor();
  await console.getByLabel('Enable single-key shortcuts').press(' ');
  await press('Escape', 'n');
  await console.getByText('Select a key').waitFor();
});

test('the arrow key that goes to the results of a search may be pressed before they are there', async (t) => {
  const console = await openConsole(t, url);
  let arrive;
  const wait = new Promise((resolve) => { arrive = resolve; });
  await console.route((to) => to.pathname === '/v1/values', async (route) => {
    await wait;
    await route.continue();
  });
  await console.keyboard.press('/');
  await console.keyboard.type('zeb');
  await item(console, 'fruit/').waitFor({ state: 'hidden' });
  await console.keyboard.press('ArrowDown');
  arrive();
  await item(console, 'zebra').and(console.locator(':focus')).waitFor();
});

test('the tree is accessible to screen readers', async (t) => {
  const console = await openConsole(t, url);
  await item(console, 'fruit/').click();
  await item(console, 'pear').click();
  await console.getByRole('heading', { name: 'fruit/pear' }).waitFor();
  await console.getByRole('tree', { name: 'Keys' }).waitFor();
  await console.getByRole('treeitem', { name: 'fruit/', expanded: true, level: 1 }).waitFor();
  await console.getByRole('treeitem', { name: 'pear', selected: true, level: 2 }).waitFor();
  assert.equal(await console.locator('[role=treeitem][tabindex="0"]').count(), 1);
});

test('everything fits on a phone', async (t) => {
  const long = `phone/${'long'.repeat(40)}`;
  await put(url, long, `{"${'word'.repeat(60)}":"${'x'.repeat(400)}"}`, '?ttl=1h');
  const console = await openConsole(t, url, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  const fits = async (where) => {
    const wide = await console.evaluate(() => [...document.querySelectorAll('body *')].filter((e) => {
      const box = e.getBoundingClientRect();
      return e.checkVisibility({ visibilityProperty: true }) && box.width > 0 && box.right > innerWidth + 0.5 && !e.closest('pre.hex, .snippet, .row');
    }).map((e) => e.outerHTML.slice(0, 80)));
    assert.deepEqual(wide, [], where);
    assert.equal(await console.evaluate(() => document.scrollingElement.scrollWidth), 360, where);
    const through = await console.evaluate(() => [...document.querySelectorAll('.pane *')].filter((e) =>
      e.checkVisibility({ visibilityProperty: true }) && !e.closest('.pane').checkVisibility({ visibilityProperty: true })).map((e) => e.outerHTML.slice(0, 80)));
    assert.deepEqual(through, [], `${where}: visible in another view`);
  };
  await item(console, 'phone/').tap();
  await fits('keys');
  await item(console, long.slice(6)).tap();
  await console.getByText('expires in').waitFor();
  await fits('entry');
  await console.getByRole('button', { name: 'Bytes' }).tap();
  await fits('bytes');
  await console.getByRole('button', { name: 'Copy as' }).tap();
  await fits('copy as');
  await console.getByRole('button', { name: 'Close' }).tap();
  await console.getByRole('button', { name: 'Edit' }).tap();
  await fits('editor');
  await console.getByLabel('Value', { exact: true }).fill('"mine"');
  await put(url, long, 'theirs'.repeat(50));
  await console.getByRole('button', { name: 'Save' }).tap();
  await console.getByText('Overwrite with yours').waitFor();
  await fits('conflict');
  await console.getByText('Use the stored version').tap();
  await console.getByRole('button', { name: 'Activity' }).tap();
  await fits('activity');
  await console.getByRole('button', { name: 'Hot keys' }).tap();
  await console.getByRole('dialog').getByRole('button', { name: long }).first().waitFor();
  await fits('hot keys');
  await console.getByRole('button', { name: 'Close' }).tap();
  await console.getByRole('button', { name: 'Keyboard shortcuts' }).tap();
  await fits('shortcuts');
  await console.getByRole('button', { name: 'Close' }).tap();
  await console.goBack();
  await console.getByRole('tree').waitFor();
});

test('text has enough contrast in light and dark', async (t) => {
  for (const colorScheme of ['light', 'dark']) {
    const console = await openConsole(t, url, { colorScheme });
    await put(url, 'colour', '{"name":["text",1,true]}');
    await item(console, 'colour').click();
    await console.getByLabel('Value as JSON').waitFor();
    const faint = await console.evaluate(contrasts);
    assert.deepEqual(faint, [], colorScheme);
    const [light] = await console.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
    assert.equal(light > 128, colorScheme === 'light', `the background in ${colorScheme}`);
  }
});

// contrasts returns the texts whose contrast with their background is below 4.5 (WCAG 2.2, 1.4.3).
function contrasts() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parse(color).slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (parse(color)[3] !== 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join('').trim();
    if (!text || !e.checkVisibility({ visibilityProperty: true }) || e.disabled || e.closest('.flash, .skip')) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
