import { spawnerFiles } from './spawnerFiles.js';
import { spawnerGroups } from './spawnerGroups.js';
import { spawnerOutput } from './spawnerOutput.js';
import { spawnerProgram } from './spawnerProgram.js';

const parts = [spawnerFiles, spawnerGroups, spawnerOutput].map((part) => `${part.name}: ${part.toString()}`);

/** The program of a spawner as a function expression. The build makes it a literal, which no bundler changes. */
export const spawnerText = `(...known) => (${spawnerProgram.toString()})({ ${parts.join()} }, ...known)`;
