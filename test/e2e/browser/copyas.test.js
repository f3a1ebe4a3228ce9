// The snippets of "Copy as" run in a real shell and with the real compiler.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { openConsole } from './support/browser.js';
import { apiKey, put, rest, root, serve, shared } from './support/server.js';

const url = await serve(shared);
const run = promisify(execFile);
const key = 'copy/it\'s $HOME "q" \\ \u{1f600} %2F/\u202e`x`';
const text = 'line 1\nit\'s $(echo no) "q" \\n \u{1f600}\u2028\u202e\t';
const path = `/v1/values/${encodeURIComponent(key)}`;

async function terminal(t) {
  const directory = await mkdtemp(join(tmpdir(), 'kv-copy-'));
  t.after(() => rm(directory, { recursive: true }));
  const env = { ...process.env, KV_API_KEY: apiKey, PATH: `${root}tools/node_modules/.bin:${process.env.PATH}` };
  return {
    directory,
    shell: async (command) => (await run('sh', ['-c', command], { cwd: directory, env })).stdout,
    async go(program) {
      await writeFile(join(directory, 'main.go'), program);
      return (await run('go', ['run', join(directory, 'main.go')], { cwd: root, env })).stdout;
    },
  };
}

/** snippets returns the snippet of an action for each tool, made by the page's own code. */
async function snippets(t, action) {
  const console = await openConsole(t, url);
  return console.evaluate(async (action) => {
    const [{ curl, bufCurl }, { go }] = await Promise.all([import('/console/snippet.js'), import('/console/snippetgo.js')]);
    return { curl: curl(action, location.origin), buf: bufCurl(action, location.origin), go: go(action, location.origin) };
  }, action);
}

test('storing works in curl, buf curl and Go', async (t) => {
  const { shell, go } = await terminal(t);
  const all = await snippets(t, { op: 'set', key, content: text, ttl: 3_600_000, etag: null });
  for (const [tool, snippet] of Object.entries(all)) {
    await (tool === 'go' ? go(snippet) : shell(snippet));
    const stored = await (await rest(url, 'GET', path)).json();
    assert.equal(stored.value, text, tool);
    assert.ok(Date.parse(stored.expireTime) > Date.now(), `${tool} sets the expiry`);
    assert.ok(!snippet.includes(apiKey) && !/[\u202e\u2028]/.test(snippet), `${tool} contains neither the API key nor invisible characters`);
    await rest(url, 'DELETE', path);
  }
});

test('storing without a choice of expiry keeps that of the entry', async (t) => {
  const { shell, go } = await terminal(t);
  await put(url, key, 'old', '?ttl=1h');
  const all = await snippets(t, { op: 'set', key, content: text });
  for (const [tool, snippet] of Object.entries(all)) {
    await (tool === 'go' ? go(snippet) : shell(snippet));
    const stored = await (await rest(url, 'GET', path)).json();
    assert.ok(stored.value === text && parseFloat(stored.ttl) > 3000, `${tool} leaves ${JSON.stringify(stored)}`);
    await put(url, key, 'old', '?ttl=1h');
  }
});

test('long values and bytes are read from a file', async (t) => {
  const { shell, go, directory } = await terminal(t);
  const value = join(directory, 'value');
  await writeFile(value, Uint8Array.from({ length: 5000 }, (_, i) => 255 - (i % 256)));
  const all = await snippets(t, { op: 'set', key, content: {}, ttl: null });
  for (const [tool, snippet] of Object.entries(all)) {
    await (tool === 'go' ? go(snippet.replace('"value"', JSON.stringify(value))) : shell(snippet));
    const stored = await (await rest(url, 'GET', path)).json();
    assert.equal(Buffer.from(stored.data, 'base64').length, 5000, tool);
    await rest(url, 'DELETE', path);
  }
});

test('reading, listing and deleting work', async (t) => {
  const { shell, go } = await terminal(t);
  const [get, list, remove] = await Promise.all([{ op: 'get', key }, { op: 'list', prefix: 'copy/' }, { op: 'delete', key }].map((a) => snippets(t, a)));
  for (const tool of ['curl', 'buf', 'go']) {
    const execute = tool === 'go' ? go : shell;
    await put(url, key, text);
    assert.match(await execute(get[tool]), /line 1/, tool);
    assert.match(await execute(list[tool]), /copy\/it's/, tool);
    await execute(remove[tool]);
    await assert.rejects(rest(url, 'GET', path), /404/, tool);
  }
});

test('expiry and watches work', async (t) => {
  const { shell, go, directory } = await terminal(t);
  await put(url, key, text);
  const touch = await snippets(t, { op: 'touch', key, ttl: 90_500 });
  for (const tool of ['curl', 'buf', 'go']) {
    await (tool === 'go' ? go : shell)(touch[tool]);
    const { expireTime } = await (await rest(url, 'GET', path)).json();
    assert.ok(Date.parse(expireTime) > Date.now(), tool);
    await rest(url, 'PATCH', path, '{"ttl":null}', { 'content-type': 'application/json' });
  }
  const watch = await snippets(t, { op: 'watch', prefix: 'copy/' });
  assert.match(await shell(`${watch.curl} -s --max-time 1 || true`), /event: sync/);
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
