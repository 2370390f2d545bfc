/** Opens a manager once it is told to, does to it whatever comes to mind, and tells all that happens, until it is killed. */
import {
  catchError,
  defer,
  EMPTY,
  firstValueFrom,
  mergeMap,
  type Observable,
  range,
  repeat,
  tap,
} from 'rxjs';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
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

const create = (manager: InstanceManager): Observable<Instance> =>
  manager.create({
    name: nextName(),
    image: 'scratch',
    entrypoint: [...dice.pick(programs)],
    env: { CRASH: dataDir },
  });

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

function next(
  manager: InstanceManager,
  instances: readonly Instance[],
): readonly [string, Observable<Instance>] {
  if (instances.length < 2 || dice.next() < 0.1) {
    if (instances.length < most) return ['create', create(manager)];
  }
  const { id } = dice.pick(instances);
  const verb = instances.length > most ? 'delete' : dice.pick(verbs);
  switch (verb) {
    case 'fork':
      return [verb, manager.fork(id, { name: nextName(), fromRunning: true })];
    case 'update':
      return [verb, manager.update(id, { tags: { n: nextName() } })];
    default:
      return [verb, manager[verb](id)];
  }
}

async function main(): Promise<void> {
  const manager = await openCrashManager(dataDir);
  manager.events('record').subscribe((event) => {
    tell({ kind: 'event', event });
  });
  tell({ kind: 'opened' });

  const step = defer(async () => next(manager, await firstValueFrom(manager.list()))).pipe(
    mergeMap(([verb, work$]) =>
      work$.pipe(
        tap(({ id, revision }) => {
          tell({ kind: 'done', verb, id, revision });
        }),
        catchError((error: unknown) => {
          const { _tag = '', message = '' } = error as { readonly _tag?: string; readonly message?: string };
          const isFair = ['InvalidState', 'InstanceNotFound'].includes(_tag);
          if (!isFair) tell({ kind: 'failed', verb, error: `${_tag}: ${message}` });
          return EMPTY;
        }),
      ),
    ),
    // In a turn of its own.
    repeat({ delay: 0 }),
  );
  range(0, atATime)
    .pipe(mergeMap(() => step))
    .subscribe();
}

process.once('message', () => void main());
tell({ kind: 'ready' });
