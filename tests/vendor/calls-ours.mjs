// The vendor's phone calls two simulated ones: it hangs up on the first, and lets the second hang up on it.
//
// From the environment besides: WTSP_PEERS, the numbers of the two.

import { scenario } from './lib/scenario.mjs'
import { NORMAL_END, hangUpAlone, lineReuseGuard } from './lib/steps.mjs'
import { END_AS_BROWSERS_SAY_IT } from './lib/media.mjs'
import { sleep } from './lib/waiting.mjs'

const OFFLINE = 480
const TALK_MS = 300
const TRIES = 20
const LONGEST_HOLD_MS = 8_000

await scenario('calls-ours', async (stage) => {
  const vendor = await stage.signedOn('vendor', 0)
  const [first, second] = process.env.WTSP_PEERS.split(',')

  const ended = await answeredBy(vendor, first)
  await sleep(TALK_MS)
  await hangUpAlone(ended)

  const leftTo = await answeredBy(vendor, second)
  await leftTo.expectOver(NORMAL_END, LONGEST_HOLD_MS)
})

async function answeredBy(vendor, number) {
  const leg = await ringing(vendor, number)
  await leg.expectDescribed('accepted', 'answer')
  await leg.trickle(END_AS_BROWSERS_SAY_IT)
  return leg
}

/** The simulated phones need a moment to sign on: until then their numbers are offline. */
async function ringing(vendor, number) {
  for (let tries = 1; ; tries += 1) {
    const leg = await vendor.call(number)
    await leg.expect('calling')
    const event = await leg.expectOneOf(['ringing', 'hangup'])
    if (event.event === 'ringing') return leg
    if (event.code !== OFFLINE || tries === TRIES) throw new Error(`${number} does not ring: ${event.code}`)
    await lineReuseGuard()
  }
}
