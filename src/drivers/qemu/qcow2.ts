import { openPlain, readStart } from './plainFile.js';

/** What the header of a qcow2 file says of other files, and how large the disk in it is. */
export interface Qcow2 {
  /** In bytes. */
  readonly size: number;
  /** What lies below it; its format is absent where the header says none, and QEMU would guess. */
  readonly backing?: { readonly file: string; readonly format?: string };
  /** Name of the file in which the content lies instead; `''` where the header names none. */
  readonly dataFile?: string;
}

/** QEMU takes names from the first cluster only, which has this many bytes where nobody asked for another. */
const mostBytes = 65_536;
const magic = 0x51_46_49_fb;
const extensions = { end: 0, backingFormat: 0xe2_79_2a_ca, dataFile: 0x44_41_54_41 };
const dataFileBit = 4;

/**
 * Reads the header of a qcow2 file, and nothing that it names. To ask `qemu-img` would have it open some of that.
 *
 * @throws an error that says what is wrong, where it is none or none that is understood here
 * @see https://www.qemu.org/docs/master/interop/qcow2.html
 */
export async function readQcow2(path: string): Promise<Qcow2> {
  const file = await openPlain(path);
  try {
    return headerOf(await readStart(file, mostBytes));
  } catch (error) {
    if (error instanceof RangeError)
      throw new Error(`${path} is cut, or its header is damaged`, { cause: error });
    throw new Error(`${path} ${(error as Error).message}`, { cause: error });
  } finally {
    await file.close();
  }
}

/** @throws a RangeError for whatever would lie beyond the bytes */
function headerOf(bytes: Buffer): Qcow2 {
  if (bytes.length < 4 || bytes.readUInt32BE(0) !== magic) throw new Error('is no qcow2 file');
  const version = bytes.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw new Error(`is a qcow2 file of version ${String(version)}`);
  const textAt = (start: number, length: number): string => {
    if (start + length > bytes.length) throw new RangeError('a name beyond the first cluster');
    return bytes.toString('utf8', start, start + length);
  };
  const nameAt = Number(bytes.readBigUInt64BE(8));
  const features = version === 2 ? 0 : bytes.readUInt32BE(76);
  const headerBytes = version === 2 ? 72 : bytes.readUInt32BE(100);
  const end = nameAt === 0 ? bytes.length : nameAt;
  const found = new Map<number, string>();
  for (let at = headerBytes; at + 8 <= end;) {
    const [kind, length] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    if (kind === extensions.end) break;
    found.set(kind, textAt(at + 8, length));
    at += 8 + 8 * Math.ceil(length / 8);
  }
  const format = found.get(extensions.backingFormat);
  const file = nameAt === 0 ? undefined : textAt(nameAt, bytes.readUInt32BE(16));
  const dataFile = found.get(extensions.dataFile) ?? ((features & dataFileBit) === 0 ? undefined : '');
  return {
    size: Number(bytes.readBigUInt64BE(24)),
    ...(file !== undefined && { backing: { file, ...(format !== undefined && { format }) } }),
    ...(dataFile !== undefined && { dataFile }),
  };
}

const clusterBits = 16;
const cluster = 2 ** clusterBits;
/** One that QEMU takes: it has so many bytes for it. */
const mostNameBytes = 1_023;

/**
 * The bytes of an empty layer on top of a disk of that size, as `qemu-img create` makes it: the header, the count of references
 * to each cluster in two steps, and a table that leads to nothing. To have it made takes longer than all else of a fork.
 */
export function emptyQcow2(
  size: number,
  backing: { readonly file: string; readonly format: string },
): Buffer {
  const name = Buffer.from(backing.file);
  if (name.length > mostNameBytes) {
    throw new Error(
      `the path of a disk has at most ${String(mostNameBytes)} bytes, and this one ${String(name.length)}: ${backing.file}`,
    );
  }
  // An entry of the table leads to as many entries as fit in a cluster, and each of those to a cluster.
  const entries = Math.ceil(size / ((cluster * cluster) / 8));
  const clusters = 3 + Math.ceil((8 * entries) / cluster);
  const bytes = Buffer.alloc(3 * cluster + 8 * entries);
  const format = Buffer.from(backing.format);
  const nameAt = 104 + 8 + 8 * Math.ceil(format.length / 8) + 8;

  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt32BE(3, 4);
  bytes.writeBigUInt64BE(BigInt(nameAt), 8);
  bytes.writeUInt32BE(name.length, 16);
  bytes.writeUInt32BE(clusterBits, 20);
  bytes.writeBigUInt64BE(BigInt(size), 24);
  bytes.writeUInt32BE(entries, 36);
  bytes.writeBigUInt64BE(BigInt(3 * cluster), 40);
  bytes.writeBigUInt64BE(BigInt(cluster), 48);
  bytes.writeUInt32BE(1, 56);
  // Counts of two bytes each.
  bytes.writeUInt32BE(4, 96);
  bytes.writeUInt32BE(104, 100);
  bytes.writeUInt32BE(extensions.backingFormat, 104);
  bytes.writeUInt32BE(format.length, 108);
  format.copy(bytes, 112);
  name.copy(bytes, nameAt);

  bytes.writeBigUInt64BE(BigInt(2 * cluster), cluster);
  for (let index = 0; index < clusters; index += 1) bytes.writeUInt16BE(1, 2 * cluster + 2 * index);
  return bytes;
}
