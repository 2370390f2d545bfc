import {
  type Instance,
  type InstanceManager,
  type LifecycleEvent,
  type Logger,
  type LogLine,
  openManager,
  type RunOptions,
  type RunOutcome,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { concat, firstValueFrom, type Observable, of, take, throwError } from 'rxjs';
import { noLogger } from '../../src/manager/noLogger.js';
import { until } from '../support/until.js';

const request = { image: 'any' };

let driver: MemoryDriver;
let manager: InstanceManager;
let events: LifecycleEvent[];
let fails: readonly string[];
let close = (): Promise<void> => Promise.resolve();

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

const failure = async (source$: Promise<unknown>): Promise<unknown> => {
  try {
    return await source$;
  } catch (error) {
    return error;
  }
};

const only = async (): Promise<Instance> => (await value(manager.list()))[0] as Instance;

const actions = (): readonly string[] => events.map(({ action }) => action);

/** Begins a run, and gives its instance. */
async function begin(options?: RunOptions): Promise<[Instance, Promise<RunOutcome>]> {
  const outcome = value(manager.run(request, options));
  outcome.catch(() => undefined);
  return [await only(), outcome];
}

/** Opens a manager in the place of the one before. */
const open = async (using: Partial<MemoryDriver> = {}, logger?: Logger): Promise<void> => {
  await close();
  fails = [];
  driver = createMemoryDriver({
    standbyFrees: 'memory',
    fail: (operation) => (fails.includes(operation) ? new Error(`no ${operation}`) : undefined),
  });
  manager = await openManager({ drivers: [{ ...driver, ...using }], ...(logger && { logger }) });
  close = () => manager.close();
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
};

const line = (text: string, more: Partial<LogLine> = {}): LogLine => ({
  ...{ time: 1, stream: 'stdout', text, partial: false, cursor: 1 },
  ...more,
});

/** Runs a job whose log is this. */
async function output(lines: readonly LogLine[], options?: RunOptions): Promise<Partial<RunOutcome>> {
  await open({ logs: () => of(...lines) });
  const [{ id }, outcome] = await begin(options);
  driver.machine(id).exit({ code: 0, signal: null });
  const { stdout, stderr, truncated } = await outcome;
  return { stdout, stderr, truncated };
}

beforeEach(() => open());
afterEach(() => close());

it('a run tells how its instance ended and what that wrote, and leaves nothing', async () => {
  const [{ id, name }, outcome] = await begin();
  expect(name).toMatch(/^run-[a-z0-9]+$/);
  driver.machine(id).print('hello');
  driver.machine(id).exit({ code: 3, signal: null });
  const { instance, ...rest } = await outcome;
  expect(rest).toEqual({
    exit: { code: 3, signal: null },
    stdout: 'hello\n',
    stderr: '',
    truncated: false,
  });
  expect(instance).toMatchObject({ id, name, state: 'Stopped' });
  expect(await only()).toBeUndefined();
  expect(driver.homes()).toEqual([]);
  expect(actions()).toEqual(['create', 'exit', 'delete']);
});

it('nothing is run before somebody subscribes, and for each who does it is run anew', async () => {
  const run$ = manager.run(request);
  expect(await value(manager.list())).toEqual([]);
  const subscriptions = [run$.subscribe(), run$.subscribe()];
  expect(await value(manager.list())).toHaveLength(2);
  for (const subscription of subscriptions) subscription.unsubscribe();
});

it('a run completes with its outcome, after its instance is gone', async () => {
  const seen: unknown[] = [];
  manager.run({ ...request, name: 'job' }).subscribe({
    next: ({ exit }) => seen.push(exit.code, ...driver.homes()),
    complete: () => seen.push('end'),
  });
  driver.machine((await only()).id).exit({ code: 0, signal: null });
  await until(
    () => seen,
    (them) => them.length === 2,
  );
  expect(seen).toEqual([0, 'end']);
});

it('whoever unsubscribes before the end has the instance stopped and removed', async () => {
  const subscription = manager.run(request).subscribe();
  subscription.unsubscribe();
  await until(actions, (told) => told.length === 3);
  expect(actions()).toEqual(['create', 'stop', 'delete']);
  expect([driver.homes(), driver.running()]).toEqual([[], []]);
});

it('whoever unsubscribes while the instance is created has it removed as well', async () => {
  const slow = createMemoryDriver({ launchMs: 5 });
  await open(slow);
  const subscription = manager.run(request).subscribe();
  await until(slow.homes, (homes) => homes.length === 1);
  subscription.unsubscribe();
  await until(actions, (told) => told.length === 3);
  expect(actions()).toEqual(['create', 'stop', 'delete']);
});

it('one that cannot be stopped when it is given up is ended at once', async () => {
  const subscription = manager.run(request).subscribe();
  fails = ['stop'];
  subscription.unsubscribe();
  await until(actions, (told) => told.includes('delete'));
  expect(driver.running()).toEqual([]);
});

it('one that cannot be removed when it is given up is told to the logger', async () => {
  const warned: string[] = [];
  const warn = (_: object, message: string): void => {
    warned.push(message);
  };
  await open({}, { ...noLogger, warn });
  const subscription = manager.run(request).subscribe();
  fails = ['discard'];
  subscription.unsubscribe();
  await until(
    () => warned,
    (told) => told.length > 0,
  );
  expect(warned).toEqual(['an instance whose run was given up could not be removed']);
  fails = [];
});

it('a run whose instance somebody stops tells that end', async () => {
  const [{ id }, outcome] = await begin();
  await value(manager.stop(id));
  expect(await outcome).toMatchObject({ instance: { id, state: 'Stopped' } });
  expect(actions()).toEqual(['create', 'stop', 'delete']);
});

it('a run goes on over standby, and over a restart it does not', async () => {
  const [{ id }, outcome] = await begin();
  await value(manager.standby(id));
  await value(manager.restore(id));
  await value(manager.restart(id));
  expect(await outcome).toMatchObject({ instance: { state: 'Stopped' } });
  expect(actions()).toEqual(['create', 'standby', 'restore', 'stop', 'start', 'delete']);
  expect(driver.running()).toEqual([]);
});

it('a run whose instance is lost fails, and leaves nothing', async () => {
  const [{ id }, outcome] = await begin();
  driver.machine(id).lose('the wire was cut');
  expect(await failure(outcome)).toMatchObject({
    _tag: 'DriverFailed',
    message: `cannot run instance ${id}: the wire was cut`,
  });
  expect([driver.homes(), driver.running()]).toEqual([[], []]);
});

it('a run whose instance somebody deletes fails', async () => {
  const [{ id }, outcome] = await begin();
  await value(manager.delete(id));
  expect(await failure(outcome)).toMatchObject({ _tag: 'InstanceNotFound' });
});

it('a run whose output cannot be read fails, and leaves nothing', async () => {
  await open({ logs: () => throwError(() => new Error('no log')) });
  const [{ id }, outcome] = await begin();
  driver.machine(id).exit({ code: 0, signal: null });
  expect(await failure(outcome)).toEqual(new Error('no log'));
  expect(driver.homes()).toEqual([]);
});

it('a run that cannot be launched fails, and leaves nothing', async () => {
  fails = ['launch'];
  expect(await failure(value(manager.run(request)))).toMatchObject({ _tag: 'LaunchFailed' });
  expect([driver.homes(), actions()]).toEqual([[], []]);
});

it('a run fails when the manager closes', async () => {
  const [, outcome] = await begin();
  await manager.close();
  expect(await failure(outcome)).toMatchObject({ _tag: 'ManagerClosed' });
  expect(await failure(value(manager.run(request)))).toMatchObject({ _tag: 'ManagerClosed' });
  expect(driver.homes()).toEqual([]);
});

it('a driver that keeps no logs has no output', async () => {
  await open({ capabilities: { standbyFrees: 'nothing', logs: [] } });
  const [{ id }, outcome] = await begin();
  driver.machine(id).exit({ code: null, signal: 'SIGKILL' });
  expect(await outcome).toMatchObject({ exit: { signal: 'SIGKILL' }, stdout: '', stderr: '' });
});

it('each stream is gathered by itself, as it was written', async () => {
  const stderr = 'stderr' as const;
  const lines = [line('a', { partial: true }), line('w', { stream: stderr }), line('b'), line('')];
  const unfinished = line('c', { partial: true });
  expect(await output([...lines, unfinished])).toEqual({
    stdout: 'ab\n\nc',
    stderr: 'w\n',
    truncated: false,
  });
});

it('what a log had lost before it was read is told to be missing', async () => {
  expect(await output([line('a'), line('b', { gap: true }), line('c')])).toEqual({
    stdout: 'a\nb\nc\n',
    stderr: '',
    truncated: true,
  });
});

it('output is read while it is written, so that a log may have lost it by the end', async () => {
  await open({
    logs: (home, { followUntil$, ...reading }) =>
      followUntil$ === undefined
        ? of(line('late', { gap: true }))
        : driver.logs(home, { ...reading, followUntil$ }),
  });
  const [{ id }, outcome] = await begin();
  driver.machine(id).print('early');
  driver.machine(id).exit({ code: 0, signal: null });
  expect(await outcome).toMatchObject({ stdout: 'early\n', truncated: false });
});

it('what could not be read meanwhile is read at the end, and nothing twice', async () => {
  await open({
    logs: (home, reading) => {
      const lines$ = driver.logs(home, reading);
      return reading.followUntil$ === undefined ? lines$ : concat(lines$.pipe(take(1)), notNow$);
    },
  });
  const heard: string[] = [];
  const notNow$ = throwError(() => new Error('not now'));
  const [{ id }, outcome] = await begin({ onLine: ({ text }) => heard.push(text) });
  driver.machine(id).print('a');
  driver.machine(id).print('b');
  driver.machine(id).exit({ code: 0, signal: null });
  expect(await outcome).toMatchObject({ stdout: 'a\nb\n', truncated: false });
  expect(heard).toEqual(['a', 'b']);
});

it('each line is told when it is written, and also what is too much to be gathered', async () => {
  const heard: string[] = [];
  const [{ id }, outcome] = await begin({ onLine: ({ text }) => heard.push(text), outputMaxBytes: 2 });
  driver.machine(id).print('a');
  expect(heard).toEqual(['a']);
  driver.machine(id).print('b');
  driver.machine(id).exit({ code: 0, signal: null });
  expect(await outcome).toMatchObject({ stdout: 'b\n', truncated: true });
  expect(heard).toEqual(['a', 'b']);
});

it('an onLine that throws is reported, not called again, and the run goes on', async () => {
  const [thrown, reported, heard] = [new Error('a bug'), [] as unknown[], [] as string[]];
  const logger = { ...noLogger, error: (fields: object, message: string) => reported.push(fields, message) };
  await open({}, logger);
  const onLine = ({ text }: LogLine): never => {
    heard.push(text);
    throw thrown;
  };
  const [{ id }, outcome] = await begin({ onLine });
  driver.machine(id).print('a');
  driver.machine(id).print('b');
  driver.machine(id).exit({ code: 0, signal: null });
  expect(await outcome).toMatchObject({ stdout: 'a\nb\n' });
  expect(heard).toEqual(['a']);
  expect(reported).toEqual([{ consumer: 'run', err: thrown }, expect.stringContaining('"run" threw')]);
});

it('a run that is given up tells no line any more', async () => {
  const slow = createMemoryDriver({ stopMs: 5 });
  await open(slow);
  const heard: string[] = [];
  const subscription = manager.run(request, { onLine: ({ text }) => heard.push(text) }).subscribe();
  const { id } = await only();
  const machine = slow.machine(id);
  machine.print('a');
  subscription.unsubscribe();
  machine.print('b');
  await until(actions, (told) => told.includes('delete'));
  expect(heard).toEqual(['a']);
});

it('a signal that aborts gives a run up, which fails with its reason once nothing is left', async () => {
  const slow = createMemoryDriver({ stopMs: 5 });
  await open(slow);
  const controller = new AbortController();
  const [, outcome] = await begin({ signal: controller.signal });
  const left = outcome.catch((error: unknown) => [error, slow.homes(), slow.running()]);
  controller.abort('enough');
  expect(await left).toEqual(['enough', [], []]);
  expect(actions()).toEqual(['create', 'stop', 'delete']);
});

it('a signal that has aborted before lets nothing be created', async () => {
  const signal = AbortSignal.abort('enough');
  expect(await failure(value(manager.run(request, { signal })))).toBe('enough');
  expect(actions()).toEqual([]);
});

it('a signal that aborts while the instance is created has it removed', async () => {
  const slow = createMemoryDriver({ launchMs: 5 });
  await open(slow);
  const controller = new AbortController();
  const outcome = failure(value(manager.run(request, { signal: controller.signal })));
  await until(slow.homes, (homes) => homes.length === 1);
  controller.abort('enough');
  expect(await outcome).toBe('enough');
  expect([actions(), slow.homes()]).toEqual([['create', 'stop', 'delete'], []]);
});

it('a signal that aborts when the outcome is being told changes nothing', async () => {
  const controller = new AbortController();
  const [{ id }, outcome] = await begin({ signal: controller.signal });
  manager.events('test').subscribe(({ action }) => {
    if (action === 'delete') controller.abort('too late');
  });
  driver.machine(id).exit({ code: 3, signal: null });
  expect(await outcome).toMatchObject({ exit: { code: 3 } });
});

it.each(['create', 'stop', 'exit'])(
  'whoever gives a run up when its %s is told ends it once, and no verb fails',
  async (when) => {
    const results: string[] = [];
    manager.measurements$.subscribe((it) => {
      if (it.kind === 'verb') results.push(`${it.verb} ${it.result}`);
    });
    const controller = new AbortController();
    manager.events('test').subscribe(({ action }) => {
      if (action === when) controller.abort('enough');
    });
    const [instance, outcome] = await begin({ signal: controller.signal });
    if (when === 'stop') await value(manager.stop(instance.id));
    if (when === 'exit') driver.machine(instance.id).exit({ code: 0, signal: null });
    expect(await failure(outcome)).toBe('enough');
    expect(results.filter((result) => !result.endsWith(' ok'))).toEqual([]);
    expect(actions().filter((action) => action === 'delete')).toEqual(['delete']);
    expect([driver.homes(), await only()]).toEqual([[], undefined]);
  },
);

it('whoever unsubscribes from a run has it ended once, and no verb fails', async () => {
  const results: string[] = [];
  manager.measurements$.subscribe((it) => {
    if (it.kind === 'verb') results.push(`${it.verb} ${it.result}`);
  });
  manager.run(request).subscribe().unsubscribe();
  await until(actions, (told) => told.includes('delete'));
  await manager.close();
  expect(results).toEqual(['create ok', 'delete ok']);
});

it.each([
  ['as much as fits', ['ab', 'cd'], 6, 'ab\ncd\n', false],
  ['the end of what does not fit', ['ab', 'cd'], 5, 'b\ncd\n', true],
  ['no half of a character', ['xä', 'b'], 4, '\nb\n', true],
  ['nothing', ['ab'], 0, '', true],
  ['the end of much', Array<string>(50_000).fill('x'), 70_001, `\n${'x\n'.repeat(35_000)}`, true],
])('of a stream is gathered %s', async (_, texts, outputMaxBytes, stdout, truncated) => {
  const lines = texts.map((text) => line(text));
  expect(await output(lines, { outputMaxBytes })).toEqual({ stdout, stderr: '', truncated });
});

it.each([
  [undefined, {}, ''],
  ['x', {}, ''],
  [{ image: 'any', nam: 'x' }, {}, 'nam'],
  [{ image: 'any', name: 'A' }, {}, 'name'],
  [{ image: 'any' }, { outputMaxBytes: -1 }, 'outputMaxBytes'],
  [{ image: 'any' }, { onLine: 'print' }, 'onLine'],
  [{ image: 'any' }, { signal: 'now' }, 'signal'],
  [{ image: 'any' }, { max: 1 }, 'max'],
])('a run of %j with %j is refused', async (asked, options, path) => {
  const error = await failure(value(manager.run(asked as never, options as RunOptions)));
  expect(error).toMatchObject({ _tag: 'InvalidRequest' });
  expect((error as { faults: { path: string }[] }).faults.map((fault) => fault.path)).toContain(path);
  expect(actions()).toEqual([]);
});
