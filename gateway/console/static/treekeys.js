// Keyboard navigation of the tree, following ARIA's tree pattern.

/** pressed handles a keydown event in the tree. */
export function pressed(event, view) {
  const row = event.target.closest('[role=treeitem]');
  if (!row || event.altKey) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.key === 'Escape') return select(event, row, view);
  const moves = {
    ArrowDown: () => row.nextElementSibling,
    ArrowUp: () => row.previousElementSibling,
    Home: () => row.parentElement.firstElementChild,
    End: () => row.parentElement.lastElementChild,
    ArrowRight: () => right(row, view),
    ArrowLeft: () => left(row, view),
    Enter: () => { view.activate(row); },
    ' ': () => { view.activate(row); },
  };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  move()?.focus();
}

function right(row, view) {
  if (row.ariaExpanded === 'true') return row.nextElementSibling;
  if (row.ariaExpanded === 'false') view.activate(row);
  return null;
}

function left(row, view) {
  if (row.ariaExpanded === 'true') {
    view.activate(row);
    return null;
  }
  const level = Number(row.getAttribute('aria-level'));
  let parent = row.previousElementSibling;
  while (parent && Number(parent.getAttribute('aria-level')) >= level) parent = parent.previousElementSibling;
  return parent;
}

// select selects several keys: with Shift and the arrows, Ctrl and Space, or Ctrl and A. Escape leaves the one that is shown.
function select(event, row, view) {
  const { selection } = view;
  const to = event.shiftKey ? { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key] : null;
  const actions = {
    ArrowDown: () => extend(view, row, to),
    ArrowUp: () => extend(view, row, to),
    ' ': () => { if (view.focused()?.level === null) selection.toggle(view.focused().key); },
    a: () => selection.add(view.keys()),
    Escape: () => selection.only(view.shown),
  };
  const arrow = event.key.startsWith('Arrow');
  if (!actions[event.key] || (arrow && !to) || (event.key !== 'Escape' && arrow !== event.shiftKey)) return;
  event.preventDefault();
  actions[event.key]();
}

function extend(view, from, to) {
  const { selection } = view;
  if (selection.keys.size === 0 && view.focused()?.level === null) selection.only(view.focused().key);
  to.focus();
  if (view.focused()?.level === null) selection.extend(view.focused().key, view.keys());
}
