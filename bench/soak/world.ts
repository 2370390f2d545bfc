import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import type { Random } from './random.js';
import { createWitness, type Witness } from './witness.js';

/** What is going on, and what has been done so far. */
export interface World {
  readonly manager: InstanceManager;
  readonly memory: MemoryDriver;
  readonly witness: Witness;
  readonly random: Random;
  readonly tally: Tally;
  /** Writes down that something is not as it has to be. */
  broken(what: string): void;
  /** Whether actors should come to an end. */
  isOver: boolean;
  /** Whether drivers fail now and then. */
  isFaulty: boolean;
  /** Whether the manager is being closed, so that `ManagerClosed` is nobody's fault. */
  isClosing: boolean;
}

/** Counts over the whole run. */
export interface Tally {
  events: number;
  /** Values for which a queue had no room. */
  lost: number;
  verbs: number;
  waits: number;
  /** Signals from outside. */
  kills: number;
  /** Operations of drivers that were made to fail. */
  faults: number;
}

/** What is done at random: an endless loop that ends soon after `isOver`. */
export type Actor = (world: World) => Promise<void>;

/**
 * How often an operation of a driver fails. What takes back what was begun, `kill` and `discard`, does not: whether
 * something is left then is not the manager's to say.
 */
const faults: Readonly<Record<string, number>> = {
  prepare: 0.03,
  launch: 0.05,
  inspect: 0.05,
  stop: 0.05,
  freeze: 0.05,
  thaw: 0.05,
};

/** Opens a manager over machines in memory that fail, and over real processes. */
export async function openWorld(
  random: Random,
  tally: Tally,
  broken: (what: string) => void,
): Promise<World> {
  const fail = (operation: string): Error | undefined => {
    if (!world.isFaulty || !random.chance(faults[operation] ?? 0)) return undefined;
    tally.faults += 1;
    return new Error(`${operation} fails, as was to be tried`);
  };
  const memory = createMemoryDriver({ launchMs: 1, stopMs: 2, fail });
  const manager = await openManager({
    drivers: [memory, createProcessDriver({ pollMs: 20 })],
    // Subscribers throw by the thousand here: what the manager counts of them is held to what was thrown.
    logger: { debug: nothing, info: nothing, warn: nothing },
  });
  const world: World = {
    manager,
    memory,
    witness: createWitness(manager, tally, broken),
    random,
    tally,
    broken,
    isOver: false,
    isFaulty: true,
    isClosing: false,
  };
  return world;
}

/** Lets time pass. */
export const pause = (ms: number): Promise<void> => new Promise((over) => setTimeout(over, ms));

const nothing = (): void => undefined;
