import { createReadStream } from 'node:fs';
import { createHash, randomBytes } from 'node:crypto';
import { createProcessDriver, type InstanceFiles, type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { concat, defer, filter, firstValueFrom, NEVER, type Observable, of, repeat, throwError } from 'rxjs';

let manager: InstanceManager;
let files: InstanceFiles;

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver({ pollMs: 5 }), createMemoryDriver()] });
  const entrypoint = ['sleep', '600'];
  await firstValueFrom(manager.create({ driver: 'process', name: 'web', image: 'scratch', entrypoint }));
  files = manager.files('web');
});
afterEach(() => manager.close());

const text = async (path: string): Promise<string> => {
  let read = '';
  for await (const bytes of files.read(path)) read += Buffer.from(bytes).toString();
  return read;
};

it('files are those of the program, at the top of its working directory, also while it does not run', async () => {
  await firstValueFrom(files.mkdir('a'));
  await firstValueFrom(files.write('/a//./in', 'x'));
  const seen: string[] = [];
  for await (const output of manager.exec('web', { command: 'cat', args: ['a/in'] }))
    if (output.kind === 'stdout') seen.push(Buffer.from(output.data).toString());
  expect(seen).toEqual(['x']);
  await firstValueFrom(manager.stop('web'));
  await firstValueFrom(files.write('a/in', 'y'));
  await expect(text('a/in')).resolves.toBe('y');
});

it('100 MB are written from a source and read as they are asked for, byte by byte', async () => {
  const piece = Buffer.alloc(1_000_000, 'x');
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 100; count += 1) yield await Promise.resolve(piece);
  }
  await expect(firstValueFrom(files.write('big', pieces()))).resolves.toMatchObject({ size: 100_000_000 });
  let size = 0;
  for await (const bytes of files.read('big')) {
    expect(bytes.length).toBeLessThanOrEqual(65_536);
    expect(bytes[0]).toBe(120);
    size += bytes.length;
  }
  expect(size).toBe(100_000_000);
});

it('64 MB go from one instance into another as a tar archive, byte by byte, and a program sees them', async () => {
  await firstValueFrom(
    manager.create({ driver: 'process', name: 'two', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );
  const piece = randomBytes(1_000_000);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 64; count += 1) yield await Promise.resolve(piece);
  }
  await firstValueFrom(files.mkdir('a/b', { recursive: true }));
  await firstValueFrom(files.write('a/b/large', pieces()));
  await firstValueFrom(manager.files('two').mkdir('to'));
  const copied = await firstValueFrom(manager.files('two').copyIn('/to/', files.copyOut('/a')));
  expect(copied).toEqual({ entries: 3, bytes: 64_000_000 });
  const hash = createHash('sha256');
  for (let count = 0; count < 64; count += 1) hash.update(piece);
  const sums: string[] = [];
  for await (const output of manager.exec('two', { command: 'sha256sum', args: ['to/a/b/large'] }))
    if (output.kind === 'stdout') sums.push(Buffer.from(output.data).toString());
  expect(sums.join('')).toBe(`${hash.digest('hex')}  to/a/b/large\n`);
}, 30_000);

it('of a file whose source fails, or that is unsubscribed, nothing is there', async () => {
  const broken$ = concat(
    of('a'),
    throwError(() => new Error('the source broke')),
  );
  await expect(firstValueFrom(files.write('f', broken$))).rejects.toMatchObject({
    message: 'the source broke',
  });
  const none = createReadStream('/no/such/file');
  await expect(firstValueFrom(files.write('f', none))).rejects.toMatchObject({ syscall: 'open' });
  const isThere = (count: number): Promise<unknown> =>
    firstValueFrom(
      defer(() => files.list('')).pipe(
        repeat(),
        filter((found) => found.length === count),
      ),
    );
  const writing = files.write('f', concat(of('a'), NEVER)).subscribe();
  await isThere(1);
  writing.unsubscribe();
  await isThere(0);
});

it.each<[string, () => Observable<unknown>, readonly string[]]>([
  ['a path that leads out', () => files.read('a/../../b'), ['path']],
  ['a path with NUL', () => files.stat('a\0'), ['path']],
  ['no path', () => files.list(undefined as never), ['path']],
  ['content of another kind', () => files.write('a', 5 as never), ['content']],
  ['a mode beyond that', () => files.write('a', '', { mode: 0o4755 }), ['options.mode']],
  ['an archive out of a path that leads out', () => files.copyOut('../a'), ['path']],
  [
    'an archive of another kind, into a path that leads out',
    () => files.copyIn('..', 5 as never),
    ['path', 'tar'],
  ],
  ['other options', () => files.mkdir('a', { deep: true } as never), ['options.deep']],
  ['two paths that lead out', () => files.rename('..', '../a'), ['from', 'to']],
])('%s is refused with its path', async (_, work, paths) => {
  await expect(firstValueFrom(work())).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    faults: paths.map((path) => expect.objectContaining({ path }) as unknown),
  });
});

it('what is not there, and a driver without files, is told', async () => {
  await firstValueFrom(manager.create({ driver: 'memory', name: 'memory', image: 'any' }));
  await expect(firstValueFrom(files.stat('none'))).rejects.toMatchObject({
    ...{ _tag: 'FileFailed', path: 'none', code: 'ENOENT' },
    message: 'cannot stat "none": it is not there, or what it is to lie in is not',
  });
  const others = [
    ['memory', 'NotSupported'],
    ['none', 'InstanceNotFound'],
  ] as const;
  for (const [name, _tag] of others)
    await expect(firstValueFrom(manager.files(name).list(''))).rejects.toMatchObject({ _tag });
  await expect(firstValueFrom(files.copyIn('none', ''))).rejects.toMatchObject({
    ...{ _tag: 'FileFailed', path: 'none', code: 'ENOENT' },
  });
  await manager.close();
  await expect(firstValueFrom(files.stat(''))).rejects.toMatchObject({ _tag: 'ManagerClosed' });
});
