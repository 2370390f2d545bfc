import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { firstValueFrom, map, type Observable, take, tap, toArray } from 'rxjs';
import { createConntrackSource } from '../../../src/controllers/conntrack/conntrackSource.js';
import type { InstanceNetwork } from '../../../src/instances/connectionSource.js';
import { type Compiled, compile } from '../../support/compiled.js';
import { until } from '../../support/until.js';

jest.setTimeout(60_000);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'conntrack-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  ownPorts.clear();
});

const ownPorts = new Set<number>();
const network: InstanceNetwork = {
  portAt: ({ address, port }) =>
    address === '192.0.2.7' && port === 8_080 ? { instanceId: 'web', guest: 80 } : undefined,
  isOwn: ({ port }) => ownPorts.has(port),
};

/** A tool that does what lines of shell say. It gets to know how often it was started. */
function sourceOf(...lines: readonly string[]) {
  const command = join(folder, 'tool');
  const counting = [`echo >> ${folder}/starts`, `starts=$(wc -l < ${folder}/starts)`];
  writeFileSync(command, ['#!/bin/sh', ...counting, ...lines].join('\n'));
  chmodSync(command, 0o700);
  return createConntrackSource({ command })(network);
}

const first = <T>(howMany: number, source$: Observable<T>): Promise<readonly T[]> =>
  firstValueFrom(source$.pipe(take(howMany), toArray()));

const listens = 'echo "NOTICE: Netlink socket buffer size has been set to 1 bytes." >&2';
const flow = (state: string, sport: number): string =>
  `${state} src=198.51.100.1 dst=192.0.2.7 sport=${String(sport)} dport=8080 src=192.0.2.7 dst=198.51.100.1 sport=8080 dport=${String(sport)}`;
const opens = (sport: number): string =>
  `echo '[1795951675.292038]	    [NEW] ipv4     2 tcp      6 120 ${flow('SYN_SENT', sport)}'`;
const stays = 'exec sleep 600';

const sourcesOf = map((change: { kind: string; connection?: { source: { port: number } } }) =>
  change.kind === 'reset' ? 'reset' : `${change.kind} ${String(change.connection?.source.port)}`,
);

describe('in a network of its own', () => {
  let compiled: Compiled;
  beforeAll(() => {
    compiled = compile('test/controllers');
  });
  afterAll(() => {
    compiled.remove();
  });

  it('tells of real connections, and of nothing where the kernel tracks none', async () => {
    const child = compiled.pathOf('test/controllers/conntrack/conntrackChild.ts');
    const inOwn = process.geteuid?.() === 0 ? '-n' : '-rn';
    // Not all have the tools of the superuser there.
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
    const { stdout } = await promisify(execFile)('unshare', [inOwn, process.execPath, child], { env });
    const steps = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    const web = ['web', 80, '127.0.0.1', true, true];
    const six = ['six', 443, '::1', true, true];
    expect(steps).toEqual([
      ['without a rule', expect.stringContaining('the kernel does not track connections of loopback')],
      ['with one', []],
      ['listening', { kind: 'reset' }, { kind: 'connected' }],
      ['older than the rule', ['opened', ...web], ['web']],
      ['opened', ['opened', ...web], ['web', 'web']],
      ['opened by IPv6', ['opened', ...six], ['six', 'web', 'web']],
      ['closed', ['closed', ...web], ['six', 'web']],
      ['closed by IPv6', ['closed', ...six], ['web']],
      ['lost', 'observer_error'],
      ['found again', { kind: 'reset' }, ['web']],
    ]);
  });
});

