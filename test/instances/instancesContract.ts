import { filter, firstValueFrom, lastValueFrom, map, type Observable, toArray } from 'rxjs';
import type { Instance, Instances, LifecycleEvent, LifecycleStreams, LogLine } from 'rx-instances';
import type { MemoryDriver } from 'rx-instances/testing';

/** Instances over a memory driver, near or far. */
export interface Subject {
  readonly manager: Instances & LifecycleStreams;
  readonly driver: MemoryDriver;
  close(): PromiseLike<unknown>;
}

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const lines = (source$: Observable<LogLine>): Promise<string[]> =>
  lastValueFrom(
    source$.pipe(
      map(({ text }) => text),
      toArray(),
    ),
  );

/** What whoever has `Instances` and `LifecycleStreams` does, wherever the instances are. */
export function instancesContract(open: () => Promise<Subject>): void {
  let subject: Subject;
  let driver: MemoryDriver;
  let manager: Subject['manager'];
  let events: LifecycleEvent[];

  const told = (): string[] =>
    events.map(({ action, previousState, instance }) =>
      [action, previousState, instance?.state].filter((part) => part !== undefined).join(' '),
    );

  const create = (name = 'web', fields: object = {}): Promise<Instance> =>
    value(manager.create({ name, image: 'any', ...fields }));

  beforeEach(async () => {
    subject = await open();
    ({ driver, manager } = subject);
    events = [];
    manager.events('test').subscribe((event) => events.push(event));
  });
  afterEach(async () => {
    await subject.close();
  });

  describe('create', () => {
    it('starts the instance and tells one event without a previous state', async () => {
      const instance = await create('web', { env: { A: '1' }, tags: { team: 'x' } });

      expect(instance).toEqual({
        id: expect.stringMatching(/^[a-z][a-z0-9]{23}$/) as string,
        name: 'web',
        spec: { driver: 'memory', image: 'any', env: { A: '1' }, tags: { team: 'x' } },
        state: 'Running',
        revision: 1,
        createdAt: expect.any(Number) as number,
        startedAt: expect.any(Number) as number,
        handle: expect.any(Object) as object,
      });
      expect(events).toEqual([expect.objectContaining({ action: 'create', sequence: 1, instance })]);
      expect(events[0]).not.toHaveProperty('previousState');
    });

    it('tells the names of secrets, and with an update that they are others', async () => {
      const { spec } = await create('web', { secrets: { B: 'hunter2', A: '1' } });
      expect(spec.secrets?.names).toEqual(['A', 'B']);
      const { spec: updated } = await value(manager.update('web', { secrets: { A: '2' } }));
      expect(updated.secrets?.names).toEqual(['A']);
      expect(updated.secrets?.version).not.toBe(spec.secrets?.version);
      await expect(value(manager.update('web', { secrets: { 'a=b': 'hunter2' } }))).rejects.not.toThrow(
        'hunter2',
      );
    });

    it('does nothing before it is subscribed to, and creates anew with each subscription', async () => {
      const create$ = manager.create({ name: 'web', image: 'any' });
      await expect(value(manager.list())).resolves.toEqual([]);

      await value(create$);
      await expect(value(create$)).rejects.toMatchObject({ _tag: 'NameTaken', taken: 'web' });
    });
  });

  describe('ensure', () => {
    const web = { name: 'web', image: 'any', env: { A: '1' }, tags: { team: 'x' } };

    it('creates what is not there', async () => {
      await expect(value(manager.ensure(web))).resolves.toMatchObject({ state: 'Running', revision: 1 });
      expect(told()).toEqual(['create Running']);
    });

    it.each([
      ['Stopped', (id: string): Observable<unknown> => manager.stop(id), ['start Stopped Running']],
      ['Standby', (id: string) => manager.standby(id), ['restore Standby Running']],
      ['Running', (id: string) => manager.get(id), []],
      [
        'Paused',
        (id: string) => {
          driver.machine(id).halt();
          return manager.refresh(id);
        },
        ['restore Paused Running'],
      ],
    ])('brings an instance to run that is %s, by the event of the verb', async (_, bring, expected) => {
      const { id } = await value(manager.ensure(web));
      await value(bring(id));
      const before = events.length;

      await expect(value(manager.ensure(web))).resolves.toMatchObject({ id, state: 'Running' });
      expect(told().slice(before)).toEqual(expected);
    });

    it('leaves one alone that is not what is asked for, names the fields, and no value', async () => {
      await value(manager.ensure(web));
      const other = { ...web, image: 'other', env: { A: 'hunter2' }, stopGraceMs: 10 };
      await expect(value(manager.ensure(other))).rejects.toMatchObject({
        _tag: 'InvalidState',
        state: 'Running',
        verb: 'ensure',
        remedy:
          'it is not what is asked for (image, env, stopGraceMs); with replace it is deleted and created anew',
      });
      expect(told()).toEqual(['create Running']);
    });

    it('replaces one that is not what is asked for where that is said, and only that', async () => {
      const { id } = await value(manager.ensure(web, { replace: true }));
      await expect(value(manager.ensure(web, { replace: true }))).resolves.toMatchObject({ id });
      const other = { ...web, env: { A: '2' } };
      const anew = await value(manager.ensure(other, { replace: true }));

      expect(anew).toMatchObject({ name: 'web', revision: 1, spec: { env: { A: '2' } } });
      expect(anew.id).not.toBe(id);
      expect(told()).toEqual(['create Running', 'delete Running', 'create Running']);
      expect(driver.running()).toEqual([anew.id]);
      expect(driver.homes()).toHaveLength(1);
    });

    it('asked for by several at once makes one instance, and all are told it', async () => {
      const all = await Promise.all([1, 2, 3].map(() => value(manager.ensure(web))));
      expect(new Set(all.map(({ id }) => id)).size).toBe(1);
      expect(told()).toEqual(['create Running']);
    });

    it('of a revision that it has not is a Conflict, and of nothing InstanceNotFound', async () => {
      await expect(value(manager.ensure(web, { expectedRevision: 1 }))).rejects.toMatchObject({
        _tag: 'InstanceNotFound',
        idOrName: 'web',
      });
      await value(manager.ensure(web));
      await expect(value(manager.ensure(web, { expectedRevision: 2 }))).rejects.toMatchObject({
        _tag: 'Conflict',
      });
      await expect(value(manager.ensure(web, { expectedRevision: 1 }))).resolves.toMatchObject({
        revision: 1,
      });
    });

    it('refuses what it cannot understand, of the request and of the options', async () => {
      await expect(value(manager.ensure({ ...web, colour: 'red' } as never))).rejects.toMatchObject({
        faults: [{ path: 'colour' }],
      });
      await expect(value(manager.ensure(web, { replace: 1 } as never))).rejects.toMatchObject({
        faults: [{ path: 'replace' }],
      });
    });
  });

  describe('the other verbs', () => {
    it('stop, start, stand by and restore, each told once with the state before', async () => {
      const { id } = await create();
      await value(manager.stop(id));
      await value(manager.start(id));
      await value(manager.standby(id));
      await value(manager.restore(id));

      expect(told()).toEqual([
        'create Running',
        'stop Running Stopped',
        'start Stopped Running',
        'standby Running Standby',
        'restore Standby Running',
      ]);
      expect(events.map(({ instance }) => instance?.revision)).toEqual([1, 2, 3, 4, 5]);
      expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    });

    it('record how and when the last run ended, until the next begins', async () => {
      const { id } = await create();
      const stopped = await value(manager.stop(id));
      expect(stopped).toMatchObject({ exit: { signal: expect.any(String) as string } });
      expect(stopped).toHaveProperty('stoppedAt');
      expect(stopped).not.toHaveProperty('handle');

      const started = await value(manager.start(id));
      expect(started).not.toHaveProperty('exit');
      expect(started).not.toHaveProperty('stoppedAt');
      expect(started).toHaveProperty('handle');
    });

    it('fail in the wrong state, name state and verb, and change nothing', async () => {
      const { id } = await create();
      await value(manager.stop(id));
      for (const verb of ['standby', 'restore'] as const) {
        await expect(value(manager[verb](id))).rejects.toMatchObject({
          _tag: 'InvalidState',
          state: 'Stopped',
          verb,
        });
      }
      await value(manager.start(id));
      await value(manager.standby(id));
      await expect(value(manager.start(id))).rejects.toMatchObject({ state: 'Standby', verb: 'start' });
      expect(told()).toHaveLength(4);
    });

    it('stop what is on standby, which can then be started from the beginning', async () => {
      const { id } = await create();
      await value(manager.standby(id));
      await expect(value(manager.stop(id))).resolves.toMatchObject({ state: 'Stopped' });
      await value(manager.start(id));
      await value(manager.standby(id));
      await expect(value(manager.restart(id))).resolves.toMatchObject({ state: 'Running' });
      expect(told().slice(2)).toEqual([
        'stop Standby Stopped',
        'start Stopped Running',
        'standby Running Standby',
        'stop Standby Stopped',
        'start Stopped Running',
      ]);
    });

    it('restart in one turn and tell both events', async () => {
      const { id } = await create();
      await value(manager.restart(id));
      expect(told()).toEqual(['create Running', 'stop Running Stopped', 'start Stopped Running']);

      await value(manager.stop(id));
      await value(manager.restart(id));
      expect(told().slice(3)).toEqual(['stop Running Stopped', 'start Stopped Running']);
    });

    it('restore at the same time succeed together, and one event is told', async () => {
      const { id } = await create();
      await value(manager.standby(id));
      await Promise.all([value(manager.restore(id)), value(manager.restore(id))]);

      expect(told().filter((event) => event.startsWith('restore'))).toEqual(['restore Standby Running']);
    });
  });

  describe('delete', () => {
    it('is told to a watcher with the instance as it last was', async () => {
      await create('web');
      const removed = value(manager.watch('test').pipe(filter((change) => change.kind === 'removed')));
      await value(manager.delete('web'));
      expect((await removed).last).toMatchObject({ name: 'web', state: 'Running' });
    });

    it.each([
      ['Running', (): Promise<unknown> => Promise.resolve()],
      ['Stopped', (id: string) => value(manager.stop(id))],
      ['Standby', (id: string) => value(manager.standby(id))],
      [
        'Unknown',
        (id: string) => {
          driver.machine(id).lose('gone');
          return Promise.resolve();
        },
      ],
      [
        'Paused',
        (id: string) => {
          driver.machine(id).halt();
          return value(manager.refresh(id));
        },
      ],
    ])('takes an instance away that is %s, and emits it as it last was', async (state, bring) => {
      const { id } = await create();
      await bring(id);

      await expect(value(manager.delete('web'))).resolves.toMatchObject({ id, state });
      expect(told().at(-1)).toBe(`delete ${state}`);
      expect(events.at(-1)).not.toHaveProperty('instance');
      expect(events.at(-1)).toMatchObject({ last: { id, name: 'web', state } });
      await expect(value(manager.get(id))).rejects.toMatchObject({ _tag: 'InstanceNotFound', idOrName: id });
      expect(driver.homes()).toEqual([]);
      expect(driver.running()).toEqual([]);
      await create('web');
    });
  });

  describe('fork', () => {
    it.each([
      ['Running', 'standby Running Standby', 'restore Standby Running', 'fork Running'],
      ['Standby', 'standby Running Standby', 'restore Standby Running', 'fork Standby'],
      ['Stopped', 'standby Running Standby', 'restore Standby Running', 'fork Stopped'],
    ] as const)(
      'of a running instance to %s tells what the source does, then the fork',
      async (targetState, ...expected) => {
        const source = await create('web', { tags: { a: 'b' } });
        driver.machine(source.id).print('hello');
        const fork = await value(manager.fork('web', { name: 'two', fromRunning: true, targetState }));

        expect(told()).toEqual(['create Running', ...expected]);
        expect(events.at(-1)).not.toHaveProperty('previousState');
        expect(fork).toMatchObject({ name: 'two', state: targetState, revision: 1, spec: source.spec });
        expect(fork.id).not.toBe(source.id);
        await expect(lines(manager.logs('two'))).resolves.toEqual(['hello']);
      },
    );

    it.each([
      ['Stopped', 'Stopped'],
      ['Stopped', 'Running'],
      ['Stopped', 'Standby'],
      ['Standby', 'Standby'],
      ['Standby', 'Running'],
      ['Standby', 'Stopped'],
    ] as const)('of an instance that is %s to %s leaves the source as it is', async (from, targetState) => {
      const { id } = await create();
      await value(from === 'Stopped' ? manager.stop(id) : manager.standby(id));
      const request = targetState === from ? { name: 'two' } : { name: 'two', targetState };
      await value(manager.fork(id, request));

      expect(told().slice(2)).toEqual([`fork ${targetState}`]);
    });

    it('of a running instance has to be asked for', async () => {
      const { id } = await create();
      await expect(value(manager.fork(id, { name: 'two' }))).rejects.toMatchObject({
        _tag: 'InvalidState',
        state: 'Running',
        verb: 'fork',
      });
      expect(told()).toEqual(['create Running']);
      expect(driver.homes()).toHaveLength(1);
    });
  });

  describe('update', () => {
    it('replaces what it names, keeps the rest, and takes effect at the next start', async () => {
      const { id } = await create('web', { env: { A: '1' }, tags: { b: '2' } });
      const updated = await value(manager.update(id, { env: { C: '3' }, stopGraceMs: 10 }));

      expect(updated.spec).toEqual({
        driver: 'memory',
        image: 'any',
        env: { C: '3' },
        tags: { b: '2' },
        stopGraceMs: 10,
      });
      expect(told()).toEqual(['create Running', 'update Running Running']);
      await expect(value(manager.restart(id))).resolves.toMatchObject({ spec: updated.spec });
    });

    it('has to name something, and nothing unknown', async () => {
      const { id } = await create();
      await expect(value(manager.update(id, {}))).rejects.toMatchObject({
        _tag: 'InvalidRequest',
        faults: [{ path: '', found: '{}', expected: 'at least one field to change' }],
      });
      await expect(value(manager.update(id, { image: 'x' } as object))).rejects.toMatchObject({
        faults: [{ path: 'image' }],
      });
    });
  });

  describe('lookup', () => {
    it('finds by id, then by name, then by the beginning of an id', async () => {
      const { id } = await create();
      const named = await create(id.slice(0, 6));

      await expect(value(manager.get(id))).resolves.toMatchObject({ id });
      await expect(value(manager.get(id.slice(0, 6)))).resolves.toMatchObject({ id: named.id });
      await expect(value(manager.get(id.slice(0, 9)))).resolves.toMatchObject({ id });
    });

    it('by the beginning of an id is for those who only look: a verb does not take one instance for another', async () => {
      const { id } = await create();
      const beginning = id.slice(0, 12);
      for (const verb of ['start', 'stop', 'standby', 'restore', 'restart', 'delete', 'refresh'] as const) {
        await expect(value(manager[verb](beginning))).rejects.toMatchObject({ _tag: 'InstanceNotFound' });
      }
      for (const work$ of [
        manager.update(beginning, { tags: {} }),
        manager.fork(beginning, { name: 'copy', fromRunning: true }),
        manager.createSnapshot(beginning, { kind: 'Stopped' }),
      ]) {
        await expect(value<unknown>(work$)).rejects.toMatchObject({ _tag: 'InstanceNotFound' });
      }
      await expect(value(manager.waitForState(beginning, 'Running'))).resolves.toMatchObject({
        state: 'Running',
      });
    });

    it('refuses a name that looks like an id', async () => {
      const { id } = await create();
      await expect(create(id)).rejects.toMatchObject({ _tag: 'InvalidRequest', faults: [{ path: 'name' }] });
    });

    it('says when there is none, and what cannot be looked up', async () => {
      await expect(value(manager.get(''))).rejects.toMatchObject({ _tag: 'InstanceNotFound' });
      await expect(value(manager.get('../web-1'))).rejects.toMatchObject({ _tag: 'InstanceNotFound' });
      await expect(value(manager.get(7 as never))).rejects.toMatchObject({
        _tag: 'InvalidRequest',
        faults: [{ path: 'idOrName', found: '7' }],
      });
    });

    it('lists by state, driver and tags, all of which have to hold', async () => {
      await create('one', { tags: { team: 'a', tier: 'web' } });
      await create('two', { tags: { team: 'a' } });
      await value(manager.stop('two'));
      const names = async (filter?: object): Promise<string[]> =>
        (await value(manager.list(filter))).map(({ name }) => name);

      await expect(names()).resolves.toEqual(['one', 'two']);
      await expect(names({ tags: { team: 'a' } })).resolves.toEqual(['one', 'two']);
      await expect(names({ tags: { team: 'a', tier: 'web' } })).resolves.toEqual(['one']);
      await expect(names({ state: 'Stopped' })).resolves.toEqual(['two']);
      await expect(names({ driver: 'process' })).resolves.toEqual([]);
      await expect(names({ colour: 'red' })).rejects.toMatchObject({ faults: [{ path: 'colour' }] });
      await expect(names({ state: 'running' })).rejects.toMatchObject({ faults: [{ path: 'state' }] });
    });
  });
}
