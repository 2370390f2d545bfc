import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The instructions that the kernels below are made of, and what they are to the processor. */
const instructions: Readonly<Record<string, readonly number[]>> = {
  ...{ lodsb: [0xac], ret: [0xc3], cli: [0xfa], sti: [0xfb], hlt: [0xf4] },
  ...{ 'push edx': [0x52], 'pop eax': [0x58], 'inc ecx': [0x41], 'dec ecx': [0x49] },
  ...{ 'xor ecx, ecx': [0x31, 0xc9], 'xor edx, edx': [0x31, 0xd2], 'div ebx': [0xf7, 0xf3] },
  ...{ 'test al, al': [0x84, 0xc0], 'test eax, eax': [0x85, 0xc0], 'add al, "0"': [0x04, 0x30] },
  ...{ 'out dx, al': [0xee], 'out dx, ax': [0x66, 0xef], 'in al, dx': [0xec] },
  ...{ 'out dx, eax': [0xef], 'in eax, dx': [0xed], 'rep movsd': [0xf3, 0xa5] },
  ...{ 'shl eax, 7': [0xc1, 0xe0, 7], 'shl eax, 16': [0xc1, 0xe0, 16], 'shr eax, 16': [0xc1, 0xe8, 16] },
};

/** Those that end with a number or the address of a place, four bytes of it. */
const withValue: Readonly<Record<string, readonly number[]>> = {
  dword: [],
  ...{ 'mov eax,': [0xb8], 'mov ecx,': [0xb9], 'mov edx,': [0xba], 'mov ebx,': [0xbb] },
  ...{ 'mov esp,': [0xbc], 'mov esi,': [0xbe] },
  ...{ 'load eax,': [0xa1], lidt: [0x0f, 0x01, 0x1d], increase: [0xff, 0x05] },
  ...{ 'mov edi,': [0xbf], 'and eax,': [0x25], 'add edx,': [0x81, 0xc2] },
  ...{ 'store eax,': [0xa3], 'load edx,': [0x8b, 0x15], 'compare eax with': [0x3b, 0x05] },
};

/** Those that end with a place, and go there: four bytes that say how far that is. */
const withDistance: Readonly<Record<string, readonly number[]>> = {
  ...{ jmp: [0xe9], call: [0xe8], jz: [0x0f, 0x84], jnz: [0x0f, 0x85] },
};

const base = 0x100000;
const headerBytes = 32;

/** Four bytes, the lowest first. */
const dword = (value: number): readonly number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** Of code in the segment that the loader has made. */
const gate = (address: readonly number[]): readonly number[] => [
  ...address.slice(0, 2),
  ...[0x08, 0, 0, 0x8e],
  ...address.slice(2),
];

/**
 * Translates a program, an instruction a line. A line that ends with a colon names the place where it stands; one in quotes
 * is a text, with a zero after it; `zeros` are as many bytes, `word` is two, `dword` four, and `gate` tells where an interrupt leads.
 */
function assembled(program: string): readonly number[] {
  const lines = program
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const places = new Map<string, number>();

  const valueOf = (word: string): number => places.get(word) ?? Number(word);

  const translated = (line: string, at: number): readonly number[] => {
    if (line.startsWith('"')) return [...Buffer.from(JSON.parse(line) as string), 0];
    const whole = instructions[line];
    if (whole !== undefined) return whole;
    const space = line.lastIndexOf(' ');
    const [words, last] = [line.slice(0, space), line.slice(space + 1)];
    const [valued, far] = [withValue[words], withDistance[words]];
    if (words === 'zeros') return Array<number>(Number(last)).fill(0);
    if (words === 'word') return dword(valueOf(last)).slice(0, 2);
    if (words === 'gate') return gate(dword(valueOf(last)));
    if (valued !== undefined) return [...valued, ...dword(valueOf(last))];
    if (far !== undefined) return [...far, ...dword(valueOf(last) - (at + far.length + 4))];
    throw new Error(`no such instruction: ${line}`);
  };

  const pass = (): readonly number[] => {
    const bytes: number[] = [];
    for (const line of lines) {
      const at = base + headerBytes + bytes.length;
      if (line.endsWith(':')) places.set(line.slice(0, -1), at);
      else bytes.push(...translated(line, at));
    }
    return bytes;
  };

  // Once to learn where the places are.
  pass();
  return pass();
}

/** A program as a multiboot loader takes it, all of it to one address. */
function multiboot(program: string): Buffer {
  const [magic, flags] = [0x1badb002, 0x10000];
  const code = assembled(program);
  const end = base + headerBytes + code.length;
  const header = [magic, flags, -(magic + flags), base, base, end, end, base + headerBytes];
  return Buffer.from([...header.flatMap(dword), ...code]);
}

/** Prints the text at ESI on the serial line. */
const printing = `
  print:
    lodsb
    test al, al
    jz printed
    mov edx, 0x3f8
    out dx, al
    jmp print
  printed:
    ret
`;

/** Waits for interrupts, of which none comes: to whoever looks, it sleeps, and is not dead. */
const deaf = `
    mov eax, 0xff
    mov edx, 0x21
    out dx, al
    mov edx, 0xa1
    out dx, al
  sleep:
    sti
    hlt
    jmp sleep
`;

