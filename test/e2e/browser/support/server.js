// Real servers for the tests.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const apiKey = 'my-secret-key';
export const root = fileURLToPath(new URL('../../../..', import.meta.url));

/** binary is kv. Go rebuilds it only if it has changed. */
export const binary = join(root, 'test/e2e/browser/node_modules/.cache/kv');
execFileSync('go', ['build', '-o', binary, './cmd/kv'], { cwd: root, stdio: 'inherit' });

/** shared is a test context for resources that all tests of a file share. */
export const shared = { ends: [], after(end) { this.ends.push(end); } };
after(() => Promise.all(shared.ends.map((end) => end())));

/** serve starts kv serve on a free port and stops it when the test is over. It returns its URL. */
export async function serve(t, ...args) { return (await start(t, args)).url; }

/**
 * serveStepped is serve for a test that steps the server's wall clock. It returns the URL, and a function that sets what is
 * added to the clock, such as 1h. It needs Linux.
 */
export async function serveStepped(t) {
  const clockstep = join(root, 'test/e2e/browser/node_modules/.cache/clockstep');
  execFileSync('go', ['build', '-o', clockstep, './clockstep'], { cwd: join(root, 'test'), stdio: 'inherit' });
  const dir = mkdtempSync(join(tmpdir(), 'kv-clock-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'step');
  const step = (by) => {
    writeFileSync(`${file}.new`, by);
    renameSync(`${file}.new`, file);
  };
  step('0s');
  const { url } = await start(t, [], apiKey, [clockstep, file]);
  return { url, step };
}

/** start is serve for a test that needs another API key, stops the server itself, or runs it with the help of another program. */
export async function start(t, args, key = apiKey, launcher = []) {
  const [program, ...rest] = [...launcher, binary, 'serve', '--listen', '127.0.0.1:0', '--drain', '0s', ...args];
  const child = spawn(program, rest, {
    env: { ...process.env, KV_API_KEY: key }, stdio: ['ignore', 'inherit', 'pipe'],
  });
  const exited = new Promise((resolve) => { child.once('exit', resolve); });
  const stop = () => {
    child.kill();
    return exited;
  };
  t.after(stop);
  return { url: `http://${await address(child)}`, stop };
}

// address returns the address in the log line of a server that listens.
function address(child) {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (piece) => {
      log += piece;
      const [, found] = /msg=listening addr=(\S+)/.exec(log) ?? [];
      if (found) resolve(found);
    });
    child.once('exit', () => reject(new Error(`kv serve exited: ${log}`)));
  });
}

/** Proxy forwards connections to a server, so that a test can break them. */
export class Proxy {
  #pairs = new Set();
  #open = true;
  #target;

  static async before(t, url) {
    const proxy = new Proxy();
    proxy.to(url);
    const listener = net.createServer((inner) => proxy.#connect(inner));
    await new Promise((resolve) => { listener.listen(0, '127.0.0.1', resolve); });
    t.after(() => {
      proxy.down();
      return new Promise((resolve) => { listener.close(resolve); });
    });
    proxy.url = `http://127.0.0.1:${listener.address().port}`;
    return proxy;
  }

  /** to sends new connections to another server. */
  to(url) { this.#target = new URL(url); }

  /** cut closes all connections. New ones are accepted. */
  cut() {
    for (const sockets of this.#pairs) for (const socket of sockets) socket.destroy();
  }

  /** down closes all connections and rejects new ones until up is called. */
  down() {
    this.#open = false;
    this.cut();
  }

  up() { this.#open = true; }

  #connect(inner) {
    const outer = net.connect(this.#target.port, this.#target.hostname);
    const pair = [inner, outer];
    const end = () => {
      this.#pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    if (!this.#open) return end();
    this.#pairs.add(pair);
    inner.pipe(outer);
    outer.pipe(inner);
  }
}

/** host serves the files of a directory, for a page of another origin than the store's, and returns their origin. */
export async function host(t, directory) {
  const types = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer(async (request, response) => {
    const path = normalize(request.url === '/' ? '/index.html' : request.url);
    const body = await readFile(join(directory, path)).catch(() => null);
    response.writeHead(body ? 200 : 404, { 'content-type': types[/\.\w+$/.exec(path)?.[0]] ?? 'text/plain' });
    response.end(body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** rest calls a REST route with the API key. It throws unless the call succeeds. */
export async function rest(url, method, path, body, headers = {}) {
  const response = await fetch(url + path, { method, body, headers: { 'x-api-key': apiKey, ...headers } });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response;
}

/** put stores text or bytes. */
export function put(url, key, content, parameters = '') {
  return rest(url, 'PUT', `/v1/values/${encodeURIComponent(key)}${parameters}`, content, { 'content-type': 'application/octet-stream' });
}

/** fill stores many keys with batches. */
export async function fill(url, keys, value = 'x') {
  for (let at = 0; at < keys.length; at += 1000) {
    const operations = keys.slice(at, at + 1000).map((key) => ({ set: { key, value } }));
    await rest(url, 'POST', '/v1/values:batch', JSON.stringify({ operations }), { 'content-type': 'application/json' });
  }
}
