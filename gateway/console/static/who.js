// Shows whose API key is in use, and offers only what it may do.

import { byId } from './dom.js';
import { countdown } from './duration.js';
import { describe } from './rights.js';

const soon = 24 * 3_600_000; // ms

/** showWho shows the caller of a session in the header. */
export function showWho({ caller, rights }) {
  const who = byId('who');
  who.hidden = caller === null;
  byId('new').hidden = !rights.any('write');
  byId('hot').hidden = caller === null || !rights.all();
  if (!caller) return;
  const left = caller.expireTime ? Date.parse(caller.expireTime) - Date.now() : Infinity;
  const text = left < soon ? `${caller.id}, expires in ${countdown(left)}` : caller.id;
  if (who.textContent === text) return;
  who.textContent = text;
  who.title = describe(caller);
  who.classList.toggle('soon', left < soon);
}
