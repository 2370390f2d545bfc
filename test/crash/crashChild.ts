/** Opens a manager once it is told to, does to it whatever comes to mind, and tells all that happens, until it is killed. */
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  exhaustMap,
  firstValueFrom,
  from,
  mergeMap,
  range,
  repeat,
  tap,
  timer,
} from 'rxjs';
import type { CreateRequest } from '../../src/instances/instanceRequests.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { ask, type Asked } from './ask.js';
import { createDice } from './dice.js';
import { opponent } from './opponent.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openCrashManager } from './openCrashManager.js';
import { phaseAfter, phasesOf } from './phasesOf.js';
import type { Phase, Told } from './told.js';
import { createVisitor } from './visitor.js';

const [dataDir = '', seed] = process.argv.slice(2);
const dice = createDice(Number(seed));
/** How many instances there are at most, but for forks, and how many verbs at a time. */
const most = 8;
const atATime = 6;
let names = 0;

const tell = (told: Told): void => {
  process.send?.(told);
};

const programs = [
  ['sleep', '600'],
  ['/bin/sh', '-c', 'sleep 600 & sleep 600'],
  ['/bin/sh', '-c', 'sleep 0.1; exit 7'],
  opponent,
] as const;

/** Says back what it is told. */
const echo = `require('node:net').createServer((s) => s.on('error', () => 0).pipe(s)).listen(process.env.PORT, '127.0.0.1')`;

const nextName = (): string => `n${String(process.pid)}-${String((names += 1))}`;

const verbs = [
  'stop',
  'start',
  'standby',
  'restore',
  'restart',
  'fork',
  'update',
  'refresh',
  'visit',
  'visit',
  'delete',
] as const;

/** Short enough that each comes in a run of the child. */
const restartPolicy = { policy: 'always', backoffMs: 50, maxAttempts: 3 } as const;

/** What is left alone between clients, for so short a time that it comes in a run, or for so long that it never does. */
const served = (): Partial<CreateRequest> => ({
  entrypoint: [process.execPath, '-e', echo],
  ports: [{ guest: 80 }],
  readiness: { kind: 'tcp', port: 80 },
  autoStandby: { enabled: true, idleTimeoutMs: dice.pick([20, 800, 600_000]) },
});

/** What falls ill after some time, and is well again after a restart. */
const ailing = (): Partial<CreateRequest> => ({
  entrypoint: ['/bin/sh', '-c', 'rm -f ill; sleep 0.1; : > ill; exec sleep 600'],
  healthCheck: {
    ...{ kind: 'exec', command: ['/bin/sh', '-c', '[ ! -e ill ]'] },
    ...{ intervalMs: 30, timeoutMs: 30, startPeriodMs: 0, failureThreshold: 3 },
  },
});

const create = (requestId: string, isCalm: boolean): Asked => ({
  requestId,
  verb: 'create',
  request: {
    name: nextName(),
    image: 'scratch',
    entrypoint: [...dice.pick(programs)],
    env: { CRASH: dataDir },
    ...(dice.next() < 0.5 && { restartPolicy }),
    ...(!isCalm && dice.next() < 0.2 && { ttlMs: 200 }),
    ...dice.pick([served, served, ailing, isCalm ? served : () => ({})])(),
  },
});

interface Unasked {
  readonly verb: 'refresh' | 'visit';
  readonly target: string;
}

/** What to ask for next; nothing is asked of one that is looked at again, or visited. Where it is calm most is done by policies. */
function next(instances: readonly Instance[], isCalm: boolean): Asked | Unasked {
  const idFor = (verb: string): string => `${verb}-${nextName()}`;
  if (instances.length < (isCalm ? 4 : 2) || dice.next() < 0.1) {
    if (instances.length < most) return create(idFor('create'), isCalm);
  }
  const { id: target } = dice.pick(instances);
  const wanted = isCalm && dice.next() < 0.97 ? 'visit' : dice.pick(verbs);
  const verb = instances.length > most ? 'delete' : wanted;
  switch (verb) {
    case 'refresh':
    case 'visit':
      return { verb, target };
    case 'fork':
      return { requestId: idFor(verb), verb, target, name: nextName() };
    case 'update':
      return { requestId: idFor(verb), verb, target, tag: nextName() };
    default:
      return { requestId: idFor(verb), verb, target };
  }
}

/** Asks for something, and tells what came of it. */
function asking(manager: InstanceManager, asked: Asked | Unasked) {
  const { verb } = asked;
  const named = 'requestId' in asked ? { requestId: asked.requestId } : {};
  if ('requestId' in asked) tell({ kind: 'asked', asked });
  const work$ = 'requestId' in asked ? ask(manager, asked) : manager.refresh(asked.target);
  return work$.pipe(
    tap(({ id, revision }) => {
      tell({ kind: 'done', verb, id, revision, ...named });
    }),
    catchError((error: unknown) => {
      const { _tag = '', message = '' } = error as { readonly _tag?: string; readonly message?: string };
      const isFair = ['InvalidState', 'InstanceNotFound'].includes(_tag);
      if (!isFair) tell({ kind: 'failed', verb, error: `${_tag}: ${message}` });
      return EMPTY;
    }),
  );
}

async function main(isCalm: boolean): Promise<void> {
  const manager = await openCrashManager(dataDir, true);
  const visitor = createVisitor(manager, dice, tell);
  const tellPhase = (phase: Phase | undefined): void => {
    if (phase !== undefined) tell({ kind: 'phase', phase, at: Date.now() });
  };
  manager.events('record').subscribe((event) => {
    tell({ kind: 'event', event });
    visitor.onEvent(event);
    tellPhase(phaseAfter(event));
  });
  tell({ kind: 'opened', at: Date.now() });
  timer(0, 2)
    .pipe(
      exhaustMap(() => manager.list().pipe(concatMap((instances) => from(instances)))),
      mergeMap(({ id }) => manager.status(id).pipe(catchError(() => EMPTY))),
      mergeMap(phasesOf),
    )
    .subscribe(tellPhase);

  const step = defer(async () => next(await firstValueFrom(manager.list()), isCalm)).pipe(
    mergeMap((asked) => {
      if (asked.verb !== 'visit') return asking(manager, asked);
      return manager.get(asked.target).pipe(
        mergeMap(visitor.visit),
        catchError(() => EMPTY),
      );
    }),
    // In a turn of its own.
    repeat({ delay: isCalm ? 30 : 0 }),
  );
  range(0, isCalm ? 1 : atATime)
    .pipe(mergeMap(() => step))
    .subscribe();
}

process.once('message', (word) => void main(word === 'calm'));
tell({ kind: 'ready' });
