import * as E from 'fp-ts/lib/Either.js';
import {
  catchError,
  concat,
  concatWith,
  EMPTY,
  filter,
  from,
  map,
  mergeMap,
  NEVER,
  Observable,
  of,
  shareReplay,
  startWith,
  Subject,
  tap,
  throwError,
} from 'rxjs';
import type { Driver, LogLine, LogReading, Machine, Snapshotting } from 'rx-instances';
import type { MemoryDriver } from 'rx-instances/testing';
import { memorySubject } from './memory/memorySubject.js';
import {
  brokenBy,
  failuresBy,
  hot,
  inFreezing,
  inMachines,
  inSnapshots,
  late,
  once,
} from './contract/brokenBy.js';

const notReplayed = <T>(source$: Observable<T>): Observable<T> => {
  const told$ = new Subject<T>();
  source$.subscribe(told$);
  return told$;
};

/** Finds every machine that it ever launched. */
const adoptingAll = ({ launch }: MemoryDriver): Partial<Driver> => {
  const machines = new Map<unknown, Machine>();
  return {
    launch: (plan) => launch(plan).pipe(tap((machine) => machines.set(machine.handle['machine'], machine))),
    adopt: (_, handle) => from([machines.get(handle['machine'])].filter((machine) => machine !== undefined)),
  };
};

const sending = (signal: Machine['signal'], name: string): Observable<never> => signal?.(name) ?? EMPTY;

const line: LogLine = { stream: 'stdout', text: 'one', partial: false, cursor: 0 };

const notFollowing = ({ followUntil$: _, ...reading }: LogReading): LogReading => reading;

const killed = { code: null, signal: 'SIGKILL' };

