import { isUtf8 } from 'node:buffer';
import { blockBytes } from './tarHeader.js';

/** What stands before the content of an entry. */
export interface TarEntry {
  readonly name: string;
  /** Of what kind it is, as archives say it: `0` is a plain file. */
  readonly flag: string;
  /** In bytes. */
  readonly size: number;
  readonly mode: number;
  /** Unix time in milliseconds. */
  readonly modifiedAt: number;
  readonly target: string;
  /** Whether its content is not all of the file, but a map of its holes and what is between them. */
  readonly isSparse: boolean;
}

/** Takes the content of an entry, in pieces. */
export interface TarContent {
  write(data: Uint8Array): Promise<void>;
  /** All of it has come. */
  end(): Promise<void>;
}

/** Why something is no archive. Its code is a word of the operating system. */
export class NoArchive extends Error {
  constructor(readonly code: 'EBADMSG' | 'EILSEQ') {
    super(code);
  }
}

/** Names and targets, and what else an extended header may say. */
const mostExtended = 1_024 * 1_024;
const none: TarContent = { write: () => Promise.resolve(), end: () => Promise.resolve() };
/** They have no content, whatever size they tell. */
const bare: ReadonlySet<string> = new Set(['1', '2', '3', '4', '5', '6']);

/** Reads an archive as it comes, in the forms of POSIX (ustar, pax), GNU and the seventh edition. One thing is done at a time. */
export class TarParser {
  private readonly block = Buffer.alloc(blockBytes);
  private filled = 0;
  private content: TarContent = none;
  private rest = 0;
  private padding = 0;
  private zeroBlocks = 0;
  private readonly everywhere = new Map<string, string>();
  /** What was said of the next entry before it. */
  private readonly next = new Map<string, string>();

  /** @param enter - is handed each entry; where it emits nothing, the content is passed over */
  constructor(private readonly enter: (entry: TarEntry) => Promise<TarContent | undefined>) {}

  /** Whether the archive has ended; what comes after that is passed over. */
  get hasEnded(): boolean {
    return this.zeroBlocks === 2;
  }

  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && !this.hasEnded;) {
      if (this.rest > 0) {
        const piece = data.subarray(at, at + this.rest);
        this.rest -= piece.length;
        at += piece.length;
        await this.content.write(piece);
        if (this.rest === 0) await this.content.end();
      } else if (this.padding > 0) {
        const skipped = Math.min(this.padding, data.length - at);
        this.padding -= skipped;
        at += skipped;
      } else {
        const piece = data.subarray(at, at + blockBytes - this.filled);
        this.block.set(piece, this.filled);
        this.filled += piece.length;
        at += piece.length;
        if (this.filled === blockBytes) await this.head();
      }
    }
  }

  private async head(): Promise<void> {
    this.filled = 0;
    const { block } = this;
    const sum = sumOf(block);
    if (sum === 0) {
      this.zeroBlocks += 1;
      return;
    }
    this.zeroBlocks = 0;
    // Where its own sum stands, spaces are counted.
    if (sum - sumOf(block.subarray(148, 156)) + 8 * 32 !== numberIn(block, 148, 8)) throw damaged();
    const flag = block[156] === 0 ? '0' : String.fromCharCode(block[156] as number);
    const extended = this.extended(flag, numberIn(block, 124, 12));
    if (extended === undefined) await this.begin(this.entry(flag));
    else await this.take(extended, numberIn(block, 124, 12));
  }

  private async begin(entry: TarEntry): Promise<void> {
    this.next.clear();
    await this.take((await this.enter(entry)) ?? none, entry.size);
  }

  private async take(content: TarContent, size: number): Promise<void> {
    this.content = content;
    this.rest = size;
    this.padding = (blockBytes - (size % blockBytes)) % blockBytes;
    if (size === 0) await content.end();
  }

  private entry(flag: string): TarEntry {
    const { block } = this;
    const said = (key: string): string | undefined => this.next.get(key) ?? this.everywhere.get(key);
    const [size, time] = [said('size'), said('mtime')];
    const name = said('path') ?? this.nameInBlock();
    const isDirectory = flag === '5' || (flag === '0' && name.endsWith('/'));
    const kind = isDirectory ? '5' : flag;
    return {
      name,
      flag: kind,
      size: bare.has(kind) ? 0 : size === undefined ? numberIn(block, 124, 12) : numberOf(size, 10),
      mode: numberIn(block, 100, 8),
      modifiedAt: timeOf(time) ?? numberIn(block, 136, 12) * 1_000,
      target: said('linkpath') ?? textIn(block, 157, 100),
      isSparse: [...this.next.keys(), ...this.everywhere.keys()].some((key) => key.startsWith('GNU.sparse.')),
    };
  }

  private nameInBlock(): string {
    const { block } = this;
    const name = textIn(block, 0, 100);
    // That of GNU has other things where the form of POSIX has the first part of a long name.
    const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
    const prefix = isPosix ? textIn(block, 345, 155) : '';
    return prefix === '' ? name : `${prefix}/${name}`;
  }

  /** Takes what is said before an entry, where that is what follows. */
  private extended(flag: string, size: number): TarContent | undefined {
    if (!'xgLK'.includes(flag)) return undefined;
    if (size > mostExtended) throw damaged();
    const pieces: Uint8Array[] = [];
    return {
      write: (data) => {
        // Whoever has handed it over may use it again.
        pieces.push(Uint8Array.from(data));
        return Promise.resolve();
      },
      end: () => {
        const bytes = Buffer.concat(pieces);
        if (flag === 'x') readRecords(bytes, this.next);
        else if (flag === 'g') readRecords(bytes, this.everywhere);
        else this.next.set(flag === 'L' ? 'path' : 'linkpath', textIn(bytes, 0, bytes.length));
        return Promise.resolve();
      },
    };
  }
}

