// What getStats knows about the call's own path, as the few numbers a person or the monitor asks for.

const WINDOW = 10;

/** The counters of one moment: bytes of audio and video each way, the selected pair, loss, jitter, picture. */
export async function read(peer) {
  const stats = [...(await peer.getStats()).values()];
  const pair = selectedPair(stats);
  const inbound = stats.filter((one) => one.type === "inbound-rtp");
  const outbound = stats.filter((one) => one.type === "outbound-rtp");
  const video = inbound.find((one) => one.kind === "video");
  const typeOf = (id) => stats.find((one) => one.id === id)?.candidateType;
  return {
    at: performance.now(),
    pair: pair && `${typeOf(pair.localCandidateId)}/${typeOf(pair.remoteCandidateId)}`,
    protocol: stats.find((one) => one.id === pair?.localCandidateId)?.protocol,
    rttMs: milliseconds(pair?.currentRoundTripTime ?? roundTripByRtcp(stats)),
    jitterMs: milliseconds(Math.max(0, ...inbound.map((one) => one.jitter ?? 0))),
    lost: sum(inbound, "packetsLost"),
    received: sum(inbound, "packetsReceived"),
    rx: byKind(inbound, "bytesReceived"),
    tx: byKind(outbound, "bytesSent"),
    fps: video?.framesPerSecond ?? 0,
    frames: video?.framesDecoded ?? 0,
    size: video?.frameWidth ? `${video.frameWidth}×${video.frameHeight}` : null,
  };
}

/** Numbers over time: loss over the last seconds and the bitrate now, from one reading a second. */
export class Sampler {
  #readings = [];
  latest = null;

  async sample(peer) {
    const now = await read(peer);
    const before = this.#readings.at(-1) ?? now;
    const oldest = this.#readings.at(0) ?? now;
    const lost = Math.max(0, now.lost - oldest.lost);
    const all = lost + Math.max(0, now.received - oldest.received);
    const bits = 8 * (total(now.rx) - total(before.rx));
    this.#readings = [...this.#readings, now].slice(-WINDOW);
    this.latest = {
      ...now,
      lossPct: all ? round((100 * lost) / all) : 0,
      kbps: now.at > before.at ? Math.max(0, Math.round(bits / (now.at - before.at))) : 0,
    };
    return this.latest;
  }
}

function selectedPair(stats) {
  const transport = stats.find((one) => one.type === "transport" && one.selectedCandidatePairId);
  const pairs = stats.filter((one) => one.type === "candidate-pair");
  return (
    pairs.find((one) => one.id === transport?.selectedCandidatePairId) ??
    pairs.find((one) => one.selected || (one.nominated && one.state === "succeeded")) ??
    null
  );
}

function roundTripByRtcp(stats) {
  return stats.find((one) => one.type === "remote-inbound-rtp" && one.roundTripTime)?.roundTripTime;
}

function byKind(streams, counter) {
  const of = (kind) => sum(streams.filter((one) => one.kind === kind), counter);
  return { a: of("audio"), v: of("video") };
}

const sum = (streams, counter) => streams.reduce((all, one) => all + (one[counter] ?? 0), 0);
const total = ({ a, v }) => a + v;
const round = (value) => Math.round(10 * value) / 10;
const milliseconds = (seconds) => (seconds === undefined ? null : round(1000 * seconds));