/** Waits for the power button, which is interrupt 9, and switches the power off then. */
const idling = `
    mov esp, 0x90000
    lidt interrupts
    mov edx, 0x602
    mov eax, 0x100
    out dx, ax
    mov edx, 0x21
    mov eax, 0xfb
    out dx, al
    mov edx, 0xa1
    mov eax, 0xfd
    out dx, al
  sleep:
    sti
    hlt
    jmp sleep
  off:
    mov edx, 0x604
    mov eax, 0x2000
    out dx, ax
  interrupts:
    word 911
    dword gates
  gates:
    zeros 904
    gate off
`;

/** Counts in its memory, and says each number after a moment, once something is done with it. */
const counting = (doing: string): string => `
      mov esp, 0x90000
    count:
      increase counter
      ${doing}
      mov esi, before
      call print
      load eax, counter
      xor ecx, ecx
      mov ebx, 10
    divide:
      xor edx, edx
      div ebx
      push edx
      inc ecx
      test eax, eax
      jnz divide
    digit:
      pop eax
      add al, "0"
      mov edx, 0x3f8
      out dx, al
      dec ecx
      jnz digit
      mov esi, after
      call print
      mov ecx, 10000000
    wait:
      dec ecx
      jnz wait
      jmp count
    ${printing}
    before:
      "count "
    after:
      ".\\n"
    counter:
      "\\u0000\\u0000\\u0000"
`;

/** Where the first queue of a virtio device lies, which has room for 256 requests, and how far each side has come. */
const ring = { descriptors: '0x200000', available: '0x201000', used: '0x202000' } as const;

const programs = {
  /** Sleeps until the power button is pressed. */
  idle: idling,

  /** Sleeps, whatever is pressed. */
  deaf,

  /** Sleeps as a computer does whose lid is shut (S3): it stands still until it is woken. */
  asleep: `
      mov edx, 0x604
      mov eax, 0x2400
      out dx, ax
    ${deaf}
  `,

  /** Switches the power off. */
  ending: `
    jmp off
    ${idling}
  `,

  /** Says that it is ready after a moment, and sleeps. */
  slow: `
      mov esp, 0x90000
      mov esi, early
      call print
      mov ecx, 20000000
    wait:
      dec ecx
      jnz wait
      mov esi, ready
      call print
    ${idling}
    ${printing}
    early:
      "not ready yet\\n"
    ready:
      "ready\\n"
  `,

  /** Says three lines, and sleeps. */
  printing: `
      mov esp, 0x90000
      mov esi, lines
      call print
    ${idling}
    ${printing}
    lines:
      "one\\ntwo\\nthree\\n"
  `,

  /** Says the same line again and again, as fast as it can. */
  flooding: `
      mov esp, 0x90000
    again:
      mov esi, line
      call print
      jmp again
    ${printing}
    line:
      "${'flood '.repeat(16)}.\\n"
  `,

  /** Counts in its memory, and says each number after a moment. */
  counting: counting(''),

  /** Does so once each has been written to another place of its disk. */
  writing: `
      mov edx, 0xcf8
      mov eax, 0x80001004
      out dx, eax
      mov edx, 0xcfc
      mov eax, 7
      out dx, ax
      mov edx, 0xcf8
      mov eax, 0x80001010
      out dx, eax
      mov edx, 0xcfc
      in eax, dx
      and eax, 0xfffffffc
      store eax, device
      mov esi, descriptors
      mov edi, ${ring.descriptors}
      mov ecx, 12
      rep movsd
      load edx, device
      add edx, 18
      mov eax, 3
      out dx, al
      load edx, device
      add edx, 8
      mov eax, ${String(Number(ring.descriptors) / 4_096)}
      out dx, eax
      load edx, device
      add edx, 18
      mov eax, 7
      out dx, al
    ${counting(`
      load eax, counter
      shl eax, 7
      store eax, sector
      load eax, counter
      shl eax, 16
      store eax, ${ring.available}
      load edx, device
      add edx, 16
      mov eax, 0
      out dx, ax
    writes:
      load eax, ${ring.used}
      shr eax, 16
      compare eax with counter
      jnz writes
    `)}
    device:
      dword 0
    descriptors:
      dword request
      dword 0
      dword 16
      dword 0x10001
      dword counter
      dword 0
      dword 512
      dword 0x20001
      dword status
      dword 0
      dword 1
      dword 2
    request:
      dword 1
      dword 0
    sector:
      dword 0
      dword 0
    status:
      zeros 512
  `,

  /** Stands still for ever, deaf to all interrupts, as Linux does after halt. */
  halted: `
      cli
    still:
      hlt
      jmp still
  `,
};

/**
 * Kernels of at most a kilobyte, for one processor in 32-bit mode: they boot in a moment, where Linux takes seconds.
 */
export type TinyKernel = keyof typeof programs;

/** Makes an image of a kernel, the least memory that there can be, and a blank disk. */
export const makeTinyImage = (folder: string, kernel: TinyKernel): string =>
  makeImage(folder, multiboot(programs[kernel]), kernel === 'writing' ? 2 ** 26 : 65_536);

/** Makes an image around the bytes of a kernel. */
export function makeImage(folder: string, kernel: Buffer, diskBytes = 65_536): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'kernel'), kernel);
  writeFileSync(join(folder, 'disk.raw'), '');
  truncateSync(join(folder, 'disk.raw'), diskBytes);
  const disk = { file: 'disk.raw', format: 'raw' };
  const description = { version: 1, kernel: 'kernel', memoryMiB: 16, disk };
  writeFileSync(join(folder, 'image.json'), JSON.stringify(description));
  return folder;
}