const damaged = (): NoArchive => new NoArchive('EBADMSG');

function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return sum;
}

function textIn(bytes: Buffer, from: number, length: number): string {
  const end = bytes.indexOf(0, from);
  const found = bytes.subarray(from, end < 0 || end > from + length ? from + length : end);
  if (!isUtf8(found)) throw new NoArchive('EILSEQ');
  return found.toString();
}

/** A number in octal digits, or, where the first bit is set, in bytes. */
function numberIn(bytes: Buffer, from: number, length: number): number {
  const first = bytes[from] as number;
  if (first < 128)
    return numberOf(
      bytes
        .toString('latin1', from, from + length)
        .replace(/[\0 ]+$/, '')
        .trimStart(),
      8,
    );
  let value = first === 255 ? -1 : first - 128;
  for (let index = from + 1; index < from + length; index += 1)
    value = value * 256 + (bytes[index] as number);
  if (!Number.isSafeInteger(value)) throw damaged();
  return value;
}

function numberOf(digits: string, base: 8 | 10): number {
  if (digits === '') return 0;
  if (!(base === 8 ? /^[0-7]+$/ : /^\d+$/).test(digits)) throw damaged();
  const value = Number.parseInt(digits, base);
  if (!Number.isSafeInteger(value)) throw damaged();
  return value;
}

function timeOf(seconds: string | undefined): number | undefined {
  if (seconds === undefined) return undefined;
  if (!/^-?\d{1,15}(\.\d*)?$/.test(seconds)) throw damaged();
  return Math.floor(Number(seconds) * 1_000);
}

/** Each record is its own length in bytes, a space, a key, `=`, a value, and the end of a line. */
function readRecords(bytes: Buffer, into: Map<string, string>): void {
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const end = at + (space < 0 ? 0 : numberOf(bytes.toString('latin1', at, space), 10));
    const equals = bytes.indexOf(0x3d, space);
    if (end <= equals || end > bytes.length || equals < 0 || bytes[end - 1] !== 0x0a) throw damaged();
    const key = bytes.toString('latin1', space + 1, equals);
    const value = bytes.subarray(equals + 1, end - 1);
    if (['path', 'linkpath', 'size', 'mtime'].includes(key)) {
      if (!isUtf8(value)) throw new NoArchive('EILSEQ');
      into.set(key, value.toString());
    } else if (key.startsWith('GNU.sparse.')) into.set(key, '');
    at = end;
  }
}
