// One party's side of one call: what it asks for, and the events it is owed, in order.

import { answerTo, candidates } from './media.mjs'
import { until } from './waiting.mjs'

/** A server may send these at any time during a call or leave them out. */
const OPTIONAL = ['proceeding', 'ice_webrtcup', 'ice_media', 'ice_slowlink']
const CANDIDATES = 6

export class Leg {
  #events = []

  constructor(phone, line, callId) {
    Object.assign(this, { phone, line, callId })
  }

  take(event) {
    if (!OPTIONAL.includes(event.event)) this.#events.push(event)
  }

  /** The next event of this call; it must be `name`. */
  async expect(name, wanted = {}, patience = undefined) {
    const event = await this.expectOneOf([name], patience)
    for (const [field, value] of Object.entries(wanted)) {
      if (!matches(value, event[field])) {
        throw new Error(`${this}: ${name} should have ${field} ${value}, has ${said(event[field])}`)
      }
    }
    return event
  }

  /** The next event of this call, where the server has a choice. */
  async expectOneOf(names, patience = undefined) {
    const wanted = names.join(' or ')
    const event = await until(`${this} waits for ${wanted}`, () => this.#events[0], patience)
    if (!names.includes(event.event)) throw new Error(`${this} expected ${wanted}, got ${said(event)}`)
    return this.#events.shift()
  }

  /** An event that must carry a session description of that type. */
  async expectDescribed(name, type, wanted = {}) {
    const event = await this.expect(name, wanted)
    const { jsep } = event
    if (jsep?.type !== type) throw new Error(`${this}: ${name} should carry an ${type}, has ${said(jsep)}`)
    if (!/^v=0[^]*^m=/m.test(jsep.sdp)) throw new Error(`${this}: the SDP in ${name} is none`)
    return event
  }

  /** The end of an established call, and of its media: only after that does a client use the line again. */
  async expectOver(code, patience = undefined) {
    await this.expect('hangup', { code }, patience)
    await this.expect('ice_hangup')
  }

  accept(jsep) { return this.#ask('accept', { jsep }) }
  decline() { return this.#ask('decline') }
  hangup() { return this.#ask('hangup') }
  hold(direction) { return this.#ask('hold', { direction }) }
  unhold() { return this.#ask('unhold') }
  update(jsep) { return this.#ask('update', { jsep }) }

  /** Answers a renegotiation by the other side, and returns what was offered. */
  async answerUpdate() {
    const { jsep } = await this.expectDescribed('updating_call', 'offer')
    await this.update(answerTo(jsep))
    await this.expect('updated')
    return jsep
  }

  /** Sends candidates as browsers do, all at once, and the end mark after them; each must be acked. */
  async trickle(end) {
    const acks = [...candidates(CANDIDATES), end]
      .map((candidate) => this.phone.execute('ice_trickle', { line: this.line, candidate }))
    await Promise.all(acks)
  }

  /** Events nobody expected. `ice_hangup` after a call that never was established is the server's choice. */
  unexpected() {
    return this.#events.filter((event) => event.event !== 'ice_hangup').map((event) => `${this} got ${said(event)}`)
  }

  toString() {
    return `${this.phone.name}, line ${this.line}`
  }

  #ask(request, rest = {}) {
    return this.phone.execute(request, { line: this.line, call_id: this.callId, ...rest })
  }
}

const matches = (wanted, found) => (Array.isArray(wanted) ? wanted.includes(found) : wanted === found)
const said = (value) => JSON.stringify(value)?.slice(0, 300)
