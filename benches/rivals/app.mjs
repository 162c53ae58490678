// One simulated app in the flat dialect, as the scripts of Node, Artillery and k6 share it: keepalives from its `state`
// on, calls to its neighbour if its place is even, and an answer to every call that comes in.

// What is to be done, from the environment: the bench says the same to all.
export function orderFrom(env) {
  const figure = (key) => Number(env[`WTSP_${key}`]);
  return {
    url: env.WTSP_URL,
    clients: figure('CLIENTS'),
    signonsPerSecond: figure('SIGNONS_PER_SECOND'),
    keepalive: figure('KEEPALIVE_MS'),
    callsPerSecond: figure('CALLS_PER_SECOND'),
    callsFor: figure('CALLS_FOR_MS'),
    hold: figure('HOLD_MS'),
    length: figure('LENGTH_MS'),
  };
}

// The subscribers of a CSV with the header `token,number`.
export function subscribersFrom(csv) {
  return csv.trim().split('\n').slice(1).map((row) => {
    const [token, number] = row.split(',');
    return { token, number };
  });
}

// When the client at this place signs on, in milliseconds from the start.
export const signonAt = (order, place) => (place * 1000) / order.signonsPerSecond;

export const urlOf = (order, subscriber) => `${order.url}?token=${subscriber.token}&force=false`;

// The app at this place; `sdp` is the JSON of a session description. What comes in goes to the function that it returns.
// `clock()` is in milliseconds from the start.
export function app({ place, order, subscribers, sdp, clock, send }) {
  const isCaller = order.callsPerSecond > 0 && place % 2 === 0;
  const callee = isCaller ? subscribers[place + 1] : undefined;
  let transactions = 0;
  let free = true;
  let timer;
  const transaction = () => `transaction-731904552${String(place).padStart(7, '0')}${(transactions += 1)}`;

  const keepalive = () => send(`{"handshake":"keepalive","transaction":"${transaction()}"}`);

  // Each pair has its turn in a cycle, so that calls are evenly spaced.
  const pairs = Math.floor(order.clients / 2);
  const cycle = (pairs * 1000) / order.callsPerSecond;
  let calls = 0;
  const callAt = () => {
    const from = (order.clients * 1000) / order.signonsPerSecond;
    const due = from + ((place / 2) * 1000) / order.callsPerSecond + calls * cycle;
    calls += 1;
    if (due >= from + order.callsFor) return;
    setTimeout(call, Math.max(0, due - clock()));
  };
  const call = () => {
    callAt();
    if (!free) return;
    free = false;
    const id = String(place).padStart(12, '0') + String(calls).padStart(12, '0');
    send(
      `{"request":"outgoing_call","transaction":"${transaction()}","line":0,"call_id":"${id}",` +
        `"number":"${callee.number}","jsep":{"type":"offer","sdp":${sdp}}}`,
    );
  };
  const hangUp = (id) =>
    send(`{"request":"hangup","transaction":"${transaction()}","line":0,"call_id":"${id}"}`);

  const receive = (text) => {
    const message = JSON.parse(text);
    if (message.handshake === 'state') {
      if (order.keepalive < order.length) timer = setInterval(keepalive, order.keepalive);
      if (callee) callAt();
    } else if (message.event === 'incoming_call') {
      send(
        `{"request":"accept","transaction":"${transaction()}","line":${message.line},` +
          `"call_id":"${message.call_id}","jsep":{"type":"answer","sdp":${sdp}}}`,
      );
    } else if (message.event === 'accepted' && callee) {
      setTimeout(() => hangUp(message.call_id), order.hold);
    } else if (message.event === 'ice_hangup') {
      free = true;
    }
  };
  return { receive, stop: () => clearInterval(timer) };
}
