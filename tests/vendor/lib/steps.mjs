// Stretches of a call that several scenarios share.

import { END_AS_BROWSERS_SAY_IT, END_AS_GATEWAYS_SAY_IT, answerTo } from './media.mjs'
import { sleep } from './waiting.mjs'

export const NORMAL_END = 200

/**
 * A call that was never established may or may not leave an `ice_hangup` behind, so a client cannot wait for it: it gives
 * the line this long before using it again.
 */
const LINE_REUSE_GUARD_MS = 500
export const lineReuseGuard = () => sleep(LINE_REUSE_GUARD_MS)

/** Caller's request to callee's `incoming_call`; both sides know that it rings. */
export async function ring(caller, callee, line = 0) {
  const mo = await caller.call(callee.number, line)
  await mo.expect('calling')
  await mo.expect('ringing')
  const { leg: mt, jsep } = await callee.incomingFrom(caller.number)
  return { mo, mt, jsep }
}

/** A call from the first ring to both sides talking. */
export async function establish(caller, callee, line = 0) {
  const { mo, mt, jsep } = await ring(caller, callee, line)
  await answer(mt, jsep)
  await mo.expectDescribed('accepted', 'answer')
  return { mo, mt }
}

/** The callee picks up; it gave the answer itself, so `accepted` brings it none. */
export async function answer(mt, jsep) {
  await mt.accept(answerTo(jsep))
  await mt.expect('accepted', { jsep: null })
}

export async function trickleBothWays(mo, mt) {
  await Promise.all([mo.trickle(END_AS_BROWSERS_SAY_IT), mt.trickle(END_AS_GATEWAYS_SAY_IT)])
}

/** One side of an established call hangs up; both see it end. */
export async function hangUp(leg, other) {
  await Promise.all([hangUpAlone(leg), other.expectOver(NORMAL_END)])
}

/** The same where the other side is not in our hands. */
export async function hangUpAlone(leg) {
  await leg.hangup()
  await leg.expect('hangingup')
  await leg.expectOver(NORMAL_END)
}
