// Measures 64 gets at once beside 64 gets one after the other, in turns: npm run bench. It prints a table for the README.

import { cpus } from 'node:os';
import { KeyValueClient } from 'key-value-client';

import { apiKey, serve, shared } from '../../../test/e2e/browser/support/server.js';

const size = 64; // gets in a set, and bytes in a value
const rounds = Number(process.env.KV_ROUNDS ?? 200);

const url = await serve(shared);
const keys = Array.from({ length: size }, (_, i) => `bench/${i}`);

const ways = {
  'one by one': async (kv) => { for (const key of keys) await kv.get(key); },
  'at once': (kv) => Promise.all(keys.map((key) => kv.get(key))),
  'at once, with gather: false': (kv, single) => Promise.all(keys.map((key) => single.get(key))),
};

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

console.log(`Node.js ${process.version}, ${cpus().length} processors, ${cpus()[0].model}, ${new Date().toISOString().slice(0, 10)}, ${rounds} rounds\n`);
console.log('| 64 gets | Connect, median | gRPC-Web, median |\n|---|---|---|');
const cells = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
for (const protocol of ['connect', 'grpc-web']) {
  const kv = new KeyValueClient(url, { apiKey, protocol });
  const single = new KeyValueClient(url, { apiKey, protocol, gather: false });
  await Promise.all(keys.map((key) => kv.set(key, 'x'.repeat(size))));
  const took = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
  for (let round = -20; round < rounds; round++) { // the first ones warm up
    for (const [way, run] of Object.entries(ways)) {
      const start = performance.now();
      await run(kv, single);
      if (round >= 0) took[way].push(performance.now() - start);
      await new Promise((resolve) => { setTimeout(resolve, 5); }); // what the server does after its last response is not the next one's
    }
  }
  for (const way of Object.keys(ways)) cells[way].push(median(took[way]));
}
for (const [way, medians] of Object.entries(cells)) {
  const ratio = (ms, i) => (way === 'one by one' ? '' : ` (${(cells['one by one'][i] / ms).toFixed(1)} \u00d7)`);
  console.log(`| ${way} | ${medians.map((ms, i) => `${ms.toFixed(2)} ms${ratio(ms, i)}`).join(' | ')} |`);
}
for (const end of shared.ends) await end();
