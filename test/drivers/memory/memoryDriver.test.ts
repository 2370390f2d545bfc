import type {
  Driver,
  ExitStatus,
  Machine,
  Readiness,
  Replacement,
  MachineSignal,
  SnapshotContent,
  Snapshotting,
} from 'rx-instances';
import {
  createMemoryDriver,
  type MemoryDriver,
  type MemoryDriverOptions,
  type MemoryOperation,
} from 'rx-instances/testing';
import { concat, EMPTY, mergeMap, NEVER, type Observable } from 'rxjs';
import { marbles } from '../../support/marbles.js';

const home = '/homes/web';
const plan = {
  instanceId: 'web-id',
  name: 'web',
  home,
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
};

/** What a stream that emits within `subscribe` gives. */
function now<T>(source$: Observable<T>): readonly T[] {
  const values: T[] = [];
  source$.subscribe((value) => values.push(value));
  return values;
}

function launched(
  options: MemoryDriverOptions = {},
  readiness?: Readiness,
): { readonly driver: MemoryDriver; readonly machine: Machine; readonly said: readonly MachineSignal[] } {
  const driver = createMemoryDriver(options);
  now(driver.prepare(plan));
  const spec = readiness === undefined ? plan.spec : { ...plan.spec, readiness };
  const [machine] = now(driver.launch({ ...plan, spec }));
  if (machine === undefined) throw new Error('not launched within subscribe');
  const said: MachineSignal[] = [];
  machine.signals$.subscribe((signal) => said.push(signal));
  return { driver, machine, said };
}

const log = (driver: Driver, path = home, tail = 100): readonly string[] =>
  now(driver.logs(path, { source: 'app', tail })).map(({ text }) => text);

const ready = { kind: 'ready' } as const;
const exited = (exit: ExitStatus) => ({ kind: 'exit', exit }) as const;
const noMemory = { _tag: 'LaunchFailed', message: 'the home holds no memory to go on from' };
const killed = { code: null, signal: 'SIGKILL' };
const stopped = { code: null, signal: 'SIGTERM' };

describe('a memory driver takes time', () => {
  it('to launch: launchMs after subscribe, one machine', () => {
    marbles(({ expectObservable }) => {
      const driver = createMemoryDriver({ launchMs: 30 });
      now(driver.prepare(plan));
      const running$ = driver.launch(plan).pipe(mergeMap(() => [driver.running().length]));

      expectObservable(running$).toBe('30ms (1|)', { 1: 1 });
      expectObservable(driver.launch(plan).pipe(mergeMap(() => 'never')), '10ms !').toBe('');
    });
  });

  it.each([
    ['the machine ends after stopMs', 20, 50, '20ms (e|)', stopped],
    ['the machine ends in time at the very end of its grace', 20, 20, '20ms (e|)', stopped],
    ['the machine is killed when its grace is over', 50, 20, '20ms (e|)', killed],
    ['a machine without grace is killed at once', 50, 0, '(e|)', killed],
  ])('to stop: %s', (_, stopMs, graceMs, diagram, exit) => {
    marbles(({ expectObservable }) => {
      const { machine } = launched({ stopMs });
      expectObservable(machine.stop({ graceMs })).toBe(diagram, { e: exit });
    });
  });

  it('of which a kill takes none, and answers a stop that waits', () => {
    marbles(({ cold, expectObservable }) => {
      const { machine } = launched({ stopMs: 50 });
      const kill$ = cold('10ms (k|)').pipe(mergeMap(() => machine.kill()));

      expectObservable(machine.stop({ graceMs: 100 })).toBe('10ms (e|)', { e: killed });
      expectObservable(kill$).toBe('10ms (e|)', { e: killed });
    });
  });
});

