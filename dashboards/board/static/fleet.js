// What the board knows: devices, alarms, pages and gateways by id, as the server
// told them last.

import {isOpen, rank} from './words.js';

const keepEnded = 15 * 60_000; // an ended alarm is shown among the changes for so long
const keepPages = 20;
const keepReturns = 50;

const away = new Set(['unheard', 'blind', 'out_of_service']);

export class Fleet {
  devices = new Map();
  alarms = new Map();
  pages = new Map();
  gateways = new Map();
  returns = []; // devices that came back while we watched: {at, device, from}
  #open = new Map(); // device id → its open alarms, most urgent first

  // replace takes a snapshot: what it does not name is gone.
  replace(frame) {
    for (const kind of ['devices', 'alarms', 'pages', 'gateways']) this[kind].clear();
    this.#put(frame);
    this.#index();
  }

  // apply takes a delta and tells what it touched: the ids of devices to draw
  // anew, and which of the other parts.
  apply(frame, now) {
    const touched = new Set();
    let moved = false;
    for (const device of frame.devices ?? []) {
      const before = this.devices.get(device.id);
      touched.add(device.id);
      if (before?.state !== device.state) moved = true;
      if (before && away.has(before.state) && !away.has(device.state)) this.#returned(before, device);
    }
    for (const alarm of frame.alarms ?? []) touched.add(alarm.device);
    const raised = (frame.alarms ?? []).filter((a) => a.state === 'active' && !this.alarms.has(a.id));
    this.#put(frame);
    if (frame.alarms?.length) {
      this.#forget(now);
      this.#index();
    }
    return {devices: touched, alarms: Boolean(frame.alarms?.length), pages: Boolean(frame.pages?.length), gateways: Boolean(frame.gateways?.length), moved, raised};
  }

  // openOf gives a device's open alarms, most urgent first.
  openOf(id) { return this.#open.get(id) ?? []; }

  // standing says what a device needs. An alarm counts before the state: a device
  // that is out of service may still have one that nobody has taken.
  standing(device) {
    const worst = this.openOf(device.id)[0];
    if (worst) return rank(worst.priority) < 4 ? worst.priority : 'round';
    if (device.state === 'unheard' || device.state === 'blind') return 'silent';
    if (device.state === 'out_of_service') return 'out_of_service';
    return 'ok';
  }

  // needs lists open alarms: most urgent first, those that nobody has taken
  // before the others, the oldest first.
  needs() {
    return [...this.alarms.values()].filter(isOpen).sort(byNeed);
  }

  #put(frame) {
    for (const device of frame.devices ?? []) this.devices.set(device.id, device);
    for (const alarm of frame.alarms ?? []) this.alarms.set(alarm.id, alarm);
    for (const gateway of frame.gateways ?? []) this.gateways.set(gateway.id, gateway);
    for (const page of frame.pages ?? []) this.pages.set(page.id, page);
    if (this.pages.size > keepPages) {
      // Their ids rise with time.
      const old = [...this.pages.keys()].sort().slice(0, this.pages.size - keepPages);
      for (const id of old) this.pages.delete(id);
    }
  }

  #returned(before, device) {
    this.returns.unshift({at: device.since, device: device.id, from: before.state});
    this.returns.length = Math.min(this.returns.length, keepReturns);
  }

  #forget(now) {
    for (const [id, alarm] of this.alarms) {
      if (!isOpen(alarm) && now - Date.parse(alarm.changed_at) > keepEnded) this.alarms.delete(id);
    }
  }

  #index() {
    this.#open.clear();
    for (const alarm of this.needs()) {
      const list = this.#open.get(alarm.device);
      if (list) list.push(alarm);
      else this.#open.set(alarm.device, [alarm]);
    }
  }
}

function byNeed(a, b) {
  return rank(a.priority) - rank(b.priority)
    || Number(a.state === 'acknowledged') - Number(b.state === 'acknowledged')
    || Date.parse(a.since) - Date.parse(b.since)
    || (a.id < b.id ? -1 : 1);
}
