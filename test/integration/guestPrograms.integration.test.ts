import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, mergeMap, range, Subject, toArray } from 'rxjs';
import type { ExecOutput, ExecRequest } from 'rx-instances';
import { openVirtualMachines, request, value, type VirtualMachines } from './virtualMachines.js';
import { type Compiled, compile } from '../support/compiled.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

const canary = 'sw0rdfish-4711';

let vms: VirtualMachines;
let compiled: Compiled;

beforeAll(async () => {
  compiled = compile('test/integration');
  vms = await openVirtualMachines();
  await value(vms.manager.create({ ...request, env: { GREETING: 'hello' }, secrets: { TOKEN: canary } }));
  await lastValueFrom(vms.manager.waitForState('template', 'Running', { timeoutMs: 100_000 }));
}, 120_000);

afterAll(async () => {
  compiled.remove();
  await vms.clear();
});

const outputsOf = (name: string, script: string, rest: Partial<ExecRequest> = {}): Promise<ExecOutput[]> =>
  lastValueFrom(
    vms.manager
      .exec(name, { command: 'sh', args: ['-c', script], timeoutMs: 100_000, ...rest })
      .pipe(toArray()),
  );

const textOf = (outputs: readonly ExecOutput[], kind: 'stdout' | 'stderr' = 'stdout'): string =>
  Buffer.concat(outputs.flatMap((output) => (output.kind === kind ? [output.data] : []))).toString();

const answer = async (name: string, script: string): Promise<string> =>
  textOf(await outputsOf(name, script)).trim();

/** The programs of a script that still run, but for those that look. */
const countOf = (name: string, program: string): Promise<string> => answer(name, `pidof ${program} | wc -w`);

/** A program whose output is read as it comes. */
function begin(name: string, script: string, rest: Partial<ExecRequest> = {}) {
  const iterator = vms.manager
    .exec(name, { command: 'sh', args: ['-c', script], ...rest })
    [Symbol.asyncIterator]();
  let text = '';
  return {
    /** Resolves with all that it has written once that has a text in it. */
    hears: async (wanted: string): Promise<string> => {
      for (let from = 0; !text.includes(wanted, from);) {
        from = Math.max(0, text.length - wanted.length);
        const { value: output } = (await iterator.next()) as IteratorResult<ExecOutput, undefined>;
        if (output === undefined) throw new Error(`it has ended after ${text.slice(-100)}`);
        if ('data' in output) text += Buffer.from(output.data).toString();
      }
      return text;
    },
    rest: async (): Promise<readonly ExecOutput[]> => {
      const outputs: ExecOutput[] = [];
      for (;;) {
        const { value: output } = (await iterator.next()) as IteratorResult<ExecOutput, undefined>;
        if (output === undefined) return outputs;
        outputs.push(output);
      }
    },
    stop: () => iterator.return?.(),
  };
}

it('a program has the variables of its instance, and works where it is told to', async () => {
  const all = await outputsOf('template', 'echo $GREETING $INSTANCE_NAME $OWN; pwd', {
    env: { OWN: 'too' },
    cwd: 'etc',
  });
  expect(textOf(all)).toBe('hello template too\n/etc\n');
});

it('the guest and its programs have the secrets of the instance, and of the files its memory alone', async () => {
  expect(await answer('template', 'echo $TOKEN; tr "\\0" "\\n" < /run/environ | grep TOKEN')).toBe(
    `${canary}\nTOKEN=${canary}`,
  );
  const home = vms.homeOf(await value(vms.manager.get('template')));
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const found = files.filter(({ parentPath, name }) => readFileSync(join(parentPath, name)).includes(canary));
  // Its memory is a file.
  expect(found.map(({ name }) => name)).toEqual(['ram']);
});

