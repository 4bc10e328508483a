// The counts: how many devices need what. They sum to the part of the fleet that
// is looked at, and each is also a filter.

import {glyph, h, setText, standings} from './words.js';

export class Counts {
  #cards = new Map();
  #filters;

  constructor(root, filters) {
    this.#filters = filters;
    for (const {key, words} of standings) {
      const number = h('strong', {}, '–');
      const more = h('small', {});
      const button = h('button', {type: 'button', class: 'count', 'data-count': key, 'aria-pressed': 'false'},
        h('span', {class: 'word'}, glyph(key), words), number, more);
      button.addEventListener('click', () => filters.set('state', filters.values.state === key ? '' : key));
      this.#cards.set(key, {button, number, more});
      root.append(button);
    }
  }

  draw(fleet, classes) {
    const by = {};
    const in_ = {};
    const untaken = {};
    for (const d of fleet.devices.values()) {
      if (!this.#filters.within(d, classes)) continue;
      const standing = fleet.standing(d);
      by[standing] = (by[standing] ?? 0) + 1;
      if (standing === 'ok' || standing === 'silent') in_[d.state] = (in_[d.state] ?? 0) + 1;
      if (fleet.openOf(d.id).some((a) => a.state === 'active' && a.priority === standing)) untaken[standing] = (untaken[standing] ?? 0) + 1;
    }
    const list = (states) => states.filter((s) => in_[s]).map((s) => `${in_[s]} ${s.replaceAll('_', ' ')}`).join(' · ');
    for (const [key, card] of this.#cards) {
      const n = by[key] ?? 0;
      setText(card.number, String(n));
      card.button.toggleAttribute('data-zero', n === 0);
      card.button.setAttribute('aria-pressed', String(this.#filters.values.state === key));
      if (key === 'ok') setText(card.more, list(['in_use', 'idle', 'off']));
      else if (key === 'silent') setText(card.more, list(['unheard', 'blind']));
      else if (key !== 'out_of_service') setText(card.more, n === 0 ? '' : untaken[key] ? `${untaken[key]} not acknowledged` : 'all acknowledged');
    }
  }
}
