/**
 * Starts three web servers, waits until each is ready, freezes, restores and forks some, kills one from outside, and
 * prints all that happens. Run it with `npm start`, or `npx ts-node examples/01-launch-and-wait.ts`.
 */
import { Registry } from 'prom-client';
import { createProcessDriver, type LifecycleEvent, openManager } from 'rx-instances';
import { createMetrics } from 'rx-instances/metrics';
import { concat, concatMap, forkJoin, from, fromEvent, lastValueFrom, takeUntil, tap, timer } from 'rxjs';

const server = `
  const { createServer } = require('node:http');
  createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1', function () {
    console.log(process.env.INSTANCE_NAME + ' listens on port ' + this.address().port);
  });`;
const request = {
  image: 'scratch',
  entrypoint: [process.execPath, '-e', server],
  readiness: { kind: 'log', pattern: 'listens on port \\d+' },
} as const;

function print({ time, sequence, action, instance, last, previousState }: LifecycleEvent): void {
  const clock = new Date(time).toISOString().slice(11, 23);
  const states = [previousState, instance?.state ?? 'gone'].filter((state) => state !== undefined);
  const who = (instance ?? last)?.name ?? '';
  console.log(clock, String(sequence).padStart(5), ' ', action.padEnd(9), who.padEnd(9), states.join(' -> '));
}

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  const registry = new Registry();
  createMetrics(manager, { registry });
  console.log('time         event   action    instance  state');
  manager.events('show').subscribe(print);

  const names = ['alpha', 'beta', 'gamma'];
  const steps = [
    () => forkJoin(names.map((name) => manager.create({ name, ...request }))),
    () => forkJoin(names.map((name) => manager.waitForState(name, 'Running'))),
    () => manager.standby('alpha'),
    () => manager.restore('alpha'),
    () => manager.fork('beta', { name: 'beta-two', fromRunning: true }),
    () => manager.waitForState('beta-two', 'Running'),
    () => manager.get('gamma').pipe(tap(({ handle }) => process.kill(handle?.pid ?? NaN, 'SIGKILL'))),
    () => manager.waitForState('gamma', 'Stopped'),
    () => manager.delete('gamma'),
  ];
  const show$ = from(steps).pipe(
    concatMap((step) => concat(step(), timer(600))),
    takeUntil(fromEvent(process, 'SIGINT')),
  );
  await lastValueFrom(show$, { defaultValue: undefined });
  await manager.close();

  const counted = (await registry.metrics()).split('\n').filter((line) => /_total{.* [1-9]/.test(line));
  console.log(`\n${counted.join('\n')}`);
}

void main();
