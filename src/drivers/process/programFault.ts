import { readdirSync, readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { resolve } from 'node:path';
import { findProgram, type Head, interpreterOf, type ProgramPlace, readHead } from './programFile.js';

/**
 * Why Linux would not execute a program, as what follows its name in a sentence; `undefined` where it would, and where that can't
 * be known: it is not there, or may not be read.
 *
 * Asked before each start, since what the kernel refuses with `ENOEXEC` the C library hands to `/bin/sh`. At once, not in a thread:
 * that takes 20 µs, where a thread takes some hundred.
 */
export function programFault(program: string, place: ProgramPlace): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const file = findProgram(program, place);
  return file === undefined ? undefined : faultOf(file, place.cwd, mostScripts);
}

/** How many scripts may be the interpreters of one another. */
const mostScripts = 5;
function faultOf(file: string, cwd: string, scriptsLeft: number): string | undefined {
  const head = readHead(file);
  if (head === undefined) return undefined;
  const interpreter = interpreterOf(head);
  if (interpreter !== undefined) return scriptFault(interpreter, cwd, scriptsLeft);
  const fault = isElf(head.bytes) ? elfFault(head) : foreignFault(head);
  return fault !== undefined && isTakenByAnother(file, head.bytes) ? undefined : fault;
}

function scriptFault(interpreter: string, cwd: string, scriptsLeft: number): string | undefined {
  if (interpreter === '') return 'names no interpreter in its first line';
  if (scriptsLeft === 0) return undefined;
  const fault = faultOf(resolve(cwd, interpreter), cwd, scriptsLeft - 1);
  return fault === undefined
    ? undefined
    : `has an interpreter, ${JSON.stringify(interpreter)}, that ${fault}`;
}

const isElf = (bytes: Buffer): boolean => bytes.toString('latin1', 0, 4) === '\x7fELF';

/** Processors as ELF numbers them. */
const processors: Readonly<Record<number, string>> = {
  ...{ 2: 'sparc', 3: 'x86', 8: 'mips', 20: 'ppc', 21: 'ppc64', 22: 's390', 40: 'arm', 43: 'sparc64' },
  ...{ 62: 'x86-64', 183: 'aarch64', 243: 'riscv', 258: 'loongarch' },
};

/** What each machine executes; the second where its kernel is made for that. */
const executed: Readonly<Record<string, readonly number[]>> = {
  ...{ x64: [62, 3], ia32: [3], arm64: [183, 40], arm: [40], riscv64: [243], s390x: [22] },
  ...{ ppc64: [21], loong64: [258], mips: [8], mipsel: [8], mips64el: [8] },
};

function elfFault({ bytes, size }: Head): string | undefined {
  const cut = 'is cut off';
  const [is64, isLittle] = [bytes[4] === 2, bytes[5] === 1];
  if (bytes.length < (is64 ? 64 : 52)) return cut;
  const number = (at: number, length: number): number =>
    length === 8
      ? Number(isLittle ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at))
      : isLittle
        ? bytes.readUIntLE(at, length)
        : bytes.readUIntBE(at, length);
  const word = is64 ? 8 : 4;
  const [type, machine] = [number(16, 2), number(18, 2)];
  const known = executed[process.arch];
  if ((known !== undefined && !known.includes(machine)) || isLittle !== (endianness() === 'LE')) {
    return `is a program for another machine (${processors[machine] ?? String(machine)})`;
  }
  if (type !== 2 && type !== 3) return 'is a part of a program, or what one has left, and none that runs';
  const [start, entryBytes, count] = [
    number(is64 ? 32 : 28, word),
    number(is64 ? 54 : 42, 2),
    number(is64 ? 56 : 44, 2),
  ];
  if (start + entryBytes * count > size) return cut;
  for (let entry = 0; entry < count; entry += 1) {
    const at = start + entryBytes * entry;
    // Further away than any linker lays it: then it is as good as the kernel finds it.
    if (at + entryBytes > bytes.length) return undefined;
    const isLoaded = number(at, 4) === 1;
    const end = number(at + (is64 ? 8 : 4), word) + number(at + (is64 ? 32 : 16), word);
    if (isLoaded && end > size) return cut;
  }
  return undefined;
}

/** What begins otherwise than a program of Linux, by its first bytes in hexadecimal. */
const kinds: readonly (readonly [string, string])[] = [
  ['4d5a', 'is a program for another system (Windows)'],
  ['cffaedfe', 'is a program for another system (macOS)'],
  ['cefaedfe', 'is a program for another system (macOS)'],
  ['feedface', 'is a program for another system (macOS)'],
  ['feedfacf', 'is a program for another system (macOS)'],
  ['cafebabe', 'is a program for another system (macOS), or for Java'],
  ['0061736d', 'is a module of WebAssembly'],
  ['504b0304', 'is a ZIP archive'],
];

function foreignFault({ bytes, size }: Head): string {
  if (size === 0) return 'is empty';
  const hex = bytes.toString('hex', 0, 4);
  const kind = kinds.find(([start]) => hex.startsWith(start));
  if (kind !== undefined) return kind[1];
  return bytes.includes(0) ? 'is no program of this system' : 'is a text file without #!';
}

const handlers = '/proc/sys/fs/binfmt_misc';

/** Whether a program is registered with the kernel that runs such a file (`binfmt_misc`), an emulator for one. */
function isTakenByAnother(file: string, bytes: Buffer): boolean {
  try {
    return readdirSync(handlers)
      .filter((name) => name !== 'register' && name !== 'status')
      .some((name) => isTakenBy(readFileSync(`${handlers}/${name}`, 'utf8'), file, bytes));
  } catch {
    return false;
  }
}

/** Whether a rule, as the kernel writes it, is on and means a file. */
export function isTakenBy(rule: string, file: string, bytes: Buffer): boolean {
  if (!rule.startsWith('enabled\n')) return false;
  const [, extension] = /^extension \.(.+)$/m.exec(rule) ?? [];
  if (extension !== undefined) return file.endsWith(`.${extension}`);
  const field = (name: string): string => new RegExp(`^${name} (.+)$`, 'm').exec(rule)?.[1] ?? '';
  const [magic, mask] = [Buffer.from(field('magic'), 'hex'), Buffer.from(field('mask'), 'hex')];
  const offset = Number(field('offset'));
  return magic.every((byte, index) => {
    const bits = mask[index] ?? 0xff;
    return ((bytes[offset + index] ?? -1) & bits) === (byte & bits);
  });
}
