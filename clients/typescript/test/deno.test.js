// All scenarios in Deno.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { apiKey, serve } from '../../../test/e2e/browser/support/server.js';
import { scenarios } from './scenarios.js';

const deno = fileURLToPath(new URL('../node_modules/.bin/deno', import.meta.url));
const program = fileURLToPath(new URL('deno.js', import.meta.url));

test('the scenarios pass in Deno', async (t) => {
  const url = await serve(t);
  for (const protocol of ['connect', 'grpc-web']) {
    const args = ['run', '--no-prompt', `--allow-net=${new URL(url).host}`, program, url, apiKey, protocol];
    assert.equal(execFileSync(deno, args, { encoding: 'utf8' }).trim(), String(Object.keys(scenarios).length));
  }
});
