// Session descriptions and ICE candidates as a browser writes them. No media flows: the addresses are documentation ones.

const CODECS = [
  [111, 'opus/48000/2', 'minptime=10;useinbandfec=1'],
  [63, 'red/48000/2', '111/111'],
  [9, 'G722/8000'],
  [0, 'PCMU/8000'],
  [8, 'PCMA/8000'],
  [126, 'telephone-event/8000', '0-16'],
]

const FINGERPRINT = Array.from({ length: 32 }, (_, i) => (i * 7 + 16).toString(16).padStart(2, '0').toUpperCase()).join(':')

function codecLines() {
  return CODECS.flatMap(([payload, name, settings]) => [
    `a=rtpmap:${payload} ${name}`,
    ...(settings ? [`a=fmtp:${payload} ${settings}`] : []),
  ])
}

function description(type, direction) {
  const sdp = [
    'v=0',
    'o=- 4611731400430051336 2 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    'a=extmap-allow-mixed',
    'a=msid-semantic: WMS',
    `m=audio 9 UDP/TLS/RTP/SAVPF ${CODECS.map(([payload]) => payload).join(' ')}`,
    'c=IN IP4 0.0.0.0',
    'a=rtcp:9 IN IP4 0.0.0.0',
    'a=ice-ufrag:vNd1',
    'a=ice-pwd:asd88fgpdd777uzjYhagZg00',
    'a=ice-options:trickle',
    `a=fingerprint:sha-256 ${FINGERPRINT}`,
    `a=setup:${type === 'offer' ? 'actpass' : 'active'}`,
    'a=mid:0',
    `a=${direction}`,
    'a=rtcp-mux',
    ...codecLines(),
  ]
  return { type, sdp: `${sdp.join('\r\n')}\r\n` }
}

export const offer = () => description('offer', 'sendrecv')

/** An answer mirrors what was offered: to one who holds us we neither send nor listen. */
export function answerTo(jsep) {
  return description('answer', isHeld(jsep) ? 'inactive' : 'sendrecv')
}

/** Whether a session description stops the media towards its receiver or from it. */
export const isHeld = (jsep) => /^a=(sendonly|inactive)\r?$/m.test(jsep.sdp)

export function candidates(count) {
  return Array.from({ length: count }, (_, i) => ({
    candidate: `candidate:${2817364509 + i} 1 udp 2122194687 192.0.2.${17 + i} ${54021 + i} typ host generation 0`,
    sdpMid: '0',
    sdpMLineIndex: 0,
    usernameFragment: 'vNd1',
  }))
}

/** The two ways to say that no candidate follows. */
export const END_AS_BROWSERS_SAY_IT = null
export const END_AS_GATEWAYS_SAY_IT = { completed: true }
