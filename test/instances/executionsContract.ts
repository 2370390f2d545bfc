import { createReadStream } from 'node:fs';
import type { ExecOutput, ExecRequest, Executions, Instance, Instances } from 'rx-instances';
import { concat, firstValueFrom, lastValueFrom, of, Subject, throwError, toArray } from 'rxjs';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

/** Instances that run programs, near or far: `process` is one of their drivers, `memory` another. */
export interface ExecSubject {
  readonly manager: Executions & Pick<Instances, 'create' | 'stop'>;
  close(): PromiseLike<unknown>;
}

/** A shell that runs a line. */
export const shell = (line: string, others: Partial<ExecRequest> = {}): ExecRequest => ({
  ...{ command: 'sh', args: ['-c', line] },
  ...others,
});

/** What each stream told, and how it ended. */
export const textsOf = (outputs: readonly ExecOutput[]): readonly unknown[] => [
  ...(['stdout', 'stderr'] as const).flatMap((kind) => {
    const pieces = outputs.flatMap((output) => (output.kind === kind ? [output.data] : []));
    return pieces.length === 0 ? [] : [[kind, Buffer.concat(pieces).toString()]];
  }),
  ...outputs.filter(({ kind }) => kind === 'exit'),
];

/** Comes once nothing runs of an instance but so many processes. */
export async function processesLeft(instanceId: string, count: number): Promise<void> {
  const pids = await until(
    () => processesOf(instanceId),
    (found) => found.length === count,
  );
  expect(pids).toHaveLength(count);
}

