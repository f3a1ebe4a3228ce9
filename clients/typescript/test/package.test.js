// The package as it is published.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const directory = fileURLToPath(new URL('..', import.meta.url));
const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');

test('npm publishes what a program needs and nothing else', () => {
  const said = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: directory, encoding: 'utf8' });
  const [{ files }] = JSON.parse(said);
  const modules = ['cache', 'client', 'entry', 'error', 'gather', 'index', 'list', 'operation', 'retry', 'transport', 'watch',
    ...['caller', 'entry', 'list', 'operation', 'range', 'service', 'stats', 'ticket', 'watch'].map((name) => `gen/keyvalue/v1/${name}_pb`)];
  const want = ['LICENSE', 'README.md', 'package.json', ...modules.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`])];
  assert.deepEqual(files.map(({ path }) => path).sort(), want.sort());
});

test('a program carries less than 15 KB of it, compressed, without the runtime of the protocol', async (t) => {
  const options = { entryPoints: [`${directory}dist/index.js`], bundle: true, minify: true, format: 'esm', write: false };
  const size = async (more) => gzipSync((await build({ ...options, ...more })).outputFiles[0].contents, { level: 9 }).length;
  const own = await size({ packages: 'external' });
  t.diagnostic(`${own} bytes; with @bufbuild/protobuf and @connectrpc/connect ${await size({})}`);
  assert.ok(own < 15_000, `it is ${own} bytes`);
});

test('the version is exact in the lock file, and the license that of the project', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const { packages } = JSON.parse(read('package-lock.json'));
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) {
    assert.equal(`^${packages[`node_modules/${name}`].version}`, range.replace(/^\^?/, '^'), name);
  }
  assert.equal(read('LICENSE'), read('../../LICENSE'));
});
