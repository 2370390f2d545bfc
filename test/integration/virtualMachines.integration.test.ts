import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openManager } from 'rx-instances';
import { createQemuDriver, hostPortOf } from 'rx-instances/qemu';
import { from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { type Compiled, compile } from '../support/compiled.js';
import { oneIn, times } from '../support/inShort.js';
import type { MachineCutOff } from './cutOffMachine.js';
import { openVirtualMachines, request, value, type VirtualMachines } from './virtualMachines.js';

jest.setTimeout(120_000);

let vms: VirtualMachines;
/** A machine that has counted, on standby: whatever a test needs is forked from it. */
let snapshotId: string;
let templateCount: number;

beforeAll(async () => {
  vms = await openVirtualMachines();
  const { manager } = vms;
  await value(manager.create({ ...request, env: { GREETING: 'hello world' }, cmd: ['true'] }));
  await lastValueFrom(manager.waitForState('template', 'Running'));
  await vms.ask('template', 'write of the template');
  await value(manager.standby('template'));
  const template = await value(manager.get('template'));
  // Until it stands between two lines.
  while (!readFileSync(join(vms.homeOf(template), 'logs/app.log'), 'utf8').endsWith('\n')) {
    await value(manager.restore('template'));
    await value(manager.standby('template'));
  }
  ({ id: snapshotId } = await value(manager.createSnapshot('template', { kind: 'Standby' })));
  templateCount = vms.counted(template).at(-1) ?? 0;
}, 180_000);

afterAll(() => vms.clear());

const forked = (name: string) =>
  value(vms.manager.forkSnapshot(snapshotId, { name, targetState: 'Running' }));

/** The changes of an instance, as they are told. */
const changesOf = (name: string) => {
  const told: string[] = [];
  vms.manager.events('test').subscribe(({ action, instance }) => {
    if (instance?.name === name) told.push(`${action} ${instance.state}`);
  });
  return told;
};

const endOf = async (name: string) => {
  const { state } = await lastValueFrom(vms.manager.waitForState(name, 'Stopped', { pollMs: 1_000 }));
  return { state, exit: (await value(vms.manager.get(name))).exit };
};

const isWhole = (home: string) => {
  const folder = join(home, 'vm');
  const layers = readdirSync(folder).filter((file) => file.endsWith('.qcow2'));
  for (const layer of layers) execFileSync('qemu-img', ['check', '-q', '-U', join(folder, layer)]);
  return layers.length;
};

const pageOf = async (name: string): Promise<number> => {
  const { host, port } = await value(vms.manager.endpoint(name, 80));
  return (await fetch(`http://${host}:${String(port)}/`)).status;
};

const consecutive = (counts: readonly number[]) =>
  counts.every((count, index) => index === 0 || count === (counts[index - 1] ?? 0) + 1);

describe('a virtual machine', () => {
  it('is told the environment and the command of its instance', async () => {
    const { env, cmd } = (await forked('told')).spec;
    expect({ env, cmd }).toEqual({ env: { GREETING: 'hello world' }, cmd: ['true'] });
    const environ = await vms.ask('told', 'environ');
    expect(environ).toContain('GREETING=hello world');
    expect(environ).toContain('INSTANCE_NAME=template');
    await value(vms.manager.delete('told'));
  });

  it('is reached by the port that its instance tells', async () => {
    const instance = await forked('reached');
    const endpoint = await value(vms.manager.endpoint('reached', 80));
    expect(endpoint.port).not.toBe(hostPortOf(instance, 80));
    expect(await pageOf('reached')).toBe(200);

    // The request wakes it.
    await value(vms.manager.standby('reached'));
    await expect(value(vms.manager.endpoint('reached', 80))).resolves.toEqual(endpoint);
    expect(await pageOf('reached')).toBe(200);
    expect((await value(vms.manager.get('reached'))).state).toBe('Running');
    await value(vms.manager.delete('reached'));
  });

  it('is told its port, and reached though another program listens at the one of this host that it names', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: host } = server.address() as AddressInfo;
    const readiness = { kind: 'http', port: 80, path: '/' } as const;
    await value(vms.manager.create({ ...request, name: 'named', ports: [{ guest: 80, host }], readiness }));
    await lastValueFrom(vms.manager.waitForState('named', 'Running', { timeoutMs: 100_000 }));
    expect((await value(vms.manager.endpoint('named', 80))).port).not.toBe(host);
    const environ = await vms.ask('named', 'environ');
    expect(environ).toContain('PORT=80');
    expect(environ).toContain('PORT_80=80');
    await value(vms.manager.delete('named'));
    server.close();
    await once(server, 'close');
  });

  it.each([
    { kind: 'tcp', port: 80 },
    { kind: 'http', port: 80, path: '/' },
  ] as const)('is ready once its port is: by $kind', async (readiness) => {
    const instance = await value(vms.manager.create({ ...request, name: 'asked', readiness }));
    expect(instance.state).toBe('Initializing');
    await lastValueFrom(vms.manager.waitForState('asked', 'Running', { timeoutMs: 100_000 }));
    const page = await fetch(`http://127.0.0.1:${String(hostPortOf(instance, 80))}/`);
    expect(page.status).toBe(200);
    await value(vms.manager.delete('asked'));
  });

  it('goes on with the next number after each of many standbys', async () => {
    const instance = await forked('cycled');
    const standbys = times(5, 30);
    for (let cycle = 0; cycle < standbys; cycle += 1) {
      await vms.counts('cycled', 1);
      const { state, handle } = await value(vms.manager.standby('cycled'));
      expect([state, handle]).toEqual(['Standby', undefined]);
      await value(vms.manager.restore('cycled'));
    }
    await vms.counts('cycled', 1);
    const counted = vms.counted(instance);
    expect(counted[0]).toBe(templateCount + 1);
    expect(counted.length).toBeGreaterThanOrEqual(standbys);
    expect(consecutive(counted)).toBe(true);
    await value(vms.manager.delete('cycled'));
  });

  it('is copied many times from one snapshot, each going on from there on its own', async () => {
    const names = Array.from({ length: times(5, 20) }, (_, index) => `copy-${String(index)}`);
    const copies = await lastValueFrom(from(names).pipe(mergeMap(forked, 2), toArray()));
    const seen = await lastValueFrom(
      from(copies).pipe(
        mergeMap(async (copy) => {
          const { name } = copy;
          await vms.counts(name, 1);
          const inherited = await vms.ask(name, 'read');
          await vms.ask(name, `write of ${name}`);
          return { copy, inherited, random: await vms.ask(name, 'random') };
        }, 2),
        toArray(),
      ),
    );
    for (const { copy, inherited } of seen) {
      expect(inherited).toBe('of the template');
      expect(vms.counted(copy)[0]).toBe(templateCount + 1);
      expect(consecutive(vms.counted(copy))).toBe(true);
      expect(await vms.ask(copy.name, 'read')).toBe(`of ${copy.name}`);
    }
    // Each has drawn random numbers of its own from the same memory.
    expect(new Set(seen.map(({ random }) => random)).size).toBe(names.length);
    await lastValueFrom(from(copies).pipe(mergeMap(({ id }) => vms.manager.delete(id), 4)));
  });

  it('goes on while it is copied, and both are told of', async () => {
    const source = await forked('source');
    const told = changesOf('source');
    await vms.counts('source', 1);
    const copy = await value(vms.manager.fork('source', { name: 'copy', fromRunning: true }));
    expect(told).toEqual(['standby Standby', 'restore Running']);
    await vms.ask('source', 'write of the source');
    await vms.ask('copy', 'write of the copy');
    expect([await vms.ask('source', 'read'), await vms.ask('copy', 'read')]).toEqual([
      'of the source',
      'of the copy',
    ]);
    expect(consecutive(vms.counted(source))).toBe(true);
    expect(vms.counted(source)).toContain(vms.counted(copy)[0]);
    // Once more, on top of what was laid for the first.
    await value(vms.manager.fork('source', { name: 'second', fromRunning: true }));
    expect(await vms.ask('second', 'read')).toBe('of the source');
    for (const name of ['source', 'copy', 'second']) await value(vms.manager.stop(name));
    for (const { id } of [source, copy]) expect(isWhole(vms.homeOf({ id }))).toBeGreaterThan(0);
    for (const name of ['source', 'copy', 'second']) await value(vms.manager.delete(name));
  });

  it('can be deleted while others stand on its files', async () => {
    await forked('first');
    await value(vms.manager.standby('first'));
    await value(vms.manager.fork('first', { name: 'heir' }));
    await value(vms.manager.delete('first'));
    await value(vms.manager.restore('heir'));
    expect(await vms.ask('heir', 'read')).toBe('of the template');
    await value(vms.manager.standby('heir'));
    await value(vms.manager.restore('heir'));
    expect(consecutive(vms.counted(await value(vms.manager.get('heir'))))).toBe(true);
    await value(vms.manager.delete('heir'));
  });

  it('is brought back in place to a snapshot of its own', async () => {
    const instance = await forked('changed');
    const { id } = await value(vms.manager.createSnapshot('changed', { kind: 'Standby', name: 'before' }));
    await vms.ask('changed', 'write changed');
    await value(vms.manager.standby('changed'));
    await value(vms.manager.restoreSnapshot('changed', id));
    expect(await vms.ask('changed', 'read')).toBe('of the template');
    expect((await value(vms.manager.get('changed'))).id).toBe(instance.id);
    await value(vms.manager.delete('changed'));
    await value(vms.manager.deleteSnapshot(id));
  });

  it('is stopped by its power button, and started again from its disk', async () => {
    await forked('stopped');
    await vms.ask('stopped', 'write before the stop');
    const { exit } = await value(vms.manager.stop('stopped'));
    expect(exit).toEqual({ code: 0, signal: null, stoppedBy: 'caller' });
    const copy = await value(vms.manager.fork('stopped', { name: 'cold', targetState: 'Running' }));
    expect(copy.state).toBe('Initializing');
    await lastValueFrom(vms.manager.waitForState('cold', 'Running', { timeoutMs: 100_000 }));
    expect(await vms.ask('cold', 'read')).toBe('before the stop');
    for (const name of ['stopped', 'cold']) await value(vms.manager.delete(name));
  });
});

