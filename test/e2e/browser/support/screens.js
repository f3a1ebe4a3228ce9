// Every screen of the console, for tests and pictures that go through all of them.

import { put, rest } from './server.js';

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
  menu: (page) => menu(page, 'orders/'),
  selection: (page) => select(page),
  search: async (page) => {
    await page.getByRole('treeitem', { name: 'pictures/', exact: true }).click();
    await page.getByRole('treeitem', { name: 'logo', exact: true }).waitFor();
    await search(page, 'g', 'found on the server. Show 1 loaded that contain it');
  },
  contains: async (page) => {
    await page.getByRole('treeitem', { name: 'pictures/', exact: true }).click();
    await search(page, 'LOGO', '1 of 4 loaded keys and folders');
  },
  nothing: (page) => search(page, 'nobody', 'None of 3 loaded keys and folders'),
  folder: async (page) => {
    await deleteFolder(page);
    await page.getByLabel('Type the prefix').fill('orders/');
  },
  stuck: async (page) => {
    await deleteFolder(page);
    await page.route((to) => to.pathname === '/v1/values', (route) => route.fulfill({ status: 503, json: { detail: 'The store is away.' } }), { times: 1 });
    await page.getByLabel('Type the prefix').fill('orders/');
    await page.keyboard.press('Enter');
    await page.getByText('The store is away.').waitFor();
  },
  several: async (page) => {
    await select(page);
    await page.getByRole('region', { name: 'Keys' }).getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByText('Delete 2 entries?').waitFor();
  },
  hot: async (page, url) => {
    for (let i = 0; i < 30; i++) await rest(url, 'GET', `/v1/values/${i % 3 ? 'greeting' : 'orders/2026/41'}`);
    const tab = page.locator('[data-view=activity]').and(page.locator('button'));
    if (await tab.isVisible()) await tab.click();
    await page.getByRole('button', { name: 'Hot keys' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'greeting' }).first().waitFor();
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

// menu opens the menu of a row.
async function menu(page, row) {
  await page.getByRole('treeitem', { name: row, exact: true }).click({ button: 'right' });
  await page.getByRole('menu').waitFor();
}

async function deleteFolder(page) {
  await menu(page, 'orders/');
  await page.getByRole('menuitem', { name: 'Delete folder' }).click();
  await page.getByText('2 entries. This cannot be undone.').waitFor();
}

// select selects the two keys of orders/2026/.
async function select(page) {
  for (const folder of ['orders/', '2026/']) await page.getByRole('treeitem', { name: folder, exact: true }).click();
  for (const key of ['41', '42']) {
    await menu(page, key);
    await page.getByRole('menuitem', { name: 'Select' }).click();
  }
  await page.getByText('2 keys selected').waitFor();
}

async function search(page, text, note) {
  await page.getByLabel('Search keys').fill(text);
  await page.locator('#tree-note', { hasText: note }).waitFor();
}
