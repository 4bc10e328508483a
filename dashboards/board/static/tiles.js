// The tiles: one per device in a block per unit. A tile keeps its place; only
// what changed is touched.

import {age, deviceLink, glyph, h, natural, plural, setText, standingWords, stateWords} from './words.js';

const arrows = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1};

export class Tiles {
  #root;
  #classes;
  #tiles = new Map(); // device id → {link, item, parts, block, look}
  #blocks = new Map(); // site and unit → {section, list, count, ids}

  constructor(root, classes) {
    this.#root = root;
    this.#classes = classes;
    root.addEventListener('keydown', (event) => this.#walk(event));
    root.addEventListener('focusin', (event) => this.#rove(event.target));
  }

  // draw brings the tiles of these devices up to date and tells whether any
  // came, went or was hidden, so that the room they take is another.
  draw(fleet, ids, filters) {
    let structure = false;
    for (const id of ids) {
      const device = fleet.devices.get(id);
      if (device) structure = this.#one(fleet, device, filters) || structure;
    }
    if (structure) this.#count();
    return structure;
  }

  // all draws every device and drops the tiles of those that are gone.
  all(fleet, filters) {
    for (const id of this.#tiles.keys()) if (!fleet.devices.has(id)) this.#remove(id);
    this.draw(fleet, fleet.devices.keys(), filters);
    this.#count();
  }

  // tick renews what ages on the tiles: how long a device has been silent.
  tick(fleet, now) {
    for (const [id, tile] of this.#tiles) {
      if (tile.standing !== 'silent') continue;
      setText(tile.says, `${stateWords(tile.state)} ${age(now - Date.parse(fleet.devices.get(id).since))}`);
    }
  }

  #one(fleet, device, filters) {
    const standing = fleet.standing(device);
    const place = `${device.site}\n${device.unit ?? ''}`;
    let tile = this.#tiles.get(device.id);
    let structure = false;
    if (tile && tile.place !== place) {
      this.#remove(device.id);
      tile = null;
    }
    if (!tile) {
      tile = this.#add(device, place);
      structure = true;
    }
    const hidden = !(filters.within(device, this.#classes) && filters.inState(device, standing));
    if (tile.item.hidden !== hidden) {
      tile.item.hidden = hidden;
      structure = true;
    }
    const alarms = fleet.openOf(device.id);
    const look = `${standing} ${device.state} ${device.native_state} ${device.class} ${device.model} ${alarms.map((a) => a.id + a.state).join()}`;
    if (look !== tile.look) this.#paint(tile, device, {standing, alarms, look});
    return structure;
  }

  #add(device, place) {
    const mark = h('span', {class: 'mark'});
    const says = h('span', {class: 'says'});
    const link = h('a', {class: 'tile', href: deviceLink(device.id), 'data-device': device.id, tabindex: '-1'},
      mark, h('span', {class: 'id'}, device.id), says);
    const item = h('li', {}, link);
    const tile = {item, link, mark, says, place, look: ''};
    this.#tiles.set(device.id, tile);
    const block = this.#block(device, place);
    // Kept in order: class, then id.
    const key = `${device.class}\n${device.id}`;
    let low = 0, high = block.keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (natural(block.keys[middle], key) < 0) low = middle + 1;
      else high = middle;
    }
    block.keys.splice(low, 0, key);
    block.list.insertBefore(item, block.list.children[low] ?? null);
    tile.key = key;
    if (block.keys.length === 1) link.tabIndex = 0;
    return tile;
  }

  #remove(id) {
    const tile = this.#tiles.get(id);
    const block = this.#blocks.get(tile.place);
    block.keys.splice(block.keys.indexOf(tile.key), 1);
    tile.item.remove();
    this.#tiles.delete(id);
    if (block.keys.length === 0) {
      block.section.remove();
      this.#blocks.delete(tile.place);
    } else if (!block.list.querySelector('a[tabindex="0"]')) {
      block.list.querySelector('a').tabIndex = 0;
    }
  }

  #block(device, place) {
    let block = this.#blocks.get(place);
    if (block) return block;
    const name = device.unit || 'No unit told';
    const count = h('span', {class: 'quiet'});
    const list = h('ul', {'aria-label': `Devices in ${name}`});
    const section = h('section', {class: 'unit', 'aria-label': name}, h('h2', {}, name, ' ', h('span', {class: 'quiet where'}, device.site ?? ''), count), list);
    block = {section, list, count, keys: []};
    this.#blocks.set(place, block);
    const places = [...this.#blocks.keys()].sort(natural);
    const next = this.#blocks.get(places[places.indexOf(place) + 1]);
    this.#root.insertBefore(section, next?.section ?? null);
    return block;
  }

  #paint(tile, device, now) {
    const {standing, alarms, look} = now;
    tile.look = look;
    tile.standing = standing;
    tile.state = device.state;
    const shape = standing === 'ok' || standing === 'silent' ? device.state : standing;
    tile.link.dataset.state = device.state;
    tile.link.dataset.standing = standing;
    if (tile.shape !== shape) {
      tile.mark.replaceChildren(glyph(shape));
      tile.shape = shape;
    }
    const kind = this.#classes[device.class]?.title ?? device.class;
    const taken = alarms.length > 0 && alarms.every((a) => a.state === 'acknowledged');
    tile.link.toggleAttribute('data-taken', taken);
    const says = {ok: `${stateWords(device.state)} · ${kind}`, silent: stateWords(device.state), out_of_service: `out of service · ${kind}`}[standing]
      ?? `${standingWords(standing)}${taken ? ', taken' : ''} · ${stateWords(device.state)}`;
    setText(tile.says, says);
    const title = [`${device.id}, ${kind}${device.model ? ' ' + device.model : ''}, ${stateWords(device.state)}`,
      ...alarms.map((a) => `${standingWords(a.priority)}: ${a.summary}${a.acknowledged_by ? ` (acknowledged by ${a.acknowledged_by})` : ''}`)].join('\n');
    tile.link.title = title;
  }

  #count() {
    const sites = new Set([...this.#blocks.keys()].map((place) => place.split('\n')[0]));
    this.#root.toggleAttribute('data-sites', sites.size > 1);
    for (const block of this.#blocks.values()) {
      const shown = [...block.list.children].filter((item) => !item.hidden).length;
      block.section.hidden = shown === 0;
      setText(block.count, shown === block.keys.length ? plural(shown, 'device') : `${shown} of ${block.keys.length} devices`);
    }
  }

  // rove keeps one stop for the tab key in each block; arrows go between tiles.
  #rove(target) {
    const link = target.closest('a.tile');
    if (!link) return;
    for (const other of link.closest('ul').querySelectorAll('a[tabindex="0"]')) other.tabIndex = -1;
    link.tabIndex = 0;
  }

  #walk(event) {
    const step = arrows[event.key];
    const link = event.target.closest?.('a.tile');
    if (!step || !link || event.ctrlKey || event.altKey || event.metaKey) return;
    const all = [...link.closest('ul').querySelectorAll('li:not([hidden]) > a')];
    let next = all.indexOf(link) + step;
    if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
      const here = link.getBoundingClientRect();
      while (all[next] && (all[next].offsetTop === link.offsetTop || Math.abs(all[next].getBoundingClientRect().left - here.left) > here.width / 2)) next += step;
    }
    if (!all[next]) return;
    event.preventDefault();
    all[next].focus();
  }
}
