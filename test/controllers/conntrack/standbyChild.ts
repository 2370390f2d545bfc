/** Puts a process on standby that is reached directly, in a network of its own, and prints what becomes of it, a line of JSON for each step. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { filter, firstValueFrom, map, mergeMap, timer } from 'rxjs';
import { createConntrackSource } from '../../../src/controllers/conntrack/conntrackSource.js';
import { createProcessDriver } from '../../../src/drivers/process/processDriver.js';
import type { AutoStandbyStatus } from '../../../src/instances/instanceStatus.js';
import { openManager } from '../../../src/assembly/openManager.js';

const run = (program: string, ...args: readonly string[]): void => {
  execFileSync(program, args, { stdio: 'inherit' });
};
const print = (...said: readonly unknown[]): void => {
  console.log(JSON.stringify(said));
};

const idleTimeoutMs = 500;
const echo = `require('node:net').createServer((s) => s.pipe(s)).listen(process.env.PORT, '127.0.0.1')`;

async function main(): Promise<void> {
  run('ip', 'link', 'set', 'lo', 'up');
  run('nft', 'add table inet t');
  run('nft', 'add chain inet t c { type filter hook input priority 0; }');
  run('nft', 'add rule inet t c ct state established accept');

  const connectionSources = [createConntrackSource()];
  const frontDoor = process.argv[2] === 'door' ? {} : false;
  const manager = await openManager({ drivers: [createProcessDriver()], connectionSources, frontDoor });
  await firstValueFrom(
    manager.create({
      name: 'web',
      image: 'scratch',
      entrypoint: [process.execPath, '-e', echo],
      ports: [{ guest: 80 }],
      readiness: { kind: 'tcp', port: 80 },
      // Far more often than it may be idle, by a connection each time.
      healthCheck: { kind: 'tcp', port: 80, intervalMs: 100, timeoutMs: 100, startPeriodMs: 0 },
      autoStandby: { enabled: false },
    }),
  );
  await firstValueFrom(manager.waitForState('web', 'Running'));
  const { host, port } = await firstValueFrom(manager.endpoint('web', 80));

  const status = (wanted: (status: AutoStandbyStatus) => boolean): Promise<AutoStandbyStatus> =>
    firstValueFrom(
      timer(0, 20).pipe(
        mergeMap(() => manager.status('web')),
        map(({ autoStandby }) => autoStandby as AutoStandbyStatus),
        filter(wanted),
      ),
    );

  const client = connect({ host, port });
  client.resume();
  await once(client, 'connect');
  await firstValueFrom(manager.update('web', { autoStandby: { enabled: true, idleTimeoutMs } }));
  const isLongUsed = ({ lastInboundAt = Infinity }: AutoStandbyStatus): boolean =>
    Date.now() > lastInboundAt + 4 * idleTimeoutMs;
  const { activeConnections, ...used } = await status(isLongUsed);
  print('used for long', used.status, activeConnections, (await firstValueFrom(manager.get('web'))).state);

  client.end();
  await once(client, 'close');
  const standby = await firstValueFrom(
    manager.watch('child').pipe(
      map((change) => (change.kind === 'upsert' ? change : undefined)),
      filter((change) => change?.instance.state === 'Standby'),
    ),
  );
  print('left', standby?.event.cause);
  await manager.close();
  process.exit();
}

void main();
