// EventSource, which cannot send an API key: the page has a ticket from a server of its own.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { page } from './support/browser.js';
import { Proxy, put, rest, start } from './support/server.js';

/** pages serves an empty page, and tickets for news/ with this TTL at /ticket. It returns its origin. */
async function pages(t, tickets) {
  const server = createServer(async (request, response) => {
    if (request.url !== '/ticket') return response.setHeader('content-type', 'text/html').end('<!doctype html>');
    try {
      const created = await rest(tickets.url, 'POST', '/v1/tickets', JSON.stringify({ prefix: 'news/', ttl: tickets.ttl }), { 'content-type': 'application/json' });
      tickets.created++;
      return response.setHeader('content-type', 'application/json').end(await created.text());
    } catch {
      return response.writeHead(502).end();
    }
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => { server.close(resolve); });
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** follow opens a page that follows news/ with an EventSource, and keeps what it shows in window.seen. */
async function follow(t, origin, url) {
  const opened = await page(t);
  await opened.goto(origin);
  await opened.evaluate((url) => {
    const clear = () => { window.seen = []; };
    const show = (type, data) => { if (type !== 'sync') window.seen.push(`${type} ${data.key}`); else window.synced = true; };
    async function follow(after = '') {
      if (after === '') clear(); // a snapshot follows
      const { ticket } = await (await fetch('/ticket')).json(); // from your own server
      const events = new EventSource(`${url}/v1/values:watch?ticket=${ticket}&snapshot=true&lastEventId=${after}`);
      let last = ''; // stays empty if the watch could not be resumed, so that the next one starts over
      for (const type of ['put', 'touch', 'delete', 'expire', 'evict', 'sync']) {
        events.addEventListener(type, (event) => {
          last = event.lastEventId;
          show(type, JSON.parse(event.data));
        });
      }
      events.addEventListener('error', () => {
        if (events.readyState === EventSource.CLOSED) setTimeout(follow, 1000, last);
      });
    }
    follow();
  }, url);
  await opened.waitForFunction(() => window.synced);
  return { opened, seen: (what) => opened.waitForFunction((what) => window.seen.includes(what), what) };
}

test('an EventSource with a ticket resumes by itself after a restart', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'kv-browser-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const tickets = { ttl: '1h', created: 0 };
  const origin = await pages(t, tickets);
  const args = ['--cors-origins', origin, '--data-dir', dir];
  const before = await start(t, args);
  tickets.url = before.url;
  await put(before.url, 'news/0', 'x');
  const proxy = await Proxy.before(t, before.url);
  const { opened, seen } = await follow(t, origin, proxy.url);
  await put(before.url, 'news/1', 'x');
  await put(before.url, 'other', 'x');
  await seen('put news/1');
  proxy.down();
  await put(before.url, 'news/2', 'x');
  await before.stop();
  const again = await start(t, args);
  await rest(again.url, 'DELETE', '/v1/values/news/1');
  proxy.to(again.url);
  proxy.up();
  await seen('delete news/1');
  const seenAll = await opened.evaluate(() => window.seen);
  assert.deepEqual(seenAll, ['put news/0', 'put news/1', 'put news/2', 'delete news/1'], 'each once: no second snapshot');
  assert.equal(tickets.created, 1, 'one ticket does for all connections');
});

test('a page replaces a ticket that has expired and misses nothing', async (t) => {
  const tickets = { ttl: '5s', created: 0 };
  const origin = await pages(t, tickets);
  const { url } = await start(t, ['--cors-origins', origin]);
  tickets.url = url;
  const { opened, seen } = await follow(t, origin, url);
  for (let i = 0; tickets.created < 3; i++) {
    await put(url, `news/${i}`, 'x');
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  await put(url, 'news/last', 'x');
  await seen('put news/last');
  const seenKeys = (await opened.evaluate(() => window.seen)).filter((what) => what !== 'put news/last');
  assert.deepEqual(seenKeys, seenKeys.map((_, i) => `put news/${i}`), 'each once, and in order');
});

test('a page of another origin that is not allowed gets nothing', async (t) => {
  const tickets = { ttl: '1h', created: 0 };
  const origin = await pages(t, tickets);
  const { url } = await start(t, ['--cors-origins', 'https://page.example']);
  tickets.url = url;
  await put(url, 'news/1', 'x');
  const opened = await page(t);
  await opened.goto(origin);
  const state = await opened.evaluate(async (url) => {
    const { ticket } = await (await fetch('/ticket')).json();
    const events = new EventSource(`${url}/v1/values:watch?ticket=${ticket}&snapshot=true`);
    return new Promise((resolve) => {
      events.addEventListener('put', () => resolve('read'));
      events.addEventListener('error', () => resolve(events.readyState === EventSource.CLOSED ? 'closed' : 'retrying'));
    });
  }, url);
  assert.equal(state, 'closed');
});