describe('what becomes of a virtual machine that ends by itself is told:', () => {
  it.each([
    ['poweroff', { code: 0, signal: null }],
    ['reboot', { code: 0, signal: null }],
    ['panic', { code: 1, signal: null }],
  ])('%s', async (command, exit) => {
    await forked(command);
    const told = changesOf(command);
    await vms.say(command, command);
    expect(await endOf(command)).toEqual({ state: 'Stopped', exit });
    expect(told).toEqual(['exit Stopped']);
    await value(vms.manager.delete(command));
  });

  it('a QEMU that is killed', async () => {
    const { handle } = await forked('killed');
    process.kill(handle?.pid ?? 0, 'SIGKILL');
    expect(await endOf('killed')).toEqual({ state: 'Stopped', exit: { code: null, signal: 'SIGKILL' } });
    await value(vms.manager.delete('killed'));
  });

  it('a halt, which a look finds', async () => {
    await forked('halt');
    await vms.say('halt', 'halt');
    const outcome = await lastValueFrom(vms.manager.waitForState('halt', 'Shutdown', { pollMs: 100 }));
    expect(outcome.state).toBe('Shutdown');
    await value(vms.manager.delete('halt'));
  });
});

describe('a virtual machine outlives its manager', () => {
  it('and is found again, running, on standby or stopped', async () => {
    const instance = await forked('running');
    await forked('standing');
    await value(vms.manager.standby('standing'));
    await vms.reopen();
    expect(await value(vms.manager.get('running'))).toMatchObject({
      state: 'Running',
      handle: { pid: instance.handle?.pid },
    });
    await vms.counts('running', 1);
    await value(vms.manager.standby('running'));
    for (const name of ['running', 'standing']) await value(vms.manager.restore(name));
    await vms.counts('running', 1);
    expect(consecutive(vms.counted(instance))).toBe(true);
    for (const name of ['running', 'standing']) await value(vms.manager.delete(name));
  });
});

