import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readImage } from '../../../src/drivers/qemu/image.js';
import { asAnybody } from '../../support/asAnybody.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'image-')));
let made = 0;

beforeAll(() => {
  // Others have to get to what may not be read.
  for (const above of [folder, join(folder, '..')]) chmodSync(above, 0o755);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A place where nothing is yet. */
const place = (name: string): string => join(folder, `${name}-${String((made += 1))}`);

const small = { version: 1, kernel: 'vmlinux' };

/** An image with a kernel, an initial file system and a disk, and this `image.json`. */
function imageOf(description: unknown): string {
  const image = place('image');
  mkdirSync(join(image, 'parts'), { recursive: true });
  for (const file of ['vmlinux', 'initrd.cpio', 'parts/disk.raw']) writeFileSync(join(image, file), file);
  const json = typeof description === 'string' ? description : JSON.stringify(description);
  writeFileSync(join(image, 'image.json'), json);
  return image;
}

const refusal = (image: string): Promise<unknown> => readImage(image).catch((error: unknown) => error);

/** The refusal, and the faults that it names. */
async function faultsOf(image: string): Promise<readonly string[]> {
  const error = (await refusal(image)) as { readonly cause: { readonly faults: readonly Said[] } };
  expect(error).toMatchObject({
    _tag: 'LaunchFailed',
    message: expect.stringContaining(`the image ${image} cannot be used: `) as string,
    cause: { _tag: 'InvalidRequest' },
  });
  return error.cause.faults.map(({ path, found, expected }) =>
    `${path} | ${found} | ${expected}`.replaceAll(image, 'IMAGE'),
  );
}

interface Said {
  readonly path: string;
  readonly found: string;
  readonly expected: string;
}

const absolute = 'an absolute path without control characters';

describe('an image', () => {
  it('is a kernel at least', async () => {
    const image = imageOf(small);
    await expect(readImage(image)).resolves.toStrictEqual({
      directory: image,
      files: { vmlinux: join(image, 'vmlinux') },
      kernel: join(image, 'vmlinux'),
      kernelArguments: [],
      memoryMiB: 128,
      vcpus: 1,
    });
  });

  it('may have all that there is', async () => {
    const rest = { kernelArguments: ['quiet', 'a="b c"'], memoryMiB: 1_048_576, vcpus: 256, accel: 'kvm' };
    const disk = { file: 'parts/disk.raw', format: 'raw' };
    const image = imageOf({ ...small, initrd: './initrd.cpio', disk, ...rest });
    await expect(readImage(image)).resolves.toStrictEqual({
      directory: image,
      files: Object.fromEntries(
        ['vmlinux', './initrd.cpio', 'parts/disk.raw'].map((name) => [name, join(image, name)]),
      ),
      kernel: join(image, 'vmlinux'),
      initrd: join(image, 'initrd.cpio'),
      disk: { file: join(image, 'parts/disk.raw'), format: 'raw' },
      ...rest,
    });
  });

  it('may be a link, and have links within it', async () => {
    const image = imageOf({ ...small, kernel: 'link' });
    symlinkSync('parts/../vmlinux', join(image, 'link'));
    const link = place('link');
    symlinkSync(image, link);
    const real = { directory: image, kernel: join(image, 'vmlinux') };
    await expect(readImage(link)).resolves.toMatchObject(real);
  });

  it('is the same for whoever knows its files, whatever links in it have become', async () => {
    const image = imageOf({ ...small, kernel: 'link' });
    const switchTo = (file: string): void => {
      rmSync(join(image, 'link'), { force: true });
      symlinkSync(file, join(image, 'link'));
    };
    switchTo('vmlinux');
    const { files } = await readImage(image);
    switchTo('initrd.cpio');
    await expect(readImage(image, files)).resolves.toMatchObject({ kernel: join(image, 'vmlinux') });
    await expect(readImage(image)).resolves.toMatchObject({ kernel: join(image, 'initrd.cpio') });
  });
});

describe('an image is refused', () => {
  it.each<[string, () => string, string, object]>([
    ['that is not there', () => place('none'), 'there is no image IMAGE', { code: 'ENOENT' }],
    [
      'that is a file',
      () => join(imageOf(small), 'vmlinux'),
      'the image IMAGE is no directory',
      { code: 'ENOTDIR' },
    ],
    [
      'that is a relative path',
      () => 'image',
      "the image 'IMAGE' is no absolute path",
      { _tag: 'InvalidRequest', faults: [{ path: 'image', found: "'image'", expected: absolute }] },
    ],
    [
      'that has no image.json',
      () => {
        const image = place('image');
        mkdirSync(image);
        return image;
      },
      'the image IMAGE has no image.json',
      { code: 'ENOENT' },
    ],
    [
      'whose image.json is a directory',
      () => {
        const image = place('image');
        mkdirSync(join(image, 'image.json'), { recursive: true });
        return image;
      },
      'the image IMAGE has an image.json that cannot be read: IMAGE/image.json is no plain file',
      { message: expect.stringContaining('is no plain file') as string },
    ],
    [
      'whose image.json is a pipe',
      () => {
        const image = place('image');
        mkdirSync(image);
        execFileSync('mkfifo', [join(image, 'image.json')]);
        return image;
      },
      'the image IMAGE has an image.json that cannot be read: IMAGE/image.json is no plain file',
      { message: expect.stringContaining('is no plain file') as string },
    ],
  ])('%s', async (_, make, message, cause) => {
    const image = make();
    expect(await refusal(image)).toMatchObject({
      _tag: 'LaunchFailed',
      message: message.replaceAll('IMAGE', image),
      cause,
    });
  });

  it('whose files may not be read', async () => {
    const image = imageOf({ ...small, initrd: 'initrd.cpio' });
    for (const file of ['vmlinux', 'initrd.cpio']) chmodSync(join(image, file), 0);
    const denied = (file: string) => `EACCES: permission denied, open 'IMAGE/${file}'`;
    await expect(asAnybody(() => faultsOf(image))).resolves.toEqual([
      `kernel | 'vmlinux', ${denied('vmlinux')} | a file in the image that can be read`,
      `initrd | 'initrd.cpio', ${denied('initrd.cpio')} | a file in the image that can be read`,
    ]);
  });

  it('that may not be read itself', async () => {
    const image = imageOf(small);
    chmodSync(image, 0);
    const error = await asAnybody(() => refusal(image));
    chmodSync(image, 0o700);
    expect(error).toMatchObject({ _tag: 'LaunchFailed', cause: { code: 'EACCES' } });
  });
});

const fileName = 'a path within the image (relative, no "..", no control characters)';
const argument = 'a text without control characters';
const known = 'version, kernel, initrd, disk, kernelArguments, memoryMiB, vcpus, accel, agent';

describe('an image.json is refused, every fault at once', () => {
  it.each<[unknown, readonly string[]]>([
    ['[]', [' | [] | an image']],
    [{}, ['version | nothing | 1', `kernel | nothing | ${fileName}`]],
    [{ ...small, version: 2 }, ['version | 2 | 1']],
    [
      { ...small, readiness: 1, Kernel: 2 },
      [
        `readiness | a number | another key; known are ${known}`,
        `Kernel | a number | another key, perhaps kernel; known are ${known}`,
      ],
    ],
    ...['', '/etc/passwd', '../vmlinux', 'parts/../../x', '..', 'parts/', 'a\0b', 7].map(
      (kernel): [unknown, readonly string[]] => [
        { ...small, kernel },
        [
          `kernel | ${kernel === 'a\0b' ? "'a\\x00b'" : typeof kernel === 'string' ? `'${kernel}'` : '7'} | ${fileName}`,
        ],
      ],
    ),
    [{ ...small, initrd: null }, [`initrd | null | ${fileName}`]],
    [{ ...small, disk: 'parts/disk.raw' }, ["disk | 'parts/disk.raw' | a disk"]],
    [
      { ...small, disk: { file: '../x', format: 'vmdk', size: 1 } },
      [
        'disk.size | a number | another key; known are file, format',
        `disk.file | '../x' | ${fileName}`,
        "disk.format | 'vmdk' | one of raw, qcow2",
      ],
    ],
    [{ ...small, kernelArguments: 'quiet' }, ["kernelArguments | 'quiet' | arguments (an array of texts)"]],
    [
      { ...small, kernelArguments: ['quiet', 'a\nb', 7] },
      [`kernelArguments[1] | 'a\\nb' | ${argument}`, `kernelArguments[2] | 7 | ${argument}`],
    ],
    [
      { ...small, memoryMiB: 15, vcpus: 0, accel: 'hvf', agent: 3 },
      [
        'memoryMiB | 15 | MiB (a whole number from 16 to 1048576)',
        'vcpus | 0 | processors (a whole number from 1 to 256)',
        "accel | 'hvf' | one of kvm, tcg",
        'agent | 3 | a version of the agent (1 or 2)',
      ],
    ],
    [
      { ...small, memoryMiB: 1_048_577, vcpus: 1.5 },
      [
        'memoryMiB | 1048577 | MiB (a whole number from 16 to 1048576)',
        'vcpus | 1.5 | processors (a whole number from 1 to 256)',
      ],
    ],
    [
      { ...small, kernel: 'no', initrd: 'parts', disk: { file: 'vmlinux/x', format: 'raw' } },
      [
        "kernel | 'no', ENOENT: no such file or directory, realpath 'IMAGE/no' | a file in the image that can be read",
        "initrd | 'parts', which is no file | a file in the image that can be read",
        "disk.file | 'vmlinux/x', ENOTDIR: not a directory, realpath 'IMAGE/vmlinux/x' | a file in the image that can be read",
      ],
    ],
  ])('%j', async (description, expected) => {
    expect(await faultsOf(imageOf(description))).toEqual(expected);
  });

  it.each(['', '{"version": 1,}', '{"version": 1} more', "{'version': 1}"])(
    'that is no JSON: %j',
    async (json) => {
      const [fault, ...others] = await faultsOf(imageOf(json));
      expect(fault).toMatch(/^image\.json \| broken JSON \(.*\) \| JSON$/);
      expect(others).toEqual([]);
    },
  );

  it('that names a link to a file outside, though its name is within', async () => {
    const image = imageOf({ ...small, kernel: 'link' });
    const outside = `${image}-beside`;
    writeFileSync(outside, '');
    symlinkSync(outside, join(image, 'link'));
    expect(await faultsOf(image)).toEqual([
      "kernel | 'link', a link out of the image | a file in the image that can be read",
    ]);
  });
});

describe('an image whose disk is a qcow2 file', () => {
  const qemuImg = (...args: readonly string[]): void => {
    execFileSync('qemu-img', [...args], { stdio: 'pipe' });
  };

  /** An image with a disk that lies on a file of a format, by these names. */
  function layered(backing: string, format: string): string {
    const image = imageOf({ ...small, disk: { file: 'parts/top.qcow2', format: 'qcow2' } });
    const name = backing.replaceAll('IMAGE', image);
    qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      '-u',
      '-b',
      name,
      '-F',
      format,
      join(image, 'parts/top.qcow2'),
      '1M',
    );
    return image;
  }

  const belowOf = async (image: string): Promise<readonly string[] | undefined> =>
    (await readImage(image)).disk?.below?.map((file) => file.replaceAll(image, 'IMAGE'));

  it('may lie on nothing', async () => {
    const image = imageOf({ ...small, disk: { file: 'top', format: 'qcow2' } });
    qemuImg('create', '-q', '-f', 'qcow2', join(image, 'top'), '1M');
    await expect(belowOf(image)).resolves.toBeUndefined();
  });

  it.each(['disk.raw', '../parts/disk.raw', 'IMAGE/parts/disk.raw'])(
    'may lie on a file in it: %s',
    async (name) => {
      await expect(belowOf(layered(name, 'raw'))).resolves.toEqual(['IMAGE/parts/disk.raw']);
    },
  );

  it('may lie on one that lies on another, all of which are told', async () => {
    const image = layered('middle, "odd"', 'qcow2');
    const middle = join(image, 'parts/middle, "odd"');
    qemuImg('create', '-q', '-f', 'qcow2', '-u', '-b', 'disk.raw', '-F', 'raw', middle, '1M');
    await expect(belowOf(image)).resolves.toEqual(['IMAGE/parts/middle, "odd"', 'IMAGE/parts/disk.raw']);
  });

  const rule = 'a disk on top of nothing, or of a raw or qcow2 file in the image';

  it.each([
    ['a file of the host', '/etc/hostname', 'raw'],
    ['a file beside the image', '../../beside', 'raw'],
    ['a file that is not there', 'nowhere', 'raw'],
    ['an address', 'nbd://127.0.0.1:1/x', 'raw'],
    ['a description', 'json:{"driver":"null-co"}', 'raw'],
    ['itself', 'top.qcow2', 'qcow2'],
    ['a file of another format', 'disk.raw', 'vmdk'],
  ])('is refused where it lies on %s', async (_, name, format) => {
    const image = layered(name, format);
    writeFileSync(join(image, '..', 'beside'), '');
    expect(await faultsOf(image)).toEqual([
      expect.stringMatching(/^disk\.file \| 'IMAGE\/parts\/top\.qcow2', which lies on .* \| /) as string,
    ]);
    expect((await faultsOf(image))[0]).toContain(rule);
  });

  it('is refused where it lies on a link that leads out of it', async () => {
    const image = layered('link', 'raw');
    symlinkSync('/etc/hostname', join(image, 'parts/link'));
    expect((await faultsOf(image))[0]).toContain(rule);
  });

  it('is refused where the format of what it lies on would be guessed', async () => {
    const image = layered('disk.raw', 'raw');
    const top = join(image, 'parts/top.qcow2');
    const bytes = readFileSync(top);
    // The kind of the extension that says it.
    bytes.writeUInt32BE(0x6803f858, bytes.indexOf(Buffer.from([0xe2, 0x79, 0x2a, 0xca])));
    writeFileSync(top, bytes);
    expect((await faultsOf(image))[0]).toContain('which lies on a file of the format nothing');
  });

  it('is refused where its content lies in another file', async () => {
    const image = imageOf({ ...small, disk: { file: 'top', format: 'qcow2' } });
    const data = join(image, 'data');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${data}`, join(image, 'top'), '1M');
    expect(await faultsOf(image)).toEqual([
      "disk.file | 'IMAGE/top', whose content lies in another file | a disk in one file",
    ]);
  });

  it('is refused where its content is no qcow2, whatever its name', async () => {
    const image = imageOf({ ...small, disk: { file: 'disk.qcow2', format: 'qcow2' } });
    writeFileSync(join(image, 'disk.qcow2'), 'raw');
    expect((await faultsOf(image))[0]).toContain('is no qcow2 file | a qcow2 file');
  });

  it('is taken for raw where that is said, whatever its content', async () => {
    const image = imageOf({ ...small, disk: { file: 'top.qcow2', format: 'raw' } });
    qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      '-u',
      '-b',
      '/etc/hostname',
      '-F',
      'raw',
      join(image, 'top.qcow2'),
      '1M',
    );
    expect((await readImage(image)).disk).toEqual({ file: join(image, 'top.qcow2'), format: 'raw' });
  });

  it.each([0, 3, 40, 110])('is refused where it is cut after %d bytes', async (bytes) => {
    const image = layered('disk.raw', 'raw');
    truncateSync(join(image, 'parts/top.qcow2'), bytes);
    await expect(readImage(image)).rejects.toMatchObject({ _tag: 'LaunchFailed' });
  });
});
