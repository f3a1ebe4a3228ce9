// The snippets of "Copy as" run in a real shell, with the real compiler and with the real interpreters.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { openConsole, page } from './support/browser.js';
import { apiKey, binary, put, rest, root, serve, shared } from './support/server.js';

const url = await serve(shared);
const run = promisify(execFile);
const key = 'copy/it\'s $HOME "q" \\ \u{1f600} %2F/\u202e`x`';
const text = 'line 1\nit\'s $(echo no) "q" \\n \u{1f600}\u2028\u202e\t';
const path = `/v1/values/${encodeURIComponent(key)}`;

/** terminal returns a directory, and a function that runs the snippet of a tool in it and returns its output. */
async function terminal(t) {
  const directory = await mkdtemp(join(tmpdir(), 'kv-copy-'));
  t.after(() => rm(directory, { recursive: true }));
  await mkdir(join(directory, 'node_modules'));
  await symlink(join(root, 'clients/typescript'), join(directory, 'node_modules/key-value-client'));
  const env = { ...process.env, KV_API_KEY: apiKey, PATH: `${dirname(binary)}:${root}tools/node_modules/.bin:${process.env.PATH}` };
  const command = (tool, snippet) => {
    const [program, name] = { go: ['go', 'main.go'], js: ['node', 'main.mjs'], python: ['python3', 'main.py'] }[tool] ?? ['sh', 'main.sh'];
    writeFileSync(join(directory, name), snippet);
    // The module of package client has to be around a program in Go.
    return program === 'go' ? [program, ['run', join(directory, name)], { cwd: root, env }] : [program, [name], { cwd: directory, env }];
  };
  return {
    directory,
    command,
    execute: async (tool, snippet) => (await run(...command(tool, snippet))).stdout,
  };
}

/** snippets returns, for each action, its snippet for each tool, made by the page's own code. */
async function snippets(t, ...actions) {
  const console = await page(t);
  await console.goto(url);
  return console.evaluate(async (actions) => {
    const { tools } = await import('/console/copyas.js');
    return actions.map((action) => Object.fromEntries(Object.entries(tools).map(([name, [, write]]) => [name, write(action, location.origin)])));
  }, actions);
}

test('storing works in every tool', async (t) => {
  const { execute } = await terminal(t);
  const [all] = await snippets(t, { op: 'set', key, content: text, ttl: 3_600_000, etag: null });
  assert.deepEqual(Object.keys(all), ['curl', 'kv', 'buf', 'go', 'js', 'python']);
  for (const [tool, snippet] of Object.entries(all)) {
    await execute(tool, snippet);
    const stored = await (await rest(url, 'GET', path)).json();
    assert.equal(stored.value, text, tool);
    assert.ok(Date.parse(stored.expireTime) > Date.now(), `${tool} sets the expiry`);
    assert.ok(!snippet.includes(apiKey) && !/[\u202e\u2028]/.test(snippet), `${tool} contains neither the API key nor invisible characters`);
    await rest(url, 'DELETE', path);
  }
});

test('awkward keys and values are quoted right', async (t) => {
  const { execute } = await terminal(t);
  const awkward = [['-n', '-'], ['--', '--help'], ['a b', 'ends with a line\n'], ['*', ''], ['\u{e0001}x', '\\0101 %s \\c \u{10ffff}'], ['!x', '\r\n\t']];
  const each = await snippets(t, ...awkward.map(([key, content]) => ({ op: 'set', key, content, ttl: null })));
  for (const [i, [key, content]] of awkward.entries()) {
    const all = each[i];
    for (const tool of ['curl', 'kv', 'js', 'python']) {
      await execute(tool, all[tool]);
      const stored = await (await rest(url, 'GET', `/v1/values/${encodeURIComponent(key)}`)).json();
      assert.equal(stored.value, content, `${tool} for ${JSON.stringify(key)}`);
      await rest(url, 'DELETE', `/v1/values/${encodeURIComponent(key)}`);
    }
  }
});

