// Takes the kernel itself out of a bzImage. QEMU starts it as it is, and an emulated processor need not unpack it: the guest
// is up in two seconds instead of five.
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { run } from './run.mjs';

/** How a kernel may be compressed: by what it begins with, and what unpacks it. All but gzip have its size after them. */
const forms = [
  { magic: 'fd377a585a00', unpack: (packed) => run('xz', ['-dc'], { input: packed.subarray(0, -4) }) },
  { magic: '28b52ffd', unpack: (packed) => run('zstd', ['-dc'], { input: packed.subarray(0, -4) }) },
  { magic: '02214c18', unpack: (packed) => run('lz4', ['-dc'], { input: packed.subarray(0, -4) }) },
  { magic: '1f8b08', unpack: (packed) => gunzipSync(packed) },
];

/** Where the header of a bzImage has what (Linux, Documentation/arch/x86/boot.rst). */
const header = { setupSectors: 0x1f1, magic: 0x202, payloadOffset: 0x248, payloadLength: 0x24c };

/** Writes the ELF file that a bzImage holds. */
export function unpackKernel(bzImage, vmlinux) {
  const image = readFileSync(bzImage);
  if (image.toString('latin1', header.magic, header.magic + 4) !== 'HdrS') {
    throw new Error(`${bzImage} is no kernel for x86`);
  }
  const start = (image[header.setupSectors] + 1) * 512 + image.readUInt32LE(header.payloadOffset);
  const packed = image.subarray(start, start + image.readUInt32LE(header.payloadLength));
  const beginning = packed.toString('hex', 0, 6);
  const form = forms.find(({ magic }) => beginning.startsWith(magic));
  if (form === undefined)
    throw new Error(`${bzImage} is compressed in a way that is not known: ${beginning}`);
  const kernel = form.unpack(packed);
  if (kernel.toString('latin1', 0, 4) !== '\x7fELF') throw new Error(`${bzImage} holds no ELF file`);
  writeFileSync(vmlinux, kernel);
}
