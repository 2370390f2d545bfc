import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom, lastValueFrom, map, toArray } from 'rxjs';

const request = {
  ...{ name: 'web', image: 'scratch', readiness: { kind: 'log', pattern: '^up$' } as const },
  entrypoint: ['sh', '-c', 'trap "echo bye; printf cut; exit" TERM; echo up; while :; do sleep 0.01; done'],
};

let manager: InstanceManager;

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver()] });
  await firstValueFrom(manager.create(request));
  await firstValueFrom(manager.waitForState('web', 'Running'));
});
afterEach(() => manager.close());

/** What a follower is told until it completes. */
const followed = (): Promise<readonly unknown[]> =>
  lastValueFrom(
    manager.logs('web', { follow: true, stream: 'stdout' }).pipe(
      map(({ text, partial }) => [text, partial]),
      toArray(),
    ),
  );

const all = [
  ['up', false],
  ['bye', false],
  ['cut', true],
];

describe('who follows a log is told the last words, and completes', () => {
  it('when the instance is stopped and deleted', async () => {
    const told = followed();
    await firstValueFrom(manager.stop('web'));
    await firstValueFrom(manager.delete('web'));
    await expect(told).resolves.toEqual(all);
  });

  it('when the manager closes and stops it', async () => {
    const told = followed();
    await manager.close();
    await expect(told).resolves.toEqual(all);
  });

  it('when it ends by itself and is deleted at once', async () => {
    const told = followed();
    await firstValueFrom(manager.signal('web', 'SIGTERM'));
    await firstValueFrom(manager.waitForState('web', 'Stopped'));
    await firstValueFrom(manager.delete('web'));
    await expect(told).resolves.toEqual(all);
  });
});
