// The callee refuses: by `decline`, as the protocol says, and by `hangup`, as the vendor's own example does.

import { scenario } from './lib/scenario.mjs'
import { lineReuseGuard, ring } from './lib/steps.mjs'

const REFUSALS = [486, 603]

await scenario('declined-call', async (stage) => {
  const alice = await stage.signedOn('alice', 0)
  const bob = await stage.signedOn('bob', 1)

  const declined = await ring(alice, bob)
  await declined.mt.decline()
  const { code } = await declined.mt.expect('declining', { code: REFUSALS })
  await Promise.all([declined.mo.expect('hangup', { code }), declined.mt.expect('hangup', { code })])

  await lineReuseGuard()
  const hungUp = await ring(alice, bob)
  await hungUp.mt.hangup()
  await hungUp.mt.expect('hangingup')
  const { code: told } = await hungUp.mo.expect('hangup')
  await hungUp.mt.expect('hangup')
  if (told < 400) throw new Error(`a call that was never answered ended with ${told}`)
})
