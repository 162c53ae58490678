// Two phones talk: candidates both ways, hold and resume, a renegotiation; then back the other way on the same line.

import { scenario } from './lib/scenario.mjs'
import { establish, hangUp, trickleBothWays } from './lib/steps.mjs'
import { isHeld, offer } from './lib/media.mjs'

await scenario('answered-call', async (stage) => {
  const alice = await stage.signedOn('alice', 0)
  const bob = await stage.signedOn('bob', 1)

  const { mo, mt } = await establish(alice, bob)
  await trickleBothWays(mo, mt)
  await holdAndResume(mo, mt)
  await holdAndResume(mt, mo)
  await renegotiate(mo, mt)
  await renegotiate(mt, mo)
  await hangUp(mo, mt)

  const back = await establish(bob, alice)
  await trickleBothWays(back.mo, back.mt)
  await hangUp(back.mt, back.mo)
})

/** The holder is told nothing about the peer's answers: its next event after `holding` is `resuming`. */
async function holdAndResume(holder, peer) {
  await holder.hold('inactive')
  await holder.expect('holding')
  if (!isHeld(await peer.answerUpdate())) throw new Error('the offer of a hold should stop the media')

  await holder.unhold()
  await holder.expect('resuming')
  if (isHeld(await peer.answerUpdate())) throw new Error('the offer of a resume should bring the media back')
}

async function renegotiate(asker, peer) {
  await asker.update(offer())
  await asker.expect('updating')
  await peer.answerUpdate()
  await asker.expectDescribed('accepted', 'answer')
}
