/** Opens a manager, runs a program in one of its instances and writes a file there, neither of which ever ends, and is killed, or closes the manager. */
import { createQemuDriver } from '../../src/drivers/qemu/qemuDriver.js';
import { openManager } from '../../src/manager/instanceManager.js';

import { concat, NEVER, of, Subject, firstValueFrom, tap } from 'rxjs';

const {
  dataDir,
  name = '',
  script = '',
  end,
} = JSON.parse(process.argv[2] as string) as Readonly<Record<string, string>>;

const run = async (): Promise<void> => {
  const manager = await openManager({ dataDir: dataDir ?? '', drivers: [createQemuDriver()] });
  const begun = manager.exec(name, { command: 'sh', args: ['-c', `echo begun; ${script}`] });
  const reader = begun[Symbol.asyncIterator]();
  await reader.next();
  const taken$ = new Subject<void>();
  const content$ = concat(
    of('half'),
    of(' of it').pipe(
      tap(() => {
        taken$.next();
      }),
    ),
    NEVER,
  );
  const taken = firstValueFrom(taken$);
  manager
    .files(name)
    .write('written/half', content$)
    .subscribe({ error: () => undefined });
  await taken;
  if (end === 'killed') process.kill(process.pid, 'SIGKILL');
  await manager.close();
  await reader.next().catch(() => undefined);
};

void run();
