import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom, lastValueFrom, map, type Observable, toArray } from 'rxjs';

let manager: InstanceManager;
const actions: string[] = [];

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const request = {
  ...{
    name: 'web',
    image: 'scratch',
    entrypoint: ['/bin/sh', '-c'],
    cmd: ['echo "first $TOLD"; exec sleep 600'],
  },
  ...{
    env: { TOLD: 'one', OTHER: 'x' },
    tags: { team: 'a' },
    readiness: { kind: 'log' as const, pattern: 'first|second' },
  },
} as const;
const changes = {
  env: { TOLD: 'two' },
  tags: { team: 'b' },
  cmd: ['echo "second $TOLD$OTHER"; exec sleep 600'],
};

/** The spec of an instance without what the request of all has. */
const changed = async (name: string): Promise<object> => {
  const { env, tags, cmd, entrypoint } = (await value(manager.get(name))).spec;
  return { env, tags, cmd, entrypoint };
};

const printed = async (name: string): Promise<string[]> => {
  await value(manager.waitForState(name, 'Running'));
  return lastValueFrom(
    manager.logs(name).pipe(
      map(({ text }) => text),
      toArray(),
    ),
  );
};

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver()] });
  await value(manager.create(request));
  await value(manager.waitForState('web', 'Running'));
  actions.length = 0;
  manager.events('test').subscribe(({ action }) => actions.push(action));
});

afterEach(() => manager.close());

describe('a fork', () => {
  it('of a running instance runs with the environment, the labels and the command that it was given', async () => {
    await value(manager.fork('web', { name: 'two', fromRunning: true, ...changes }));
    await expect(printed('two')).resolves.toEqual(['second two']);
    await expect(changed('two')).resolves.toEqual({ ...changes, entrypoint: request.entrypoint });
    const { env, tags, cmd, entrypoint } = request;
    await expect(changed('web')).resolves.toEqual({ env, tags, cmd, entrypoint });
  });

  it('of a snapshot too, and has what was not given from the snapshot', async () => {
    await value(manager.stop('web'));
    const { id } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
    await value(manager.forkSnapshot(id, { name: 'two', targetState: 'Running', env: { TOLD: 'two' } }));
    await expect(printed('two')).resolves.toEqual(['first two']);
    await value(manager.forkSnapshot(id, { name: 'three', ...changes }));
    await expect(changed('three')).resolves.toEqual({ ...changes, entrypoint: request.entrypoint });
    expect((await value(manager.getSnapshot(id))).spec.env).toEqual(request.env);
  });

  it.each<[object, string]>([
    [{ cmd: 'true' }, 'cmd: '],
    [{ entrypoint: [], cmd: [] }, 'entrypoint: '],
    [{ env: { A: 1 } }, 'env.A: '],
    [{ tags: [] }, 'tags: '],
    [{ stopGraceMs: 1 }, 'stopGraceMs: found a number, expected another key; known are name, '],
  ])(
    'with changes that cannot be understood is refused, and nothing is halted for it: %j',
    async (wrong, told) => {
      const refused = { _tag: 'InvalidRequest', message: expect.stringContaining(told) as unknown };
      await expect(
        value(manager.fork('web', { name: 'two', fromRunning: true, ...wrong })),
      ).rejects.toMatchObject(refused);
      expect(actions).toEqual([]);
      await value(manager.stop('web'));
      const { id } = await value(manager.createSnapshot('web', { kind: 'Stopped' }));
      await expect(value(manager.forkSnapshot(id, { name: 'two', ...wrong }))).rejects.toMatchObject(refused);
      expect(actions).toEqual(['stop', 'create_snapshot']);
    },
  );

  it('that grows too large by its changes is refused', async () => {
    const env = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`A${String(index)}`, 'x'.repeat(60_000)]),
    );
    await expect(value(manager.fork('web', { name: 'two', fromRunning: true, env }))).rejects.toMatchObject({
      _tag: 'InvalidRequest',
    });
    expect(actions).toEqual([]);
  });
});

describe('an update that expects a revision', () => {
  it('is done where the instance has it', async () => {
    const { revision } = await value(manager.get('web'));
    const updated = await value(manager.update('web', { tags: { a: 'b' } }, { expectedRevision: revision }));
    expect(updated).toMatchObject({ revision: revision + 1, spec: { tags: { a: 'b' } } });
  });

  it('fails with both where somebody was quicker, and changes nothing', async () => {
    const seen = await value(manager.get('web'));
    const updated = await value(manager.update('web', { tags: { a: 'b' } }));
    const expectedRevision = seen.revision;
    await expect(value(manager.update('web', { tags: {} }, { expectedRevision }))).rejects.toMatchObject({
      ...{ _tag: 'Conflict', instanceId: seen.id, revision: updated.revision, expectedRevision },
    });
    await expect(value(manager.get('web'))).resolves.toBe(updated);
    expect(actions).toEqual(['update']);
  });

  it.each([
    [
      { expectedRevision: 0 },
      'expectedRevision: found 0, expected revision (a whole number from 1 to 9007199254740991)',
    ],
    [
      { revision: 1 },
      'revision: found a number, expected another key; known are by, reason, traceparent, signal, requestId, expectedRevision',
    ],
  ])('is refused where it cannot be understood: %j', async (options: object, message) => {
    await expect(value(manager.update('web', { tags: {} }, options))).rejects.toMatchObject({ message });
    expect(actions).toEqual([]);
  });
});
