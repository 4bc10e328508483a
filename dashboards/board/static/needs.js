// "Needs someone now": the open alarms that come first, one row each.

import {acknowledge} from './ack.js';
import {age, deviceLink, glyph, h, hour, setText, standingWords, without} from './words.js';

const rows = 12;

export class Needs {
  #root;
  #rows = new Map(); // alarm id → {item, parts}
  #selected = null;
  #said = new Map(); // alarm id → why acknowledging failed

  // say speaks to whoever does not see; acknowledged hands back the alarm that
  // the server answered with.
  constructor(root, classes, {say, acknowledged}) {
    this.#root = root;
    this.classes = classes;
    this.say = say;
    this.acknowledged = acknowledged;
    root.addEventListener('click', (event) => {
      const button = event.target.closest('button[data-ack]');
      if (button) this.#take(button.dataset.ack);
    });
    root.addEventListener('focusin', (event) => {
      const row = event.target.closest('[data-alarm]');
      if (row) this.#select(row.dataset.alarm);
    });
  }

  draw(fleet, filters, now) {
    const all = fleet.needs().filter((a) => filters.within(fleet.devices.get(a.device) ?? asDevice(a), this.classes));
    const shown = all.slice(0, rows);
    const ids = new Set(shown.map((a) => a.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.item.remove();
      this.#rows.delete(id);
      this.#said.delete(id);
      if (this.#selected === id) this.#selected = null;
    }
    shown.forEach((alarm, i) => {
      const row = this.#rows.get(alarm.id) ?? this.#add(alarm);
      this.#paint(row, alarm);
      const there = this.#root.children[i];
      if (there !== row.item) this.#move(row.item, there);
    });
    this.tick(now);
    return {all: all.length, shown: shown.length, untaken: all.filter((a) => a.state === 'active').length};
  }

  // tick renews the ages.
  tick(now) {
    for (const row of this.#rows.values()) setText(row.age, age(now - row.at));
  }

  // step selects the next (1) or the previous (-1) row.
  step(by) {
    const ids = [...this.#root.children].map((item) => item.dataset.alarm);
    if (ids.length === 0) return;
    const at = ids.indexOf(this.#selected);
    const next = at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(ids.length - 1, Math.max(0, at + by));
    this.#rows.get(ids[next]).item.focus();
  }

  // take acknowledges the selected row; with none selected it selects the first,
  // so that nobody takes an alarm that he does not look at.
  take() {
    if (this.#selected) return this.#take(this.#selected);
    this.step(1);
    if (this.#selected) this.say('Selected the first alarm. Press a again to acknowledge it.');
  }

  open() {
    const row = this.#rows.get(this.#selected);
    if (row) row.link.click();
  }

  #add(alarm) {
    const link = h('a', {class: 'device'});
    const says = h('span', {});
    const what = h('strong', {class: 'what'}, link, ' ', says);
    const where = h('span', {});
    const todo = h('span', {class: 'todo'});
    const urgency = h('span', {class: 'urgency'});
    const ageText = h('span', {});
    const paged = h('span', {title: 'paged', hidden: true}, glyph('page'), h('span', {class: 'unseen'}, ' paged'));
    const owner = h('div', {class: 'owner'});
    const item = h('li', {class: 'need', 'data-alarm': alarm.id, tabindex: '-1'},
      h('div', {class: 'when'}, urgency, h('span', {class: 'age'}, ageText, paged)),
      h('div', {class: 'about'}, what, h('span', {class: 'line'}, where, todo)), owner);
    const row = {item, what, says, link, where, todo, urgency, age: ageText, paged, owner, look: ''};
    this.#rows.set(alarm.id, row);
    return row;
  }

  #paint(row, a) {
    const failed = this.#said.get(a.id) ?? '';
    const look = JSON.stringify([a, failed, row.busy]);
    if (row.look === look) return;
    row.look = look;
    row.alarm = a;
    row.at = Date.parse(a.since);
    row.item.dataset.state = a.state;
    row.item.dataset.priority = a.priority;
    row.urgency.className = `urgency u-${a.priority}`;
    row.urgency.replaceChildren(glyph(a.priority), standingWords(a.priority));
    setText(row.says, without(a.device, a.summary));
    row.what.title = a.summary;
    setText(row.link, a.device);
    row.link.href = deviceLink(a.device);
    setText(row.where, [a.unit, this.classes[a.class]?.title ?? a.class, `since ${hour(row.at)}`].filter(Boolean).join(' · '));
    setText(row.todo, a.action ? ` · ${a.action}` : '');
    row.todo.title = a.action ?? '';
    row.paged.hidden = !a.paged;
    this.#owner(row, a, failed);
  }

  #owner(row, a, failed) {
    if (a.state === 'acknowledged' || a.acknowledged_by) {
      row.owner.replaceChildren(h('span', {class: 'acked'}, glyph('ok'), h('span', {}, h('span', {class: 'unseen'}, 'Acknowledged by '), a.acknowledged_by || 'somebody')),
        h('small', {}, a.acknowledged_at ? `took it at ${hour(Date.parse(a.acknowledged_at))}` : ''));
      return;
    }
    const button = h('button', {type: 'button', 'data-ack': a.id, disabled: row.busy}, row.busy ? 'Sending…' : 'Acknowledge', h('span', {class: 'unseen'}, ` ${a.summary}`));
    row.owner.replaceChildren(button);
    if (failed) row.owner.append(h('small', {class: 'failed'}, failed));
  }

  // move puts a row in its place and keeps the focus, which a moved element
  // would lose.
  #move(item, before) {
    const focused = item.contains(document.activeElement) ? document.activeElement : null;
    this.#root.insertBefore(item, before ?? null);
    focused?.focus({preventScroll: true});
  }

  #select(id) {
    if (this.#selected === id) return;
    this.#rows.get(this.#selected)?.item.removeAttribute('aria-current');
    this.#selected = id;
    this.#rows.get(id)?.item.setAttribute('aria-current', 'true');
  }

  async #take(id) {
    const row = this.#rows.get(id);
    if (!row || row.busy || row.alarm.state !== 'active') return;
    const focused = row.item.contains(document.activeElement);
    row.busy = true;
    this.#said.delete(id);
    this.#paint(row, row.alarm);
    try {
      const alarm = await acknowledge(id);
      row.busy = false;
      this.acknowledged(alarm);
    } catch (error) {
      row.busy = false;
      this.#said.set(id, error.message);
      this.say(error.message);
    }
    if (this.#rows.get(id) === row) {
      this.#paint(row, row.alarm);
      if (focused) row.item.focus({preventScroll: true});
    }
  }
}

// asDevice lets an alarm whose device is not on the board pass the filters.
function asDevice(alarm) {
  return {id: alarm.device, class: alarm.class, model: alarm.model, site: alarm.site, unit: alarm.unit};
}
