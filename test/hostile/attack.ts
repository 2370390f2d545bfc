import type { Ground } from './ground.js';

/** Who attacks. */
export type Opponent =
  /** The program in an instance. */
  | 'program'
  /** Another user of the machine. */
  | 'neighbour'
  /** An application that hands on careless input, or an author of images. */
  | 'application'
  /** What runs in a virtual machine. */
  | 'guest'
  /** A data directory that is damaged, or somebody else's. */
  | 'directory';

/** Something small and harmless that an opponent tries. */
export interface Attack {
  readonly opponent: Opponent;
  /** What is tried. */
  readonly name: string;
  /** Who the manager has to be; only the superuser has users beside it. @defaultValue anybody */
  readonly only?: 'root';
  /** Whether `npm run hostile` alone plays it: it takes seconds, or differs little from others. @defaultValue false */
  readonly isLong?: boolean;
  /** Rejects when something was found. */
  play(ground: Ground): Promise<void>;
}
