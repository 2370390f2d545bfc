import { mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { found } from '../../codecs/decode.js';
import { InvalidRequest, LaunchFailed } from '../../lifecycle/errors.js';
import type { InstanceSpec } from '../../lifecycle/instance.js';
import type { LaunchPlan } from '../driver.js';
import { imageUnreadable } from '../imageUnreadable.js';
import type { CopyLimits } from '../host/copyTally.js';
import { copyTree } from '../host/copyTree.js';
import { fillHome } from '../host/fillHome.js';

/** The image of an empty directory. */
export const scratch = 'scratch';

/** The directory of a home that is the instance's own: what is copied and kept of it. */
export const workDirOf = (home: string): string => join(home, 'work');

/** Where a process works. */
export interface WorkPlace {
  /** An existing directory. */
  readonly dir: string;
  /** The folders to go down from there, none of which may be a link. */
  readonly below: readonly string[];
}

/** The directory of this host in which a process works, where that is not one of its home. */
export const placeOutside = ({ cwd }: InstanceSpec): string | undefined =>
  cwd !== undefined && isAbsolute(cwd) ? cwd : undefined;

/**
 * Where a process works: in its working directory, or below that; or in a directory of this host, as that is now. Links lead there
 * if the request names them. In the working directory, where the instance may have made them, none does.
 *
 * @throws {@link LaunchFailed} as a rejection, for a directory of this host that can't be read
 */
export async function workPlaceOf({ home, spec }: LaunchPlan): Promise<WorkPlace> {
  const outside = placeOutside(spec);
  if (outside !== undefined) return { dir: await realDirectory(outside, 'directory'), below: [] };
  const below = (spec.cwd ?? '').split('/').filter((name) => name !== '' && name !== '.');
  return { dir: workDirOf(home), below };
}

/** The directory at whose top the files of an instance begin: its working directory, or that of this host in which it works. */
export const topOf = async ({ home, spec }: LaunchPlan): Promise<string> => {
  const outside = placeOutside(spec);
  return outside === undefined ? workDirOf(home) : realDirectory(outside, 'directory');
};

/**
 * Makes a home, readable by nobody else, with a working directory that is a copy of the image: links are copied as links,
 * sockets, pipes and devices are left out. It bears the mark that the folder `like` bears, or one of its own. When it fails, no file is
 * left.
 */
export async function layOut(home: string, image: string, limits: CopyLimits, like?: string): Promise<void> {
  const source = image === scratch ? undefined : await directoryOf(image);
  if (source !== undefined) await keepApart(home, source, image);
  const fill = (): Promise<void> => {
    const work = workDirOf(home);
    return source === undefined ? mkdir(work) : copyTree(source, work, { limits });
  };
  await fillHome(home, 'image', fill, like);
}

/**
 * Makes a home as {@link layOut} does, with a copy of the working directory of another one, whose program may have made anything of
 * it: a link in its place is refused, and what is gone when its turn comes is passed over.
 */
export const layOutCopy = (
  home: string,
  source: string,
  limits: CopyLimits,
  like?: string,
): Promise<void> => {
  const fill = (): Promise<void> => copyTree(workDirOf(source), workDirOf(home), { limits, isLive: true });
  return fillHome(home, 'source', fill, like);
};

async function directoryOf(image: string): Promise<string> {
  if (!isAbsolute(image)) {
    const reason = `the image "${image}" is neither "${scratch}" nor an absolute path`;
    throw refused(reason, image, `${scratch}, or an absolute path`);
  }
  return realDirectory(image, 'image');
}

async function realDirectory(path: string, what: string): Promise<string> {
  try {
    // The slash lets a file fail.
    await stat(`${path}/`);
    return await realpath(path);
  } catch (error) {
    throw imageUnreadable(path, error, what);
  }
}

/** What no system call would complain of is a fault of the request. */
const refused = (reason: string, image: string, expected: string): LaunchFailed => {
  const fault = { path: 'image', found: found(image), expected };
  return new LaunchFailed({ reason }, { cause: new InvalidRequest({ faults: [fault] }) });
};

/** A copy into itself would never end. */
async function keepApart(home: string, source: string, image: string): Promise<void> {
  const target = join(await nearest(home), 'work');
  if (isWithin(source, target) || isWithin(target, source)) {
    const reason = `the image ${image} and the home of the instance lie in each other`;
    throw refused(reason, image, `a directory apart from ${home}`);
  }
}

const isWithin = (outer: string, inner: string): boolean => {
  const path = relative(outer, inner);
  return path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path);
};

/** The real path of a directory that need not exist yet. */
async function nearest(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(await nearest(parent), relative(parent, path));
  }
}