describe('the contract holds a driver to its sentences:', () => {
  it('one without fault breaks no sentence', async () => {
    await expect(brokenBy(() => ({}), memorySubject)).resolves.toEqual([]);
  });

  it.each<[string, (driver: MemoryDriver) => Partial<Driver>, string]>([
    [
      'prepares before subscribe',
      ({ prepare }) => ({ prepare: (plan) => hot(prepare(plan)) }),
      'prepare, launch and discard do nothing before',
    ],
    [
      'launches once for all subscribers',
      ({ launch }) => ({
        launch: (plan) => launch(plan).pipe(shareReplay({ bufferSize: 1, refCount: false })),
      }),
      'prepare, launch and discard do nothing before',
    ],
    [
      'discards before subscribe',
      ({ discard }) => ({ discard: (home) => hot(discard(home)) }),
      'prepare, launch and discard do nothing before',
    ],
    [
      'stops before subscribe',
      inMachines(({ stop }) => ({ stop: (options) => hot(stop(options)) })),
      'what a machine can be told does nothing before',
    ],
    [
      'freezes before subscribe',
      inFreezing(({ freeze }) => ({ freeze: () => hot(freeze()) })),
      'what a machine can be told does nothing before',
    ],
    [
      'never completes a launch',
      ({ launch }) => ({ launch: (plan) => launch(plan).pipe(concatWith(NEVER)) }),
      'prepare completes without a value; launch emits one machine',
    ],
    [
      'launches two machines',
      ({ launch }) => ({ launch: (plan) => concat(launch(plan), launch(plan)) }),
      'prepare completes without a value; launch emits one machine',
    ],
    [
      'launches without a home',
      ({ launch, prepare }) => ({ launch: (plan) => concat(prepare(plan), launch(plan)) }),
      'a launch without a home fails',
    ],
    [
      'leaves a home that it failed to fill',
      ({ prepare }) => ({
        prepare: ({ copyOf, ...plan }) =>
          concat(prepare(plan), copyOf === undefined ? EMPTY : prepare({ ...plan, copyOf })),
      }),
      'a prepare that fails leaves no home',
    ],
    [
      'fails without saying why',
      ({ launch }) => ({
        launch: (plan) => (plan.spec.image === 'broken' ? throwError(() => new Error()) : launch(plan)),
      }),
      'a launch that fails says why',
    ],
    [
      'lets a machine live that nobody waits for',
      ({ launch }) => ({ launch: late(launch) }),
      'a machine whose subscriber went before it came up is killed',
    ],
    ['gives every machine one handle', inMachines(() => ({ handle: {} })), 'a home can be launched again'],
    [
      'gives handles that JSON cannot carry',
      inMachines(({ handle }) => ({ handle: { ...handle, at: undefined } })),
      'a handle is JSON',
    ],
    ['adopts what has ended', adoptingAll, 'adopt fails for a machine that has ended'],
    [
      'adopts nothing',
      () => ({ adopt: () => throwError(() => new Error('gone')) }),
      'adopt finds a machine that runs',
    ],
    [
      'tells signals to who is there only',
      inMachines(({ signals$ }) => ({ signals$: notReplayed(signals$) })),
      'every subscriber gets all signals',
    ],
    [
      'never says ready',
      inMachines(({ signals$ }) => ({ signals$: signals$.pipe(filter(({ kind }) => kind !== 'ready')) })),
      'without readiness in the spec a machine is ready at once',
    ],
    [
      'says ready too early',
      inMachines(({ signals$ }) => ({ signals$: signals$.pipe(startWith({ kind: 'ready' } as const)) })),
      'one that never becomes ready runs unready',
    ],
    [
      'says ready again',
      inMachines(({ signals$ }) => ({
        signals$: signals$.pipe(
          mergeMap((signal) => (signal.kind === 'ready' ? of(signal, signal) : of(signal))),
        ),
      })),
      'every subscriber gets all signals',
    ],
    [
      'does not say that a machine ended',
      inMachines(({ signals$ }) => ({ signals$: signals$.pipe(filter(({ kind }) => kind !== 'exit')) })),
      'one that is ended from outside says so',
    ],
    [
      'does not complete the signals',
      inMachines(({ signals$ }) => ({ signals$: signals$.pipe(concatWith(NEVER)) })),
      'one that ends by itself says how, last, and completes',
    ],
    [
      'ends the signals with an error',
      inMachines(({ signals$ }) => ({
        signals$: concat(
          signals$,
          throwError(() => new Error('ended')),
        ),
      })),
      'one that ends by itself says how, last, and completes',
    ],
    [
      'ends a machine with its subscriber',
      inMachines(({ signals$, kill }) => ({
        signals$: new Observable((subscriber) => {
          subscriber.add(signals$.subscribe(subscriber));
          return () => {
            kill().subscribe();
          };
        }),
      })),
      'nothing is ended by unsubscribing',
    ],
    [
      'finds what it found first',
      inMachines(({ inspect }) => {
        const first$ = inspect().pipe(shareReplay({ bufferSize: 1, refCount: false }));
        return { inspect: () => first$ };
      }),
      'freeze halts and thaw resumes',
    ],
    [
      'finds ready what is not',
      inMachines(({ inspect }) => ({
        inspect: () =>
          inspect().pipe(map((status) => (status.kind === 'running' ? { ...status, ready: true } : status))),
      })),
      'one that never becomes ready runs unready',
    ],
    [
      'answers a stop with what it guesses',
      inMachines(({ stop }) => ({ stop: (options) => stop(options).pipe(map(() => killed)) })),
      'stop of one that has ended answers how it ended',
    ],
    [
      'answers a kill before the end',
      inMachines(() => ({ kill: () => of(killed) })),
      'kill emits how the machine ended',
    ],
    [
      'stops once only',
      inMachines(({ stop }) => ({ stop: once(stop) })),
      'several stops and kills at once all answer alike',
    ],
    [
      'fails to stop what has ended',
      inMachines(({ inspect, stop }) => ({
        stop: (options) =>
          inspect().pipe(
            mergeMap(({ kind }) => (kind === 'ended' ? throwError(() => new Error('ended')) : stop(options))),
          ),
      })),
      'stop of one that has ended answers',
    ],
    ['freezes nothing', inFreezing(() => ({ freeze: () => EMPTY })), 'freeze halts and thaw resumes'],
    ['thaws nothing', inFreezing(() => ({ thaw: () => EMPTY })), 'freeze halts and thaw resumes'],
    [
      'freezes only what is not frozen',
      inFreezing(({ freeze }) => ({ freeze: once(freeze) })),
      'freeze halts and thaw resumes',
    ],
    [
      'stops only what is not frozen',
      inMachines(({ inspect, stop }) => ({
        stop: (options) =>
          inspect().pipe(mergeMap(({ kind }) => (kind === 'frozen' ? NEVER : stop(options)))),
      })),
      'stop ends a frozen machine',
    ],
    [
      'says that it frees the CPU and cannot',
      inMachines(() => ({ freezing: undefined as never })),
      'freeze halts and thaw resumes',
    ],
    [
      'says that it frees nothing and can freeze',
      ({ capabilities }) => ({ capabilities: { ...capabilities, standbyFrees: 'nothing' } }),
      'which frees nothing on standby has machines without freezing',
    ],
    [
      'has ports and does not say so',
      ({ capabilities: { ports: _, ...capabilities } }) => ({ capabilities }),
      'which has no ports has machines without them',
    ],
    [
      'says that it has ports and has none',
      inMachines(() => ({ ports: undefined as never })),
      'each of the spec',
    ],
    [
      'has ports that lead nowhere',
      inMachines(() => ({ ports: { addressOf: () => undefined } })),
      'each of the spec has an address',
    ],
    [
      'gives two machines one address',
      inMachines(() => ({ ports: { addressOf: (guest) => ({ host: '127.0.0.1', port: guest }) } })),
      'each of the spec has an address on this host that it shares with nobody',
    ],
    [
      'has addresses of other hosts',
      inMachines(({ ports }) => ({
        ports: { addressOf: (guest) => ({ host: '192.0.2.1', port: ports?.addressOf(guest)?.port ?? 0 }) },
      })),
      'each of the spec has an address on this host',
    ],
    [
      'has an address for whatever port it is asked for',
      inMachines(({ ports }) => ({
        ports: { addressOf: (guest) => ports?.addressOf(guest) ?? { host: '127.0.0.1', port: 1 } },
      })),
      'one that is not in the spec has none',
    ],
    [
      'has its machines listen where a front door is to',
      ({ launch }) => ({
        launch: (plan) =>
          launch(plan).pipe(
            map((machine) => ({
              ...machine,
              ports: {
                addressOf: (guest) => {
                  const host = plan.spec.ports?.find((port) => port.guest === guest)?.host;
                  return host === undefined
                    ? machine.ports?.addressOf(guest)
                    : { host: '127.0.0.1', port: host };
                },
              },
            })),
          ),
      }),
      'they are never those that the spec has a front door listen on',
    ],
    [
      'forgets the ports of what it adopts',
      ({ adopt }) => ({
        adopt: (plan, handle) =>
          adopt(plan, handle).pipe(map((machine) => ({ ...machine, ports: { addressOf: () => undefined } }))),
      }),
      'an adopted machine has them where they were',
    ],
    [
      'names signals without SIGKILL',
      ({ capabilities }) => ({ capabilities: { ...capabilities, signals: ['SIGTERM'] } }),
      'SIGKILL is among them',
    ],
    [
      'names no signals and takes them',
      ({ capabilities }) => ({ capabilities: { ...capabilities, signals: [] } }),
      'which names no signals has machines that take none',
    ],
    [
      'sends signals before subscribe',
      inMachines(({ signal }) => ({ signal: (name) => hot(sending(signal, name)) })),
      'they do nothing before subscribe',
    ],
    [
      'gives a value for a signal that it sent',
      inMachines(({ signal }) => ({
        signal: (name) => concat(sending(signal, name), of(name)) as Observable<never>,
      })),
      'complete without a value once they are sent',
    ],
    ['sends no signal', inMachines(() => ({ signal: () => EMPTY })), 'one that is adopted takes them too'],
    [
      'sends signals to what has ended',
      inMachines(({ signal }) => ({
        signal: (name) => sending(signal, name).pipe(catchError(() => EMPTY)),
      })),
      'one that has ended takes none',
    ],
    ['keeps what it should discard', () => ({ discard: () => EMPTY }), 'discard removes a home'],
    ['discards once only', ({ discard }) => ({ discard: once(discard) }), 'discard removes a home'],
    [
      'discards copies with their source',
      ({ discard, homes }) => ({ discard: () => concat(...homes().map((home) => discard(home))) }),
      'a home can be copied',
    ],
    [
      'keeps the log of a home that was discarded',
      ({ logs }) => ({
        logs: (home, options) => concat(options.source === 'app' ? of(line) : EMPTY, logs(home, options)),
      }),
      'a home that was discarded and is prepared anew is fresh',
    ],
    [
      'keeps folders that it should discard',
      inSnapshots(() => ({ discard: () => EMPTY })),
      'one that was discarded is found damaged',
    ],
    [
      'finds no damage',
      inSnapshots(() => ({ check: () => of([]) })),
      'one that was discarded is found damaged',
    ],
    [
      'finds damage everywhere',
      inSnapshots(() => ({ check: () => of([{ path: '', found: 'x', expected: 'y' }]) })),
      'what was taken is told in JSON, and is sound',
    ],
    [
      'takes before it is asked',
      inSnapshots(({ take }) => ({ take: (plan) => hot(take(plan)) })),
      'nothing is done before it is subscribed to',
    ],
    [
      'makes a home of nothing',
      ({ prepare, snapshots }) => ({
        snapshots: { ...(snapshots as Snapshotting), layOut: (plan) => prepare(plan) },
      }),
      'a home that cannot be made of it leaves no file',
    ],
    ['makes no home', inSnapshots(() => ({ layOut: () => EMPTY })), 'a home is made of it'],
    ['replaces nothing', inSnapshots(() => ({ replace: () => EMPTY })), 'it takes the place'],
    [
      'cannot undo',
      inSnapshots(({ replace }) => ({
        replace: (...args) =>
          replace(...args).pipe(map((done) => ({ ...done, undo: () => throwError(() => new Error('no')) }))),
      })),
      'a replacement can be undone',
    ],
    [
      'cannot mend',
      inSnapshots(() => ({ mend: () => throwError(() => new Error('no')) })),
      'a replacement that was neither kept nor undone',
    ],
    [
      'replaces by what is not there',
      inSnapshots(() => ({ replace: () => of({ keep: () => EMPTY, undo: () => EMPTY }) })),
      'a replacement that fails changes nothing',
    ],
    [
      'takes a home that is not there',
      inSnapshots(({ take }) => ({
        take: (plan) => take(plan).pipe(catchError(() => EMPTY)),
      })),
      'a take that fails leaves no folder',
    ],
    [
      'takes a tail of 0 for all',
      ({ logs }) => ({
        logs: (home, options) =>
          logs(home, { ...options, tail: options.tail === 0 ? Infinity : options.tail }),
      }),
      'a log begins with as many lines from the end',
    ],
    [
      'gives one line too many',
      ({ logs }) => ({ logs: (home, options) => logs(home, { ...options, tail: options.tail + 1 }) }),
      'a log begins with as many lines from the end',
    ],
    [
      'does not follow',
      ({ logs }) => ({ logs: (home, options) => logs(home, notFollowing(options)) }),
      'who follows a log gets the last lines',
    ],
    [
      'tells new lines twice',
      ({ logs }) => ({
        logs: (home, options) =>
          options.followUntil$ === undefined
            ? logs(home, options)
            : concat(
                logs(home, notFollowing(options)),
                logs(home, { ...options, tail: 0 }).pipe(mergeMap((told) => [told, told])),
              ),
      }),
      'who follows a log gets the last lines',
    ],
    [
      'gives nothing of an unknown log',
      ({ logs }) => ({ logs: (home, options) => (options.source === 'app' ? logs(home, options) : EMPTY) }),
      'a log that it does not keep is not found',
    ],
    [
      'accepts every field',
      () => ({ decode: (fields) => E.right(fields) }),
      'one that it does not know is a fault',
    ],
    [
      'takes limits that it holds nothing to',
      ({ decode }) => ({ decode: ({ memoryMiB, ...fields }) => decode(fields) }),
      'one that it does not hold is a fault',
    ],
    ['refuses every field', () => ({ decode: () => E.left([]) }), 'those it knows are accepted'],
    [
      'names no path',
      ({ decode }) => ({
        decode: (fields) => E.mapLeft(() => [{ path: '', found: 'x', expected: 'y' }])(decode(fields)),
      }),
      'one that it does not know is a fault',
    ],
  ])('one that %s', async (_, fault, sentence) => {
    await expect(brokenBy(fault)).resolves.toContainEqual(expect.stringContaining(sentence));
  });
});

