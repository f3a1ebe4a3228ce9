// Keyboard navigation of the tree, following ARIA's tree pattern.

/** pressed handles a keydown event in the tree. */
export function pressed(event, view) {
  const row = event.target.closest('[role=treeitem]');
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
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
