// axe-core, which checks for what keeps people from using a page, on every screen.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { openConsole, page } from './support/browser.js';
import { fillForScreens, leaveFreely, screens } from './support/screens.js';
import { serve, shared } from './support/server.js';

const url = await serve(shared);
await fillForScreens(url);
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// check returns what axe finds: [rule: element].
async function check(console) {
  await console.evaluate(axe); // a script element would be against the policy
  return console.evaluate(async () => {
    await Promise.all(document.getAnimations().map((animation) => animation.finished));
    const { violations } = await window.axe.run();
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 150)}`));
  });
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing on any screen, ${colorScheme}`, async (t) => {
    const locked = await page(t, { colorScheme });
    await locked.goto(url);
    await locked.getByLabel('API key').waitFor();
    const found = { login: await check(locked) };
    const console = await openConsole(t, url, { colorScheme }, leaveFreely);
    for (const [name, go] of Object.entries(screens)) {
      await console.goto('about:blank');
      await console.goto(url);
      await console.getByRole('treeitem').first().waitFor();
      await go(console, url);
      found[name] = await check(console);
    }
    assert.deepEqual(Object.fromEntries(Object.entries(found).filter(([, list]) => list.length)), {});
  });
}
