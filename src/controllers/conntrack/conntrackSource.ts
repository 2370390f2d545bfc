import {
  asyncScheduler,
  BehaviorSubject,
  concat,
  defer,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  observeOn,
  of,
  retry,
  share,
  take,
  throwError,
  timer,
  toArray,
} from 'rxjs';
import { closed } from '../../codecs/closed.js';
import { decodeOrThrow } from '../../codecs/decode.js';
import { programName } from '../../codecs/scalars.js';
import type {
  Connection,
  ConnectionChange,
  ConnectionEnd,
  ConnectionSource,
  ConnectionSourceState,
  InstanceNetwork,
} from '../../instances/connectionSource.js';
import { messageOf } from '../../lifecycle/messageOf.js';
import { ConntrackFailed } from './conntrackFailed.js';
import { conntrackLine, type Flow } from './conntrackLine.js';
import { knownConnection$ } from './knownConnection.js';
import { type ProgramLine, programLines } from './programLines.js';

/** How to make a source of tracked connections. */
export interface ConntrackSourceOptions {
  /** Name or path of the tool. @defaultValue `'conntrack'` */
  readonly command?: string;
}

/** A {@link ConnectionSource} that tells how it is. */
export interface ConntrackSource extends ConnectionSource {
  /** Emits how it is, at once and with each change. It watches only while somebody has subscribed to `changes$`. */
  readonly state$: Observable<ConnectionSourceState>;
}

/** What hypeman asks for: with the kernel's own size events were lost every minute on its hosts. */
const bufferBytes = 40 * 2 ** 20;
const firstRetryMs = 500;
const longestRetryMs = 30_000;
/** The tool says that it listens; should a version not do so, it listens by then. */
const listensAfterMs = 1_000;

/**
 * Creates a source of the TCP connections that the kernel tracks, over IPv4 and IPv6, by the tool `conntrack`: Linux, as root. It sees what does not
 * come through a front door. A connection is there from its first packet (SYN_SENT) until it is TIME_WAIT, CLOSE or gone.
 *
 * The tool is started when the first subscribes to `changes$`, and again with a back-off from half a second to 30 s when it ends, or says that it has lost events; each time it
 * listens, `reset` is emitted. `read` lists all connections anew. It fails with {@link ConntrackFailed} where it can't, and where the table does not
 * list a connection of ours that is there: the kernel tracks only where a rule of the firewall has asked it to, loopback included.
 *
 * For `connectionSources` of `openManager`, which tells it where machines are. Connections that the manager has opened itself, by its front door and its health
 * checks, are left out; the program of a health check by `exec` that connects to its instance is not.
 *
 * What it can't know: a connection that is older than the first such rule is not listed while nobody speaks.
 *
 * @throws {@link InvalidRequest} when the options can't be understood
 *
 * @example
 * ```ts
 * import { createConntrackSource, openManager } from 'rx-instances';
 * import { createMemoryDriver } from 'rx-instances/testing';
 * import { firstValueFrom } from 'rxjs';
 *
 * const connectionSources = [createConntrackSource()];
 * await using manager = await openManager({ drivers: [createMemoryDriver()], connectionSources });
 * const autoStandby = { enabled: true, idleTimeoutMs: 300_000 } as const;
 * await firstValueFrom(manager.create({ name: 'web', image: 'any', ports: [{ guest: 80 }], autoStandby }));
 * const status = await firstValueFrom(manager.status('web'));
 * status.autoStandby?.activeConnections; // => 0
 * ```
 */
export function createConntrackSource(
  options: ConntrackSourceOptions = {},
): (network: InstanceNetwork) => ConntrackSource {
  const { command = 'conntrack' } = decodeOrThrow(conntrackOptions, options);
  return (network) => conntrackSource(network, command);
}

