import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createSpawner } from '../../../src/drivers/host/spawner.js';
import { until } from '../../support/until.js';
import { probeBoot, type ProbeBootOptions } from '../../../src/drivers/qemu/probeBoot.js';

// Patience: a processor that is emulated by one that others use too.
jest.setTimeout(120_000);

const spawner = createSpawner();
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'probe-boot-')));
const kernel = join(folder, 'kernel');
const files = ['chatty', 'kernel', 'silent', 'text'];

beforeAll(() => {
  symlinkSync(resolve('build/images/small/vmlinux'), kernel);
  writeFileSync(join(folder, 'text'), 'no kernel');
  writeFileSync(join(folder, 'silent'), '#!/bin/sh\nsleep 600 & wait\n');
  writeFileSync(join(folder, 'chatty'), '#!/bin/sh\necho . >said\nsleep 600 & wait\n');
  for (const program of ['silent', 'chatty']) chmodSync(join(folder, program), 0o755);
});

afterAll(async () => {
  await spawner.close();
  rmSync(folder, { recursive: true });
});

/** Command lines of the processes that were told of this folder. */
const left = (): readonly string[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        // It has ended meanwhile.
        return '';
      }
    })
    .filter((command) => command.includes(folder))
    .map((command) => command.replaceAll('\0', ' '));

/** Probes a kernel, and sees that nothing is left of that. */
async function probe(options: Partial<ProbeBootOptions>, of = kernel): Promise<unknown> {
  const said = await probeBoot(
    { kernel: of, memoryMiB: 128 },
    {
      ...({ accel: 'tcg', timeoutMs: 60_000, program: 'qemu-system-x86_64', version: '7.2.22' } as const),
      ...{ confinement: { user: undefined, hasSandbox: true }, spawner, ...options },
    },
  ).catch((error: unknown) => error);
  // What was killed takes a moment to be gone.
  expect(await until(left, (commands) => commands.length === 0)).toEqual([]);
  expect(readdirSync(folder).sort()).toEqual(files);
  return said;
}

/** Whether this host could run machines itself. */
function mayHaveKvm(): boolean {
  try {
    closeSync(openSync('/dev/kvm', 'r+'));
    return /\b(vmx|svm)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}

it('says yes to a kernel that speaks', async () => {
  expect(await probe({})).toBe(true);
});

it('says yes to what has spoken, and kills all of it', async () => {
  expect(await probe({ program: join(folder, 'chatty'), timeoutMs: 600_000 })).toBe(true);
});

it('says no to KVM that can be opened and runs nothing', async () => {
  const answer = await probe({ accel: 'kvm', timeoutMs: 5_000 });
  expect(mayHaveKvm() ? [true, false] : [false]).toContain(answer);
});

it('says no to what is no kernel', async () => {
  expect(await probe({}, join(folder, 'text'))).toBe(false);
});

it('says no to what stays silent, and kills all of it', async () => {
  expect(await probe({ program: join(folder, 'silent'), timeoutMs: 300 })).toBe(false);
});

it('fails where there is no QEMU', async () => {
  expect(await probe({ program: 'no-such-qemu' })).toMatchObject({ _tag: 'LaunchFailed' });
});