/** What whoever runs programs in instances does, wherever the instances are. */
export function executionsContract(open: () => Promise<ExecSubject>): void {
  let subject: ExecSubject;
  let manager: ExecSubject['manager'];
  let web: Instance;

  const outputsOf = (request: ExecRequest, name = 'web'): Promise<readonly ExecOutput[]> =>
    firstValueFrom(manager.exec(name, request).pipe(toArray()));

  beforeEach(async () => {
    subject = await open();
    ({ manager } = subject);
    const entrypoint = ['sleep', '600'];
    web = await firstValueFrom(
      manager.create({ driver: 'process', name: 'web', image: 'scratch', entrypoint }),
    );
  });
  afterEach(async () => {
    await subject.close();
  });

  it('each stream is told apart, with what was read, given and set, and last the exit code', async () => {
    const line = 'cat; echo $A; echo oops >&2; pwd | grep -o "/work$"; exit 3';
    const request = shell(line, { stdin: 'in\n', env: { A: 'given' }, timeoutMs: 60_000 });
    expect(textsOf(await outputsOf(request))).toEqual([
      ['stdout', 'in\ngiven\n/work\n'],
      ['stderr', 'oops\n'],
      { kind: 'exit', code: 3, signal: null },
    ]);
  });

  it('each subscriber runs it anew', async () => {
    const counted = manager.exec('web', shell('echo x >> runs; wc -l < runs'));
    for (const count of ['1\n', '2\n'])
      expect(textsOf(await firstValueFrom(counted.pipe(toArray())))[0]).toEqual(['stdout', count]);
  });

  it('the end of its time, and a signal, are told', async () => {
    expect(textsOf(await outputsOf(shell('echo begun; sleep 600', { timeoutMs: 200 })))).toEqual([
      ['stdout', 'begun\n'],
      { kind: 'exit', code: null, signal: 'SIGKILL', timedOut: true },
    ]);
    expect(textsOf(await outputsOf(shell('kill -TERM $$')))).toEqual([
      { kind: 'exit', code: null, signal: 'SIGTERM' },
    ]);
    await processesLeft(web.id, 1);
  });

  it('ends it when its signal aborts, when it is unsubscribed, and when a loop is left', async () => {
    const controller = new AbortController();
    const running = outputsOf(shell('exec sleep 600', { signal: controller.signal }));
    await processesLeft(web.id, 2);
    controller.abort(new Error('changed my mind'));
    await expect(running).rejects.toThrow('changed my mind');
    await processesLeft(web.id, 1);
    const subscription = manager.exec('web', shell('exec sleep 600')).subscribe();
    await processesLeft(web.id, 2);
    subscription.unsubscribe();
    await processesLeft(web.id, 1);
    for await (const output of manager.exec('web', shell('echo on; sleep 600'))) {
      expect(textsOf([output])).toEqual([['stdout', 'on\n']]);
      break;
    }
    await processesLeft(web.id, 1);
  });

  it('reads an Observable as it comes, to its end, and fails where that does', async () => {
    const typed = new Subject<string>();
    const counted = outputsOf(shell('wc -c', { stdin: typed }));
    await until(() => typed.observed, Boolean);
    typed.next('abc');
    typed.next('de');
    typed.complete();
    expect(textsOf(await counted)[0]).toEqual(['stdout', '5\n']);

    const broken = concat(
      of('abc'),
      throwError(() => new Error('torn')),
    );
    await expect(outputsOf(shell('cat; sleep 600', { stdin: broken }))).rejects.toThrow('torn');
    const none = createReadStream('/no/such/file');
    await expect(outputsOf(shell('cat', { stdin: none }))).rejects.toMatchObject({ code: 'ENOENT' });
    await processesLeft(web.id, 1);
  });

  it('takes and gives many bytes, none of them lost, doubled or moved', async () => {
    const block = Buffer.from(Array.from({ length: 100_003 }, (_, index) => index % 251));
    let [place, wrong] = [0, 0];
    const stdin = Array.from({ length: 80 }, () => block);
    for await (const output of manager.exec('web', { command: 'cat', stdin })) {
      if (output.kind !== 'stdout') continue;
      for (const byte of output.data) {
        if (byte !== block[place % block.length]) wrong += 1;
        place += 1;
      }
    }
    expect([place, wrong]).toEqual([80 * block.length, 0]);
  });

  it('a slow reader holds it up, and loses nothing', async () => {
    let [bytes, turns] = [0, 0];
    for await (const output of manager.exec('web', shell('head -c 30000000 /dev/zero; echo done > done'))) {
      if (output.kind !== 'stdout') continue;
      bytes += output.data.length;
      turns += 1;
      // After a while it is not done.
      if (turns === 1)
        expect(textsOf(await outputsOf(shell('for i in 1 2 3 4 5; do sleep 0.05; ls; done')))).toEqual([
          { kind: 'exit', code: 0, signal: null },
        ]);
    }
    expect(bytes).toBe(30_000_000);
  });

  it('a program that reads nothing holds up what it is to read', async () => {
    let asked = 0;
    function* endless() {
      for (;;) {
        asked += 1;
        yield Buffer.alloc(64 * 1_024);
      }
    }
    const outputs = await outputsOf(shell('sleep 0.5', { stdin: endless() }));
    expect(textsOf(outputs)).toEqual([{ kind: 'exit', code: 0, signal: null }]);
    // What is in pipes, sockets and windows.
    expect(asked).toBeLessThan(150);
  });

  it.each([
    ['a program that is not there', { command: '/no/such/program' }, { _tag: 'ExecFailed', code: 127 }],
    ['one that is none', { command: '/etc/passwd' }, { _tag: 'ExecFailed', code: 126 }],
    ['no program', { command: '' }, { _tag: 'InvalidRequest', faults: [{ path: 'command' }] }],
    [
      'a key that is not known',
      { command: 'true', colour: 'red' },
      { _tag: 'InvalidRequest', faults: [{ path: 'colour' }] },
    ],
    [
      'an input that is none',
      { command: 'true', stdin: 5 },
      { _tag: 'InvalidRequest', faults: [{ path: 'stdin' }] },
    ],
    ['no request', undefined, { _tag: 'InvalidRequest' }],
  ])('fails for %s', async (_, request, error) => {
    await expect(outputsOf(request as ExecRequest)).rejects.toMatchObject(error);
    await processesLeft(web.id, 1);
  });

  it('fails for an instance that is not there, does not run, or runs no other programs', async () => {
    for (const name of ['nobody', '', 'a/b c', 'x'.repeat(300)])
      await expect(outputsOf({ command: 'true' }, name)).rejects.toMatchObject({
        ...{ _tag: 'InstanceNotFound', idOrName: name },
      });
    await firstValueFrom(manager.create({ driver: 'memory', name: 'none', image: 'any' }));
    await expect(outputsOf({ command: 'true' }, 'none')).rejects.toMatchObject({
      ...{ _tag: 'NotSupported', driver: 'memory', verb: 'exec' },
    });
    await firstValueFrom(manager.stop('web'));
    await expect(outputsOf({ command: 'true' })).rejects.toMatchObject({
      ...{ _tag: 'InvalidState', state: 'Stopped', verb: 'exec' },
    });
  });

  it('comes to its end with its instance', async () => {
    const ended = lastValueFrom(manager.exec('web', shell('exec sleep 600')));
    await processesLeft(web.id, 2);
    await firstValueFrom(manager.stop('web'));
    await expect(ended).resolves.toMatchObject({ kind: 'exit', code: null });
  });
}