describe('a manager that is killed in the middle of a verb leaves a machine that goes on:', () => {
  let compiled: Compiled;

  beforeAll(async () => {
    compiled = compile('test/integration', 'test/support');
    await forked('cut-off');
  });

  afterAll(async () => {
    compiled.remove();
    await value(vms.manager.delete('cut-off'));
  });

  /** Another process has the data directory meanwhile. */
  const cutOff = async (verb: MachineCutOff['verb'], point: string) => {
    await vms.manager.close();
    const told = JSON.stringify({
      dataDir: vms.dataDir,
      name: 'cut-off',
      verb,
      point,
    } satisfies MachineCutOff);
    const signal = await new Promise((done) => {
      execFile('node', [compiled.pathOf('test/integration/cutOffMachine.ts'), told], (error) => {
        done(error?.signal);
      });
    });
    await vms.reopen();
    return { signal, ...(await value(vms.manager.get('cut-off'))) };
  };

  const goesOn = async () => {
    if ((await value(vms.manager.get('cut-off'))).state === 'Standby')
      await value(vms.manager.restore('cut-off'));
    await vms.counts('cut-off', 1);
    const instance = await value(vms.manager.get('cut-off'));
    expect(instance.state).toBe('Running');
    expect(consecutive(vms.counted(instance))).toBe(true);
    expect(isWhole(vms.homeOf(instance))).toBeGreaterThan(0);
    const names = (await value(vms.manager.list())).map(({ name }) => name);
    expect(names).not.toContain('never');
    expect(readdirSync(join(vms.dataDir, 'instances'))).toHaveLength(names.length);
    await expect(value(vms.manager.listSnapshots({ name: 'never' }))).resolves.toEqual([]);
  };

  const kills = [
    ['standby', 'before suspend', 'Running'],
    ['standby', '5 ms into suspend', 'Running'],
    ['standby', '20 ms into suspend', 'Running'],
    ['standby', 'after suspend', 'Running'],
    ['standby', 'before kill', 'Standby'],
    ['standby', 'after kill', 'Standby'],
    ['fork', 'after freeze', 'Running'],
    ['fork', '20 ms into prepare', 'Running'],
    ['fork', 'after prepare', 'Running'],
    ['fork', 'after resume', 'Running'],
    ['createSnapshot', '20 ms into take', 'Running'],
    ['createSnapshot', 'after take', 'Running'],
    ['createSnapshot', 'after seal', 'Running'],
  ] as const;

  it.each(oneIn(3, kills))('%s, %s: %s', async (verb, point, expected) => {
    expect(await cutOff(verb, point)).toMatchObject({ signal: 'SIGKILL', state: expected });
    await goesOn();
  });

  const killsOfRestore = [
    ['before resume', 'Standby'],
    ['30 ms into resume', 'Standby'],
    ['after resume', 'Standby'],
    ['before thaw', 'Running'],
    ['after thaw', 'Running'],
  ] as const;

  it.each(oneIn(3, killsOfRestore))('restore, %s: %s', async (point, expected) => {
    await value(vms.manager.standby('cut-off'));
    expect(await cutOff('restore', point)).toMatchObject({ signal: 'SIGKILL', state: expected });
    await goesOn();
  });
});

