import {
  createProcessDriver,
  type ExecOutput,
  type ExecRequest,
  type Instance,
  type InstanceManager,
  type Measurement,
  openManager,
} from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { concat, firstValueFrom, merge, of, Subject, throwError, toArray } from 'rxjs';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

let manager: InstanceManager;
let web: Instance;
let measured: Extract<Measurement, { readonly kind: 'exec' }>[];

const shell = (line: string, others: Partial<ExecRequest> = {}): ExecRequest => ({
  ...{ command: 'sh', args: ['-c', line] },
  ...others,
});

const outputsOf = (request: ExecRequest): Promise<readonly ExecOutput[]> =>
  firstValueFrom(manager.exec('web', request).pipe(toArray()));

/** What each stream told, and how it ended. */
const texts = (outputs: readonly ExecOutput[]): readonly unknown[] => [
  ...(['stdout', 'stderr'] as const).flatMap((kind) => {
    const pieces = outputs.flatMap((output) => (output.kind === kind ? [output.data] : []));
    return pieces.length === 0 ? [] : [[kind, Buffer.concat(pieces).toString()]];
  }),
  ...outputs.filter(({ kind }) => kind === 'exit'),
];

/** Comes once nothing runs of the instance but so many processes. */
const left = async (count: number): Promise<void> => {
  const pids = await until(
    () => processesOf(web.id),
    (found) => found.length === count,
  );
  expect(pids).toHaveLength(count);
};

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver({ pollMs: 5 }), createMemoryDriver()] });
  measured = [];
  manager.measurements$.subscribe((measurement) => {
    if (measurement.kind === 'exec') measured.push(measurement);
  });
  web = await firstValueFrom(
    manager.create({ driver: 'process', name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );
});

afterEach(() => manager.close());

it('a program tells what it writes and how it ended, and is measured', async () => {
  const outputs = await outputsOf(shell('cat; echo $A; exit 3', { stdin: 'in\n', env: { A: 'given' } }));
  expect(texts(outputs)).toEqual([['stdout', 'in\ngiven\n'], { kind: 'exit', code: 3, signal: null }]);
  expect(measured).toEqual([
    { kind: 'exec', driver: 'process', result: 'ok', seconds: expect.any(Number) as number },
  ]);
});

it('it is killed when its time is over, and says so', async () => {
  const outputs = await outputsOf(shell('echo begun; sleep 600', { timeoutMs: 200 }));
  expect(texts(outputs)).toEqual([
    ['stdout', 'begun\n'],
    { kind: 'exit', code: null, signal: 'SIGKILL', timedOut: true },
  ]);
  await left(1);
  expect(measured).toMatchObject([{ result: 'timed_out' }]);
});

it('it is killed when its signal aborts, and fails with the reason', async () => {
  const controller = new AbortController();
  const running = outputsOf(shell('exec sleep 600', { signal: controller.signal }));
  await left(2);
  controller.abort(new Error('changed my mind'));
  await expect(running).rejects.toThrow('changed my mind');
  await left(1);
  await expect(outputsOf(shell('true', { signal: controller.signal }))).rejects.toThrow('changed my mind');
});

it('it is killed when it is unsubscribed, and when a loop is left', async () => {
  const running = manager.exec('web', shell('exec sleep 600')).subscribe();
  await left(2);
  running.unsubscribe();
  await left(1);
  for await (const output of manager.exec('web', shell('echo on; sleep 600'))) {
    expect(texts([output])).toEqual([['stdout', 'on\n']]);
    break;
  }
  await left(1);
  expect(measured).toMatchObject([{ result: 'given_up' }, { result: 'given_up' }]);
});

it('a slow reader holds it up, and loses nothing', async () => {
  let [bytes, turns] = [0, 0];
  // Ends what it counts in a file, which shows how far it has come.
  for await (const output of manager.exec('web', shell('head -c 10000000 /dev/zero; echo done > done'))) {
    if (output.kind !== 'stdout') continue;
    bytes += output.data.length;
    turns += 1;
    if (turns === 1) {
      // All the time in the world, and it is not done.
      const { stdout } = await lastLook();
      expect(stdout).toBe('');
    }
  }
  expect(bytes).toBe(10_000_000);
});

