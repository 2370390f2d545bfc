import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTakenBy, programFault } from '../../../src/drivers/process/programFault.js';
import { elf } from '../../support/elf.js';

const folder = mkdtempSync(join(tmpdir(), 'program-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What is told of a file with this content that stands in the folder. */
const faultOf = (content: Buffer | string): string | undefined => {
  writeFileSync(join(folder, 'program'), content);
  chmodSync(join(folder, 'program'), 0o755);
  return programFault('./program', { cwd: folder, path: undefined });
};

const sleep = readFileSync('/bin/sleep');

describe('a program', () => {
  it.each<[string, Buffer | string]>([
    ['of this machine', sleep],
    ['of this machine, as small as can be', elf()],
    ['that is a script', '#!/bin/sh\necho\n'],
    ['that is a script, with an argument for its interpreter', '#! /bin/sh -e\necho\n'],
    ['that is a script, whose interpreter is not there', '#!/no/such/interpreter\n'],
  ])('%s has no fault', (_, content) => {
    expect(faultOf(content)).toBeUndefined();
  });

  it.each<[string, Buffer | string, string]>([
    ['for ARM', elf({ machine: 183 }), 'is a program for another machine (aarch64)'],
    ['for RISC-V', elf({ machine: 243 }), 'is a program for another machine (riscv)'],
    ['for what nobody knows', elf({ machine: 4_711 }), 'is a program for another machine (4711)'],
    ['cut within its header', sleep.subarray(0, 40), 'is cut off'],
    ['cut after its header', sleep.subarray(0, 64), 'is cut off'],
    ['cut in half', sleep.subarray(0, sleep.length >> 1), 'is cut off'],
    ['that lacks a byte', elf({ missing: 1 }), 'is cut off'],
    ['not linked yet', elf({ type: 1 }), 'is a part of a program, or what one has left, and none that runs'],
    ['that is empty', '', 'is empty'],
    ['that is a note', 'echo started by a shell\n', 'is a text file without #!'],
    ['that is JSON', '{"a":1}\n', 'is a text file without #!'],
    ['whose mark comes late', '\n#!/bin/sh\n', 'is a text file without #!'],
    ['of Windows', 'MZ\x90\0', 'is a program for another system (Windows)'],
    ['of macOS', Buffer.from('cffaedfe0c000001', 'hex'), 'is a program for another system (macOS)'],
    ['that is an archive', 'PK\x03\x04 rest', 'is a ZIP archive'],
    ['of WebAssembly', Buffer.from('0061736d01000000', 'hex'), 'is a module of WebAssembly'],
    ['that is bytes', Buffer.from([1, 0, 2, 3]), 'is no program of this system'],
    ['that names no interpreter', '#! \necho\n', 'names no interpreter in its first line'],
  ])('%s is said to be so', (_, content, fault) => {
    expect(faultOf(content)).toBe(fault);
  });

  it('is told by the interpreter of its interpreter too', () => {
    writeFileSync(join(folder, 'note'), 'just text', { mode: 0o755 });
    writeFileSync(join(folder, 'script'), `#!${folder}/note\n`, { mode: 0o755 });
    const [note, script] = [`${folder}/note`, `${folder}/script`];
    expect(faultOf(`#!${script}\n`)).toBe(
      `has an interpreter, "${script}", that has an interpreter, "${note}", that is a text file without #!`,
    );
  });

  it('that leads back to itself is left to the kernel', () => {
    expect(faultOf(`#!${folder}/program\n`)).toBeUndefined();
  });

  it('is the first of that name in the PATH that may be executed, as seen from its working directory', () => {
    for (const name of ['none', 'text', 'good', 'folder/tool'])
      mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, 'none', 'tool'), 'may not be executed', { mode: 0o644 });
    writeFileSync(join(folder, 'text', 'tool'), 'just text', { mode: 0o755 });
    copyFileSync('/bin/sleep', join(folder, 'good', 'tool'));
    chmodSync(join(folder, 'good', 'tool'), 0o755);
    const fault = (path: string): string | undefined => programFault('tool', { cwd: folder, path });
    expect(fault('none:folder:text:good')).toBe('is a text file without #!');
    expect(fault(`${folder}/good:text`)).toBeUndefined();
    expect(fault('none:folder')).toBeUndefined();
    expect(programFault('tool', { cwd: join(folder, 'text'), path: ':/bin' })).toBe(
      'is a text file without #!',
    );
    expect(programFault('sleep', { cwd: folder, path: undefined })).toBeUndefined();
  });

  it('that is no file, or not there, is left to the kernel', () => {
    const fault = (program: string): string | undefined =>
      programFault(program, { cwd: folder, path: '/bin' });
    expect(['.', './missing', '/dev/null', 'missing'].map(fault)).toEqual(Array(4).fill(undefined));
  });
});

describe('a rule of the kernel for what others run', () => {
  const arm = elf({ machine: 183 });
  const magic = arm.toString('hex', 0, 20);
  const mask = 'ffffffffffffff00fffffffffffffffffeffffff';
  const rule = `enabled\ninterpreter /usr/bin/emulator\nflags: F\noffset 0\nmagic ${magic}\nmask ${mask}\n`;

  it.each<[string, string, boolean]>([
    ['with its bytes, as far as they count', rule, true],
    ['that is off', rule.replace('enabled', 'disabled'), false],
    ['for other bytes', rule.replace(magic, elf({ machine: 243 }).toString('hex', 0, 20)), false],
    ['for bytes at another place', rule.replace('offset 0', 'offset 4090'), false],
    ['for its name', 'enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n', true],
    ['for another name', 'enabled\ninterpreter /usr/bin/java\nflags: \nextension .war\n', false],
  ])('%s means a file: %#', (_, text, isMeant) => {
    expect(isTakenBy(text, '/somewhere/tool.jar', arm)).toBe(isMeant);
  });
});
