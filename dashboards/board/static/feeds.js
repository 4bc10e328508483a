// The feeds: each gateway, when it was last heard, and what waits in it. A quiet
// ward behind a dead gateway is not a quiet ward.

import {age, glyph, h, natural, plural, setText} from './words.js';

const offBy = 60; // seconds: from here a gateway's clock is worth a word

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
    for (const i of this.#items.values()) setText(i.age, i.at ? `${age(now - i.at)} ago` : 'never heard');
  }

  #add(name) {
    const mark = h('span', {class: 'mark'});
    const heard = h('span', {class: 'age'});
    const more = h('span', {class: 'quiet'});
    return {item: h('li', {'data-gateway': name}, mark, h('strong', {}, name), heard, more), mark, age: heard, more, at: 0};
  }

  #paint(i, g) {
    i.at = g.last_seen ? Date.parse(g.last_seen) : 0;
    i.item.dataset.up = g.up ? (g.feeds_up < g.feeds ? 'part' : 'true') : 'false';
    i.mark.replaceChildren(glyph(g.up ? 'round' : 'silent'), g.up ? 'up' : 'DOWN');
    const waiting = g.events_depth + g.telemetry_depth;
    const words = [g.feeds_up < g.feeds ? `only ${g.feeds_up} of ${plural(g.feeds, 'feed')} up` : plural(g.feeds, 'feed'), waiting ? `${waiting} waiting${g.oldest_seconds >= 1 ? `, oldest ${age(g.oldest_seconds * 1000)}` : ''}` : 'nothing waiting'];
    if (Math.abs(g.clock_offset_seconds) > offBy) words.push(`clock off by ${Math.round(g.clock_offset_seconds)} s`);
    setText(i.more, words.join(' · '));
  }
}
