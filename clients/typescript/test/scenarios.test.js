// All scenarios in Node.js, through each protocol, against a real server.

import { test } from 'node:test';
import { KeyValueClient } from 'key-value-client';

import { apiKey, serve, shared } from '../../../test/e2e/browser/support/server.js';
import { scenarios } from './scenarios.js';

const url = await serve(shared);

for (const options of [{ protocol: 'connect' }, { protocol: 'grpc-web' }, { protocol: 'connect', gather: false }]) {
  const kv = new KeyValueClient(url, { apiKey, ...options });
  const label = Object.values(options).join(' ');
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(`${label}: ${name}`, () => scenario(kv, `${label}/${name}/`));
  }
}