describe('who holds a memory driver plays its machines:', () => {
  it('one that has no readiness is ready at once', () => {
    expect(launched().said).toEqual([ready]);
  });

  it('one with readiness is ready when it is told to be, once', () => {
    const { driver, machine, said } = launched({}, { kind: 'tcp', port: 80 });
    expect(said).toEqual([]);
    expect(now(machine.inspect())).toEqual([{ kind: 'running', ready: false }]);

    driver.machine('web-id').ready();
    driver.machine('web-id').ready();
    expect(said).toEqual([ready]);
    expect(now(machine.inspect())).toEqual([{ kind: 'running', ready: true }]);
  });

  it('one whose readiness is a line is ready when it prints it', () => {
    const { driver, said } = launched({}, { kind: 'log', pattern: '^listening on \\d+$' });
    driver.machine('web-id').print('listening on nothing');
    expect(said).toEqual([]);
    driver.machine('web-id').print('listening on 80');
    driver.machine('web-id').print('listening on 81');
    expect(said).toEqual([ready]);
  });

  it('one ends once, and nothing is heard of it afterwards', () => {
    const { driver, machine, said } = launched({}, { kind: 'tcp', port: 80 });
    const played = driver.machine('web-id');
    played.exit({ code: 7, signal: null });
    played.exit({ code: 8, signal: null });
    played.ready();
    played.lose('too late');
    played.print('too late');

    expect(said).toEqual([exited({ code: 7, signal: null })]);
    expect(now(machine.kill())).toEqual([{ code: 7, signal: null }]);
    expect(log(driver)).toEqual([]);
    expect(driver.running()).toEqual([]);
  });

  it('one that is lost goes on', () => {
    const { driver, said } = launched();
    driver.machine('web-id').lose('the host is silent');
    driver.machine('web-id').exit({ code: 0, signal: null });
    expect(said).toEqual([
      ready,
      { kind: 'lost', reason: 'the host is silent' },
      exited({ code: 0, signal: null }),
    ]);
  });

  it('one that somebody else halts and resumes is found so', () => {
    const { driver, machine } = launched();
    driver.machine('web-id').halt();
    expect(now(machine.inspect())).toEqual([{ kind: 'frozen' }]);
    driver.machine('web-id').resume();
    expect(now(machine.inspect())).toEqual([{ kind: 'running', ready: true }]);
  });

  it('the last of an instance answers to its id, and there is none before the first', () => {
    const { driver, said } = launched();
    driver.machine('web-id').exit({ code: 0, signal: null });
    now(driver.launch(plan));
    driver.machine('web-id').exit({ code: 1, signal: null });

    expect(said).toEqual([ready, exited({ code: 0, signal: null })]);
    expect(() => driver.machine('other-id')).toThrow('the instance other-id never had a machine');
  });
});

describe('a machine in memory that is sent signals', () => {
  it('tells which, and is ended by SIGKILL alone', () => {
    const { driver, machine, said } = launched();
    for (const name of ['SIGHUP', 'SIGTERM', 'SIGHUP']) now(machine.signal?.(name) as Observable<never>);
    expect(said).toEqual([ready]);

    now(machine.signal?.('SIGKILL') as Observable<never>);
    expect(driver.machine('web-id').signals()).toEqual(['SIGHUP', 'SIGTERM', 'SIGHUP', 'SIGKILL']);
    expect(said).toEqual([ready, exited({ code: null, signal: 'SIGKILL' })]);
  });
});

describe('a memory driver keeps homes', () => {
  it('with the log, of which a fork gets a copy that goes its own way', () => {
    const { driver } = launched();
    driver.machine('web-id').print('before');
    now(driver.prepare({ ...plan, instanceId: 'two-id', home: '/homes/two', copyOf: home }));
    driver.machine('web-id').print('after');

    expect(log(driver)).toEqual(['before', 'after']);
    expect(log(driver, '/homes/two')).toEqual(['before']);
    expect(driver.homes()).toEqual([home, '/homes/two']);
  });

  it('until they are discarded, which ends who follows the log', () => {
    const { driver } = launched();
    const told: string[] = [];
    driver.logs(home, { source: 'app', tail: 100, followUntil$: NEVER }).subscribe({
      next: ({ text }) => told.push(text),
      complete: () => told.push('the end'),
    });
    driver.machine('web-id').print('one');
    now(driver.discard(home));

    expect(told).toEqual(['one', 'the end']);
    expect(driver.homes()).toEqual([]);
  });
});

