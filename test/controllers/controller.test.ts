import * as t from 'io-ts';
import {
  type Controller,
  type ControllerRules,
  createController,
  type Instance,
  type Measurement,
  openManager,
  type RunningController,
} from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { concat, firstValueFrom, NEVER, of, Subject, throwError } from 'rxjs';
import { createMemoryStore } from '../../src/store/memoryStore.js';
import { openPoliced, type PolicedManager } from './policedManager.js';

const count = t.strict({ count: t.number }) as unknown as t.Type<{ count: number }, { count: number }>;

let policed: PolicedManager | undefined;

const withRules = async <Memory, Input>(rules: ControllerRules<Memory, Input>): Promise<PolicedManager> =>
  (policed = await openPoliced({ controllers: [createController(rules)] }));

const withOwn = async (controller: Controller, options: object = {}): Promise<PolicedManager> =>
  (policed = await openPoliced({ controllers: [controller], ...options }));

/** What a manager measures. */
function measured(manager: PolicedManager): Measurement[] {
  const measurements: Measurement[] = [];
  manager.manager.measurements$.subscribe((measurement) => measurements.push(measurement));
  return measurements;
}

afterEach(async () => {
  await policed?.close();
  policed = undefined;
});

describe('a controller', () => {
  it('does what its rules say, with its name and their reason as the cause, and measures that', async () => {
    const its = await withRules({
      name: 'night_watch',
      decide: ({ instance }) =>
        instance.state === 'Running' ? { act: { verb: 'standby', reason: 'night' } } : {},
    });
    const measurements = measured(its);
    await its.create({});
    expect(its.told()).toEqual(['0 s: create by caller', '0 s: standby by night_watch, night']);
    expect(measurements).toContainEqual({
      kind: 'decision',
      controller: 'night_watch',
      ...{ verb: 'standby', reason: 'night', result: 'ok' },
    });
  });

  it('is asked again at the time that it names, and not before', async () => {
    const asked: string[] = [];
    let begun = 0;
    const its = await withRules({
      name: 'clock',
      decide: ({ now }, { kind }) => {
        if (kind === 'changed') begun = now;
        asked.push(`${kind} at ${String(now - begun)}`);
        return { at: now < begun + 2_500 ? now + 1_000 : undefined };
      },
    });
    await its.create({});
    await its.pass(10_000);
    expect(asked).toEqual(['changed at 0', 'due at 1000', 'due at 2000', 'due at 3000']);
  });

  it('keeps what it remembers before anything is done, and has it again under the next manager', async () => {
    const before: (number | undefined)[] = [];
    const decide: ControllerRules<{ count: number }, never>['decide'] = ({ instance, memory }, { kind }) => {
      before.push(memory?.count);
      if (kind === 'turn')
        return { memory: { count: (memory?.count ?? 0) + 1 }, act: { verb: 'stop', reason: 'x' } };
      return { memory, act: instance.state === 'Running' ? { verb: 'stop', reason: 'x' } : undefined };
    };
    const order: unknown[] = [];
    const perform: ControllerRules<{ count: number }, never>['perform'] = (
      _,
      { instance },
      { instances },
    ) => {
      order.push('begun');
      return instances.stop(instance.id);
    };
    const store = createMemoryStore();
    const its = await withOwn(createController({ name: 'counting', memory: count, decide, perform }), {
      store: {
        ...store,
        saveRuntime: (name: string, id: string, value: never) => {
          if (name === 'counting') order.push(value);
          return store.saveRuntime(name, id, value);
        },
      },
    });
    await its.create({});
    expect(order).toEqual([{ count: 1 }, 'begun']);
    await its.reopen();
    expect(before.at(-1)).toBe(1);
  });

  it('forgets an instance that loses its field, and sees none that has it not', async () => {
    const seen: string[] = [];
    const its = await withRules({
      name: 'mindful',
      field: 'restartPolicy',
      memory: count,
      decide: ({ instance, memory }) => {
        seen.push(`${String(instance.revision)}: ${String(memory?.count)}`);
        return { memory: { count: 7 } };
      },
    });
    const update = (policy: 'always' | 'never'): Promise<Instance> =>
      firstValueFrom(its.manager.update('web', { restartPolicy: { policy } }));
    await its.create({});
    await update('always');
    await its.pass(0);
    await update('never');
    await its.pass(0);
    await update('always');
    await its.pass(0);
    expect(seen).toEqual(['2: undefined', '4: undefined']);
  });

  it('leaves out what it has decided when that is not right any more once it has its turn', async () => {
    const gate = new Subject<never>();
    let isWanted = true;
    const done: string[] = [];
    const its = await withRules({
      name: 'one_by_one',
      concurrency: 1,
      decide: ({ instance }, { kind }) =>
        kind === 'done' || (instance.name === 'late' && !isWanted)
          ? {}
          : { act: { verb: 'hold', reason: 'x' } },
      perform: (_, { instance }) => {
        done.push(instance.name);
        return gate;
      },
    });
    await its.create({ name: 'first' });
    await its.create({ name: 'late' });
    isWanted = false;
    gate.complete();
    await its.pass(0);
    expect(done).toEqual(['first']);
  });

  it('does as much at a time as its rules say, of each instance one thing at a time', async () => {
    let running = 0;
    let most = 0;
    const ends: Subject<never>[] = [];
    const its = await withRules({
      name: 'bounded',
      concurrency: 3,
      decide: (_, { kind }) => (kind === 'done' ? {} : { act: { verb: 'work', reason: 'x' } }),
      perform: () => {
        most = Math.max(most, (running += 1));
        const end = new Subject<never>();
        ends.push(end);
        return end;
      },
    });
    for (let index = 0; index < 8; index += 1) {
      await its.create({ name: `web-${String(index)}` });
      await firstValueFrom(its.manager.update(`web-${String(index)}`, { tags: { any: 'other' } }));
      await its.pass(0);
    }
    for (let index = 0; index < 8; index += 1) {
      running -= 1;
      ends[index]?.complete();
    }
    expect([most, ends.length]).toEqual([3, 8]);
  });

  it('looks again, rather than act twice, when somebody was quicker', async () => {
    const results: unknown[] = [];
    const its = await withOwn(
      createController({
        name: 'slow_hand',
        decide: ({ instance }, { kind }) => {
          results.push(kind);
          return instance.state === 'Running' ? { act: { verb: 'standby', reason: 'x' } } : {};
        },
        perform: ({ reason }, { instance: { id, revision } }, { instances }) => {
          // Somebody stops it first.
          return concat(its.manager.stop(id), instances.standby(id, { reason, expectedRevision: revision }));
        },
      }),
    );
    await its.create({});
    expect(its.told().map((line) => line.split(': ')[1])).toEqual(['create by caller', 'stop by caller']);
    expect(results).not.toContain('failed');
    expect(results.at(-1)).toBe('changed');
  });

  it('that fails is opened again after 1 s, then after twice as long, and sees what there is then', async () => {
    let opened = 0;
    const controller: Controller = {
      name: 'weak',
      open: (port) => {
        opened += 1;
        if (opened === 1) throw new Error('of opening');
        if (opened === 2) return { decisions$: throwError(() => new Error('of working')) };
        return createController({
          name: 'weak',
          decide: ({ instance }) =>
            instance.state === 'Running' ? { act: { verb: 'stop', reason: 'seen' } } : {},
        }).open(port);
      },
    };
    const warnings: unknown[] = [];
    const warn = (fields: object): void => void warnings.push(fields);
    const its = await withOwn(controller, {
      logger: { debug: () => undefined, info: () => undefined, warn },
    });
    const measurements = measured(its);
    await its.create({});
    await its.pass(999);
    expect(opened).toBe(1);
    await its.pass(1);
    expect(opened).toBe(2);
    await its.pass(2_000);
    expect(its.told().at(-1)).toBe('3 s: stop by weak, seen');
    expect(warnings).toMatchObject([
      { controller: 'weak', backoffMs: 1_000 },
      { controller: 'weak', backoffMs: 2_000 },
    ]);
    expect(measurements.filter(({ kind }) => kind === 'controller_failed')).toHaveLength(1);
  });

  it('whose rules throw fails, whatever the occasion, and others go on', async () => {
    const rules = (name: string, kind: string): Controller =>
      createController({
        name,
        decide: ({ now }, occasion) => {
          if (occasion.kind === kind) throw new Error(kind);
          return { at: now + 100, act: occasion.kind === 'due' ? { verb: 'work', reason: 'x' } : undefined };
        },
        perform: () => of('done'),
      });
    policed = await openPoliced({
      controllers: [
        rules('one', 'changed'),
        rules('two', 'due'),
        rules('three', 'turn'),
        rules('four', 'none'),
      ],
    });
    const measurements = measured(policed);
    await policed.create({});
    await policed.pass(300);
    const failed = measurements.flatMap((it) => (it.kind === 'controller_failed' ? [it.controller] : []));
    expect(failed).toEqual(['one', 'two', 'three']);
  });

  it('is told what comes from elsewhere, and of a hold, of instances that it knows', async () => {
    const inputs$ = new Subject<{ instanceId: string; input: string }>();
    const heard: unknown[] = [];
    const its = await withRules<never, string>({
      name: 'listening',
      inputs: () => inputs$,
      hold: ({ instance }) => `hold ${instance.name}`,
      decide: (_, occasion) => {
        if (occasion.kind === 'input') heard.push(occasion.input);
        return {};
      },
    });
    const { id } = await its.create({});
    inputs$.next({ instanceId: id, input: 'knock' });
    inputs$.next({ instanceId: 'unknown', input: 'lost' });
    expect(await firstValueFrom(its.manager.hold('web'))).toMatchObject({ id });
    expect(heard).toEqual(['knock', 'hold web']);
  });

  it('is left as it is when the manager closes: what waits for its turn is left out', async () => {
    let begun = 0;
    const its = await withRules({
      name: 'endless',
      concurrency: 1,
      decide: () => ({ act: { verb: 'work', reason: 'x' } }),
      perform: () => {
        begun += 1;
        return NEVER;
      },
    });
    await its.create({ name: 'a' });
    await its.create({ name: 'b' });
    await its.manager.close();
    expect(begun).toBe(1);
  });

  it('goes on without what it remembered and is not understood, which is told', async () => {
    const store = createMemoryStore();
    const warnings: object[] = [];
    const logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: (of_: object) => warnings.push(of_),
    };
    const seen: unknown[] = [];
    const controller = createController({
      name: 'counting',
      memory: count,
      decide: ({ memory }) => {
        seen.push(memory);
        return {};
      },
    });
    const its = await withOwn(controller, { store, logger });
    const { id } = await its.create({});
    await firstValueFrom(store.saveRuntime('counting', id, { count: 'many' }), { defaultValue: undefined });
    await its.reopen();
    expect(seen.at(-1)).toBeUndefined();
    expect(warnings).toContainEqual(expect.objectContaining({ controller: 'counting', instanceId: id }));
  });
});

test.each([
  ['a name that is a manager’s own', ['machine'], 'controllers[0].name'],
  ['the name under which the manager remembers', ['manager'], 'controllers[0].name'],
  ['a name that is no word', ['Not a word'], 'controllers[0].name'],
  ['the name of another', ['same', 'same'], 'controllers[1].name'],
])('a controller with %s is refused', async (_, names, path) => {
  const open = (): RunningController => ({ decisions$: NEVER });
  const controllers = names.map((name) => ({ name, open }));
  await expect(openManager({ drivers: [createMemoryDriver()], controllers })).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    faults: [{ path }],
  });
});
