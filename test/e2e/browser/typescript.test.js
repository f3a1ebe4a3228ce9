// The scenarios of clients/typescript in a page and in a worker of another origin than the store's.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { page } from './support/browser.js';
import { apiKey, host, root, serve, shared } from './support/server.js';

const directory = mkdtempSync(join(tmpdir(), 'kv-typescript-'));
shared.after(() => rmSync(directory, { recursive: true }));
const client = join(root, 'clients/typescript');
const bundle = ['--bundle', '--format=esm', '--log-level=warning', `--outfile=${directory}/scenarios.js`, 'test/scenarios.js'];
execFileSync('node_modules/.bin/esbuild', bundle, { cwd: client, stdio: 'inherit' });
writeFileSync(join(directory, 'index.html'), '<!doctype html><link rel="icon" href="data:,">');
writeFileSync(join(directory, 'worker.js'), `import { run } from './scenarios.js';
onmessage = ({ data }) => run(...data).then((passed) => postMessage({ passed }), (error) => postMessage({ error: String(error) }));
postMessage('started');`);

const origin = await host(shared, directory);
const { scenarios } = await import(join(client, 'test/scenarios.js'));

/** places are functions of a page that run all scenarios. */
const places = {
  'a page': async (given) => (await import('/scenarios.js')).run(...given),
  'a worker': (given) => new Promise((resolve, reject) => {
    const worker = new Worker('/worker.js', { type: 'module' });
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      if (data === 'started') worker.postMessage(given);
      else if (data.error) reject(new Error(data.error));
      else resolve(data.passed);
    };
  }),
};

for (const [place, run] of Object.entries(places)) {
  for (const protocol of ['connect', 'grpc-web']) {
    test(`the scenarios pass in ${place} over ${protocol}`, async (t) => {
      const url = await serve(t, '--cors-origins', origin);
      const opened = await page(t);
      await opened.goto(origin);
      assert.deepEqual(await opened.evaluate(run, [url, apiKey, protocol]), Object.keys(scenarios));
    });
  }
}
