/** Opens a manager once it is told to, does to it whatever comes to mind, and tells all that happens, until it is killed. */
import { catchError, defer, EMPTY, firstValueFrom, mergeMap, range, repeat, tap } from 'rxjs';
import { standardControllers } from '../../src/controllers/standardControllers.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { ask, type Asked } from './ask.js';
import { createDice } from './dice.js';
import { opponent } from './opponent.js';
import { openCrashManager } from './openCrashManager.js';
import type { Told } from './told.js';

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
  'delete',
] as const;

/** Short enough that each comes in a run of the child. */
const restartPolicy = { policy: 'always', backoffMs: 50, maxAttempts: 3 } as const;

const create = (requestId: string): Asked => ({
  requestId,
  verb: 'create',
  request: {
    name: nextName(),
    image: 'scratch',
    entrypoint: [...dice.pick(programs)],
    env: { CRASH: dataDir },
    ...(dice.next() < 0.5 && { restartPolicy }),
    ...(dice.next() < 0.2 && { ttlMs: 200 }),
  },
});

/** What to ask for next; nothing is asked of one that is looked at again. */
function next(instances: readonly Instance[]): Asked | { readonly verb: 'refresh'; readonly target: string } {
  const idFor = (verb: string): string => `${verb}-${nextName()}`;
  if (instances.length < 2 || dice.next() < 0.1) {
    if (instances.length < most) return create(idFor('create'));
  }
  const { id: target } = dice.pick(instances);
  const verb = instances.length > most ? 'delete' : dice.pick(verbs);
  switch (verb) {
    case 'refresh':
      return { verb, target };
    case 'fork':
      return { requestId: idFor(verb), verb, target, name: nextName() };
    case 'update':
      return { requestId: idFor(verb), verb, target, tag: nextName() };
    default:
      return { requestId: idFor(verb), verb, target };
  }
}

async function main(): Promise<void> {
  const manager = await openCrashManager(dataDir, standardControllers());
  manager.events('record').subscribe((event) => {
    tell({ kind: 'event', event });
  });
  tell({ kind: 'opened' });

  const step = defer(async () => next(await firstValueFrom(manager.list()))).pipe(
    mergeMap((asked) => {
      const { verb } = asked;
      const named = asked.verb === 'refresh' ? {} : { requestId: asked.requestId };
      if (asked.verb !== 'refresh') tell({ kind: 'asked', asked });
      const work$ = asked.verb === 'refresh' ? manager.refresh(asked.target) : ask(manager, asked);
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
    }),
    // In a turn of its own.
    repeat({ delay: 0 }),
  );
  range(0, atATime)
    .pipe(mergeMap(() => step))
    .subscribe();
}

process.once('message', () => void main());
tell({ kind: 'ready' });
