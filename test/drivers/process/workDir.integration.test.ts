import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { ownMark } from '../../../src/drivers/driver.js';
import { removeTree } from '../../../src/drivers/host/removeTree.js';
import { layOut, layOutCopy, workDirOf } from '../../../src/drivers/process/workDir.js';
import { asAnybody } from '../../support/asAnybody.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'work-dir-')));
let made = 0;

afterAll(() => removeTree(folder));

const unlimited = { maxBytes: Infinity, maxEntries: Infinity };

/** A place where nothing is yet. */
const place = (name: string): string => join(folder, `${name}-${String((made += 1))}`);

/** A folder with these files in it, each with its own path as its text. */
function imageOf(...files: readonly string[]): string {
  const image = place('image');
  mkdirSync(image);
  for (const file of files) {
    mkdirSync(join(image, file, '..'), { recursive: true });
    writeFileSync(join(image, file), file);
  }
  return image;
}

/** Lays out a home and gives its working directory. */
async function copyOf(image: string): Promise<string> {
  const home = place('home');
  await layOut(home, image, unlimited);
  return workDirOf(home);
}

const modeOf = (path: string): number => lstatSync(path).mode & 0o777;

describe('a home', () => {
  it('has a working directory and folders for logs and runs, and is for its owner only', async () => {
    const home = join(place('above'), 'homes', 'home');
    await layOut(home, 'scratch', unlimited);

    expect(readdirSync(home).sort()).toEqual([ownMark, 'logs', 'run', 'work']);
    expect(readdirSync(join(home, 'work'))).toEqual([]);
    expect(readdirSync(join(home, 'logs'))).toEqual([]);
    expect([home, join(home, 'run'), join(home, '..')].map(modeOf)).toEqual([0o700, 0o700, 0o700]);
  });

  it.each<[string, (mark: string) => void, number]>([
    [
      'the mark that another folder bears',
      (mark) => {
        writeFileSync(mark, '');
      },
      2,
    ],
    [
      'a mark of its own where that bears a link',
      (mark) => {
        symlinkSync('/etc/passwd', mark);
      },
      1,
    ],
    ['a mark of its own where that bears none', () => undefined, 1],
  ])('bears %s', async (_, put, names) => {
    const [like, home] = [place('like'), place('home')];
    mkdirSync(like);
    put(join(like, ownMark));
    await layOut(home, 'scratch', unlimited, like);
    const mark = lstatSync(join(home, ownMark));
    expect([mark.isFile(), mark.size, mark.nlink]).toEqual([true, 0, names]);
  });

  it('that is there already is left as it is', async () => {
    const home = imageOf('of-somebody');
    await expect(layOut(home, 'scratch', unlimited)).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      message: expect.stringContaining('the home could not be made') as string,
      cause: { code: 'EEXIST' },
    });
    expect(readdirSync(home)).toEqual(['of-somebody']);
  });

  it('cannot be made below a file', async () => {
    const home = join(imageOf('file'), 'file', 'home');
    await expect(layOut(home, 'scratch', unlimited)).rejects.toMatchObject({
      _tag: 'LaunchFailed',
      cause: { code: expect.stringMatching(/^(ENOTDIR|EEXIST)$/) as string },
    });
  });
});

