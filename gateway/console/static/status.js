// Shows whether the page is connected to the server, and its watch to the changes.

import { byId } from './dom.js';
import { countdown } from './duration.js';

/** showStatus shows the states of a session and of a watch. Until is when the next attempt to connect is, by performance.now(). */
export function showStatus({ state, detail }, watch, until) {
  const lost = state === 'offline' || state === 'trouble';
  const text = { locked: 'Locked', online: 'Connected', trouble: 'Store unavailable', offline: 'Not connected' }[state];
  byId('state').dataset.state = state;
  if (byId('state-text').textContent !== text) byId('state-text').textContent = text;
  byId('banner').hidden = !lost;
  byId('banner-text').textContent = { offline: 'Cannot reach the server.', trouble: detail }[state] ?? '';
  byId('banner-wait').textContent = lost ? `Retrying in ${countdown(until - performance.now())}.` : '';
  byId('feed-state').textContent = {
    off: 'off', connecting: 'connecting\u2026', live: 'live', refused: watch.detail,
    waiting: `interrupted, resuming in ${countdown(watch.until - performance.now())}`,
  }[watch.state];
  byId('feed-state').dataset.state = watch.state;
}
