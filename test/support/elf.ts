/** What a program file tells of itself, and what it does. */
export interface Elf {
  /** Code of x86-64. */
  readonly code?: readonly number[];
  /** Which processor it is for, as ELF numbers them. @defaultValue `62`, x86-64 */
  readonly machine?: number;
  /** Program, library, or what else. @defaultValue `2`, a program */
  readonly type?: number;
  /** Bytes that its header tells of and that are not there. @defaultValue `0` */
  readonly missing?: number;
}

const headerBytes = 64;
const segmentBytes = 56;
const address = 0x400000;

/** A program of Linux. */
export function elf({ code = endOnly, machine = 62, type = 2, missing = 0 }: Elf = {}): Buffer {
  const start = headerBytes + segmentBytes;
  const bytes = Buffer.alloc(start + code.length);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeUInt16LE(type, 16);
  bytes.writeUInt16LE(machine, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BigInt(address + start), 24);
  bytes.writeBigUInt64LE(BigInt(headerBytes), 32);
  bytes.writeUInt16LE(headerBytes, 52);
  bytes.writeUInt16LE(segmentBytes, 54);
  bytes.writeUInt16LE(1, 56);
  // One segment, to be read and executed: the whole file.
  bytes.writeUInt32LE(1, headerBytes);
  bytes.writeUInt32LE(5, headerBytes + 4);
  for (const place of [16, 24]) bytes.writeBigUInt64LE(BigInt(address), headerBytes + place);
  for (const place of [32, 40]) {
    bytes.writeBigUInt64LE(BigInt(bytes.length + missing), headerBytes + place);
  }
  bytes.writeBigUInt64LE(0x1000n, headerBytes + 48);
  bytes.set(code, start);
  return bytes;
}

/** `exit(0)`, of the calling thread. */
const endOnly = [0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];

/** Starts a thread that waits for signals, and ends its first. */
export const firstThreadEnds: readonly number[] = [
  // clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, below the stack, 0, 0, 0)
  ...[0xb8, 0x38, 0, 0, 0, 0xbf, 0x00, 0x0f, 0x05, 0, 0x48, 0x8d, 0xb4, 0x24, 0x00, 0xf0, 0xff, 0xff],
  ...[0x31, 0xd2, 0x4d, 0x31, 0xd2, 0x4d, 0x31, 0xc0, 0x0f, 0x05],
  // The new one: pause(), again and again.
  ...[0x85, 0xc0, 0x75, 0x09, 0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7],
  ...endOnly,
];
