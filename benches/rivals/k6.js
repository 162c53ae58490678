// The work in k6: WTSP_SOCKETS_A_VU clients in each of its virtual users, on one event loop.
import { SharedArray } from 'k6/data';
import { WebSocket } from 'k6/experimental/websockets';
import { app, orderFrom, signonAt, subscribersFrom, urlOf } from './app.mjs';

const order = orderFrom(__ENV);
const each = Number(__ENV.WTSP_SOCKETS_A_VU);
// One copy for all virtual users.
const subscribers = new SharedArray('subscribers', () => subscribersFrom(open(__ENV.WTSP_SUBSCRIBERS)));
const sdp = order.callsPerSecond > 0 ? open(__ENV.WTSP_SDP) : '';

export const options = {
  scenarios: {
    apps: {
      executor: 'per-vu-iterations',
      vus: Math.ceil(order.clients / each),
      iterations: 1,
      maxDuration: `${Math.ceil(order.length / 1000) + 30}s`,
    },
  },
  // Nothing that is not asked for is kept.
  systemTags: [],
  summaryTrendStats: ['p(99)'],
};

export const setup = () => Date.now();

export default function work(start) {
  const clock = () => Date.now() - start;
  const first = (__VU - 1) * each;
  for (let place = first; place < Math.min(first + each, order.clients); place += 1) {
    setTimeout(() => signOn(place, clock), Math.max(0, signonAt(order, place) - clock()));
  }
}

function signOn(place, clock) {
  const socket = new WebSocket(urlOf(order, subscribers[place]), ['webtrit-protocol']);
  const { receive, stop } = app({ place, order, subscribers, sdp, clock, send: (text) => socket.send(text) });
  socket.onmessage = (event) => receive(event.data);
  socket.onerror = (event) => console.error(`client ${place}: ${event.error}`);
  socket.onopen = () => {
    setTimeout(() => {
      stop();
      socket.close(1000);
    }, order.length - clock());
  };
}
