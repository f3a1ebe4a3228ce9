// The rows of the tree.

import { el, visible } from './dom.js';

/** childRow makes the row of a key or of a folder. */
export function childRow(child, level) {
  const { folder } = child;
  return row(level, { class: folder ? 'row folder' : 'row', title: child.key, 'aria-expanded': folder ? String(folder.open) : null },
    el('span', { class: 'twist', 'aria-hidden': 'true' }), el('span', { class: 'name' }, label(child)));
}

/** lastRow makes the row behind what is shown of a folder: there is more. */
export function lastRow(folder, level) {
  const text = folder.stale
    ? 'More was added here. Read it again'
    : `More\u2026 (${folder.scanned.toLocaleString()} keys looked at)`;
  return row(level, { class: 'row last' }, el('span', { class: 'name' }, text));
}

function row(level, props, ...children) {
  const element = el('div', { role: 'treeitem', tabindex: -1, 'aria-level': level, ...props }, ...children);
  element.style.setProperty('--level', level);
  return element;
}

function label(child) {
  const name = visible(child.name);
  return name === '' ? el('i', {}, '(no more name)') : name;
}

/** flash shows that something has changed. */
export function flash(element) {
  element.classList.remove('flash');
  void element.offsetWidth; // begins the animation anew
  element.classList.add('flash');
}
