// The field for the TTL of an entry.

import { el } from './dom.js';
import { parseDuration } from './duration.js';

const choices = [['1m', '1 minute'], ['5m', '5 minutes'], ['1h', '1 hour'], ['24h', '1 day'], ['168h', '7 days']];

/**
 * ttlField returns an element and functions. Read returns the TTL in ms, null for none, or undefined to keep the current
 * one. It throws if the text is not a duration. Relabel sets the label of the choice to keep it, which exists if keep is set.
 * State returns a string that changes when the user changes the field.
 */
export function ttlField({ keep = '', label = 'Expires' } = {}) {
  const options = [...(keep ? [['keep', keep]] : []), ['never', 'never'], ...choices.map(([v, t]) => [v, `in ${t}`]), ['custom', 'in\u2026']];
  const select = el('select', { name: 'ttl' }, ...options.map(([value, text]) => el('option', { value }, text)));
  const custom = el('input', {
    name: 'ttl-custom', size: 10, placeholder: '90s, 1h30m, 7d', 'aria-label': 'Expires in', hidden: true,
    autocomplete: 'off', spellcheck: 'false', class: 'mono',
  });
  select.addEventListener('change', () => {
    custom.hidden = select.value !== 'custom';
    if (!custom.hidden) custom.focus();
  });
  return {
    element: el('label', { class: 'field inline' }, el('span', {}, label), select, custom),
    read: () => read(select, custom),
    state: () => `${select.value} ${custom.value}`,
    relabel: (text) => { if (keep) select.options[0].textContent = text; },
  };
}

function read(select, custom) {
  if (select.value === 'keep') return undefined;
  if (select.value === 'never') return null;
  const ms = parseDuration(select.value === 'custom' ? custom.value : select.value);
  if (ms === null) throw new Error(`Invalid duration \u201c${custom.value}\u201d: use one such as 90s, 5m, 1h30m or 7d.`);
  return ms;
}
