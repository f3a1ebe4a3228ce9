// A real browser, and a page that misses nothing.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

import { apiKey } from './server.js';

let starting;
after(async () => (await starting)?.close());

/** browser is Debian's, one for each file of tests. The sandbox needs rights that containers do not give. */
function browser() {
  starting ??= chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  return starting;
}

/** page opens a page that must end without any error, dialog of the browser or breach of the content security policy. */
export async function page(t, options = {}) {
  const context = await (await browser()).newContext({ viewport: { width: 1360, height: 860 }, ...options });
  const opened = await context.newPage();
  opened.setDefaultTimeout(20_000);
  const surprises = [];
  opened.on('pageerror', (error) => surprises.push(`error: ${error.stack}`));
  opened.on('dialog', (dialog) => {
    surprises.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  opened.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) surprises.push(message.text());
  });
  opened.forget = () => surprises.splice(0); // for a test that means to cause them
  t.after(async () => {
    await context.close();
    assert.deepEqual(surprises, []);
  });
  return opened;
}

/** openConsole opens the console at url and types the API key in. Prepare is called with the page before. */
export async function openConsole(t, url, options, prepare = () => {}) {
  const console = await page(t, options);
  prepare(console);
  await console.goto(url);
  await console.getByLabel('API key').fill(apiKey);
  await console.keyboard.press('Enter');
  await live(console);
  return console;
}

/** live waits until the watch of a console is open. */
export const live = (console) => console.locator('#feed-state[data-state=live]').waitFor({ state: 'attached' });

/** item is a row of the tree. */
export const item = (console, name) => console.getByRole('treeitem', { name, exact: true });

/** gone waits until there is no such element to be seen. */
export const gone = (locator) => locator.waitFor({ state: 'hidden' });