describe('a memory driver fails on demand', () => {
  const error = new Error('on demand');
  const place = { ...plan, folder: '/snapshots/one', kind: 'Stopped' } as const;
  const content = { size: 0, hash: '', data: null };
  const operations: Record<
    MemoryOperation,
    (driver: Driver, machine: Machine) => Observable<unknown> | undefined
  > = {
    prepare: (driver) => driver.prepare(plan),
    launch: (driver) => driver.launch(plan),
    adopt: (driver, { handle }) => driver.adopt(plan, handle),
    discard: (driver) => driver.discard(home),
    inspect: (_, machine) => machine.inspect(),
    stop: (_, machine) => machine.stop({ graceMs: 0 }),
    kill: (_, machine) => machine.kill(),
    signal: (_, machine) => machine.signal?.('SIGHUP'),
    freeze: (_, machine) => machine.freezing?.freeze(),
    thaw: (_, machine) => machine.freezing?.thaw(),
    suspend: (_, machine) => machine.freezing?.suspend?.(),
    resume: (driver) => driver.resume?.(plan),
    forget: (driver) => driver.forget?.(home),
    take: (driver) => driver.snapshots?.take({ ...place, folder: '/snapshots/other' }),
    layOut: (driver) => driver.snapshots?.layOut({ ...place, home: '/homes/other' }, content),
    replace: (driver) => driver.snapshots?.replace(place, content),
  };

  it.each(Object.entries(operations))('to %s, told of which instance, and does nothing', (operation, run) => {
    const asked: string[] = [];
    let isBroken = false;
    const { driver, machine, said } = launched({
      standbyFrees: 'memory',
      fail: (name, { instanceId }) => {
        if (isBroken) asked.push(`${name} ${instanceId}`);
        return isBroken ? error : undefined;
      },
    });
    isBroken = true;
    let failure: unknown;
    run(driver, machine)?.subscribe({ error: (thrown: unknown) => (failure = thrown) });

    expect(failure).toBe(error);
    expect(asked).toEqual([`${operation} web-id`]);
    isBroken = false;
    expect(said).toEqual([ready]);
    expect(now(machine.inspect())).toEqual([{ kind: 'running', ready: true }]);
    expect(driver.homes()).toEqual([home]);
    expect(driver.snapshotFolders()).toEqual([]);
    expect(driver.running()).toEqual(['web-id']);
  });
});

describe('a memory driver that keeps memory', () => {
  const keeping = { standbyFrees: 'memory' } as const;

  it('is what it is asked to be', () => {
    const [one, other] = [createMemoryDriver(), createMemoryDriver(keeping)];
    expect([one, other].map(({ capabilities }) => capabilities.standbyFrees)).toEqual(['cpu', 'memory']);
    expect([one, other].map(({ snapshots }) => snapshots?.kinds)).toEqual([
      ['Stopped'],
      ['Stopped', 'Standby'],
    ]);
    expect(one).not.toHaveProperty('resume');
  });

  it('goes on counting where the one before was, once it is thawed', () => {
    const { driver, machine } = launched(keeping);
    driver.machine('web-id').count();
    now(machine.freezing?.suspend?.() as Observable<never>);
    driver.machine('web-id').count();
    now(machine.kill());
    now(machine.freezing?.thaw() as Observable<never>);
    expect(driver.running()).toEqual([]);

    const [resumed] = now(driver.resume?.(plan) as Observable<Machine>);
    driver.machine('web-id').count();
    expect(log(driver)).toEqual(['count 1.']);
    now(resumed?.freezing?.thaw() as Observable<never>);
    driver.machine('web-id').count();
    expect(log(driver)).toEqual(['count 1.', 'count 2.']);
    now(resumed?.kill() as Observable<ExitStatus>);
    driver.machine('web-id').count();
    expect(log(driver)).toEqual(['count 1.', 'count 2.']);
  });

  it('takes as long to resume as to launch', () => {
    marbles(({ expectObservable }) => {
      const driver = createMemoryDriver({ ...keeping, launchMs: 30 });
      now(driver.prepare(plan));
      const frozen$ = driver.launch(plan).pipe(
        mergeMap(({ freezing, kill }) => concat(freezing?.suspend?.() ?? EMPTY, kill())),
        mergeMap(() => driver.resume?.(plan) ?? EMPTY),
        mergeMap((machine) => machine.inspect()),
      );
      expectObservable(frozen$).toBe('60ms (f|)', { f: { kind: 'frozen' } });
    });
  });

  it('lets a machine go on that could not be suspended', () => {
    const { machine } = launched({
      ...keeping,
      fail: (operation) => (operation === 'suspend' ? new Error('disk full') : undefined),
    });
    now(machine.freezing?.freeze() as Observable<never>);
    let failure: unknown;
    machine.freezing?.suspend?.().subscribe({ error: (error: unknown) => (failure = error) });
    expect(failure).toEqual(new Error('disk full'));
    expect(now(machine.inspect())).toEqual([{ kind: 'running', ready: true }]);
  });

  it.each<[string, (machine: Machine, driver: MemoryDriver) => unknown]>([
    ['that is asked to end', (machine) => now(machine.stop({ graceMs: 0 }))],
    [
      'that somebody else lets go on',
      (machine, driver) => {
        driver.machine('web-id').resume();
        return now(machine.kill());
      },
    ],
  ])('has none of a suspended machine %s', (_, end) => {
    const { driver, machine } = launched(keeping);
    now(machine.freezing?.suspend?.() as Observable<never>);
    end(machine, driver);
    let failure: unknown;
    driver.resume?.(plan).subscribe({ error: (error: unknown) => (failure = error) });
    expect(failure).toMatchObject(noMemory);
  });
});

