import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { closeOnSignals, type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { filter, firstValueFrom, lastValueFrom, ReplaySubject, Subject, toArray } from 'rxjs';
import { type Compiled, compile } from '../support/compiled.js';
import { until } from '../support/until.js';

const signals = ['SIGINT', 'SIGTERM'] as const;
const listeners = (): readonly number[] => signals.map((name) => process.listenerCount(name));

describe('a manager in this process', () => {
  let before: readonly number[];
  let manager: InstanceManager;

  const withOne = (): readonly number[] => before.map((count) => count + 1);

  beforeEach(async () => {
    before = listeners();
    manager = await openManager({ drivers: [createMemoryDriver()] });
  });

  afterEach(() => manager.close());

  it('is listened for once, however often it is asked', () => {
    const subscription = closeOnSignals(manager);
    expect(closeOnSignals(manager)).toBe(subscription);
    expect(listeners()).toEqual(withOne());
    subscription.unsubscribe();
    expect(listeners()).toEqual(before);
  });

  it('is listened for again after it was not any more', () => {
    closeOnSignals(manager).unsubscribe();
    closeOnSignals(manager);
    expect(listeners()).toEqual(withOne());
  });

  it('is not listened for once it is closed', async () => {
    closeOnSignals(manager);
    await manager.close();
    expect(listeners()).toEqual(before);
    closeOnSignals(manager);
    expect(listeners()).toEqual(before);
  });

  it('is not listened for with options that cannot be understood', () => {
    expect(() => closeOnSignals(manager, { stop: true } as object)).toThrow(
      'stop: found true, expected another key; known are stopInstances',
    );
    expect(listeners()).toEqual(before);
  });

  it.each([undefined, null, {}, 'manager'])('is not %j, which is refused', (other) => {
    expect(() => closeOnSignals(other as never)).toThrow('expected a manager');
    expect(listeners()).toEqual(before);
  });

  it('is closed as it was asked; what fails is written down', async () => {
    const exit = jest.spyOn(process, 'exit').mockImplementation((() => undefined) as never);
    const written = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const close = jest.fn(() => Promise.reject(new Error('it does not end')));
    const subscription = closeOnSignals({ close, measurements$: new Subject() }, { stopInstances: true });
    process.emit('SIGTERM');
    await until(() => exit.mock.calls.length > 0, Boolean);
    subscription.unsubscribe();
    expect(close.mock.calls).toEqual([[{ stopInstances: true }]]);
    expect(written.mock.calls).toEqual([[new Error('it does not end')]]);
    expect(exit.mock.calls[0]).toEqual([1]);
    exit.mockRestore();
    written.mockRestore();
  });
});

describe('a process that runs instances', () => {
  /** What is ended at once leaves its home. */
  const folder = mkdtempSync(join(tmpdir(), 'signals-'));
  let programs: Compiled;
  let child: ChildProcess;
  let said$: ReplaySubject<string>;

  beforeAll(() => {
    programs = compile('test/manager');
  });

  afterAll(() => {
    programs.remove();
    rmSync(folder, { recursive: true });
  });

  /** Starts one, and gives the pid of its instance. */
  async function start(program: string): Promise<string> {
    said$ = new ReplaySubject(Infinity);
    child = fork(resolve(programs.pathOf('test/manager/closeOnSignalsChild.ts')), [program], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, TMPDIR: folder },
    });
    child.on('message', (text: string) => {
      said$.next(text);
    });
    child.on('exit', () => {
      said$.complete();
    });
    return (await saying('runs ')).slice('runs '.length);
  }

  const saying = (beginning: string): Promise<string> =>
    firstValueFrom(said$.pipe(filter((text) => text.startsWith(beginning))));
  const said = (): Promise<readonly string[]> => lastValueFrom(said$.pipe(toArray()));

  const ended = async (): Promise<readonly unknown[]> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return [child.exitCode, child.signalCode];
  };

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('stops them on %s and ends with %i', async (name, code) => {
    const pid = await start('echo begun; exec sleep 600');
    child.kill(name);
    await expect(ended()).resolves.toEqual([code, null]);
    expect((await said()).slice(-2)).toEqual([`heard ${name}`, 'stop']);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('ends at once at the second signal', async () => {
    const pid = await start('trap "" TERM; echo begun; while :; do sleep 1; done');
    child.kill('SIGTERM');
    await saying('heard SIGTERM');
    child.kill('SIGINT');
    await expect(ended()).resolves.toEqual([130, null]);
    await expect(said()).resolves.not.toContain('stop');
    await until(() => !existsSync(`/proc/${pid}`), Boolean);
  });
});
