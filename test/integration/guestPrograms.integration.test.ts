import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  concat,
  defer,
  filter,
  lastValueFrom,
  mergeMap,
  type Observable,
  of,
  range,
  repeat,
  Subject,
  toArray,
} from 'rxjs';
import type { ExecOutput, ExecRequest, InstanceFiles } from 'rx-instances';
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

const files = (): InstanceFiles => vms.manager.files('template');

const contentOf = async (path: string): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of files().read(path)) pieces.push(piece);
  return Buffer.concat(pieces);
};

const namesIn = async (path: string): Promise<readonly string[]> =>
  (await value(files().list(path))).map((found) => found.path);

/** The code of what has to fail. */
const codeOf = (source$: Observable<unknown>): Promise<unknown> =>
  value(source$).then(
    () => 'nothing failed',
    (error: unknown) => (error as { readonly code?: string }).code ?? error,
  );

it('files go in and out whole, and programs see them', async () => {
  const bytes = randomBytes(3_000_000);
  await value(files().write('whole', bytes, { mode: 0o640 }));
  expect(await answer('template', 'md5sum /whole; stat -c %a /whole')).toBe(
    `${createHash('md5').update(bytes).digest('hex')}  /whole\n640`,
  );
  expect((await contentOf('whole')).equals(bytes)).toBe(true);
  expect((await contentOf('/proc/version')).toString()).toContain('Linux version');
  await answer('template', 'chmod 6751 whole');
  expect((await value(files().write('whole', 'new'))).mode).toBe(0o751);
});

it('no link is followed, and neither pipe, socket nor device is opened', async () => {
  await answer(
    'template',
    'mkdir -p tricks/in; cd tricks; echo kept >in/file; ln -s in link; ln -s in/file file; mkfifo pipe; ln -s /nowhere hanging',
  );
  for (const path of ['tricks/file', 'tricks/hanging'])
    expect(await codeOf(files().read(path))).toBe('ELOOP');
  for (const path of ['tricks/pipe', 'dev/ttyS0', 'dev/zero'])
    expect(await codeOf(files().read(path))).toBe('EINVAL');
  const through: Observable<unknown>[] = [
    ...[
      files().read('tricks/link/file'),
      files().write('tricks/link/new', 'x'),
      files().stat('tricks/link/file'),
    ],
    ...[files().list('tricks/link'), files().mkdir('tricks/link/a'), files().remove('tricks/link/file')],
    ...[files().mkdir('tricks/link/a', { recursive: true }), files().rename('tricks/link/file', 'a')],
    files().rename('tricks/in/file', 'tricks/link/a'),
  ];
  for (const asked$ of through) expect(await codeOf(asked$)).toBe('ENOTDIR');
  expect(await value(files().stat('tricks/link'))).toMatchObject({ kind: 'link', target: 'in' });
  expect((await value(files().write('tricks/file', 'own'))).kind).toBe('file');
  await value(files().remove('tricks/link', { recursive: true }));
  expect(await answer('template', 'cat tricks/in/file')).toBe('kept');
});

it('no path leads elsewhere while a program swaps a directory and a link', async () => {
  await answer(
    'template',
    'mkdir -p swapped/real swapped/other; echo in >swapped/real/f; echo out >swapped/other/f',
  );
  const swapping = begin(
    'template',
    'cd /swapped; echo begun; while :; do mv real kept; ln -s other real; rm real; mv kept real; done',
  );
  await swapping.hears('begun');
  for (let times = 0; times < 60; times += 1) {
    const read = await contentOf('swapped/real/f').then(
      String,
      (error: unknown) => (error as { code: string }).code,
    );
    expect(['in\n', 'ENOENT', 'ENOTDIR']).toContain(read);
    const written = await codeOf(files().write('swapped/real/new', 'x'));
    expect(['nothing failed', 'ENOENT', 'ENOTDIR']).toContain(written);
  }
  await swapping.stop();
  expect(await namesIn('swapped/other')).toEqual(['swapped/other/f']);
});

it('a directory is removed with all that is in it, however deep, but for another file system', async () => {
  await answer(
    'template',
    'mkdir -p deep/$(yes a | head -1500 | tr "\\n" /); mkdir -p has/mount; mount -t tmpfs none has/mount; echo x >has/mount/f',
  );
  await value(files().remove('deep', { recursive: true }));
  expect(await codeOf(files().stat('deep'))).toBe('ENOENT');
  expect(await codeOf(files().remove('has', { recursive: true }))).toBe('EXDEV');
  expect(await answer('template', 'cat has/mount/f; umount has/mount')).toBe('x');
});

