import { isIP } from 'node:net';
import type { ConnectionEnd } from '../../instances/connectionSource.js';

/** A connection in one direction. */
interface Tuple {
  readonly from: ConnectionEnd;
  readonly to: ConnectionEnd;
}

/** What the tool `conntrack` says of a TCP connection in one line. */
export interface Flow {
  /** What has happened to it; nothing in a table. */
  readonly event?: 'NEW' | 'UPDATE' | 'DESTROY';
  /** When that was: Unix time in milliseconds. */
  readonly time?: number;
  /** Whether it is one that somebody may still use, which is to be assumed of a line without a state. */
  readonly isActive: boolean;
  /** As who opened it sees it. */
  readonly original: Tuple;
  /** As answers go: other addresses than those of `original` where the kernel translates them. */
  readonly reply: Tuple;
}

/** The states in which nobody uses a connection any more; whatever else there may be counts as used (hypeman `lib/autostandby/types.go`). */
const inactive = new Set(['NONE', 'TIME_WAIT', 'CLOSE']);

const head =
  /^(?:\[(\d{1,12})\.(\d{3})\d*\]\s+)?(?:\[(NEW|UPDATE|DESTROY)\]\s+)?ipv[46]\s+\d+\s+tcp\s+6\s+(?:\d+\s+)?(?:([A-Z][A-Z_0-9]*)\s+)?(?=src=)/;
const tuple = /src=(\S+) dst=(\S+) sport=(\d{1,5}) dport=(\d{1,5})(?=\s|$)/g;

/** Understands a line of `conntrack -L` or `conntrack -E`, with `-o extended` or `-o extended,timestamp`; nothing for one that tells of no TCP connection. */
export function conntrackLine(line: string): Flow | undefined {
  const found = head.exec(line.trim());
  const tuples = [...line.matchAll(tuple)].map(tupleOf);
  const [original, reply] = tuples;
  if (found === null || tuples.length !== 2 || original === undefined || reply === undefined)
    return undefined;
  const [, seconds, milliseconds, event, state] = found;
  return {
    ...(event !== undefined && { event: event as NonNullable<Flow['event']> }),
    ...(seconds !== undefined && { time: Number(seconds) * 1_000 + Number(milliseconds) }),
    isActive: event !== 'DESTROY' && (state === undefined || !inactive.has(state)),
    original,
    reply,
  };
}

function tupleOf([, source = '', destination = '', sport, dport]: RegExpExecArray): Tuple | undefined {
  const [from, to] = [
    { address: source, port: Number(sport) },
    { address: destination, port: Number(dport) },
  ];
  return isEnd(from) && isEnd(to) ? { from, to } : undefined;
}

const isEnd = ({ address, port }: ConnectionEnd): boolean => isIP(address) !== 0 && port <= 65_535;