describe('the working directory', () => {
  it('is a copy of the image, which is left alone', async () => {
    const image = imageOf('a', 'b/c/d', 'b/.hidden', 'b/e f\n');
    const work = await copyOf(image);
    writeFileSync(join(work, 'a'), 'of its own');
    rmSync(join(work, 'b'), { recursive: true });

    expect(readFileSync(join(image, 'a'), 'utf8')).toBe('a');
    const again = await copyOf(image);
    const files = readdirSync(again, { recursive: true, encoding: 'utf8' }).sort();
    expect(files).toEqual(['a', 'b', 'b/.hidden', 'b/c', 'b/c/d', 'b/e f\n']);
    expect(readFileSync(join(again, 'b/c/d'), 'utf8')).toBe('b/c/d');
  });

  it('keeps modes and times, of what may not be written too', async () => {
    const image = imageOf('program', 'secret', 'closed/inner/file');
    const modes = { program: 0o755, secret: 0o400, 'closed/inner/file': 0o444, 'closed/inner': 0o555 };
    for (const [path, mode] of Object.entries({ ...modes, closed: 0o500 }))
      chmodSync(join(image, path), mode);
    utimesSync(join(image, 'program'), 1_000, 2_000);
    const work = await copyOf(image);

    for (const [path, mode] of Object.entries({ ...modes, closed: 0o500 })) {
      expect([path, modeOf(join(work, path))]).toEqual([path, mode]);
    }
    expect(statSync(join(work, 'program')).mtimeMs).toBe(2_000_000);
  });

  it('has links as links: within, out of it, to nowhere, and in a circle', async () => {
    const image = imageOf('file', 'folder/file');
    const links = {
      within: 'file',
      'folder/up': '../file',
      'to-folder': 'folder',
      absolute: join(image, 'file'),
      outside: folder,
      nowhere: 'no/such/thing',
      circle: 'circle',
    };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(image, name));
    const work = await copyOf(image);

    for (const [name, target] of Object.entries(links)) {
      expect([name, readlinkSync(join(work, name))]).toEqual([name, target]);
    }
  });

  it('has what two names lead to as two files', async () => {
    const image = imageOf('one');
    linkSync(join(image, 'one'), join(image, 'two'));
    const work = await copyOf(image);
    writeFileSync(join(work, 'one'), 'changed');

    expect(readFileSync(join(work, 'two'), 'utf8')).toBe('one');
  });

  it('has neither the pipes nor the sockets of the image', async () => {
    const image = imageOf('file', 'folder/file');
    execFileSync('mkfifo', [join(image, 'pipe'), join(image, 'folder', 'pipe')]);
    // By a short path: that of a socket may have about a hundred characters.
    const server = createServer().listen(relative(process.cwd(), join(image, 'folder', 'socket')));
    await once(server, 'listening');
    expect(readdirSync(join(image, 'folder'))).toContain('socket');
    const work = await copyOf(image);
    server.close();
    await once(server, 'close');

    expect(readdirSync(work, { recursive: true, encoding: 'utf8' }).sort()).toEqual([
      'file',
      'folder',
      'folder/file',
    ]);
  });

  it('is a copy of the folder that the image is a link to', async () => {
    const link = place('link');
    symlinkSync(imageOf('file'), link);
    const work = await copyOf(link);

    expect(lstatSync(work).isDirectory()).toBe(true);
    expect(readdirSync(work)).toEqual(['file']);
  });

  it('can be copied in its turn, as a fork does', async () => {
    const work = await copyOf(imageOf('a/b'));
    writeFileSync(join(work, 'own'), '');
    expect(readdirSync(await copyOf(work)).sort()).toEqual(['a', 'own']);
  });
});