it('a file that is being written while its machine is on standby is finished after the restore', async () => {
  const more$ = new Subject<string>();
  const taken$ = new Subject<void>();
  const first$ = defer(() => {
    taken$.next();
    return of('before ');
  });
  const taken = value(taken$);
  const written = value(files().write('late', concat(first$, more$)));
  await taken;
  await value(vms.manager.standby('template'));
  expect(await value(files().stat('late')).catch((error: unknown) => error)).toMatchObject({
    ...{ _tag: 'InvalidState', state: 'Standby' },
    message: expect.stringContaining('cannot reach the files of instance') as string,
  });
  await value(vms.manager.restore('template'));
  more$.next('after');
  more$.complete();
  expect((await written).size).toBe(12);
  expect((await contentOf('late')).toString()).toBe('before after');
});

it('a guest runs 64 programs at once, and those that reach files are among them', async () => {
  const message = 'the guest runs 64 programs already';
  /** What was run before takes a moment to be gone, and has its place until then. */
  const onceThereIsRoom = async <T>(run: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        expect(error).toMatchObject({ message });
      }
    }
  };
  const all: ReturnType<typeof begin>[] = [];
  while (all.length < 64) {
    const begun = await onceThereIsRoom(async () => {
      const one = begin('template', 'echo begun; exec sleep 4567');
      await one.hears('begun');
      return one;
    });
    all.push(begun);
  }
  await expect(outputsOf('template', 'true')).rejects.toMatchObject({
    _tag: 'ExecFailed',
    code: 126,
    message,
  });
  await expect(value(files().stat(''))).rejects.toMatchObject({
    _tag: 'DriverFailed',
    message: expect.stringContaining(message) as string,
  });
  for (const each of all) await each.stop();
  let left: string;
  do left = await onceThereIsRoom(() => countOf('template', 'sleep'));
  while (left !== '0');
});

/** Lets a manager in another process run something, and end in a way. */
async function runAndEnd(script: string, end: 'closed' | 'killed'): Promise<void> {
  await vms.manager.close();
  const told = JSON.stringify({ dataDir: vms.dataDir, name: 'template', script, end });
  const program = compiled.pathOf('test/integration/execAndEnd.ts');
  const signal = await new Promise((resolve) => {
    execFile('node', [program, told], (error) => {
      resolve(error?.signal ?? 'none');
    });
  });
  expect(signal).toBe(end === 'killed' ? 'SIGKILL' : 'none');
}

it.each(['closed', 'killed'] as const)(
  'a manager that is %s leaves nothing that it ran, and nothing of what it wrote',
  async (end) => {
    await value(files().mkdir('written', { recursive: true }));
    await runAndEnd('exec sleep 3456', end);
    await vms.reopen();
    expect(await countOf('template', 'sleep')).toBe('0');
    expect(await namesIn('written')).toEqual([]);
  },
);

it('what a manager ran that was killed ends after 10 s, where no other comes', async () => {
  const log = join(vms.homeOf(await value(vms.manager.get('template'))), 'logs/app.log');
  const from = readFileSync(log).length;
  await runAndEnd(
    'while usleep 100000; do echo tick >/dev/ttyS0; ls -A /written >/dev/ttyS0; done',
    'killed',
  );
  /** What it has said, and how much the guest has counted since it was heard of last. */
  const heard = () => {
    const said = readFileSync(log, 'utf8').slice(from);
    const since = said.slice(Math.max(0, said.lastIndexOf('tick')));
    return { said, since: since.match(/^count /gm)?.length ?? 0 };
  };
  const { said } = await value(
    defer(() => of(heard())).pipe(
      repeat({ delay: 100 }),
      filter(({ since }) => since >= 50),
    ),
  );
  // Nothing of the file is to be seen by its name.
  expect(said).toMatch(/^\.[0-9a-f]{12}\.part\r?$/m);
  expect(said).not.toMatch(/^half/m);
  expect(said.match(/tick/g)?.length).toBeGreaterThan(20);
  await vms.reopen();
  expect(await namesIn('written')).toEqual([]);
});