it('why one cannot be started is told', async () => {
  const failure = (rest: Partial<ExecRequest>): Promise<unknown> =>
    outputsOf('template', 'true', rest).then(
      () => 'nothing',
      (error: unknown) => error,
    );
  expect(await failure({ command: 'nothing-like-it' })).toMatchObject({
    ...{ _tag: 'ExecFailed', code: 127 },
    message: 'there is no program "nothing-like-it" in PATH in the guest',
  });
  expect(await failure({ command: '/etc' })).toMatchObject({
    ...{ _tag: 'ExecFailed', code: 126 },
    message: '"/etc" cannot be executed in the guest: permission denied',
  });
  expect(await failure({ cwd: 'nowhere' })).toMatchObject({
    ...{ _tag: 'ExecFailed', code: 126 },
    message: 'the guest cannot work in the folder nowhere: no such file or directory',
  });
  expect(await failure({ args: ['x'.repeat(800_000)] })).toMatchObject({
    ...{ _tag: 'ExecFailed', code: 126 },
    message: expect.stringContaining('bytes, and may take 786432') as string,
  });
});

it('a million lines of both streams come, none of them lost, doubled or in another place', async () => {
  const script = 'seq 1 500000 & seq 1 500000 >&2; wait';
  const outputs = await outputsOf('template', script);
  const lines = Array.from({ length: 500_000 }, (_, index) => `${String(index + 1)}\n`).join('');
  expect(textOf(outputs) === lines).toBe(true);
  expect(textOf(outputs, 'stderr') === lines).toBe(true);
});

it('what it reads comes whole, whatever bytes it is, and as slowly as it reads', async () => {
  const bytes = Buffer.from(
    Array.from({ length: 3_000_000 }, (_, index) => (index % 1_000 < 300 ? 0 : (index * 7) % 256)),
  );
  const outputs = await outputsOf('template', 'sleep 1; md5sum; exit 4', { stdin: bytes });
  expect(textOf(outputs)).toBe(`${createHash('md5').update(bytes).digest('hex')}  -\n`);
  const back = await outputsOf('template', 'cat', { stdin: bytes });
  expect(Buffer.concat(back.flatMap((output) => ('data' in output ? [output.data] : []))).equals(bytes)).toBe(
    true,
  );
});

it('a program that does not read holds nobody up but who writes to it', async () => {
  const stalled = begin('template', 'echo begun; exec sleep 1000', { stdin: Buffer.alloc(4_000_000) });
  const unread = begin('template', 'echo begun; exec yes');
  await stalled.hears('begun');
  await unread.hears('begun');
  expect(await answer('template', 'echo through')).toBe('through');
  await stalled.stop();
  await unread.stop();
});

it('what a program leaves behind is killed with it, also what has left its group', async () => {
  await outputsOf('template', 'sleep 1234 & setsid sleep 1234 & exit 0');
  expect(await countOf('template', 'sleep')).toBe('0');
});

it('200 programs, 16 at a time, end as they should and leave nothing', async () => {
  // Children of the agent, as the shell that looks is one, and groups. What else runs in the guest comes and goes.
  const left = (): Promise<string> =>
    answer(
      'template',
      'grep -l "^PPid:.$PPID$" /proc/[0-9]*/status | wc -l; ls -d /sys/fs/cgroup/rx-instances/*/ | wc -l',
    );
  const before = await left();
  const codes = await lastValueFrom(
    range(0, 200).pipe(
      mergeMap(async (index) => {
        const outputs = await outputsOf('template', `echo ${String(index)}; exit ${String(index)}`);
        return [Number(textOf(outputs)), (outputs.at(-1) as { code: number }).code, index];
      }, 16),
      toArray(),
    ),
  );
  for (const [said, code, index] of codes) expect([said, code]).toEqual([index, index]);
  expect([before, await left()]).toEqual(['1\n1', '1\n1']);
});