describe('what is wrong is told, and changes nothing:', () => {
  const create = (changes: object) => value(vms.manager.create({ ...request, name: 'wrong', ...changes }));

  afterEach(async () => {
    expect((await value(vms.manager.list())).map(({ name }) => name)).not.toContain('wrong');
  });

  it('a QEMU that is not there', async () => {
    const drivers = [createQemuDriver({ qemu: '/nowhere/qemu' })];
    const manager = await openManager({ drivers });
    await expect(value(manager.create(request))).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      message: expect.stringContaining('there is no program "/nowhere/qemu": install QEMU') as string,
    });
    await manager.close();
  });

  it('an image that is none', async () => {
    await expect(create({ image: tmpdir() })).rejects.toMatchObject({ _tag: 'LaunchFailed' });
  });

  it('more memory than there is', async () => {
    await expect(create({ memoryMiB: 1_048_576 })).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      message: expect.stringContaining('asks for 1048576 MiB of memory, and this host has') as string,
    });
  });

  it('a readiness by a port that is not forwarded', async () => {
    await expect(create({ readiness: { kind: 'tcp', port: 81 } })).rejects.toMatchObject({
      faults: [{ path: 'readiness.port', found: '81' }],
    });
  });

  it('a memory that was changed on standby: the instance can be started from the beginning', async () => {
    const { id } = await forked('broken');
    // From its first standby on, its memory is its own.
    await value(vms.manager.standby('broken'));
    await value(vms.manager.restore('broken'));
    await value(vms.manager.standby('broken'));
    const ram = join(vms.homeOf({ id }), 'vm/ram');
    truncateSync(ram, 1_000_000);
    await expect(value(vms.manager.restore('broken'))).rejects.toMatchObject({
      _tag: 'SnapshotIncompatible',
      differences: expect.arrayContaining([expect.objectContaining({ path: 'ram.bytes' })]) as object,
    });
    expect((await value(vms.manager.get('broken'))).state).toBe('Standby');
    await value(vms.manager.stop('broken'));
    await value(vms.manager.start('broken'));
    await value(vms.manager.delete('broken'));
  });

  it('a standby whose state cannot be written: the machine runs on', async () => {
    const instance = await forked('full');
    await vms.counts('full', 1);
    // In the place of that by which it comes; what a full disk does is another test's.
    const socket = join(vms.homeOf(instance), 'state.sock');
    mkdirSync(socket);
    await expect(value(vms.manager.standby('full'))).rejects.toMatchObject({ _tag: 'DriverFailed' });
    rmdirSync(socket);
    expect((await value(vms.manager.refresh('full'))).state).toBe('Running');
    await vms.counts('full', 1);
    await value(vms.manager.standby('full'));
    await value(vms.manager.restore('full'));
    await vms.counts('full', 1);
    expect(consecutive(vms.counted(instance))).toBe(true);
    await value(vms.manager.delete('full'));
  });

  it('a snapshot in which a byte is another', async () => {
    await forked('sound');
    const { id } = await value(vms.manager.createSnapshot('sound', { kind: 'Standby' }));
    const state = join(vms.dataDir, 'snapshots', id, 'vm/state');
    const bytes = readFileSync(state);
    bytes[4_096_000] = (bytes[4_096_000] ?? 0) ^ 1;
    writeFileSync(state, bytes);
    await expect(value(vms.manager.forkSnapshot(id, { name: 'wrong' }))).rejects.toMatchObject({
      _tag: 'SnapshotDamaged',
      differences: [{ path: 'vm/state' }],
    });
    await value(vms.manager.deleteSnapshot(id));
    await value(vms.manager.delete('sound'));
  });
});
