// The rows of the tree.

import { el, visible } from './dom.js';

/** childRow creates the row of a key or a folder. */
export function childRow(child, level) {
  const { folder } = child;
  return row(level, { class: folder ? 'row folder' : 'row', title: visible(child.key), 'aria-expanded': folder ? String(folder.open) : null },
    el('span', { class: 'twist', 'aria-hidden': 'true' }), el('span', { class: 'name' }, label(child)));
}

/** lastRow creates the row after the last child of a folder that has more children. */
export function lastRow(folder, level) {
  const text = folder.stale
    ? 'More keys were created. Reload'
    : `More\u2026 (${folder.scanned.toLocaleString()} keys scanned)`;
  return row(level, { class: 'row last' }, el('span', { class: 'name' }, text));
}

function row(level, props, ...children) {
  const element = el('div', { role: 'treeitem', tabindex: -1, 'aria-level': level, ...props }, ...children);
  element.style.setProperty('--level', level);
  return element;
}

function label(child) {
  const name = visible(child.name);
  return name === '' ? el('i', {}, '(empty name)') : name;
}

/** flash highlights an element that has changed. */
export function flash(element) {
  element.classList.remove('flash');
  void element.offsetWidth; // restarts the animation
  element.classList.add('flash');
}