function conntrackSource(network: InstanceNetwork, command: string): ConntrackSource {
  const unsupported = unsupportedHere();
  const state$ = new BehaviorSubject<ConnectionSourceState>(
    unsupported === undefined
      ? { kind: 'connecting' }
      : { kind: unsupported.kind, reason: unsupported.reason },
  );
  /** By their ends, with when they were first seen. */
  let open = new Map<string, Connection>();

  /** One that was taken up in the middle has whoever spoke first as its source, and an address may be translated. */
  const seenAs = ({ original, reply, time, isActive }: Flow): Seen | undefined => {
    const ends = [
      [original.to, original.from],
      [reply.from, original.from],
      [original.from, original.to],
    ] as const;
    for (const [end, source] of ends) {
      const found = network.portAt(end);
      if (found === undefined) continue;
      const { instanceId, guest } = found;
      const since = open.get(keyOf({ instanceId, guest, source }))?.since ?? time ?? asyncScheduler.now();
      const connection = { instanceId, guest, source, since };
      return { connection, isUsed: isActive && !network.isOwn(source, end) };
    }
    return undefined;
  };

  /** What is told while the table is read is newer than what is read. */
  const reads = new Set<Map<string, Connection | undefined>>();

  const changeOf = (flow: Flow): Observable<ConnectionChange> => {
    const seen = seenAs(flow);
    if (seen === undefined) return EMPTY;
    const { connection, isUsed } = seen;
    const key = keyOf(connection);
    for (const newer of reads) newer.set(key, isUsed ? connection : undefined);
    if (isUsed === open.has(key)) return EMPTY;
    if (isUsed) open.set(key, connection);
    else open.delete(key);
    return of({ kind: isUsed ? 'opened' : 'closed', connection });
  };

  /** The changes of one run of the tool, which ends with an error. */
  const watched$ = defer(() => {
    let listens = false;
    const begin = (): Observable<ConnectionChange> => {
      if (listens) return EMPTY;
      listens = true;
      state$.next({ kind: 'connected' });
      return of({ kind: 'reset' });
    };
    const told = ({ stream, text }: ProgramLine): Observable<ConnectionChange> => {
      if (stream === 'stdout') return concat(defer(begin), flowOf(text).pipe(mergeMap(changeOf)));
      if (text.includes('ENOBUFS')) throw failure('events were lost: the buffer of the socket was full');
      return text.includes('buffer size') ? begin() : EMPTY;
    };
    const ended$ = throwError(() => failure(`${command} has ended`));
    return merge(
      concat(programLines(command, eventArguments).pipe(afterOwn), ended$).pipe(mergeMap(told)),
      timer(listensAfterMs).pipe(mergeMap(begin)),
    );
  });

  const changes$ = watched$.pipe(
    retry({
      delay: (error: unknown, count) => {
        state$.next({ kind: 'observer_error', reason: messageOf(error) });
        return timer(Math.min(firstRetryMs * 2 ** Math.min(count - 1, 10), longestRetryMs));
      },
      resetOnSuccess: true,
    }),
    finalize(() => {
      state$.next({ kind: 'connecting' });
    }),
    share(),
  );

  const table = (family: 'ipv4' | 'ipv6'): Observable<Flow> =>
    programLines(command, ['-L', '-p', 'tcp', '-f', family, '-o', 'extended']).pipe(
      afterOwn,
      mergeMap(({ stream, text }) => (stream === 'stdout' ? flowOf(text) : EMPTY)),
    );

  const tableWith = (known: ConnectionEnd): Observable<readonly Connection[]> => {
    const isKnown = ({ original: { from, to } }: Flow): boolean => isSame(from, known) || isSame(to, known);
    const newer = new Map<string, Connection | undefined>();
    reads.add(newer);
    return merge(table('ipv4'), table('ipv6')).pipe(
      map((flow) => ({ isKnown: isKnown(flow), seen: seenAs(flow) })),
      filter((row) => row.isKnown || row.seen?.isUsed === true),
      toArray(),
      map((rows) => {
        if (!rows.some((row) => row.isKnown)) throw failure(nothingTracked);
        const read = rows.flatMap(({ seen }) => (seen?.isUsed === true ? [seen.connection] : []));
        const found = new Map(read.map((connection) => [keyOf(connection), connection]));
        for (const [key, connection] of newer) {
          if (connection === undefined) found.delete(key);
          else found.set(key, connection);
        }
        open = found;
        return [...found.values()];
      }),
      finalize(() => reads.delete(newer)),
    );
  };

  return {
    name: 'conntrack',
    state$: state$.asObservable(),
    changes$: unsupported === undefined ? changes$ : NEVER,
    read: () =>
      unsupported === undefined
        ? knownConnection$.pipe(mergeMap(tableWith), take(1))
        : throwError(() => unsupported),
  };
}

/** A connection of a client, or what was one; not used is one that is over, or of the manager itself. */
interface Seen {
  readonly connection: Connection;
  readonly isUsed: boolean;
}

const conntrackOptions = closed('conntrack options', {}, { command: programName });

/** What the kernel tells of a socket of this process may be there in the same turn as the word that it is connected: that goes before. */
const afterOwn = observeOn<ProgramLine>(asyncScheduler);

const eventArguments = ['-E', '-p', 'tcp', '-o', 'extended,timestamp', '-b', String(bufferBytes)];

const nothingTracked =
  'the kernel does not track connections of loopback: it does so once a rule of the firewall asks for their state';

const failure = (reason: string): ConntrackFailed => new ConntrackFailed({ kind: 'observer_error', reason });

const unsupportedHere = (): ConntrackFailed | undefined =>
  process.platform === 'linux'
    ? undefined
    : new ConntrackFailed({
        kind: 'unsupported_platform',
        reason: `connections are tracked by Linux, and this is ${process.platform}`,
      });

const flowOf = (line: string): Observable<Flow> => {
  const flow = conntrackLine(line);
  return flow === undefined ? EMPTY : of(flow);
};

const keyOf = ({ instanceId, guest, source }: Omit<Connection, 'since'>): string =>
  `${instanceId} ${String(guest)} ${source.address} ${String(source.port)}`;

const isSame = (one: ConnectionEnd, other: ConnectionEnd): boolean =>
  one.address === other.address && one.port === other.port;