test('storing without a choice of expiry keeps that of the entry', async (t) => {
  const { execute } = await terminal(t);
  await put(url, key, 'old', '?ttl=1h');
  const [all] = await snippets(t, { op: 'set', key, content: text });
  for (const [tool, snippet] of Object.entries(all)) {
    await execute(tool, snippet);
    const stored = await (await rest(url, 'GET', path)).json();
    assert.ok(stored.value === text && parseFloat(stored.ttl) > 3000, `${tool} leaves ${JSON.stringify(stored)}`);
    await put(url, key, 'old', '?ttl=1h');
  }
});

test('long values and bytes are read from a file', async (t) => {
  const { execute, directory } = await terminal(t);
  const value = join(directory, 'value');
  await writeFile(value, Uint8Array.from({ length: 5000 }, (_, i) => 255 - (i % 256)));
  const [all] = await snippets(t, { op: 'set', key, content: {}, ttl: null });
  for (const [tool, snippet] of Object.entries(all)) {
    await execute(tool, tool === 'go' ? snippet.replace('"value"', JSON.stringify(value)) : snippet);
    const stored = await (await rest(url, 'GET', path)).json();
    assert.equal(Buffer.from(stored.data, 'base64').length, 5000, tool);
    await rest(url, 'DELETE', path);
  }
});

test('reading, listing, deleting and setting the expiry work', async (t) => {
  const { execute } = await terminal(t);
  const actions = [{ op: 'get', key }, { op: 'list', prefix: 'copy/' }, { op: 'touch', key, ttl: 90_500 }, { op: 'delete', key }];
  const [get, list, touch, remove] = await snippets(t, ...actions);
  for (const tool of Object.keys(get)) {
    await put(url, key, text);
    assert.match(await execute(tool, get[tool]), /line 1/, tool);
    assert.match(await execute(tool, list[tool]), /copy\/it's/, tool);
    await execute(tool, touch[tool]);
    const { expireTime } = await (await rest(url, 'GET', path)).json();
    assert.ok(Date.parse(expireTime) > Date.now(), tool);
    await execute(tool, remove[tool]);
    await assert.rejects(rest(url, 'GET', path), /404/, tool);
  }
});

test('watches work', async (t) => {
  const { command, directory } = await terminal(t);
  const [watch] = await snippets(t, { op: 'watch', prefix: 'copy/' });
  for (const tool of ['curl', 'kv', 'js', 'python']) {
    const [program, args, options] = command(tool, watch[tool]);
    const child = spawn(program, args, { ...options, detached: true });
    t.after(() => { if (child.exitCode === null) process.kill(-child.pid); }); // the shell, too, has a child
    let output = '';
    for (let i = 0; !output.includes('seen'); i++) {
      await put(url, 'copy/watched', `seen ${i}`); // until the watch is open
      output += await Promise.race([once(child.stdout, 'data'), new Promise((resolve) => { setTimeout(resolve, 100, ''); })]);
      assert.equal(child.exitCode, null, `${tool} ended: ${output}`);
    }
  }
  await writeFile(join(directory, 'watch.go'), watch.go);
  await run('go', ['vet', join(directory, 'watch.go')], { cwd: root });
});

test('the dialog copies to the clipboard', async (t) => {
  await put(url, 'plain', 'x');
  const console = await openConsole(t, url, { permissions: ['clipboard-read', 'clipboard-write'] });
  await console.goto(`${url}/#/plain`);
  await console.getByRole('button', { name: 'Copy as\u2026' }).click();
  const copied = async () => {
    await console.getByRole('button', { name: 'Copy', exact: true }).click();
    await console.getByText('Copied.').waitFor();
    return console.evaluate(() => navigator.clipboard.readText());
  };
  assert.equal(await copied(), `curl ${url}/v1/values/plain -H "x-api-key: $KV_API_KEY"`);
  await console.getByRole('dialog').getByRole('combobox').selectOption('Delete');
  await console.getByRole('button', { name: 'buf curl' }).click();
  assert.match(await copied(), /buf curl .*KeyValueService\/Delete$/s);
});
