// A phone: the vendor's client signed on for one subscriber, everything it reports written down.

import { createRequire } from 'node:module'
import { Journal, tappedWebSocket } from './journal.mjs'
import { Leg } from './leg.mjs'
import { offer } from './media.mjs'
import { until } from './waiting.mjs'

const require = createRequire(import.meta.url)
const LIBRARY = '@webtrit/webtrit-signaling'
const SIGNED_OFF = 1000

/** Each phone loads a copy of its own, so that all count their transactions from 1, as apps on several devices do. */
function freshLibrary() {
  delete require.cache[require.resolve(LIBRARY)]
  return require(LIBRARY)
}

export class Phone {
  /** Whatever the vendor's client complains about. Nothing may ever stand here. */
  complaints = []
  /** How the server closed the connection, if it did. */
  closed = null
  journal = new Journal()
  state = null
  legs = []
  #status = null
  #incoming = []
  #missed = []
  #client

  constructor(name, { number, token }) {
    Object.assign(this, { name, number, token })
    const Library = freshLibrary()
    this.#client = new Library({
      eventCallback: (event) => this.#onEvent(event),
      handshakeCallback: (state) => this.#onState(state),
      errorCallback: (error) => this.complain(`the client reports ${error.code}: ${error.message}`),
      disconnectedCallback: (reason, code) => { this.closed = { code, reason } },
    })
  }

  complain(what) {
    this.complaints.push(`${this.name}: ${what}`)
  }

  /** Opens the connection. Whether the server goes on to accept it is another question. */
  async connect(url, force = false) {
    globalThis.WebSocket = tappedWebSocket(this.journal, (what) => this.complain(what))
    await this.#client.connect({ url, token: this.token, force }).catch(() => {
      throw new Error(`${this.name}: the connection failed`)
    })
  }

  async signOn(url, force = false) {
    await this.connect(url, force)
    await until(`${this.name} waits to be registered`, () => (this.#status === 'registered' ? true : undefined))
  }

  /** Leaves as an app does, and sees to it that the server agrees. */
  async signOff() {
    if (this.closed) return
    this.#client.disconnect(SIGNED_OFF)
    const { code } = await until(`${this.name} waits for the close`, () => this.journal.close ?? undefined)
    if (code !== SIGNED_OFF) this.complain(`signed off with ${SIGNED_OFF}, the server answered ${code}`)
  }

  /** The client itself: resolves with the ack, rejects with the error response. */
  execute(request, params) {
    return this.#client.execute(request, params)
  }

  /** Sends a call on its way; the leg that returns has been acked, no more. */
  async call(number, line = 0) {
    const leg = this.#newLeg(line, this.#client.generateCallId())
    try {
      await this.execute('outgoing_call', { line, call_id: leg.callId, number, jsep: offer() })
    } catch (refusal) {
      this.legs.splice(this.legs.indexOf(leg), 1)
      throw refusal
    }
    return leg
  }

  /** The next incoming call, which must come from `caller` and bring an offer. */
  async incomingFrom(caller) {
    const leg = await until(`${this.name} waits for a call`, () => this.#incoming.shift())
    const invitation = await leg.expectDescribed('incoming_call', 'offer')
    this.#checkParties(invitation, caller)
    return { leg, jsep: invitation.jsep }
  }

  hasIncoming() {
    return this.#incoming.length > 0
  }

  async missedCallFrom(caller) {
    const event = await until(`${this.name} waits for missed_call`, () => this.#missed.shift())
    this.#checkParties(event, caller)
  }

  /** The server's own close of this connection. */
  async closedBy(code) {
    const close = await until(`${this.name} waits for close ${code}`, () => this.closed ?? undefined)
    if (close.code !== code) this.complain(`should be closed with ${code}, was with ${close.code} ${close.reason}`)
  }

  /** What came that no step of the scenario asked for. */
  unexpected() {
    const events = this.legs.flatMap((leg) => leg.unexpected())
    return [...events, ...this.#missed.map(() => `${this.name} got missed_call`)]
  }

  #onState(state) {
    this.state = state
    this.#status = state.registration.status
  }

  #onEvent(event) {
    switch (event.type) {
      case 'session': this.#status = event.event; break
      case 'in': this.#onIncoming(event); break
      case 'line': this.#onLine(event); break
      default: this.#onCall(event)
    }
  }

  #onIncoming(event) {
    const leg = this.#newLeg(event.line, event.call_id)
    leg.take(event)
    this.#incoming.push(leg)
  }

  /** Line events name no call: they belong to the one that used the line last. */
  #onLine(event) {
    const leg = this.legs.findLast(({ line }) => line === event.line)
    if (leg) leg.take(event)
    else this.complain(`${event.event} for line ${event.line}, which never had a call`)
  }

  #onCall(event) {
    if (event.event === 'missed_call') {
      this.#missed.push(event)
      return
    }
    const leg = this.legs.find(({ line, callId }) => line === event.line && callId === event.call_id)
    if (leg) leg.take(event)
    else this.complain(`${event.event} for call ${event.call_id} on line ${event.line}, which is none of ours`)
  }

  #newLeg(line, callId) {
    const leg = new Leg(this, line, callId)
    this.legs.push(leg)
    return leg
  }

  #checkParties(event, caller) {
    if (plain(event.caller) !== caller) this.complain(`${event.event} names caller ${event.caller}, not ${caller}`)
    if (plain(event.callee) !== this.number) this.complain(`${event.event} names callee ${event.callee}, not ${this.number}`)
  }
}

/** Parties come as numbers or as SIP URIs. */
const plain = (party) => party.replace(/^sips?:/, '').replace(/[@;].*$/, '')
