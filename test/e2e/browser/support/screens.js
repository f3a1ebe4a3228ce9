// Every screen of the console, for tests and pictures that go through all of them.

import { put } from './server.js';

/** fillForScreens stores the entries that the screens show. */
export async function fillForScreens(url) {
  await put(url, 'orders/2026/41', JSON.stringify({ customer: 'Ada', total: 12345678901234567890n.toString(), paid: true, items: ['tea', 'milk'] }), '?ttl=2h');
  await put(url, 'orders/2026/42', '{"customer":"Grace"}');
  await put(url, 'pictures/logo', Uint8Array.from({ length: 700 }, (_, i) => i % 256));
  await put(url, 'greeting', 'hello\nworld');
}

/** leaveFreely makes a page leave an editor without asking. */
export const leaveFreely = (page) => page.addInitScript(() => addEventListener('beforeunload', (event) => event.stopImmediatePropagation()));

/**
 * screens lists functions that go from a fresh console to a screen :: name → function. They get the page and its URL. On a narrow
 * one, what they need may be in another view.
 */
export const screens = {
  keys: async () => {},
  entry: (page, url) => show(page, url, 'orders/2026/41'),
  bytes: (page, url) => show(page, url, 'pictures/logo'),
  missing: async (page, url) => {
    await page.goto(`${url}/#/nothing/here`);
    await page.getByText('This key does not exist.').waitFor();
  },
  editor: (page, url) => edit(page, url, 'orders/2026/41'),
  mistake: async (page, url) => {
    await edit(page, url, 'orders/2026/41');
    await page.locator('textarea[name=value]').press('Control+End');
    await page.keyboard.type(',');
    await page.locator('textarea[name=value]').press('Control+f');
    await page.getByLabel('Find in the value').fill('tea');
  },
  create: async (page) => {
    await page.getByRole('button', { name: /^New/ }).click();
    await page.locator('input[name=key]').waitFor();
  },
  conflict: async (page, url) => {
    await edit(page, url, 'greeting');
    await page.locator('textarea[name=value]').fill('mine');
    await put(url, 'greeting', 'hello\nother world');
    await page.getByText('while you were editing').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('dialog').getByText('Overwrite with yours').waitFor();
  },
  expiry: async (page, url) => {
    await show(page, url, 'orders/2026/41');
    await page.getByRole('button', { name: 'Expiry' }).click();
  },
  delete: async (page, url) => {
    await show(page, url, 'orders/2026/41');
    await page.getByRole('button', { name: 'Delete\u2026' }).click();
  },
  copyas: async (page, url) => {
    await show(page, url, 'orders/2026/41');
    await page.getByRole('button', { name: 'Copy as\u2026', exact: true }).click();
  },
  shortcuts: (page) => page.getByRole('button', { name: 'Keyboard shortcuts' }).click(),
  activity: async (page) => {
    const tab = page.locator('[data-view=activity]').and(page.locator('button'));
    if (await tab.isVisible()) await tab.click();
  },
};

async function show(page, url, key) {
  await page.goto(`${url}/#/${encodeURIComponent(key)}`);
  await page.locator('pre.value').waitFor();
}

async function edit(page, url, key) {
  await show(page, url, key);
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.locator('textarea[name=value]').waitFor();
}
