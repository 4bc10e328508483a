// The keyboard: single keys, which can be turned off, since speech input and
// wedge scanners type letters too.

const store = 'medfleet.keys';

// listenKeys calls actions by key. It stays out of the way of typing, of dialogs
// and of the browser's own shortcuts.
export function listenKeys(actions, toggle) {
  toggle.checked = remembered() !== 'off';
  toggle.addEventListener('change', () => remember(toggle.checked ? 'on' : 'off'));
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const at = event.target;
    if (event.key === 'Escape' && at.matches?.('input[type="search"]')) return at.blur();
    if (at.matches?.('input, select, textarea') || document.querySelector('dialog[open]')) return;
    if (event.key === 'Enter' && !at.matches?.('[data-alarm]')) return; // buttons and links have their own
    if (!toggle.checked && event.key !== 'Enter') return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

// A browser may refuse to remember; the keys then are on.
function remembered() {
  try {
    return localStorage.getItem(store);
  } catch {
    return null;
  }
}

function remember(value) {
  try {
    localStorage.setItem(store, value);
  } catch {
    // nothing to do: it holds until the page is left
  }
}
