// The last changes: alarms that came, were taken and ended, pages that went out,
// devices that fell silent or came back. Derived from what is known, so that a
// fresh page shows the same.

import {deviceLink, glyph, h, isOpen, shortDay, standingWords, stateWords, without} from './words.js';

const most = 40;

export function drawChanges(root, fleet, now, within) {
  const list = [];
  for (const a of fleet.alarms.values()) ofAlarm(list, a);
  for (const p of fleet.pages.values()) {
    if (p.sent_at) list.push({at: p.sent_at, device: p.device, shape: 'page', text: `paged ${p.to || p.channel}${p.about === 'cleared' ? ' that it cleared' : ''}`});
    else if (p.state === 'failed') list.push({at: p.queued_at, device: p.device, shape: 'page', text: `page to ${p.to || p.channel} FAILED`});
  }
  for (const d of fleet.devices.values()) {
    if (d.state === 'unheard' || d.state === 'blind') list.push({at: d.since, device: d.id, shape: d.state, text: d.state === 'blind' ? 'our path to it is down' : 'fell silent'});
    else if (d.state === 'out_of_service') list.push({at: d.since, device: d.id, shape: d.state, text: 'out of service'});
  }
  for (const r of fleet.returns) list.push({at: r.at, device: r.device, shape: 'ok', text: r.from === 'out_of_service' ? 'back in service' : `heard again after ${stateWords(r.from)}`});
  const shown = list.filter((c) => c.at && within(c.device)).sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, most);
  root.replaceChildren(...shown.map((c) => h('li', {},
    h('time', {datetime: c.at}, shortDay(c.at, now)), glyph(c.shape), h('a', {href: deviceLink(c.device)}, c.device), h('span', {}, c.text))));
}

function ofAlarm(list, a) {
  const of = {device: a.device};
  const what = without(a.device, a.summary);
  list.push({...of, at: a.raised_at, shape: a.priority, text: `${standingWords(a.priority)}: ${what}`});
  if (a.acknowledged_by) list.push({...of, at: a.acknowledged_at, shape: 'ok', text: `acknowledged by ${a.acknowledged_by}: ${what}`});
  if (!isOpen(a)) list.push({...of, at: a.cleared_at ?? a.changed_at, shape: 'ok', text: `${a.state}: ${what}`});
}
