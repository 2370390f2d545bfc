import { Registry } from 'prom-client';
import { firstValueFrom } from 'rxjs';
import { openManager } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { createMemoryDriver } from 'rx-instances/testing';
import { Client, FakeMachine } from '../door/doorStage.js';

const scrape = async (registry: Registry): Promise<readonly string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith('front_door'));

const refused = (counts: Readonly<Record<string, number>>): readonly string[] =>
  ['backing_off', 'closing', 'limit', 'not_running', 'timeout', 'unreachable', 'wake_failed'].map(
    (reason) => `front_door_connections_refused_total{reason="${reason}"} ${String(counts[reason] ?? 0)}`,
  );

test('what the front door does is told, all of it from the beginning', async () => {
  const machine = new FakeMachine();
  const { port } = await machine.listen();
  const manager = await openManager({ drivers: [createMemoryDriver({ portOf: () => port })] });
  const registry = new Registry();
  const metrics = createMetrics(manager, { registry });
  expect(await scrape(registry)).toEqual([
    'front_door_connections 0',
    'front_door_connections_waiting 0',
    'front_door_held_bytes 0',
    'front_door_ports 0',
    'front_door_ports_retrying 0',
    'front_door_connections_accepted_total 0',
    ...refused({}),
    'front_door_wakes_total{result="ok"} 0',
    'front_door_wakes_total{result="failed"} 0',
  ]);

  await firstValueFrom(manager.create({ name: 'web', image: 'any', ports: [{ guest: 80 }] }));
  const address = await firstValueFrom(manager.endpoint('web', 80));
  await firstValueFrom(manager.stop('web'));
  const early = new Client(address.port);
  await early.ended();
  await firstValueFrom(manager.start('web'));
  await firstValueFrom(manager.standby('web'));
  const client = new Client(address.port);
  client.socket.write('hello');
  await client.hears('hello');
  expect(await scrape(registry)).toEqual([
    'front_door_connections 1',
    'front_door_connections_waiting 0',
    'front_door_held_bytes 0',
    'front_door_ports 1',
    'front_door_ports_retrying 0',
    'front_door_connections_accepted_total 2',
    ...refused({ not_running: 1 }),
    'front_door_wakes_total{result="ok"} 1',
    'front_door_wakes_total{result="failed"} 0',
  ]);
  metrics.unsubscribe();
  expect(await scrape(registry)).toEqual([]);
  for (const { socket } of [early, client]) socket.destroy();
  await manager.close();
  machine.end();
});
