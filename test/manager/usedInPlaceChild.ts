/** Runs an instance in a directory of somebody, forks it, and is killed. */
import { createProcessDriver, openManager } from '../../src/index.js';
import { firstValueFrom } from 'rxjs';

const [, , dataDir = '', cwd = ''] = process.argv;

const run = async (): Promise<void> => {
  const manager = await openManager({ dataDir, drivers: [createProcessDriver({ inheritEnv: ['TOLD'] })] });
  const entrypoint = [
    '/bin/sh',
    '-c',
    'echo "$$ $TOLD" > $INSTANCE_NAME; exec >/dev/null 2>&1; exec sleep 600',
  ];
  await firstValueFrom(manager.create({ name: 'web', image: 'scratch', cwd, entrypoint }));
  await firstValueFrom(manager.fork('web', { name: 'other', fromRunning: true }));
  process.kill(process.pid, 'SIGKILL');
};

void run();
