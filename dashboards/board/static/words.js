// The words, figures and small pieces of page that all parts of the board share.

// Standings are what a device needs of people, most urgent first. Each device
// has exactly one, so that the counts sum to the fleet.
export const standings = [
  {key: 'now', words: 'GO NOW'},
  {key: 'today', words: 'TODAY'},
  {key: 'round', words: 'NEXT ROUND'},
  {key: 'silent', words: 'SILENT'},
  {key: 'out_of_service', words: 'OUT OF SERVICE'},
  {key: 'ok', words: 'OK'},
];

export const states = ['in_use', 'idle', 'off', 'out_of_service', 'unheard', 'blind'];

const priorities = {now: 1, today: 2, round: 3};

// rank orders priorities; one that is unknown comes last.
export const rank = (priority) => priorities[priority] ?? 4;

export const standingWords = (key) => standings.find((s) => s.key === key)?.words ?? key.toUpperCase();

export const stateWords = (state) => state.replaceAll('_', ' ');

export const isOpen = (alarm) => alarm.state === 'active' || alarm.state === 'acknowledged';

// natural orders ids as people read them: PUMP-9 before PUMP-10.
export const natural = new Intl.Collator('en', {numeric: true}).compare;

const timeOfDay = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false});
const day = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short'});

export const clock = (time) => timeOfDay.format(time);

// shortDay says the time of day, or the day if it was not this one.
export function shortDay(time, now) {
  const at = new Date(time);
  return at.toDateString() === new Date(now).toDateString() ? clock(at) : day.format(at);
}

// hour says a time of day without its seconds.
export const hour = (time) => clock(new Date(time)).slice(0, 5);

// without leaves a device's id out of the front of a text that stands beside it.
export const without = (id, text) => (text.startsWith(`${id} `) ? text.slice(id.length + 1) : text);

// age says a duration in milliseconds in its coarsest two units.
export function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const hours = Math.floor(m / 60);
  if (hours < 24) return `${hours} h ${m % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const plural = (n, one, many = one + 's') => `${n} ${n === 1 ? one : many}`;

// h makes an element. Text goes in as text nodes, never as markup: what a device
// calls itself cannot become part of the page.
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((c) => c != null));
  return element;
}

const svg = 'http://www.w3.org/2000/svg';

// glyph draws a shape of the page's set; words always stand beside it.
export function glyph(name) {
  const picture = document.createElementNS(svg, 'svg');
  picture.setAttribute('class', 'glyph');
  picture.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(svg, 'use');
  use.setAttribute('href', `#g-${name}`);
  picture.append(use);
  return picture;
}

// setText touches the page only when the text is another.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// deviceLink leads to a device's page; what is a gateway's or a feed's own is told at
// the bottom of the board.
export const deviceLink = (id) => (/^(gateway|feed):/.test(id) ? '/#feeds' : `/devices/${encodeURIComponent(id)}`);
