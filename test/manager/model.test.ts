import fc from 'fast-check';
import { isOfSnapshot } from '../../src/lifecycle/event.js';
import { firstValueFrom, type Observable } from 'rxjs';
import {
  type Action,
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  openManager,
  type State,
  transition,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';

/** What an instance should be: its state, whether its machine got ready, and whether the machine stands still. */
interface Expected {
  state: State;
  ready: boolean;
  halted: boolean;
}

type Model = Map<string, Expected>;

interface Real {
  readonly manager: InstanceManager;
  readonly driver: MemoryDriver;
}

type Command = fc.AsyncCommand<Model, Real>;

// With a hyphen, so that none is the beginning of an id.
const names = ['web-a', 'web-b', 'web-c'] as const;
const readiness = { kind: 'tcp', port: 80 } as const;

const runningState = ({ ready }: Expected): State => (ready ? 'Running' : 'Initializing');

/** The tag of the error, or what came. */
const outcome = (work$: Observable<Instance>): Promise<string> =>
  firstValueFrom(work$).then(
    ({ state }) => state,
    (error: unknown) => (error as { readonly _tag: string })._tag,
  );

const command = (name: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  toString: () => name,
  run: async (model, real) => {
    await run(model, real);
    const all = await firstValueFrom(real.manager.list());
    expect(Object.fromEntries(all.map((instance) => [instance.name, instance.state]))).toEqual(
      Object.fromEntries([...model].map(([key, { state }]) => [key, state])),
    );
  },
});

const create = (name: string, isReady: boolean): Command =>
  command(`create ${name} ${String(isReady)}`, async (model, { manager }) => {
    const taken = model.has(name);
    if (!taken)
      model.set(name, { state: isReady ? 'Running' : 'Initializing', ready: isReady, halted: false });
    const request = { name, image: 'any', ...(isReady ? {} : { readiness }) };
    expect(await outcome(manager.create(request))).toBe(taken ? 'NameTaken' : model.get(name)?.state);
  });

/** A verb as the transition table has it; `move` brings the model where the verb should lead. */
const verb = (
  action: Action & keyof InstanceManager & ('start' | 'stop' | 'standby' | 'restore' | 'delete'),
  name: string,
  move: (model: Model, expected: Expected) => void,
): Command =>
  command(`${action} ${name}`, async (model, { manager }) => {
    const expected = model.get(name);
    const before = expected?.state;
    const allowed = before === undefined ? 'missing' : transition(action, before).kind;
    if (expected !== undefined && allowed === 'move') move(model, expected);
    const told = await outcome(manager[action](name));
    if (allowed === 'missing') expect(told).toBe('InstanceNotFound');
    else if (allowed === 'refused') expect(told).toBe('InvalidState');
    else expect(told).toBe(action === 'delete' ? before : expected?.state);
  });

/** What a machine does by itself, where there is one. */
const byItself = (
  what: string,
  name: string,
  happen: (real: Real, id: string) => void,
  move: (expected: Expected) => void,
): Command =>
  command(`${what} ${name}`, async (model, real) => {
    const expected = model.get(name);
    if (expected === undefined || expected.state === 'Stopped') return;
    const { id } = await firstValueFrom(real.manager.get(name));
    move(expected);
    happen(real, id);
    await firstValueFrom(real.manager.refresh(id));
  });

const commands = names.flatMap((name) => [
  fc.boolean().map((isReady) => create(name, isReady)),
  fc.constant(
    verb('stop', name, (_, expected) => {
      expected.state = 'Stopped';
    }),
  ),
  fc.constant(
    verb('standby', name, (_, expected) => {
      Object.assign(expected, { state: 'Standby', halted: true });
    }),
  ),
  fc.constant(
    verb('restore', name, (_, expected) => {
      expected.halted = false;
      expected.state = runningState(expected);
    }),
  ),
  fc.constant(verb('delete', name, (model) => model.delete(name))),
  fc.constant(
    byItself(
      'crash',
      name,
      ({ driver }, id) => {
        driver.machine(id).exit({ code: 1, signal: null });
      },
      (expected) => {
        expected.state = 'Stopped';
      },
    ),
  ),
  fc.constant(
    byItself(
      'get ready',
      name,
      ({ driver }, id) => {
        driver.machine(id).ready();
      },
      (expected) => {
        expected.ready = true;
        if (expected.state === 'Initializing') expected.state = 'Running';
        if (expected.state === 'Unknown') expected.state = expected.halted ? 'Paused' : 'Running';
      },
    ),
  ),
  fc.constant(
    byItself(
      'halt',
      name,
      ({ driver }, id) => {
        driver.machine(id).halt();
      },
      (expected) => {
        expected.halted = true;
        if (expected.state !== 'Standby') expected.state = 'Paused';
      },
    ),
  ),
  fc.constant(
    byItself(
      'resume',
      name,
      ({ driver }, id) => {
        driver.machine(id).resume();
      },
      (expected) => {
        expected.halted = false;
        expected.state = runningState(expected);
      },
    ),
  ),
]);

/** Whoever holds the events holds the table, and each event follows from the one before. */
function expectToFold(events: readonly LifecycleEvent[], table: readonly Instance[]): void {
  const folded = new Map<string, Instance>();
  events.forEach((event, index) => {
    expect(event.sequence).toBe(index + 1);
    if (isOfSnapshot(event)) return;
    const before = folded.get(event.instanceId);
    expect(event.previousState).toBe(before?.state);
    const move = transition(event.action, before?.state ?? 'absent');
    expect(move.kind).toBe('move');
    if (event.action === 'delete') {
      folded.delete(event.instanceId);
      return;
    }
    expect(move.kind === 'move' && move.to).toContain(event.instance.state);
    expect(event.instance.revision).toBe((before?.revision ?? 0) + 1);
    folded.set(event.instanceId, event.instance);
  });
  expect([...folded.values()]).toEqual(table);
}

it('keeps to its model, and its table is the fold of its events, whatever is asked of it in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 60 }), async (walk) => {
      const driver = createMemoryDriver();
      const manager = await openManager({ drivers: [driver] });
      const events: LifecycleEvent[] = [];
      manager.events('model').subscribe((event) => events.push(event));
      try {
        await fc.asyncModelRun(() => ({ model: new Map(), real: { manager, driver } }), walk);
        expectToFold(events, await firstValueFrom(manager.list()));
      } finally {
        await manager.close();
      }
      expect(driver.running()).toEqual([]);
      expect(driver.homes()).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

it('keeps its table the fold of its events when a hundred verbs are asked for at once', async () => {
  const verbs = ['start', 'stop', 'standby', 'restore', 'restart', 'delete', 'refresh'] as const;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...verbs), fc.constantFrom(...names)), {
        minLength: 20,
        maxLength: 100,
      }),
      fc.nat(3),
      async (asked, launchMs) => {
        const driver = createMemoryDriver({ launchMs, stopMs: 1 });
        const manager = await openManager({ drivers: [driver] });
        const events: LifecycleEvent[] = [];
        manager.events('model').subscribe((event) => events.push(event));
        await Promise.all(names.map((name) => firstValueFrom(manager.create({ name, image: 'any' }))));
        await Promise.allSettled(asked.map(([action, name]) => firstValueFrom(manager[action](name))));
        expectToFold(events, await firstValueFrom(manager.list()));
        await manager.close();
        expect(driver.running()).toEqual([]);
      },
    ),
    { numRuns: 50 },
  );
});
