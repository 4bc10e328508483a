// The filters: kept in the page's address, so that a screen in a unit is a link.

import {h, natural, standings, standingWords, states, stateWords} from './words.js';

const names = ['site', 'class', 'unit', 'state', 'q'];

export class Filters {
  values = {};
  #form;
  #choices = '';

  // changed is called after each change by the user.
  constructor(form, changed) {
    this.#form = form;
    const address = new URLSearchParams(location.search);
    for (const name of names) this.values[name] = address.get(name) ?? '';
    form.elements.q.value = this.values.q;
    form.addEventListener('submit', (event) => event.preventDefault());
    form.addEventListener('input', (event) => {
      if (names.includes(event.target.name)) this.set(event.target.name, event.target.value);
    });
    this.changed = changed;
  }

  set(name, value) {
    this.values[name] = value;
    const field = this.#form.elements[name];
    if (field.value !== value) field.value = value;
    const address = new URLSearchParams(location.search);
    if (value) address.set(name, value);
    else address.delete(name);
    history.replaceState(null, '', address.size ? `?${address}` : location.pathname);
    this.changed();
  }

  clear() {
    for (const name of names) if (this.values[name]) this.set(name, '');
  }

  get any() { return names.some((name) => this.values[name]); }

  // within tells whether a device is of the part of the fleet that is looked at;
  // the state is left out, so that the counts show all states of that part.
  within(device, classes) {
    const v = this.values;
    if (v.site && device.site !== v.site) return false;
    if (v.class && device.class !== v.class) return false;
    if (v.unit && (device.unit ?? '') !== v.unit) return false;
    if (!v.q) return true;
    const text = `${device.id} ${device.model ?? ''} ${device.unit ?? ''} ${device.native_state ?? ''} ${classes[device.class]?.title ?? device.class}`.toLowerCase();
    return v.q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  }

  inState(device, standing) {
    const want = this.values.state;
    return !want || want === standing || want === device.state;
  }

  // offer fills the choices from what the fleet has.
  offer(fleet, classes) {
    const sites = new Set(), kinds = new Set(), units = new Set();
    for (const d of fleet.devices.values()) {
      sites.add(d.site);
      kinds.add(d.class);
      if (d.unit) units.add(d.unit);
    }
    const have = JSON.stringify([[...sites].sort(), [...kinds].sort(), [...units].sort()]);
    if (have === this.#choices) return;
    this.#choices = have;
    const f = this.#form.elements;
    f.site.parentElement.hidden = sites.size < 2 && !this.values.site;
    fill(f.site, 'all sites', [...sites].sort(natural).map((s) => [s, s]), this.values.site);
    fill(f.class, 'all classes', [...kinds].sort().map((c) => [c, classes[c]?.plural ?? c]), this.values.class);
    fill(f.unit, 'all units', [...units].sort(natural).map((u) => [u, u]), this.values.unit);
    const kept = standings.map((s) => s.key);
    fill(f.state, 'all states', [...kept.map((k) => [k, standingWords(k)]), ...states.filter((s) => !kept.includes(s)).map((s) => [s, stateWords(s)])], this.values.state);
  }
}

function fill(select, all, choices, value) {
  if (value && !choices.some(([key]) => key === value)) choices.push([value, `${value} (none)`]);
  select.replaceChildren(h('option', {value: ''}, all), ...choices.map(([key, words]) => h('option', {value: key}, words)));
  select.value = value;
}
