// The console below a path that a proxy removes.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { openConsole } from './support/browser.js';
import { put, rest, serve, shared } from './support/server.js';

const url = await serve(shared);

/** listening waits until a port accepts connections. */
async function listening(port) {
  for (;;) {
    const connected = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
    });
    if (connected) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

/** nginx starts nginx in front of the store and returns the URL of the sub-path. */
async function nginx(t) {
  const directory = mkdtempSync(join(tmpdir(), 'kv-nginx-'));
  const port = await freePort();
  writeFileSync(join(directory, 'nginx.conf'), `daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  map $request_uri $kv_path { ~^/kv(?<path>/.*)$ $path; }
  server {
    listen 127.0.0.1:${port};
    proxy_http_version 1.1;
    location /kv/ { proxy_pass ${url}$kv_path; }
  }
}
`);
  const child = spawn('nginx', ['-e', 'stderr', '-p', directory, '-c', 'nginx.conf'], { stdio: ['ignore', 'inherit', 'inherit'] });
  const exited = new Promise((resolve) => { child.once('exit', resolve); });
  t.after(async () => {
    child.kill();
    await exited;
    rmSync(directory, { recursive: true });
  });
  await listening(port);
  return `http://127.0.0.1:${port}/kv`;
}

/** prefixed starts a proxy that removes the sub-path and says so, as Traefik does. It returns the URL of the sub-path. */
async function prefixed(t) {
  const server = createServer((request, response) => {
    const headers = { ...request.headers, 'x-forwarded-prefix': '/kv' };
    request.pipe(httpRequest(url + request.url.replace(/^\/kv\//, '/'), { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    }));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}/kv`;
}

const missing = spawnSync('nginx', ['-v']).error && process.env.KV_REQUIRE_PROXIES !== '1' && 'NOT TESTED: nginx is not installed (apt-get install nginx-light)';

for (const [name, start, options] of [['nginx', nginx, { skip: missing }], ['a proxy that sets X-Forwarded-Prefix', prefixed, {}]]) {
  test(`the console works below a path of ${name}`, options, async (t) => {
    await put(url, 'sub/a//b', 'old');
    const below = await start(t);
    const console = await openConsole(t, `${below}/`);
    await console.getByText(below.slice('http://'.length), { exact: true }).waitFor();
    await console.getByRole('treeitem').first().waitFor();
    await console.goto(`${below}/#/${encodeURIComponent('sub/a//b')}`);
    await console.locator('pre.value').getByText('old').waitFor();
    await console.getByRole('button', { name: 'Edit' }).click();
    await console.getByLabel('Value', { exact: true }).fill(name);
    await console.getByRole('button', { name: 'Save' }).click();
    await console.getByText('Saved.').waitFor();
    assert.equal((await (await rest(url, 'GET', '/v1/values/sub%2Fa%2F%2Fb')).json()).value, name);
    await put(url, 'sub/a//b', 'pushed');
    await console.locator('pre.value').getByText('pushed').waitFor();
    await console.getByRole('button', { name: 'Copy as\u2026' }).click();
    assert.match(await console.getByRole('textbox', { name: 'Command' }).inputValue(), new RegExp(`^curl ${below}/v1/values/sub/a//b `));
  });
}