describe('a memory driver takes snapshots', () => {
  const place = { ...plan, folder: '/snapshots/one', kind: 'Stopped' } as const;

  it('of the lines of the log, and brings them back', () => {
    const { driver } = launched();
    const snapshots = driver.snapshots as Snapshotting;
    driver.machine('web-id').print('one');
    now(snapshots.take(place));
    const [content] = now(snapshots.seal(place.folder));
    driver.machine('web-id').print('two');
    expect(driver.snapshotFolders()).toEqual(['/snapshots/one']);
    expect(content).toMatchObject({ size: 3, data: null });

    now(snapshots.layOut({ ...place, home: '/homes/two' }, content as SnapshotContent));
    expect(log(driver, '/homes/two')).toEqual(['one']);

    const [replacement] = now(snapshots.replace(place, content as SnapshotContent));
    expect(log(driver, home)).toEqual(['one']);
    driver.machine('web-id').print('three');
    now((replacement as Replacement).undo());
    expect(log(driver, home)).toEqual(['one', 'two']);
  });

  it('and tells when a folder holds something else', () => {
    const { driver } = launched();
    const snapshots = driver.snapshots as Snapshotting;
    now(snapshots.take(place));
    const [one] = now(snapshots.seal(place.folder));
    driver.machine('web-id').print('one');
    now(snapshots.take({ ...place, folder: '/snapshots/two' }));
    const [other] = now(snapshots.seal('/snapshots/two'));
    expect(now(snapshots.check('/snapshots/one', one as SnapshotContent))).toEqual([[]]);
    expect(now(snapshots.check('/snapshots/one', other as SnapshotContent))).toEqual([
      [{ path: 'log', found: `SHA-256 ${String(one?.hash)}`, expected: `SHA-256 ${String(other?.hash)}` }],
    ]);
  });
});

describe('a memory driver decodes', () => {
  it.each([
    [{ readiness: { kind: 'log', pattern: '(' } }, 'readiness.pattern'],
    [{ readiness: { kind: 'tcp', port: 0 } }, 'readiness.port'],
    [{ readiness: { kind: 'http', port: 80, path: 'health' } }, 'readiness.path'],
    [{ readiness: { kind: 'udp' } }, 'readiness.kind'],
    [{ stopGraceMs: -1 }, 'stopGraceMs'],
    [{ entrypoint: ['node'] }, 'entrypoint'],
  ])('%j as a fault at %s', (fields, path) => {
    expect(createMemoryDriver().decode(fields)).toMatchObject({ _tag: 'Left', left: [{ path }] });
  });
});
