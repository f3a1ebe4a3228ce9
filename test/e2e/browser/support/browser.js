// A real browser, and pages that detect errors.

import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

import { apiKey } from './server.js';

let starting;
after(async () => (await starting)?.close());

/** browser starts Debian's Chromium, once for each test file. Its sandbox needs privileges that containers lack. */
function browser() {
  starting ??= chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  return starting;
}

/** page opens a page. The test fails on script errors, browser dialogs and violations of the content security policy. */
export async function page(t, options = {}) {
  const context = await (await browser()).newContext({ viewport: { width: 1360, height: 860 }, ...options });
  const opened = await context.newPage();
  opened.setDefaultTimeout(60_000); // for a machine that does much else, too
  const surprises = [];
  opened.on('pageerror', (error) => surprises.push(`error: ${error.stack}`));
  opened.on('dialog', (dialog) => {
    surprises.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  opened.on('console', (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) surprises.push(message.text());
  });
  opened.forget = () => surprises.splice(0); // for a test that causes them on purpose
  t.after(async () => {
    await context.close();
    assert.deepEqual(surprises, []);
  });
  return opened;
}

/** openConsole opens the console at url and enters the API key. Prepare is called with the page first. */
export async function openConsole(t, url, options, prepare = () => {}) {
  const console = await page(t, options);
  await prepare(console);
  await console.goto(url);
  await console.getByLabel('API key').fill(apiKey);
  await console.keyboard.press('Enter');
  await live(console);
  return console;
}

/** live waits until the watch of the console is open. */
export const live = (console) => console.locator('#feed-state[data-state=live]').waitFor({ state: 'attached' });

/** item returns a row of the tree. */
export const item = (console, name) => console.getByRole('treeitem', { name, exact: true });

/** gone waits until no such element is visible. */
export const gone = (locator) => locator.waitFor({ state: 'hidden' });

/**
 * retryNow ends an interruption by a proxy, and presses the button that the console offers meanwhile. The console may connect by
 * itself at the same moment and hide the button, so the event is sent without a look at the screen.
 */
export async function retryNow(console, proxy) {
  const button = console.locator('#retry');
  await button.waitFor();
  proxy.up();
  await button.dispatchEvent('click');
}
