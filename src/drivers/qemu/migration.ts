import * as t from 'io-ts';
import {
  concat,
  defer,
  EMPTY,
  filter,
  ignoreElements,
  interval,
  map,
  merge,
  mergeMap,
  type Observable,
  repeat,
  take,
  takeWhile,
} from 'rxjs';
import type { Qmp } from './qmp.js';

/** Milliseconds between two polls, where QEMU emits no event. */
const lookEveryMs = 5;
/** Milliseconds between two polls although there is an event: one that stands still itself emits none. */
const stillThereEveryMs = 1_000;
/** QEMU limits itself to 128 MiB a second otherwise. */
const bytesPerSecond = 2 ** 40;

/**
 * Has a QEMU whose guest stands still send its state to a socket, given as a path that QEMU sees, and completes when all of it is on
 * its way. The guest's memory is left out where it lies in a file of its own already. Fails when the other end has closed: the
 * guest can go on then.
 */
export const sendState = (qmp: Qmp, socket: string, leaveOutRam: boolean): Observable<never> =>
  concat(
    merge(
      capabilities(qmp, leaveOutRam),
      qmp.run('migrate-set-parameters', { 'max-bandwidth': bytesPerSecond }),
    ),
    moved(qmp, qmp.run('migrate', { uri: `unix:${socket}` })),
    // This comes before it closes the socket; from this state on it is about to.
    asked(qmp, 'query-status', ({ status }) => status !== 'finish-migrate'),
  );

/**
 * Has a QEMU give up what somebody began who was killed over it, and completes when it moves no state. One that still did
 * would halt the guest at its end, whoever had let it go on meanwhile.
 */
export const giveUpState = (qmp: Qmp): Observable<never> =>
  qmp.ask('query-migrate', progress).pipe(
    filter((answer) => !isAtRest(answer)),
    mergeMap(() => concat(qmp.run('migrate_cancel'), asked(qmp, 'query-migrate', isAtRest))),
  );

const ends = new Set(['completed', 'failed', 'cancelled']);

const isAtRest = ({ status = 'none' }: Progress): boolean => status === 'none' || ends.has(status);

/** Has a QEMU that waits for it take its state from descriptor 3, and completes when it stands where the other one stood. */
export const readState = (qmp: Qmp, leaveOutRam: boolean): Observable<never> =>
  concat(capabilities(qmp, leaveOutRam), moved(qmp, qmp.run('migrate-incoming', { uri: 'fd:3' })));

const capabilities = (qmp: Qmp, leaveOutRam: boolean): Observable<never> =>
  qmp.run('migrate-set-capabilities', {
    capabilities: [
      { capability: 'x-ignore-shared', state: leaveOutRam },
      { capability: 'events', state: true },
    ],
  });

/** Begins to move a state, and completes when that is done. Why it failed QEMU says only when it is asked. */
const moved = (qmp: Qmp, begin$: Observable<never>): Observable<never> =>
  merge(
    qmp.events$.pipe(
      filter(({ event }) => event === 'MIGRATION'),
      map(({ data }) => (progress.is(data) ? data : {})),
    ),
    // Not before: what is over stands there until the next begins.
    concat(begin$, interval(stillThereEveryMs).pipe(mergeMap(() => qmp.ask('query-migrate', progress)))),
  ).pipe(
    filter(({ status = 'none' }) => ends.has(status)),
    take(1),
    mergeMap(({ status }) => (status === 'completed' ? EMPTY : failed(qmp))),
  );

const failed = (qmp: Qmp): Observable<never> =>
  qmp.ask('query-migrate', progress).pipe(
    map(({ 'error-desc': reason = 'QEMU does not say why' }) => {
      throw new Error(`the state was not moved: ${reason}`);
    }),
  );

/** Asks until the answer is as it is to be. */
const asked = (qmp: Qmp, command: string, isRight: (answer: Progress) => boolean): Observable<never> =>
  defer(() => qmp.ask(command, progress)).pipe(
    repeat({ delay: lookEveryMs }),
    takeWhile((answer) => !isRight(answer)),
    ignoreElements(),
  );

const progress = t.partial({ status: t.string, 'error-desc': t.string });

type Progress = t.TypeOf<typeof progress>;
