import assert from 'node:assert/strict';

/** Looks at a stream of server-sent events as it comes, at the bytes only: what reads it should cost little. */
export interface OrderOfEvents {
  /** Events that have come whole. */
  readonly heard: number;
  /** How often it was said that the client is behind. */
  readonly lags: number;
  /** @throws `AssertionError` where an event is missing, comes twice, or out of its order */
  take(chunk: Buffer): void;
}

const idLine = Buffer.from('id: ');
const blockEnd = Buffer.from('\n\n');
const typeLine = Buffer.from('event: ');
const lagged = Buffer.from('event: lagged\n');
const [colon, lineEnd] = [0x3a, 0x0a];

/** Creates one for a stream that begins anywhere; events of the same sequence have to follow. */
export function orderOfEvents(): OrderOfEvents {
  let rest: Buffer = Buffer.alloc(0);
  let last = NaN;
  let heard = 0;
  let lags = 0;

  const takeBlock = (bytes: Buffer, from: number): void => {
    if (bytes.compare(typeLine, 0, typeLine.length, from, from + typeLine.length) === 0) {
      if (bytes.compare(lagged, 0, lagged.length, from, from + lagged.length) === 0) lags += 1;
      return;
    }
    if (bytes.compare(idLine, 0, idLine.length, from, from + idLine.length) !== 0) return;
    const sequence = numberAt(bytes, bytes.indexOf(colon, from + idLine.length) + 1);
    assert.ok(Number.isNaN(last) || sequence === last + 1, 'no event is lost, and none comes twice');
    last = sequence;
    heard += 1;
  };

  return {
    get heard() {
      return heard;
    },
    get lags() {
      return lags;
    },
    take: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      for (let end = bytes.indexOf(blockEnd); end >= 0; end = bytes.indexOf(blockEnd, from)) {
        takeBlock(bytes, from);
        from = end + blockEnd.length;
      }
      rest = bytes.subarray(from);
    },
  };
}

/** The digits there, up to the end of the line. */
function numberAt(bytes: Buffer, from: number): number {
  let number = 0;
  for (let at = from; bytes[at] !== lineEnd; at += 1) number = number * 10 + ((bytes[at] ?? 0) - 0x30);
  return number;
}
