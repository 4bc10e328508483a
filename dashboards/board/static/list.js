// The list: the same devices as a table, for whoever reads tables better than
// tiles. It is built when first asked for.

import {age, deviceLink, glyph, h, natural, rank, setText, standings, standingWords, stateWords, without} from './words.js';

const columns = ['Needs', 'Device', 'Class', 'Model', 'Unit', 'State', 'For', 'Last heard'];
const order = Object.fromEntries(standings.map((s, i) => [s.key, i]));

export class List {
  #root;
  #body = null;
  #rows = new Map();

  constructor(root, classes) {
    this.#root = root;
    this.classes = classes;
  }

  get shown() { return !this.#root.hidden; }

  show(on) { this.#root.hidden = !on; }

  // all draws every row, the most urgent first.
  all(fleet, filters, now) {
    if (!this.shown) return;
    this.#body ??= this.#frame();
    const devices = [...fleet.devices.values()]
      .map((d) => ({d, standing: fleet.standing(d)}))
      .filter(({d, standing}) => filters.within(d, this.classes) && filters.inState(d, standing))
      .sort((a, b) => order[a.standing] - order[b.standing] || natural(a.d.id, b.d.id));
    const rows = new Map();
    for (const {d, standing} of devices) {
      const row = this.#rows.get(d.id) ?? this.#add(d);
      this.#paint(row, fleet, d, standing);
      rows.set(d.id, row);
    }
    const same = rows.size === this.#rows.size && [...rows.keys()].join('\n') === [...this.#rows.keys()].join('\n');
    this.#rows = rows;
    if (!same) this.#body.replaceChildren(...[...rows.values()].map((r) => r.row));
    this.tick(now);
  }

  tick(now) {
    if (!this.shown) return;
    for (const r of this.#rows.values()) {
      setText(r.since, age(now - r.from));
      setText(r.heard, r.seen ? `${age(now - r.seen)} ago` : 'never');
    }
  }

  #frame() {
    const body = h('tbody');
    this.#root.append(h('table', {}, h('caption', {class: 'unseen'}, 'Devices, most urgent first'), h('thead', {}, h('tr', {}, ...columns.map((c) => h('th', {scope: 'col', class: c === 'Model' ? 'model' : null}, c)))), body));
    return body;
  }

  #add(d) {
    const cell = (kind) => h('td', {class: kind});
    const r = {needs: cell(), kind: cell(), model: cell('model'), unit: cell(), state: cell(), since: cell('short'), heard: cell('short'), look: ''};
    r.row = h('tr', {'data-row': d.id}, r.needs, h('th', {scope: 'row'}, h('a', {href: deviceLink(d.id)}, d.id)), r.kind, r.model, r.unit, r.state, r.since, r.heard);
    return r;
  }

  #paint(r, fleet, d, standing) {
    r.from = Date.parse(d.since);
    r.seen = d.last_seen ? Date.parse(d.last_seen) : 0;
    const worst = fleet.openOf(d.id)[0];
    const look = `${standing} ${d.state} ${d.native_state} ${d.class} ${d.model} ${d.unit} ${worst?.id}`;
    if (look === r.look) return;
    r.look = look;
    r.row.dataset.state = d.state;
    r.row.dataset.standing = standing;
    const urgent = worst && rank(worst.priority) < 4;
    r.needs.replaceChildren(h('span', {class: urgent ? `urgency u-${standing}` : 'calm'}, glyph(standing), standingWords(standing)), urgent ? ` ${without(d.id, worst.summary)}` : '');
    setText(r.kind, this.classes[d.class]?.title ?? d.class);
    setText(r.model, d.model ?? '');
    setText(r.unit, d.unit ?? '');
    setText(r.state, stateWords(d.state) + (d.native_state && d.native_state !== d.state ? ` (${d.native_state})` : ''));
  }
}
