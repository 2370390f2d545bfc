import { Registry } from 'prom-client';
import { type ConnectionSource, type InstanceManager, openManager } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { createMemoryDriver } from 'rx-instances/testing';
import { firstValueFrom, of, Subject, throwError } from 'rxjs';
import { playSource } from '../controllers/playedSource.js';

const scrape = async (registry: Registry): Promise<readonly string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith('auto_standby'));

const told = (counts: Readonly<Record<string, number>>, connections: number): readonly string[] => [
  ...[
    ...['unsupported', 'disabled', 'ineligible', 'active', 'idle_countdown'],
    ...['ready_for_standby', 'standby_requested', 'error'],
  ].map((status) => `auto_standby_instances{status="${status}"} ${String(counts[status] ?? 0)}`),
  `auto_standby_active_connections ${String(connections)}`,
];

const open = (connectionSources: readonly ConnectionSource[]): Promise<InstanceManager> =>
  openManager({ drivers: [createMemoryDriver()], connectionSources, frontDoor: false });

test('how auto-standby stands with those that have it is told, and how many clients keep them awake', async () => {
  const ids = new Map<string, string>();
  const source = playSource(() => ids.get('used') ?? '');
  const manager = await open([source]);
  const registry = new Registry();
  const metrics = createMetrics(manager, { registry });
  expect(await scrape(registry)).toEqual(told({}, 0));

  const enabled = { enabled: true, idleTimeoutMs: 600_000 } as const;
  const ports = [{ guest: 80 }];
  for (const [name, fields] of Object.entries({
    used: { ports, autoStandby: enabled },
    idle: { ports, autoStandby: enabled },
    apart: { autoStandby: enabled },
    off: { ports, autoStandby: { enabled: false } as const },
    without: { ports },
  })) {
    const { id } = await firstValueFrom(manager.create({ name, image: 'any', ...fields }));
    ids.set(name, id);
  }
  const connections = [source.open(), source.open()];
  expect(await scrape(registry)).toEqual(
    told({ active: 1, idle_countdown: 1, ineligible: 1, disabled: 1 }, 2),
  );
  for (const connection of connections) source.close(connection);
  await firstValueFrom(manager.delete('idle'));
  expect(await scrape(registry)).toEqual(told({ idle_countdown: 1, ineligible: 1, disabled: 1 }, 0));

  await manager.close();
  // What was read last.
  expect(await scrape(registry)).toEqual(told({ idle_countdown: 1, ineligible: 1, disabled: 1 }, 0));
  metrics.unsubscribe();
});

test('one that goes while it is counted is left out', async () => {
  const manager = await open([{ name: 'none', changes$: new Subject(), read: () => of([]) }]);
  const autoStandby = { enabled: false } as const;
  await firstValueFrom(manager.create({ name: 'web', image: 'any', autoStandby }));
  const registry = new Registry();
  const status = () => throwError(() => new Error('it is gone'));
  const metrics = createMetrics({ ...manager, status }, { registry });
  expect(await scrape(registry)).toEqual(told({}, 0));
  metrics.unsubscribe();
  await manager.close();
});
