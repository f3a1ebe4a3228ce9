// Keyboard navigation of the tree, following ARIA's tree pattern.

/** pressed handles a keydown event in the tree. */
export function pressed(event, tree) {
  const row = event.target.closest('[role=treeitem]');
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const moves = {
    ArrowDown: () => row.nextElementSibling,
    ArrowUp: () => row.previousElementSibling,
    Home: () => row.parentElement.firstElementChild,
    End: () => row.parentElement.lastElementChild,
    ArrowRight: () => right(row, tree),
    ArrowLeft: () => left(row, tree),
    Enter: () => { tree.activate(row); },
    ' ': () => { tree.activate(row); },
  };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  move()?.focus();
}

function right(row, tree) {
  const { folder } = tree.thingOf(row);
  if (folder?.open) return row.nextElementSibling;
  if (folder) tree.expand(tree.thingOf(row));
  return null;
}

function left(row, tree) {
  if (tree.thingOf(row).folder?.open) {
    tree.collapse(tree.thingOf(row));
    return null;
  }
  const level = Number(row.getAttribute('aria-level'));
  let parent = row.previousElementSibling;
  while (parent && Number(parent.getAttribute('aria-level')) >= level) parent = parent.previousElementSibling;
  return parent;
}