/** What another program sees of the work of the first after a while. */
async function lastLook(): Promise<{ readonly stdout: string }> {
  const outputs = await outputsOf(shell('for i in 1 2 3 4 5; do sleep 0.02; ls; done'));
  return { stdout: Buffer.concat(outputs.flatMap((it) => ('data' in it ? [it.data] : []))).toString() };
}

it('it fails where what it reads from fails, and is killed', async () => {
  const stdin = concat(
    of('a'),
    throwError(() => new Error('the source broke')),
  );
  await expect(outputsOf(shell('cat; sleep 600', { stdin }))).rejects.toThrow('the source broke');
  await left(1);
});

it('it lets go of what it reads from when it ends by itself', async () => {
  const input$ = new Subject<string>();
  const outputs = await outputsOf(shell('head -c 1', { stdin: merge(of('a'), input$) }));
  expect(texts(outputs)).toEqual([['stdout', 'a'], { kind: 'exit', code: 0, signal: null }]);
  expect(input$.observed).toBe(false);
});

it('a program that is not there is told from one that can not be run', async () => {
  await expect(outputsOf({ command: 'no-such' })).rejects.toMatchObject({ _tag: 'ExecFailed', code: 127 });
  await expect(outputsOf({ command: '/etc/passwd' })).rejects.toMatchObject({
    _tag: 'ExecFailed',
    code: 126,
  });
  expect(measured).toMatchObject([{ result: 'ExecFailed' }, { result: 'ExecFailed' }]);
});

it('whatever can not be understood is refused with every path', async () => {
  const request = {
    command: '',
    args: [1],
    cwd: '../out',
    env: { 'a=b': 'c' },
    stdin: 5,
    timeoutMs: -1,
    tty: {},
  };
  await expect(outputsOf(request as never)).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    faults: ['tty', 'command', 'args[0]', 'cwd', 'env[a text of 3 characters]', 'stdin', 'timeoutMs'].map(
      (path) => expect.objectContaining({ path }) as unknown,
    ),
  });
  expect(processesOf(web.id)).toHaveLength(1);
});

it.each([
  ['an instance that is not there', 'none', { _tag: 'InstanceNotFound' }],
  ['one of a driver without such programs', 'memory', { _tag: 'NotSupported', verb: 'exec' }],
  ['one that is Stopped', 'stopped', { _tag: 'InvalidState', verb: 'exec', state: 'Stopped' }],
  ['one on Standby', 'standby', { _tag: 'InvalidState', verb: 'exec', state: 'Standby' }],
])('%s is refused', async (_, name, error) => {
  const request = { image: 'scratch', entrypoint: ['sleep', '600'] };
  await firstValueFrom(manager.create({ driver: 'memory', name: 'memory', image: 'any' }));
  for (const made of ['stopped', 'standby']) {
    await firstValueFrom(manager.create({ driver: 'process', name: made, ...request }));
  }
  await firstValueFrom(manager.stop('stopped'));
  await firstValueFrom(manager.standby('standby'));
  await expect(firstValueFrom(manager.exec(name, { command: 'true' }))).rejects.toMatchObject(error);
});

it('it comes to its end with its instance', async () => {
  const running = outputsOf(shell('exec sleep 600'));
  await left(2);
  await firstValueFrom(manager.stop('web'));
  expect(texts(await running)).toEqual([{ kind: 'exit', code: null, signal: 'SIGKILL' }]);
  await left(0);
});

it('a manager that closes ends it, and tells so', async () => {
  const running = outputsOf(shell('exec sleep 600'));
  const refused = expect(running).rejects.toMatchObject({ _tag: 'ManagerClosed' });
  await left(2);
  await manager.close();
  await refused;
  await left(0);
  await expect(outputsOf({ command: 'true' })).rejects.toMatchObject({ _tag: 'ManagerClosed' });
});