it.each<[string, (driver: MemoryDriver) => Partial<Driver>, string, string]>([
  [
    'fails to prepare',
    () => ({ prepare: () => throwError(() => new Error('no disk')) }),
    'a home can be launched again',
    'driver.prepare failed: no disk',
  ],
  [
    'gives no machine',
    () => ({ launch: () => EMPTY }),
    'launch emits one machine',
    'driver.launch: it emits one value, not 0',
  ],
  [
    'hangs when it launches',
    () => ({ launch: () => NEVER }),
    'launch emits one machine',
    'driver.launch: nothing came within 100 ms',
  ],
  [
    'launches in any home',
    ({ launch }) => ({ launch: (plan) => launch(plan).pipe(catchError(() => EMPTY)) }),
    'a launch without a home fails',
    'driver.launch: it fails with an error',
  ],
  [
    'has machines that cannot stop',
    inMachines(() => ({ stop: () => throwError(() => new Error('no hands')) })),
    'stop emits how the machine ended',
    'machine.stop failed: no hands',
  ],
  [
    'has machines that never get ready',
    inMachines(() => ({ signals$: NEVER })),
    'without readiness in the spec a machine is ready',
    'machine.signals$: nothing came within 100 ms',
  ],
  [
    'has machines that hang when they are to freeze',
    inFreezing(() => ({ freeze: () => NEVER })),
    'freeze halts and thaw resumes',
    'machine.freezing.freeze: nothing came within 100 ms',
  ],
])('of a driver that %s the contract names the call', async (_, fault, beginning, message) => {
  const failures = await failuresBy(fault);
  const told = [...failures].find(([sentence]) => sentence.includes(beginning));
  // What was found and what was expected may follow.
  expect(told?.[1].split('\n')[0]).toBe(message);
});
