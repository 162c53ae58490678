// A user of Artillery: it takes the next place, dials, and lives there until the end.
import { readFileSync } from 'node:fs';
import { app, orderFrom, subscribersFrom, urlOf } from './app.mjs';

const order = orderFrom(process.env);
const subscribers = subscribersFrom(readFileSync(process.env.WTSP_SUBSCRIBERS, 'utf8'));
const sdp = readFileSync(process.env.WTSP_SDP, 'utf8');
let start;
let places = 0;

export function dial(args, context, next) {
  start ??= performance.now();
  context.vars.place = places;
  places += 1;
  args.target = urlOf(order, subscribers[context.vars.place]);
  args.subprotocols = ['webtrit-protocol'];
  args.options = { perMessageDeflate: false, skipUTF8Validation: true };
  next();
}

export function live(context, events, done) {
  const socket = context.ws;
  const clock = () => performance.now() - start;
  const send = (text) => socket.send(text);
  const { receive, stop } = app({ place: context.vars.place, order, subscribers, sdp, clock, send });
  socket.on('message', (data) => receive(data.toString()));
  // Its users come when it gets round to them; who comes late stays as long as the others.
  const load = order.length - (order.clients * 1000) / order.signonsPerSecond;
  setTimeout(() => {
    stop();
    done();
  }, Math.max(order.length - clock(), load));
}
