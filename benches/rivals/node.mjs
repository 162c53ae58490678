// The work as a plain Node script: all clients in one process, each a socket of the package `ws`.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { app, orderFrom, signonAt, subscribersFrom, urlOf } from './app.mjs';

const WebSocket = createRequire(process.env.WTSP_MODULES)('ws');
const order = orderFrom(process.env);
const subscribers = subscribersFrom(readFileSync(process.env.WTSP_SUBSCRIBERS, 'utf8'));
const sdp = readFileSync(process.env.WTSP_SDP, 'utf8');
const start = performance.now();
const clock = () => performance.now() - start;

function signOn(place) {
  const socket = new WebSocket(urlOf(order, subscribers[place]), ['webtrit-protocol'], {
    perMessageDeflate: false,
    skipUTF8Validation: true,
  });
  const { receive, stop } = app({ place, order, subscribers, sdp, clock, send: (text) => socket.send(text) });
  socket.on('message', (data) => receive(data.toString()));
  socket.on('error', (error) => console.error(`client ${place}: ${error.message}`));
  setTimeout(() => {
    stop();
    socket.close(1000);
  }, order.length - clock());
}

for (let place = 0; place < order.clients; place += 1) {
  setTimeout(signOn, signonAt(order, place), place);
}
