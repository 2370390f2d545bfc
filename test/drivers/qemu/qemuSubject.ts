import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { InstanceSpec } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import type { DriverSubject } from 'rx-instances/testing';
import { makeImage, makeTinyImage, type TinyKernel } from './tinyKernel.js';

/** The QEMU driver with machines that boot in a moment, for the contract. Images and homes lie in a folder. */
export function createQemuSubject(folder: string): DriverSubject {
  const homesDir = join(folder, 'homes');

  const spec = (kernel: TinyKernel, fields: Partial<InstanceSpec> = {}): InstanceSpec => ({
    ...{ driver: 'qemu', image: makeTinyImage(join(folder, kernel), kernel), env: {}, tags: {} },
    ...fields,
  });

  const pidsOf = (instanceId: string): readonly number[] => processesIn(join(homesDir, instanceId));

  return {
    createDriver: () => createQemuDriver({ accel: 'tcg', pollMs: 5 }),
    homesDir,
    isRunning: (_, instanceId) => pidsOf(instanceId).length > 0,
    crash: (_, instanceId) => {
      for (const pid of pidsOf(instanceId)) process.kill(pid, 'SIGSEGV');
    },
    fields: {
      ...{ entrypoint: ['node'], cmd: ['server.js'], kernelArguments: ['quiet'] },
      ...{ memoryMiB: 128, vcpus: 2, accel: 'tcg', stopGraceMs: 100 },
      ports: [{ guest: 80 }, { guest: 22, host: 2_222 }],
      readiness: { kind: 'http', port: 80, path: '/health' },
    },
    lasting: { spec: spec('idle') },
    ending: { spec: spec('ending'), exit: { code: 0, signal: null } },
    slow: { spec: spec('slow', { readiness: { kind: 'log', pattern: '^ready$' } }) },
    neverReady: { spec: spec('idle', { readiness: { kind: 'log', pattern: '.' } }) },
    broken: {
      spec: { ...spec('idle'), image: makeImage(join(folder, 'broken'), Buffer.from('no kernel')) },
    },
    stubborn: { spec: spec('deaf') },
    printing: { spec: spec('printing') },
    counting: { spec: spec('counting') },
    execs: {
      within: { spec: { ...spec('idle'), image: resolve('build/images/small') } },
      failing: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
      endless: ['sleep', '100000'],
      copying: ['cat'],
      naming: ['sh', '-c', 'echo "$EXEC_NAME"'],
    },
    filesWithin: { spec: { ...spec('idle'), image: resolve('build/images/small') } },
    content: createDiskContent(folder),
    damage: (_, taken) => {
      const path = join(taken, 'vm', topOf(join(taken, 'vm')));
      const bytes = readFileSync(path);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
      writeFileSync(path, bytes);
    },
    // A machine that others use too.
    patienceMs: 60_000,
  };
}

/** What is on the disk, from its beginning on. */
function createDiskContent(folder: string): NonNullable<DriverSubject['content']> {
  const sector = join(folder, 'sector');
  return {
    write: (home, text) => {
      writeFileSync(sector, text.padEnd(512, '\0'));
      const args = ['-f', 'qcow2', '-c', `write -q -s ${sector} 0 512`, topOf(join(home, 'vm'))];
      execFileSync('qemu-io', args, { cwd: join(home, 'vm') });
    },
    read: (home) => {
      rmSync(sector, { force: true });
      const disk = ['-f', 'qcow2', '-O', 'raw', `if=${topOf(join(home, 'vm'))}`];
      execFileSync('qemu-img', ['dd', '-U', ...disk, `of=${sector}`, 'bs=512', 'count=1'], {
        cwd: join(home, 'vm'),
      });
      const [text = ''] = readFileSync(sector, 'utf8').split('\0');
      return text === '' ? undefined : text;
    },
  };
}

/** The file of the topmost layer of a disk. */
const topOf = (folder: string): string => {
  const { layers } = JSON.parse(readFileSync(join(folder, 'disk.json'), 'utf8')) as { layers: number[] };
  return `disk-${String(layers.length - 1)}.qcow2`;
};

/** Pids of the processes that work in a folder. */
const processesIn = (folder: string): readonly number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return !Number.isNaN(pid) && readlinkSync(`/proc/${String(pid)}/cwd`) === folder;
      } catch {
        // It has ended meanwhile, or is not ours to look at.
        return false;
      }
    });
