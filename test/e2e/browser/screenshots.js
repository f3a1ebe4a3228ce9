// Takes a picture of every screen of the console, at three sizes, light and dark, into the directory screenshots.

import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

import { live } from './support/browser.js';
import { fillForScreens, leaveFreely, screens } from './support/screens.js';
import { apiKey, serve } from './support/server.js';

const touch = { isMobile: true, hasTouch: true };
const sizes = {
  desktop: { viewport: { width: 1360, height: 860 } },
  tablet: { viewport: { width: 900, height: 1100 }, ...touch },
  phone: { viewport: { width: 390, height: 780 }, ...touch },
};
const ends = [];
const url = await serve({ after: (end) => ends.push(end) });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const directory = new URL('screenshots/', import.meta.url).pathname;
await mkdir(directory, { recursive: true });
for (const [size, options] of Object.entries(sizes)) {
  for (const colorScheme of ['light', 'dark']) {
    await fillForScreens(url);
    const context = await browser.newContext({ ...options, colorScheme, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await leaveFreely(page);
    const shoot = (name) => page.screenshot({ path: `${directory}${name}-${size}-${colorScheme}.png` });
    await page.goto(url);
    await page.getByLabel('API key').waitFor();
    await shoot('login');
    await page.getByLabel('API key').fill(apiKey);
    await page.keyboard.press('Enter');
    await live(page);
    for (const [name, go] of Object.entries(screens)) {
      await page.goto('about:blank');
      await page.goto(url);
      await live(page);
      await go(page, url);
      await shoot(name);
    }
    await context.close();
  }
}
await browser.close();
await Promise.all(ends.map((end) => end()));
console.log(`The pictures are in ${directory}`);