it('one that runs goes on after a standby and a restore, with its streams', async () => {
  const input = new Subject<string>();
  const counting = begin(
    'template',
    'number=0; echo begun; while read line; do number=$((number + 1)); echo "$line $number"; done',
    { stdin: input },
  );
  const yes = begin('template', 'seq 1 300000');
  await counting.hears('begun');
  input.next('first\n');
  await counting.hears('first 1');
  await yes.hears('\n1000\n');
  await value(vms.manager.standby('template'));
  await value(vms.manager.restore('template'));
  input.next('second\n');
  await counting.hears('second 2');
  const text = await yes.hears('\n300000\n');
  expect(text === Array.from({ length: 300_000 }, (_, index) => `${String(index + 1)}\n`).join('')).toBe(
    true,
  );
  input.complete();
  expect(await counting.rest()).toEqual([{ kind: 'exit', code: 0, signal: null }]);
});

it('one that nobody wants any more while the machine is on standby is gone after the restore', async () => {
  const sleeping = begin('template', 'echo begun; exec sleep 2345');
  await sleeping.hears('begun');
  await value(vms.manager.standby('template'));
  await sleeping.stop();
  await value(vms.manager.restore('template'));
  expect(await countOf('template', 'sleep')).toBe('0');
});

it('of one whose machine is stopped on standby nobody knows how it ended', async () => {
  await value(vms.manager.fork('template', { name: 'stopped', fromRunning: true, targetState: 'Running' }));
  const sleeping = begin('stopped', 'echo begun; exec sleep 2345');
  await sleeping.hears('begun');
  await value(vms.manager.standby('stopped'));
  await value(vms.manager.stop('stopped'));
  expect(await sleeping.rest()).toEqual([{ kind: 'exit', code: null, signal: null }]);
  await vms.manager.delete('stopped');
});

it('the clock is right again after a restore, however wrong it was', async () => {
  await answer('template', 'date -s @1000000000');
  await value(vms.manager.standby('template'));
  await value(vms.manager.restore('template'));
  const seconds = Number(await answer('template', 'date +%s'));
  expect(Math.abs(seconds - Date.now() / 1_000)).toBeLessThan(10);
});

it('a fork has another name and machine id, and runs nothing of what its source goes on with', async () => {
  const sleeping = begin('template', 'echo begun; sleep 2345; echo over');
  await sleeping.hears('begun');
  await value(vms.manager.fork('template', { name: 'copy', fromRunning: true, targetState: 'Running' }));
  expect(await answer('copy', 'hostname; cat /etc/hostname; wc -c </etc/machine-id')).toBe('copy\ncopy\n33');
  expect(await answer('template', 'hostname')).not.toBe('copy');
  expect([await countOf('copy', 'sleep'), await countOf('template', 'sleep')]).toEqual(['0', '1']);
  await answer('template', 'killall sleep');
  await sleeping.hears('over');
});

it('a memory that was kept before there was an agent is refused, and stays', async () => {
  const copy = await value(vms.manager.standby('copy'));
  const file = join(vms.homeOf(copy), 'vm/memory.json');
  const kept = readFileSync(file, 'utf8');
  writeFileSync(file, kept.replace('"devices":2,', ''));
  await expect(value(vms.manager.restore('copy'))).rejects.toMatchObject({
    _tag: 'SnapshotIncompatible',
    differences: [{ path: 'devices', found: '2', expected: '1' }],
  });
  writeFileSync(file, kept);
  await value(vms.manager.restore('copy'));
  expect(await answer('copy', 'echo there')).toBe('there');
  await value(vms.manager.delete('copy'));
});

it.each(['closed', 'killed'] as const)('a manager that is %s leaves nothing that it ran', async (end) => {
  await vms.manager.close();
  const told = JSON.stringify({ dataDir: vms.dataDir, name: 'template', end });
  const program = compiled.pathOf('test/integration/execAndEnd.ts');
  const signal = await new Promise((resolve) => {
    execFile('node', [program, told], (error) => {
      resolve(error?.signal ?? 'none');
    });
  });
  expect(signal).toBe(end === 'killed' ? 'SIGKILL' : 'none');
  await vms.reopen();
  expect(await countOf('template', 'sleep')).toBe('0');
});
