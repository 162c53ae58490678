// Calls that never ring: nobody has the number, its phone is off, its lines are taken, or the caller's own line is.

import { refused, scenario } from './lib/scenario.mjs'
import { establish, hangUp, lineReuseGuard } from './lib/steps.mjs'

const NOT_FOUND = 404
const TEMPORARILY_UNAVAILABLE = 480
const BUSY_HERE = 486
const BUSY_LINE = 503
const NOBODYS_NUMBER = '0000000000000'

await scenario('refused-calls', async (stage) => {
  const alice = await stage.signedOn('alice', 0)
  const bob = await stage.signedOn('bob', 1)
  const carol = await stage.signedOn('carol', 2)
  const switchedOff = stage.subscribers[3]

  await endsUnanswered(carol, NOBODYS_NUMBER, NOT_FOUND)
  await endsUnanswered(carol, switchedOff.number, TEMPORARILY_UNAVAILABLE)

  const calls = await takeEveryLine(alice, bob)
  await refused(BUSY_LINE, alice.call(carol.number, 0))
  await endsUnanswered(carol, bob.number, BUSY_HERE)
  await bob.missedCallFrom(carol.number)

  // Neither refusal may have touched the calls that took the lines.
  for (const { mo, mt } of calls) await hangUp(mo, mt)
})

async function endsUnanswered(caller, number, code) {
  const leg = await caller.call(number)
  await leg.expect('calling')
  await leg.expect('hangup', { code })
  await lineReuseGuard()
}

async function takeEveryLine(caller, callee) {
  const calls = []
  for (let line = 0; line < callee.state.lines.length; line += 1) calls.push(await establish(caller, callee, line))
  return calls
}
