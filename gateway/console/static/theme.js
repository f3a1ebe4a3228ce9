// The theme: that of the system, light or dark. The page is not drawn before this module has run.

const slot = 'kv-theme';
const themes = ['system', 'light', 'dark'];

const current = () => themes.find((theme) => theme === localStorage.getItem(slot)) ?? 'system';

/** switchTheme makes a button select the next theme, which the browser remembers for all tabs. */
export function switchTheme(button) {
  const show = () => {
    document.documentElement.dataset.theme = current();
    button.setAttribute('aria-label', `Theme: ${current()}`);
    button.title = button.getAttribute('aria-label');
  };
  button.addEventListener('click', () => {
    const next = themes[(themes.indexOf(current()) + 1) % themes.length];
    if (next === 'system') localStorage.removeItem(slot);
    else localStorage.setItem(slot, next);
    show();
  });
  addEventListener('storage', show); // another tab has switched
  show();
}

document.documentElement.dataset.theme = current();
