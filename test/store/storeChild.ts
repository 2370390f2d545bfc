import { concat, lastValueFrom, mergeMap, of, range, tap } from 'rxjs';
import { openDataDir } from '../../src/store/openDataDir.js';
import type { Store } from '../../src/store/store.js';
import { defaults, done, updated } from './changes.js';
import type { Answer, Failure, Request } from './storeProcess.js';

const tell = (answer: Answer): void => {
  process.send?.(answer);
};

const tellEnd = (work: Promise<unknown>): Promise<void> =>
  work.then(
    () => {
      tell({ kind: 'done' });
    },
    (error: unknown) => {
      tell({ kind: 'done', failure: { ...(error as Failure), message: String(error) } });
    },
  );

const commit = (store: Store, { count, atATime, withRecords = false }: Request): Promise<unknown> =>
  lastValueFrom(
    range(1, count).pipe(
      mergeMap((revision) => {
        const commit$ = store.commit(updated(`i${String(revision % atATime)}`, revision));
        if (!withRecords) return commit$;
        return commit$.pipe(
          mergeMap((event) =>
            concat(store.saveRecord('claims', String(event.sequence), event.instanceId), of(event)),
          ),
        );
      }, atATime),
      tap(({ sequence, instanceId, instance }) => {
        tell({ kind: 'kept', sequence, instanceId, revision: instance?.revision ?? 0 });
      }),
    ),
  );

async function main(dataDir: string): Promise<void> {
  const store = await openDataDir(dataDir, { ...defaults, onDamaged: () => undefined });
  process.on('message', (request: Request) => void tellEnd(commit(store, request)));
  process.on('disconnect', () => void done(store.close()));
}

void tellEnd(main(process.argv[2] as string));
