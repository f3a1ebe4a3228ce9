// Takes the pictures of the browser guide, docs/console.png and docs/console-phone.png, of a store that is busy for a while.

import { chromium } from 'playwright-core';

import { live } from './support/browser.js';
import { apiKey, fill, put, rest, root, serve } from './support/server.js';

const busy = Number(process.env.KV_BUSY_SECONDS ?? 240);
const ends = [];
const url = await serve({ after: (end) => ends.push(end) }, '--max-memory', '64MiB');
const drinks = ['espresso', 'flat white', 'green tea', 'lemonade', 'oat cappuccino'];
const order = (n) => JSON.stringify({ customer: ['Ada', 'Grace', 'Edsger', 'Barbara'][n % 4], drink: drinks[n % drinks.length], table: n % 12 + 1, paid: n % 3 > 0 });

await fill(url, Array.from({ length: 2400 }, (_, i) => `order/2026/${1000 + i}`), order(7));
await fill(url, Array.from({ length: 120 }, (_, i) => `menu/${i}`), '{"price":"3.20"}');
await fill(url, ['config/currency', 'config/opening-hours', 'greeting'], 'Welcome!');
await put(url, 'user/42/name', 'Ada Lovelace');
await put(url, 'user/42/profile', JSON.stringify({ name: 'Ada Lovelace', email: 'ada@example.org', roles: ['admin', 'author'], quota: '12345678901234567890', active: true, last: null }));
await put(url, 'user/42/cart', '["espresso","lemonade"]', '?ttl=45m');
await put(url, 'user/7/name', 'Grace Hopper');
await put(url, 'session/token', '{"user":42,"scopes":["read","write"]}', '?ttl=30m');

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const wide = await open({ viewport: { width: 1360, height: 860 }, colorScheme: 'light' });
for (const folder of ['user/', '42/']) await wide.getByRole('treeitem', { name: folder, exact: true }).click();
await wide.getByRole('treeitem', { name: 'profile' }).click();
await wide.locator('pre.value').waitFor();
await work();
await wide.screenshot({ path: `${root}/docs/console.png` });

const phone = await open({ viewport: { width: 360, height: 640 }, deviceScaleFactor: 1.5, colorScheme: 'dark', isMobile: true, hasTouch: true });
await phone.getByRole('treeitem', { name: 'session/' }).click();
await phone.getByRole('treeitem', { name: 'token' }).click();
await phone.locator('pre.value').waitFor();
await phone.screenshot({ path: `${root}/docs/console-phone.png` });

await browser.close();
await Promise.all(ends.map((end) => end()));

async function open(options) {
  const page = await (await browser.newContext({ ...options, reducedMotion: 'reduce' })).newPage();
  await page.goto(url);
  await page.getByLabel('API key').fill(apiKey);
  await page.keyboard.press('Enter');
  await live(page);
  return page;
}

// work reads, and stores an order now and then, as guests come and go.
async function work() {
  const end = Date.now() + 1000 * busy;
  for (let turn = 0, next = 3400; Date.now() < end; turn++) {
    const reads = Math.round(14 + 8 * Math.sin(turn / 60) + 4 * Math.random());
    await Promise.all(Array.from({ length: reads }, (_, i) => fetch(`${url}/v1/values/${encodeURIComponent(turn % 7 === 0 && i === 0 ? 'order/2026/none' : `order/2026/${1000 + 37 * turn % 2400}`)}`, { headers: { 'x-api-key': apiKey } }).then((response) => response.text())));
    if (turn % 6 === 0) await put(url, `order/2026/${next}`, order(next++), '?ttl=12h');
    if (turn % 25 === 24) await rest(url, 'DELETE', `/v1/values/order/2026/${next - 3}`);
    await new Promise((resolve) => { setTimeout(resolve, 250); });
  }
}