describe('the tool', () => {
  it('is started with the first subscriber, once for all, and ended with the last', async () => {
    const source = sourceOf(listens, `echo $$ > ${folder}/pid`, opens(40_001), stays);
    expect(existsSync(join(folder, 'starts'))).toBe(false);
    const [one, other] = [first(2, source.changes$), first(2, source.changes$)];
    expect(await one).toEqual(await other);
    expect(readFileSync(join(folder, 'starts'), 'utf8')).toBe('\n');
    const pid = readFileSync(join(folder, 'pid'), 'utf8').trim();
    const isGone = await until(
      () => !existsSync(`/proc/${pid}`),
      (gone) => gone,
    );
    expect(isGone).toBe(true);
    await expect(firstValueFrom(source.state$)).resolves.toEqual({ kind: 'connecting' });
  });

  it.each([
    ['that ends', 'exit 0', ' has ended'],
    ['that fails', 'echo "it is full" >&2; exit 1', 'it is full'],
  ])('%s is started again, after which the table has to be read', async (_, end, reason) => {
    const source = sourceOf(listens, opens(40_001), opens(40_002), `[ $starts = 2 ] && ${stays}`, end);
    const states = first(3, source.state$);
    const changes = await first(4, source.changes$.pipe(sourcesOf));
    expect(changes).toEqual(['reset', 'opened 40001', 'opened 40002', 'reset']);
    expect(await states).toEqual([
      { kind: 'connecting' },
      { kind: 'connected' },
      { kind: 'observer_error', reason: expect.stringContaining(reason) as string },
    ]);
  });

  it('that has lost events is started again, after which the table has to be read', async () => {
    const loses = "[ $starts = 1 ] && echo 'WARNING: We have hit ENOBUFS! We are losing events.' >&2";
    const source = sourceOf(listens, loses, stays);
    const states = first(3, source.state$);
    await expect(first(2, source.changes$.pipe(sourcesOf))).resolves.toEqual(['reset', 'reset']);
    expect((await states).at(-1)).toEqual({
      kind: 'observer_error',
      reason: expect.stringContaining('events were lost') as string,
    });
  });

  it('that is not there is told with what is to be done, and looked for again', async () => {
    const source = createConntrackSource({ command: join(folder, 'tool') })(network);
    const states = first(2, source.state$);
    const change = first(1, source.changes$);
    const reason = `tracked connections cannot be read: there is no program "${join(folder, 'tool')}": install conntrack`;
    expect(await states).toEqual([{ kind: 'connecting' }, { kind: 'observer_error', reason }]);
    await expect(firstValueFrom(source.read())).rejects.toMatchObject({
      ...{ _tag: 'ConntrackFailed', kind: 'observer_error', message: reason },
    });
    sourceOf(listens, stays);
    expect(await change).toEqual([{ kind: 'reset' }]);
  });

  it('that may not look is told in its own words', async () => {
    const words = 'Operation failed: sorry, you must be root or get CAP_NET_ADMIN capability to do this';
    const source = sourceOf(`echo "conntrack v1.4.7 (conntrack-tools): ${words}" >&2; exit 1`);
    await expect(firstValueFrom(source.read())).rejects.toThrow(words);
  });

  it('whose table lacks a connection that is there is not believed', async () => {
    const source = sourceOf(
      `echo 'ipv4     2 tcp      6 431999 ${flow('ESTABLISHED', 40_001)} [ASSURED] mark=0 use=1'`,
    );
    await expect(firstValueFrom(source.read())).rejects.toMatchObject({
      kind: 'observer_error',
      message: expect.stringContaining('the kernel does not track connections of loopback') as string,
    });
  });

  it('that tells of connections that the manager has opened itself tells of no client', async () => {
    ownPorts.add(40_001);
    const source = sourceOf(listens, opens(40_001), opens(40_002), stays);
    await expect(first(2, source.changes$.pipe(sourcesOf))).resolves.toEqual(['reset', 'opened 40002']);
  });

  it('that has told of one before it was known to be one of the manager itself is corrected', async () => {
    const source = sourceOf(listens, opens(40_001), 'sleep 0.1', opens(40_001), stays);
    const changes = source.changes$.pipe(
      tap(({ kind }) => kind === 'opened' && ownPorts.add(40_001)),
      sourcesOf,
    );
    await expect(first(3, changes)).resolves.toEqual(['reset', 'opened 40001', 'closed 40001']);
  });

  it('that writes what is no line of its own, or one that is too long, is read on', async () => {
    const long = `head -c 100000 /dev/zero | tr '\\0' a; echo`;
    const source = sourceOf(listens, 'echo; echo nonsense', long, opens(40_001), stays);
    await expect(first(2, source.changes$.pipe(sourcesOf))).resolves.toEqual(['reset', 'opened 40001']);
  });

  it('that never says that it listens is believed to once it tells something', async () => {
    const source = sourceOf(opens(40_001), stays);
    await expect(first(2, source.changes$.pipe(sourcesOf))).resolves.toEqual(['reset', 'opened 40001']);
  });
});

it('on another system there is nothing to watch, which is told', async () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
  Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' });
  try {
    const source = sourceOf(listens, stays);
    const reason = 'connections are tracked by Linux, and this is darwin';
    await expect(firstValueFrom(source.state$)).resolves.toEqual({ kind: 'unsupported_platform', reason });
    await expect(firstValueFrom(source.read())).rejects.toMatchObject({ kind: 'unsupported_platform' });
    source.changes$.subscribe().unsubscribe();
    expect(existsSync(join(folder, 'starts'))).toBe(false);
  } finally {
    Object.defineProperty(process, 'platform', platform);
  }
});
