// The rules of the wire that hold for every flow, checked over a finished journal.
//
// The vendor's client does not look at most of this; other clients do.

/** Events that a request of the same client causes at once, and that therefore name its transaction. */
const CAUSED_BY = {
  calling: 'outgoing_call',
  accepting: 'accept',
  declining: 'decline',
  hangingup: 'hangup',
  holding: 'hold',
  resuming: 'unhold',
  updating: 'update',
  updated: 'update',
}

/** Events that somebody else causes: they name no transaction of ours. */
const CAUSED_ELSEWHERE = ['incoming_call', 'missed_call', 'updating_call', 'registering', 'registered', 'ice_hangup']

const LINE_EVENTS = ['ice_webrtcup', 'ice_media', 'ice_slowlink', 'ice_hangup']
const SESSION_EVENTS = ['registering', 'registered', 'unregistering', 'unregistered', 'registration_failed']

/** Every rule that the journal of one phone breaks, as sentences. */
export function brokenRules(phone) {
  const { journal } = phone
  return [
    ...stateComesFirstAndOnce(journal),
    ...everyRequestIsAnsweredOnce(journal),
    ...responsesEchoTheirRequest(journal),
    ...keepalivesComeBackAsTheyWere(journal),
    ...acksComeBeforeTheirEvents(journal),
    ...transactionsNameTheirCause(journal),
    ...acceptedNamesItsAccept(journal),
    ...eventsSayWhereTheyBelong(journal, phone.state),
  ].map((broken) => `${phone.name}: ${broken}`)
}

function stateComesFirstAndOnce(journal) {
  const received = journal.entries.filter(({ way }) => way === 'received')
  const isState = ({ kind, name }) => kind === 'handshake' && name === 'state'
  if (received.length === 0) return []
  return [
    ...(isState(received[0]) ? [] : [`the first message is ${received[0].text}, not the state`]),
    ...(received.filter(isState).length > 1 ? ['the state came more than once'] : []),
  ]
}

function everyRequestIsAnsweredOnce(journal) {
  return journal.sent('request').flatMap(({ name, message }) => {
    const answers = journal.received('response').filter((entry) => entry.message.transaction === message.transaction)
    return answers.length === 1 ? [] : [`${name} ${message.transaction} got ${answers.length} responses`]
  })
}

function responsesEchoTheirRequest(journal) {
  return journal.received('response').flatMap(({ text, message }) => {
    const request = journal.sent('request').find((entry) => entry.message.transaction === message.transaction)?.message
    if (!request) return [`response to nothing: ${text}`]
    return ['line', 'call_id']
      .filter((key) => request[key] !== message[key])
      .map((key) => `${key} of the response is not that of the request: ${text}`)
  })
}

function keepalivesComeBackAsTheyWere(journal) {
  const sent = journal.keepalives('sent').map(({ text }) => text)
  const echoes = journal.keepalives('received').map(({ text }) => text)
  return [
    ...sent.filter((text) => !echoes.includes(text)).map((text) => `no echo of ${text}`),
    ...echoes.filter((text) => !sent.includes(text)).map((text) => `the echo is not what was sent: ${text}`),
    ...(echoes.length > sent.length ? [`${sent.length} keepalives, ${echoes.length} echoes`] : []),
  ]
}

function acksComeBeforeTheirEvents(journal) {
  return journal.received('event').flatMap((event) => {
    const { transaction } = event.message
    if (transaction === undefined) return []
    const ack = journal.received('response').find((entry) => entry.message.transaction === transaction)
    const inOrder = ack && journal.entries.indexOf(ack) < journal.entries.indexOf(event)
    return inOrder ? [] : [`${event.name} came before the ack of ${transaction}`]
  })
}

function transactionsNameTheirCause(journal) {
  return journal.received('event').flatMap(({ name, text, message }) => {
    const { transaction } = message
    const cause = journal.sent('request').find((entry) => entry.message.transaction === transaction)?.name
    if (transaction !== undefined && !cause) return [`a transaction that was never begun: ${text}`]
    if (CAUSED_ELSEWHERE.includes(name) && transaction !== undefined) return [`should have no transaction: ${text}`]
    if (CAUSED_BY[name] && cause !== CAUSED_BY[name]) return [`should name the transaction of ${CAUSED_BY[name]}: ${text}`]
    return []
  })
}

/** Only the first `accepted` of an incoming leg answers its `accept`; later ones answer renegotiations. */
function acceptedNamesItsAccept(journal) {
  return journal.sent('request').filter(({ name }) => name === 'accept').flatMap(({ message: accept }) => {
    const isItsCall = ({ line, call_id }) => line === accept.line && call_id === accept.call_id
    const accepted = journal.received('event').find(({ name, message }) => name === 'accepted' && isItsCall(message))
    const isNamed = accepted === undefined || accepted.message.transaction === accept.transaction
    return isNamed ? [] : [`should name the transaction of accept: ${accepted.text}`]
  })
}

function eventsSayWhereTheyBelong(journal, state) {
  const knownLine = (line) => Number.isInteger(line) && line >= 0 && line < state.lines.length
  return journal.received('event').flatMap(({ name, text, message }) => {
    if (SESSION_EVENTS.includes(name)) return 'line' in message ? [`no line belongs here: ${text}`] : []
    const broken = knownLine(message.line) ? [] : [`no line of the state: ${text}`]
    const needsCall = !LINE_EVENTS.includes(name)
    if (needsCall !== (typeof message.call_id === 'string')) broken.push(`call_id missing or out of place: ${text}`)
    return broken
  })
}
