// The feeds: each gateway, when it was last heard and what waits in it, and each
// of its ways in, when it last heard anything. A quiet ward behind a dead gateway
// is not a quiet ward.

import {age, glyph, h, natural, plural, setText} from './words.js';

const offBy = 60; // seconds: from here a gateway's clock is worth a word
const most = 8; // feeds of one gateway that are shown one by one

const ago = (at, now) => (at ? `${age(now - at)} ago` : 'never');

export class Feeds {
  #root;
  #items = new Map();

  constructor(root) { this.#root = root; }

  draw(fleet, now) {
    const names = [...fleet.gateways.keys()].sort(natural);
    if (names.join() !== [...this.#items.keys()].join()) {
      this.#items = new Map(names.map((name) => [name, this.#add(name)]));
      this.#root.replaceChildren(...[...this.#items.values()].map((i) => i.item));
    }
    if (names.length === 0) this.#root.replaceChildren(h('li', {class: 'quiet'}, 'no gateway has been heard yet'));
    for (const g of fleet.gateways.values()) this.#paint(this.#items.get(g.id), g);
    this.tick(now);
  }

  tick(now) {
    for (const i of this.#items.values()) {
      setText(i.age, i.at ? `${age(now - i.at)} ago` : 'never heard');
      for (const w of i.ways) setText(w.age, ago(w.at, now));
    }
  }

  #add(name) {
    const mark = h('span', {class: 'mark'});
    const heard = h('span', {class: 'age'});
    const more = h('span', {class: 'quiet'});
    const list = h('ul', {class: 'ways', 'aria-label': `feeds of ${name}`});
    return {item: h('li', {'data-gateway': name}, mark, h('strong', {}, name), heard, more, list), mark, age: heard, more, list, ways: [], at: 0};
  }

  #paint(i, g) {
    i.at = g.last_seen ? Date.parse(g.last_seen) : 0;
    const wrong = g.feeds.filter((f) => !f.up || f.quiet);
    i.item.dataset.up = g.up ? (wrong.length ? 'part' : 'true') : 'false';
    i.mark.replaceChildren(glyph(g.up ? 'round' : 'silent'), g.up ? 'up' : 'DOWN');
    const waiting = g.events_depth + g.telemetry_depth;
    const words = [waiting ? `${waiting} waiting${g.oldest_seconds >= 1 ? `, oldest ${age(g.oldest_seconds * 1000)}` : ''}` : 'nothing waiting'];
    if (wrong.length && g.up) words.unshift(`${wrong.length} of ${plural(g.feeds.length, 'feed')} not heard`);
    if (!g.up) words.splice(0, 1, 'what stands behind it is out of our sight');
    if (g.up && g.clock_known && Math.abs(g.clock_offset_seconds) > offBy) words.push(`clock ${age(Math.abs(g.clock_offset_seconds) * 1000)} ${g.clock_offset_seconds > 0 ? 'ahead' : 'behind'}`);
    setText(i.more, words.join(' · '));
    this.#paintWays(i, g, wrong);
  }

  // Feeds that are not heard come first: they are what somebody looks for.
  #paintWays(i, g, wrong) {
    const shown = [...wrong, ...g.feeds.filter((f) => !wrong.includes(f))].slice(0, most);
    i.ways = shown.map((f) => this.#way(g, f));
    const left = g.feeds.length - shown.length;
    i.list.replaceChildren(...i.ways.map((w) => w.item), ...(left > 0 ? [h('li', {class: 'quiet'}, `and ${left} more`)] : []));
  }

  #way(g, f) {
    const state = !g.up ? 'unknown' : !f.up ? 'down' : f.quiet ? 'quiet' : 'up';
    const words = {unknown: '', down: 'DOWN', quiet: 'SILENT', up: ''}[state];
    const shape = {unknown: 'off', down: 'blind', quiet: 'silent', up: 'round'}[state];
    const heard = h('span', {class: 'age'});
    const title = `${plural(f.devices, 'device')} last heard by it, ${plural(f.messages, 'message')} since the gateway's start`;
    return {item: h('li', {'data-feed': f.id, 'data-is': state, title}, glyph(shape), h('span', {}, f.id), words ? h('b', {}, words) : null, heard), age: heard, at: f.last_heard ? Date.parse(f.last_heard) : 0};
  }
}
