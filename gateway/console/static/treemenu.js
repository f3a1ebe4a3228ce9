// The menu of a row of the tree.

import { button, el } from './dom.js';

/** showMenu shows choices, { label, act, kind }, next to a row. The focus returns to the row. */
export function showMenu(row, choices) {
  if (choices.length === 0) return;
  const menu = el('div', { class: 'menu', role: 'menu', popover: 'auto', 'aria-label': row.title },
    ...choices.map(({ label, act, kind }) => button(label, () => {
      menu.hidePopover();
      act();
    }, { role: 'menuitem', tabindex: -1, class: kind ?? null })));
  menu.addEventListener('keydown', (event) => move(event, menu));
  menu.addEventListener('toggle', ({ newState }) => {
    if (newState === 'open') return;
    menu.remove();
  });
  row.closest('section').append(menu);
  menu.showPopover();
  const { left, bottom, top } = row.getBoundingClientRect();
  const below = bottom + menu.offsetHeight < innerHeight;
  menu.style.top = `${below ? bottom : top - menu.offsetHeight}px`;
  menu.style.left = `${Math.min(left + 24, innerWidth - menu.offsetWidth - 8)}px`;
  menu.firstElementChild.focus();
}

function move(event, menu) {
  const items = [...menu.children];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === 'Tab') menu.hidePopover();
  if (to === undefined) return;
  event.preventDefault();
  items[to % items.length].focus();
}
