import * as t from 'io-ts';
import { join } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { integer } from '../../codecs/scalars.js';
import { readJson, writeJson } from './jsonFile.js';
import { type Boot, boot } from './keptBoot.js';
import type { QemuUser } from './qemuUser.js';
import { type VmConfig, vmConfig } from './vmConfig.js';
import { vmPaths } from './vmPaths.js';

/** What a QEMU that runs was built of. */
export interface RunningVm {
  readonly vm: VmConfig;
  /** As whom it runs, where that is not the manager's user. */
  readonly user?: QemuUser;
  /** Whether what the guest writes to its memory stays in the file of its home. */
  readonly ramIsShared: boolean;
  /** Whether it was resumed from the memory of one that was ready. */
  readonly isResumed: boolean;
  /** What it booted, or was about to when its memory was kept. */
  readonly boot?: Boot;
}

/** Writes it into a home, which has to come before it runs: whoever adopts it has to know. */
export const writeRunningVm = (home: string, running: RunningVm): Promise<void> =>
  writeJson(join(home, vmPaths.config), running);

/** What the QEMU of a home was built of. */
export const readRunningVm = (home: string): Promise<RunningVm> =>
  readJson(join(home, vmPaths.config), runningVm);

const userId = integer('number of a user or group', 0, 2 ** 32 - 2);

const runningVm: t.Type<RunningVm, unknown> = closed(
  'what QEMU was built of',
  { vm: vmConfig, ramIsShared: t.boolean, isResumed: t.boolean },
  { user: closed('a user', { uid: userId, gid: userId }, {}), boot },
);
