// The drawn pages: acknowledging from a table, and saying how old the page is.

import {acknowledge} from './ack.js';
import {age, clock, glyph, h, setText} from './words.js';

const say = (text) => setText(document.getElementById('say'), text);

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-ack]');
  if (!button || button.disabled) return;
  button.disabled = true;
  try {
    const alarm = await acknowledge(button.dataset.ack);
    const cell = button.parentElement;
    cell.replaceChildren(h('span', {class: 'acked'}, glyph('ok'), `Acknowledged by ${alarm.acknowledged_by}`), h('br'), h('span', {class: 'quiet'}, clock(new Date(alarm.acknowledged_at))));
    cell.closest('[data-alarm]').dataset.state = alarm.state;
    say(`Acknowledged by ${alarm.acknowledged_by}.`);
  } catch (error) {
    button.disabled = false;
    say(error.message);
  }
});

// A drawn page does not change by itself; it must not pass for a live one.
const asof = document.getElementById('asof');
const drawn = Date.now();
const words = asof.textContent;
setInterval(() => {
  const old = Date.now() - drawn;
  if (old < 60_000) return;
  setText(asof, `${words} · ${age(old)} old · `);
  asof.append(h('a', {href: location.href}, 'Reload'));
}, 15_000);
