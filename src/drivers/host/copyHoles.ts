import { copyProgram } from './copyProgram.js';
import { copySteps } from './copySteps.js';

/** Copies a file to where nothing is, for its owner only, without writing what is empty in it. */
export const copyHoles = (source: number, target: Buffer, size: number): Promise<void> =>
  copySteps(copyProgram().copyPieces(source, target, size));
