// Dialogs that ask the user. All of them can be used with the keyboard alone.

import { button, el } from './dom.js';

/**
 * ask shows a dialog and returns the name of the selected choice, or "" if the dialog was dismissed. Choices are
 * { name, label, kind }. The first one is focused, so it should be harmless.
 */
export function ask(title, content, choices, { wide = false } = {}) {
  return new Promise((resolve) => {
    const dialog = el('dialog', { class: wide ? 'wide' : null, 'aria-labelledby': 'ask-title' },
      el('h2', { id: 'ask-title' }, title), ...content,
      el('div', { class: 'actions' }, ...choices.map(({ name, label, kind }) =>
        button(label, () => dialog.close(name), { class: kind ?? null }))));
    document.body.append(dialog);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
    dialog.querySelector('.actions button').focus();
  });
}

/** form shows a dialog with fields. If submit fails, the dialog shows the error and stays open. It returns whether submit succeeded. */
export function form(title, content, label, submit) {
  return new Promise((resolve) => {
    const failure = el('p', { class: 'failure', role: 'alert', hidden: true });
    const done = el('button', { class: 'primary' }, label);
    const fields = el('form', { onsubmit: async (event) => {
      event.preventDefault();
      done.disabled = true;
      const error = await submit().catch((e) => e);
      done.disabled = false;
      if (!(error instanceof Error)) return dialog.close('done');
      failure.textContent = error.message;
      failure.hidden = false;
    } }, el('h2', { id: 'form-title' }, title), ...content, failure,
    el('div', { class: 'actions' }, button('Cancel', () => dialog.close()), done));
    const dialog = el('dialog', { 'aria-labelledby': 'form-title' }, fields);
    document.body.append(dialog);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'done');
    });
    dialog.showModal();
  });
}
