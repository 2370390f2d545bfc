import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { createConnection, type Socket } from 'node:net';
import {
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  map,
  merge,
  mergeMap,
  Observable,
  of,
  ReplaySubject,
  Subject,
  take,
  tap,
  throwError,
  throwIfEmpty,
  timeout,
} from 'rxjs';
import { decode, found } from '../../codecs/decode.js';

/** An event of QEMU. */
export interface QmpEvent {
  /** Its name, such as `SHUTDOWN`. */
  readonly event: string;
  readonly data: unknown;
}

/** A connection to one QEMU, in its machine protocol. */
export interface Qmp {
  /** Such as `7.2.22`. */
  readonly version: string;
  /** Emits the events of QEMU from subscribe on; completes with the connection. */
  readonly events$: Observable<QmpEvent>;
  /** Runs a command and completes once it is done. */
  run(command: string, parameters?: object): Observable<never>;
  /** Runs a command and emits what it returns. */
  ask<A>(command: string, returns: t.Decoder<unknown, A>, parameters?: object): Observable<A>;
  /** Ends the connection; commands that were not answered yet fail. */
  close(): void;
}

/** How long QEMU may take. */
export interface QmpOptions {
  /** To greet, and to answer each command, in milliseconds. @defaultValue 10000 */
  readonly answerMs?: number;
}

/** Of a Unix socket: the kernel takes no longer one, and Node cuts off the rest in silence. */
export const longestSocketPath = 107;

const longestLine = 16 * 1_024 * 1_024;

/**
 * Connects to the QMP socket of a QEMU, and emits the connection once commands may be sent. QEMU greets one client at a time:
 * while another is connected this waits, and fails after `answerMs`.
 *
 * Replies are matched by their ids, so that commands may be sent while others run. A command that QEMU refuses fails with
 * QEMU's own words, and every one that is not answered when the connection ends fails too.
 *
 * @see https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
export function connectQmp(path: string, { answerMs = 10_000 }: QmpOptions = {}): Observable<Qmp> {
  return new Observable((subscriber) => {
    checkLength(path);
    const socket = createConnection({ path });
    const greeting$ = new ReplaySubject<t.TypeOf<typeof greeting>>(1);
    const messages$ = new Subject<Told>();
    let isOurs = true;

    hearLines(socket, (line) => {
      const decoded = decode(message, parsed(line));
      if (E.isLeft(decoded)) socket.destroy(new Error(`QEMU sent what is no QMP message: ${found(line)}`));
      else if ('QMP' in decoded.right) greeting$.next(decoded.right);
      else messages$.next(decoded.right);
    });
    // Whoever ends resets as often as it says goodbye.
    socket.on('error', (error) => {
      subscriber.error(error);
    });
    socket.on('close', () => {
      greeting$.complete();
      messages$.complete();
    });

    const greeted$ = greeting$.pipe(
      take(1),
      throwIfEmpty(() => new Error('QEMU ended the connection without a greeting')),
      patiently(answerMs, 'QEMU has not greeted; it serves one client at a time'),
      mergeMap(({ QMP: { version } }) => {
        const { major, minor, micro } = version.qemu;
        const ready = createQmp(socket, messages$, [major, minor, micro].join('.'), answerMs);
        return concat(ready.run('qmp_capabilities'), of(ready));
      }),
      tap(() => {
        isOurs = false;
      }),
    );
    subscriber.add(greeted$.subscribe(subscriber));
    return () => {
      if (isOurs) socket.destroy();
    };
  });
}

/** The connection once QEMU has greeted. */
function createQmp(socket: Socket, messages$: Observable<Told>, version: string, answerMs: number): Qmp {
  let ids = 0;

  const answer = (command: string, parameters: object): Observable<unknown> =>
    defer(() => {
      const id = (ids += 1);
      const reply$ = messages$.pipe(
        filter((each) => 'id' in each),
        filter((each) => each.id === id),
        take(1),
        throwIfEmpty(() => new Error(`QEMU is gone and has not answered "${command}"`)),
        map((each) => {
          if ('error' in each) throw new Error(wordsOf(command, each));
          return each.return;
        }),
      );
      const sent$ = defer(() => {
        socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
        return EMPTY;
      });
      return merge(reply$, sent$).pipe(patiently(answerMs, `QEMU has not answered "${command}"`));
    });

  return {
    version,
    events$: messages$.pipe(
      filter((each) => 'event' in each),
      map(({ event, data }) => ({ event, data })),
    ),
    run: (command, parameters = {}) => answer(command, parameters).pipe(ignoreElements()),
    ask: (command, returns, parameters = {}) =>
      answer(command, parameters).pipe(
        map((value) => {
          const decoded = decode(returns, value);
          if (E.isRight(decoded)) return decoded.right;
          const faults = decoded.left.map((fault) => `${fault.path}: ${fault.found}, not ${fault.expected}`);
          throw new Error(`QEMU answered "${command}" with ${faults.join('; ')}`);
        }),
      ),
    close: () => {
      socket.destroy();
    },
  };
}

function checkLength(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= longestSocketPath) return;
  const most = String(longestSocketPath);
  throw new Error(`the path of a socket has at most ${most} bytes, and this one ${String(bytes)}: ${path}`);
}

function hearLines(socket: Socket, hear: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLine) socket.destroy(new Error('QEMU sent a line without an end'));
    for (const line of lines) if (line.trim() !== '') hear(line);
  });
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

const patiently =
  (ms: number, what: string) =>
  <T>(source$: Observable<T>): Observable<T> =>
    source$.pipe(
      timeout({ first: ms, with: () => throwError(() => new Error(`${what} within ${String(ms)} ms`)) }),
    );

const wordsOf = (command: string, { error }: t.TypeOf<typeof refusal>): string =>
  `QEMU refused "${command}": ${error.desc} (${error.class})`;

// QEMU may say more in each than is known here.
const greeting = t.type({
  QMP: t.type({ version: t.type({ qemu: t.type({ major: t.number, minor: t.number, micro: t.number }) }) }),
});
const reply = t.type({ return: t.unknown, id: t.number });
const refusal = t.type({ error: t.type({ class: t.string, desc: t.string }), id: t.number });
const event = t.intersection([t.type({ event: t.string }), t.partial({ data: t.unknown })]);
const message = t.union([greeting, refusal, event, reply], 'a QMP message');

type Told = Exclude<t.TypeOf<typeof message>, t.TypeOf<typeof greeting>>;
