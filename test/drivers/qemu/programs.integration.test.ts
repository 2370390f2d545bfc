import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrograms } from '../../../src/drivers/qemu/programs.js';
import { inspectQemu } from '../../../src/drivers/qemu/qemuProgram.js';
import { processTable } from '../../../src/drivers/host/processTable.js';

const { run } = createPrograms();
const folder = mkdtempSync(join(tmpdir(), 'programs-'));

afterAll(() => {
  rmSync(folder, { recursive: true });
});

it('a program is run to its end, in a folder, and what it says is told', async () => {
  await expect(run('sh', ['-c', 'pwd; echo "$1"', 'sh', 'a, "b"'], folder)).resolves.toBe(
    `${folder}\na, "b"\n`,
  );
});

it('one that fails is told with its own words, or with how it ended', async () => {
  await expect(run('sh', ['-c', 'echo why >&2; exit 3'])).rejects.toMatchObject({
    reason: '"sh" failed: why',
  });
  await expect(run('sh', ['-c', 'exit 3'])).rejects.toMatchObject({ reason: '"sh" failed: it ended with 3' });
});

it('one that is missing is told with what to do', async () => {
  await expect(run('no-such-qemu', [])).rejects.toThrow('there is no program "no-such-qemu": install QEMU');
});

it('one that does not end is killed, with all that it has started', async () => {
  const impatient = createPrograms(100);
  const pidFile = join(folder, 'pid');
  await expect(impatient.run('sh', ['-c', `echo $$ >${pidFile}; sleep 600 & wait`])).rejects.toThrow(
    'it has not ended within 100 ms',
  );
  await expect(processTable.group(Number(readFileSync(pidFile, 'utf8')))).resolves.toEqual([]);
});

it('one that says more than 1 MiB is not listened to', async () => {
  await expect(run('sh', ['-c', 'head -c 1048577 /dev/zero'])).rejects.toThrow('more than 1048576 bytes');
});

describe('a QEMU', () => {
  it('tells its version, its board, and whether it has a sandbox', async () => {
    await expect(inspectQemu('qemu-system-x86_64', { run })).resolves.toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      machine: expect.stringMatching(/^pc-i440fx-/) as string,
      hasSandbox: true,
    });
  });

  it('is of use without a sandbox', async () => {
    const qemu = join(folder, 'qemu');
    const words = [
      '#!/bin/sh',
      'case "$*" in',
      '*sandbox*) echo "-sandbox support is not enabled in this QEMU binary" >&2; exit 1 ;;',
      '--version) echo "QEMU emulator version 9.9.9" ;;',
      '*) echo "pc  Standard PC (alias of pc-i440fx-9.9)" ;;',
      'esac',
    ];
    writeFileSync(qemu, words.join('\n'), { mode: 0o755 });
    await expect(inspectQemu(qemu, { run })).resolves.toEqual({
      ...{ version: '9.9.9', machine: 'pc-i440fx-9.9', hasSandbox: false },
    });
  });
});
