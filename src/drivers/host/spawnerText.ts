import { spawnerFiles } from './spawnerFiles.js';
import { spawnerGroups } from './spawnerGroups.js';
import { spawnerLimits } from './spawnerLimits.js';
import { spawnerPipes } from './spawnerPipes.js';
import { spawnerProgram } from './spawnerProgram.js';
import { spawnerReaders } from './spawnerReaders.js';

const parts = [spawnerFiles, spawnerGroups, spawnerLimits, spawnerPipes, spawnerReaders].map(
  (part) => `${part.name}: ${part.toString()}`,
);

/** The program of a spawner as a function expression. The build makes it a literal, which no bundler changes. */
export const spawnerText = `(...known) => (${spawnerProgram.toString()})({ ${parts.join()} }, ...known)`;
