import type { Attack } from './attack.js';
import { byApplication } from './byApplication.js';
import { byDirectory } from './byDirectory.js';
import { byGuest } from './byGuest.js';
import { byImage } from './byImage.js';
import { byNeighbour } from './byNeighbour.js';
import { byProgram } from './byProgram.js';
import { byProgramThatSwaps } from './byProgramThatSwaps.js';

/** All attacks that there are. */
export const attacks: readonly Attack[] = [
  ...byProgram,
  ...byProgramThatSwaps,
  ...byNeighbour,
  ...byApplication,
  ...byImage,
  ...byGuest,
  ...byDirectory,
];
