// The live board: joins the link, what is known, and the parts of the page.

import {Counts} from './counts.js';
import {drawChanges} from './changes.js';
import {Feeds} from './feeds.js';
import {Filters} from './filters.js';
import {Fleet} from './fleet.js';
import {listenKeys} from './keys.js';
import {Link} from './link.js';
import {List} from './list.js';
import {Needs} from './needs.js';
import {Tiles} from './tiles.js';
import {clock, plural, setText, standingWords} from './words.js';

const $ = (id) => document.getElementById(id);
const classes = JSON.parse($('main').dataset.classes);
const fleet = new Fleet();
const densities = [{density: 'large', most: 100}, {density: 'roomy', most: 200}, {density: 'close', most: 400}, {density: 'small', most: 900}, {density: 'dense', most: Infinity}];
const wall = matchMedia('(min-width: 1280px) and (min-height: 640px)');

const say = (text) => setText($('say'), text);

const filters = new Filters($('filters'), () => whole());
const counts = new Counts($('counts'), filters);
const tiles = new Tiles($('units'), classes);
const list = new List($('list'), classes);
const feeds = new Feeds($('feeds'));
const needs = new Needs($('needs'), classes, {say, acknowledged});
const link = new Link(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/v1/stream`, {frame, lost, live});

let known = false; // a snapshot has come

function frame(message) {
  if (message.type === 'snapshot') {
    fleet.replace(message);
    known = true;
    whole();
    tick();
  } else if (message.type === 'delta') {
    part(fleet.apply(message, link.now));
  }
}

// whole draws everything anew: after a snapshot and when the filters change.
function whole() {
  if (!known) return;
  filters.offer(fleet, classes);
  tiles.all(fleet, filters);
  feeds.draw(fleet, link.now);
  summary();
  changes();
  fit();
}

// part draws what a delta touched.
function part(touched) {
  if (touched.devices.size) {
    if (tiles.draw(fleet, touched.devices, filters)) {
      filters.offer(fleet, classes);
      fit();
    }
    summary();
  }
  if (touched.gateways) feeds.draw(fleet, link.now);
  if (touched.alarms || touched.pages || touched.moved) changes();
  if (touched.raised.length) announce(touched.raised);
}

function summary() {
  counts.draw(fleet, classes);
  list.all(fleet, filters, link.now);
  const open = needs.draw(fleet, filters, link.now);
  $('needs-none').hidden = open.all > 0;
  setText($('needs-none'), filters.any ? 'Nothing here needs anyone now.' : 'Nothing needs anyone now.');
  setText($('needs-count'), open.all ? `${plural(open.all, 'open alarm')}, ${open.untaken} not acknowledged` : '');
  $('needs-more').hidden = open.all <= open.shown;
  setText($('needs-more').firstElementChild, `and ${open.all - open.shown} more`);
  document.title = `${open.untaken ? `(${open.untaken}) ` : ''}Board · medfleet`;
  narrowed();
}

// narrowed says how much a filter leaves out, so that a part is never taken for
// the whole.
function narrowed() {
  const box = $('filtered');
  box.hidden = !filters.any;
  if (!filters.any) return;
  let shown = 0;
  for (const d of fleet.devices.values()) {
    if (filters.within(d, classes) && filters.inState(d, fleet.standing(d))) shown++;
  }
  const words = `Filtered: ${shown} of ${plural(fleet.devices.size, 'device')} shown. `;
  if (box.firstChild?.nodeValue === words) return;
  const all = document.createElement('button');
  all.type = 'button';
  all.textContent = 'Show all';
  all.addEventListener('click', () => filters.clear());
  box.replaceChildren(words, all);
}

function changes() {
  drawChanges($('changes'), fleet, link.now, (id) => {
    const device = fleet.devices.get(id);
    return !filters.any || (device && filters.within(device, classes));
  });
}

function announce(raised) {
  const first = raised[0];
  say(raised.length === 1
    ? `${standingWords(first.priority)}: ${first.summary}`
    : `${raised.length} new alarms, first ${standingWords(first.priority)}: ${first.summary}`);
}

// acknowledged takes the server's answer without waiting for the stream, unless
// the stream was faster.
function acknowledged(alarm) {
  const have = alarm?.id && fleet.alarms.get(alarm.id);
  if (!have || Date.parse(alarm.changed_at) < Date.parse(have.changed_at)) return;
  part(fleet.apply({alarms: [alarm]}, link.now));
  say(`Acknowledged by ${alarm.acknowledged_by}.`);
}

// fit takes the roomiest tiles that show the whole fleet without scrolling on a
// wall; on smaller screens the number of devices decides.
function fit() {
  const units = $('units');
  if (!wall.matches) {
    const n = fleet.devices.size;
    units.dataset.density = n <= 150 ? 'roomy' : n <= 500 ? 'close' : 'dense';
    return;
  }
  const shown = units.querySelectorAll('li:not([hidden])').length;
  for (const {density, most} of densities) {
    if (shown > most) continue; // it cannot fit: spare the browser the try
    units.dataset.density = density;
    if (units.scrollHeight <= units.clientHeight + 1) return;
  }
}

function lost(since) {
  document.documentElement.dataset.notLive = '';
  $('not-live').hidden = false;
  setText($('not-live-since'), `NOT LIVE since ${clock(new Date(since))}`);
  tick();
}

function live() {
  if ($('not-live').hidden) return;
  delete document.documentElement.dataset.notLive;
  $('not-live').hidden = true;
  setText($('not-live-since'), '');
  say('Live again.');
  tick();
}

// tick renews what moves by itself: ages, the clock, how fresh the picture is.
function tick() {
  const pill = $('live');
  const state = link.isLost ? 'lost' : known ? (link.quiet > 3000 ? 'late' : 'live') : 'waiting';
  pill.dataset.live = state;
  setText(pill, {lost: 'not live', waiting: 'connecting…'}[state] ?? `live ${(link.quiet / 1000).toFixed(1)} s`);
  if (link.isLost) {
    const wait = Math.ceil(link.retryIn / 1000);
    setText($('not-live-retry'), `${link.reason ? `The server said: ${link.reason}. ` : ''}${known ? 'What you see is as it was then.' : 'Nothing has come from the server yet.'} ${wait ? `Trying again in ${wait} s.` : 'Trying again…'}`);
  }
  setText($('clock'), clock(new Date()));
}

let seconds = 0;
setInterval(() => {
  tick();
  if (seconds++ % 4 || !known) return;
  needs.tick(link.now);
  feeds.tick(link.now);
  tiles.tick(fleet, link.now);
  list.tick(link.now);
}, 250);

function setView(name) {
  const asList = name === 'list';
  $('view').setAttribute('aria-pressed', String(asList));
  $('units').hidden = asList;
  list.show(asList);
  const address = new URLSearchParams(location.search);
  if (asList) address.set('view', 'list');
  else address.delete('view');
  history.replaceState(null, '', address.size ? `?${address}` : location.pathname);
  whole();
}

const toggleView = () => setView($('view').getAttribute('aria-pressed') === 'true' ? 'tiles' : 'list');

// search goes to the text filter. The key that led there is no part of the
// text, even where it arrives apart from its press.
function search() {
  const field = $('filters').elements.q;
  field.addEventListener('beforeinput', (event) => event.data === '/' && event.preventDefault(), {once: true});
  field.focus();
  field.select();
}

$('view').addEventListener('click', toggleView);
$('help-open').addEventListener('click', () => $('help').showModal());
listenKeys({
  '/': search,
  j: () => needs.step(1),
  k: () => needs.step(-1),
  a: () => needs.take(),
  v: toggleView,
  Enter: () => needs.open(),
  '?': () => $('help').showModal(),
}, $('keys-on'));
addEventListener('resize', fit);
setView(new URLSearchParams(location.search).get('view'));
link.start();
