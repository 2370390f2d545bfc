/**
 * Plays the attacks whose names it reads from its standard input, a line each, and writes a line of JSON for the beginning and
 * the outcome of each.
 */
import { createInterface } from 'node:readline';
import type { Attack } from './attack.js';
import { attacks } from './attacks.js';
import { createGround } from './ground.js';
import type { Word } from './playAttacks.js';

const rounds = Number(process.argv[2]);

const say = (word: Word): void => {
  process.stdout.write(`${JSON.stringify(word)}\n`);
};

/** What nobody caught would have ended the application. */
const uncaught: string[] = [];
const hear = (error: unknown): void => {
  uncaught.push(`nobody caught ${describe(error)}`);
};
process.on('uncaughtException', hear);
process.on('unhandledRejection', hear);

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).slice(0, 1_500) : String(error);

async function findingOf(attack: Attack): Promise<string | undefined> {
  const found: string[] = [];
  const ground = createGround(rounds);
  for (const work of [() => attack.play(ground), () => ground.clear()]) {
    try {
      await work();
    } catch (error) {
      found.push(describe(error));
    }
  }
  found.push(...uncaught.splice(0));
  return found.length === 0 ? undefined : found.join('\n');
}

async function main(): Promise<void> {
  for await (const name of createInterface(process.stdin)) {
    const attack = attacks.find((each) => each.name === name);
    if (attack === undefined) throw new Error(`there is no attack "${name}"`);
    say({ kind: 'begins', name });
    const finding = await findingOf(attack);
    say({ kind: 'ends', name, ...(finding !== undefined && { finding }) });
  }
}

void main().then(() => process.exit());