describe('an image is refused', () => {
  const refusal = async (image: string, home = place('home')): Promise<unknown> => {
    const before = existsSync(home);
    const error: unknown = await layOut(home, image, unlimited).catch((failure: unknown) => failure);
    expect(existsSync(home)).toBe(before);
    return error;
  };

  it.each<[string, () => string, string, object]>([
    ['that is not there', () => place('none'), 'there is no image IMAGE', { code: 'ENOENT' }],
    [
      'that is a link to nowhere',
      () => {
        const link = place('link');
        symlinkSync('nowhere', link);
        return link;
      },
      'there is no image IMAGE',
      { code: 'ENOENT' },
    ],
    [
      'that is a file',
      () => join(imageOf('file'), 'file'),
      'the image IMAGE is no directory',
      { code: 'ENOTDIR' },
    ],
    [
      'that lies below a file',
      () => join(imageOf('file'), 'file', 'below'),
      'the image IMAGE is no directory',
      { code: 'ENOTDIR' },
    ],
    [
      'that is a loop of links',
      () => {
        const [one, other] = [place('loop'), place('loop')];
        symlinkSync(one, other);
        symlinkSync(other, one);
        return one;
      },
      'the image IMAGE is a loop of links',
      { code: 'ELOOP' },
    ],
    [
      'whose name is too long',
      () => join(folder, 'x'.repeat(256)),
      "the image IMAGE cannot be read: ENAMETOOLONG: name too long, stat 'IMAGE/'",
      { code: 'ENAMETOOLONG' },
    ],
    [
      'that is a relative path',
      () => './image',
      'the image "IMAGE" is neither "scratch" nor an absolute path',
      { _tag: 'InvalidRequest', faults: [{ path: 'image', found: "'./image'" }] },
    ],
    [
      'that only looks like the empty one',
      () => 'Scratch',
      'the image "IMAGE" is neither "scratch" nor an absolute path',
      { _tag: 'InvalidRequest', faults: [{ path: 'image', found: "'Scratch'" }] },
    ],
  ])('%s', async (_, make, message, cause) => {
    const image = make();
    expect(await refusal(image)).toMatchObject({
      _tag: 'LaunchFailed',
      message: message.replaceAll('IMAGE', image),
      cause,
    });
  });

  it('that may not be read', async () => {
    const above = imageOf('image/file');
    chmodSync(above, 0);
    const image = join(above, 'image');
    const error = await asAnybody(() => refusal(image));
    chmodSync(above, 0o700);
    expect(error).toMatchObject({
      _tag: 'LaunchFailed',
      message: `the image ${image} may not be read`,
      cause: { code: 'EACCES' },
    });
  });

  it.each<[string, (image: string) => readonly [image: string, home: string]]>([
    ['that holds the home', (image) => [image, join(image, 'homes', 'home')]],
    ['that is the home', (image) => [image, image]],
    ['that lies in the home', (image) => [join(image, 'work', 'inner'), image]],
    ['that holds the home under another name', (image) => [linkTo(image), join(image, 'home')]],
    [
      'that holds the home, which is told under another name',
      (image) => [image, join(linkTo(image), 'home')],
    ],
    ['that is the root', (image) => ['/', join(image, 'home')]],
  ])('%s', async (_, arrange) => {
    const [image, home] = arrange(imageOf('work/inner/file'));
    expect(await refusal(image, home)).toMatchObject({
      _tag: 'LaunchFailed',
      message: `the image ${image} and the home of the instance lie in each other`,
      cause: { _tag: 'InvalidRequest', faults: [{ path: 'image' }] },
    });
  });

  it('unless its name only begins like that of the home', async () => {
    const image = imageOf('file');
    await layOut(`${image}-home`, image, unlimited);
    expect(readdirSync(workDirOf(`${image}-home`))).toEqual(['file']);
  });

  const latin1 = (path: string): Buffer => Buffer.from(path, 'latin1');

  it.each<[string, (image: string) => void, string]>([
    [
      'with a name that is not UTF-8',
      (image) => {
        writeFileSync(latin1(`${image}/deep/caf\xe9`), '');
      },
      'the name of IMAGE/deep/caf\ufffd is not UTF-8',
    ],
    [
      'with such a name that looks like another',
      (image) => {
        mkdirSync(latin1(`${image}/deep/\xff`));
        mkdirSync(`${image}/deep/\ufffd`);
      },
      'the name of IMAGE/deep/\ufffd is not UTF-8',
    ],
    [
      'with a link to such a name',
      (image) => {
        symlinkSync(latin1('caf\xe9'), `${image}/deep/link`);
      },
      'IMAGE/deep/link is a link to caf\ufffd, which is not UTF-8',
    ],
  ])('%s, which is told', async (_, spoil, reason) => {
    const image = imageOf('deep/file');
    spoil(image);
    expect(await refusal(image)).toMatchObject({
      _tag: 'LaunchFailed',
      message: `the image could not be copied: ${reason.replace('IMAGE', image)}`,
    });
  });

  it('that holds too much, holes too, telling the file', async () => {
    const image = imageOf('small');
    truncateSync(join(image, 'small'), 2 ** 40);
    const home = place('home');
    const refused = layOut(home, image, { maxBytes: 2 ** 30, maxEntries: 9 });
    await expect(refused).rejects.toMatchObject({ _tag: 'LaunchFailed' });
    await expect(refused).rejects.toThrow(
      /small: .*expected at most 1073741824 bytes in all \(copyMaxBytes\)/,
    );
    expect(existsSync(home)).toBe(false);
  });

  it('that cannot be copied to its end, and what was copied is removed', async () => {
    const image = imageOf('first', 'folder/second');
    symlinkSync(latin1('caf\xe9'), join(image, 'folder', 'link'));
    const home = place('home');
    expect(await refusal(image, home)).toMatchObject({ _tag: 'LaunchFailed' });
    expect(readdirSync(folder).filter((name) => join(folder, name).startsWith(home))).toEqual([]);
  });
});

describe('a fork', () => {
  const limits = { maxBytes: 100, maxEntries: 10 };

  it('has a copy of the working directory of its source', async () => {
    const source = place('home');
    await layOut(source, imageOf('a/b'), unlimited);
    const home = place('home');
    await layOutCopy(home, source, limits);
    expect(readdirSync(workDirOf(home), { recursive: true })).toEqual(['a', 'a/b']);
  });

  it.each<[string, (work: string) => void, RegExp]>([
    [
      'whose working directory is a link by now',
      (work) => {
        rmSync(work, { recursive: true });
        symlinkSync(imageOf('canary'), work);
      },
      /the source could not be copied: (ENOTDIR|ELOOP)/,
    ],
    [
      'whose home is a link by now',
      (work) => {
        const home = dirname(work);
        renameSync(home, `${home}-elsewhere`);
        symlinkSync(`${home}-elsewhere`, home);
      },
      /the source could not be copied: (ENOTDIR|ELOOP).*home-\d+'/,
    ],
    [
      'whose working directory holds too much',
      (work) => {
        writeFileSync(join(work, 'large'), 'x'.repeat(101));
      },
      /the source could not be copied: large: found 101 bytes.*expected at most 100 bytes/,
    ],
  ])('is not made of a source %s', async (_, spoil, message) => {
    const source = place('home');
    await layOut(source, 'scratch', unlimited);
    spoil(workDirOf(source));
    const home = place('home');
    await expect(layOutCopy(home, source, limits)).rejects.toThrow(message);
    expect(existsSync(home)).toBe(false);
  });
});

const linkTo = (target: string): string => {
  const link = place('link');
  symlinkSync(target, link);
  return link;
};
