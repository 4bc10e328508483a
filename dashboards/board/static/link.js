// The link to the server: hello, then a snapshot or what was missed, then what
// changes, and a beat each second. It knows by its own clock when that stops.

const staleAfter = 15_000; // without a frame for so long the picture is not live
const settledAfter = 5_000; // a link that lasted so long may be renewed at once
const firstPatience = 2_000; // for a connection that was there a moment ago
const patience = 8_000;
const longestWait = 10_000;

export class Link {
  #socket = null;
  #epoch = null;
  #seq = null;
  #opened = 0; // when this connection brought its first frame, 0 before
  #failures = 0; // attempts since the link was last good
  #lost = false;
  #timer = 0;
  #limit = 0;
  #retryAt = 0;
  #heard = {perf: performance.now(), wall: Date.now()};
  #skew = 0;
  reason = '';

  // on: frame(message) for each snapshot and delta, lost(since) when the picture
  // stops being live, live() when it is again.
  constructor(url, on) {
    this.url = url;
    this.on = on;
  }

  start() {
    this.#connect();
    setInterval(() => this.#watch(), 250);
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.#watch());
  }

  // now is the server's time: ages stay right on a screen whose clock is wrong.
  get now() { return Date.now() + this.#skew; }

  get isLost() { return this.#lost; }

  get retryIn() { return this.#socket ? 0 : Math.max(0, this.#retryAt - Date.now()); }

  // quiet is how long nothing came. Two clocks are asked, since one stands still
  // while a machine sleeps and the other can be set back.
  get quiet() {
    return Math.max(performance.now() - this.#heard.perf, Date.now() - this.#heard.wall);
  }

  get since() { return this.#heard.wall; }

  #connect() {
    clearTimeout(this.#timer);
    this.#opened = 0;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    // Until the first frame; later #watch takes over.
    this.#limit = setTimeout(() => this.#drop(socket), this.#failures ? patience : firstPatience);
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      this.reason = event.reason; // why the server ended it, if it said so
      this.#drop(socket);
    };
  }

  #receive(text) {
    try {
      const message = JSON.parse(text);
      if (message.type === 'hello') {
        this.#ask(message.epoch);
        return;
      }
      if (message.time) this.#skew = Date.parse(message.time) - Date.now();
      if (message.type === 'snapshot' || message.type === 'delta') {
        this.on.frame(message);
        this.#seq = message.seq;
      } else if (this.#seq === null) {
        return; // a beat before the first picture is no sign of life
      }
    } catch (error) {
      // A frame that cannot be read or drawn leaves a picture that is not the
      // truth: begin again from a whole one.
      console.error('frame', error);
      this.#epoch = null;
      this.#opened = 0;
      this.#drop(this.#socket);
      return;
    }
    this.#alive();
  }

  #ask(epoch) {
    const known = epoch === this.#epoch && this.#seq !== null;
    this.#epoch = epoch;
    if (!known) this.#seq = null;
    this.#socket.send(JSON.stringify(known ? {type: 'resume', epoch, seq: this.#seq} : {type: 'snapshot'}));
  }

  #alive() {
    clearTimeout(this.#limit);
    this.#heard = {perf: performance.now(), wall: Date.now()};
    this.#opened ||= performance.now();
    if (performance.now() - this.#opened > settledAfter) this.#failures = 0;
    if (!this.#lost) return;
    this.#lost = false;
    this.on.live();
  }

  // drop gives a connection up and plans the next. A link that had been good is
  // tried again at once; if that fails too, the picture is not live.
  #drop(socket) {
    if (!socket || socket !== this.#socket) return;
    clearTimeout(this.#limit);
    this.#socket = null;
    socket.onmessage = socket.onclose = null;
    socket.close();
    const settled = this.#opened && performance.now() - this.#opened > settledAfter;
    if (settled) this.#failures = 0;
    else this.#lose();
    const most = this.#failures === 0 ? 300 : Math.min(longestWait, 1000 * 2 ** (this.#failures - 1));
    const wait = most / 2 + Math.random() * most / 2; // spread, so that many screens do not return at once
    this.#failures++;
    this.#retryAt = Date.now() + wait;
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  #lose() {
    if (this.#lost) return;
    this.#lost = true;
    this.on.lost(this.#heard.wall);
  }

  #hurry() {
    if (!this.#socket) this.#connect();
  }

  #watch() {
    if (this.quiet < staleAfter) return;
    this.#lose();
    if (this.#opened) this.#drop(this.#socket); // half open: the other end is gone
  }
}
