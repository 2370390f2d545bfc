/**
 * What state an instance is in. The strings are hypeman's, to the letter.
 *
 * - `Created`: its machine exists and has not begun to run.
 * - `Initializing`: it runs and is not ready yet.
 * - `Running`: it runs and is ready.
 * - `Paused`: somebody else halted it; it can go on.
 * - `Shutdown`: it has ended inside, its machine is still there.
 * - `Stopped`: it does not run, and nothing of its memory is kept.
 * - `Standby`: it does not run, and goes on where it was when restored.
 * - `Unknown`: its state could not be determined; `stateError` says why.
 *
 * @see hypeman `lib/instances/state.go`
 */
export type State = (typeof states)[number];

/** Every {@link State}, in the order in which an instance usually meets them. */
export const states = [
  'Created',
  'Initializing',
  'Running',
  'Paused',
  'Shutdown',
  'Stopped',
  'Standby',
  'Unknown',
] as const;

/**
 * What happened: to an instance, hypeman's eight verbs, then what instances do by themselves; then what happened to a snapshot of it,
 * which changes nothing of the instance.
 *
 * - `ready`: Initializing became Running.
 * - `exit`: it ended by itself, or crashed.
 * - `lost`: its state can no longer be determined.
 * - `create_snapshot`, `delete_snapshot`: there is one more of its snapshots, or one less.
 *
 * `update` also stands for a state that a look at the machine found and that none of the others explains.
 */
export type Action = (typeof actions)[number];

/** What happens to an instance itself. */
export type InstanceAction = Exclude<Action, SnapshotAction>;

/** What happens to a snapshot. */
export type SnapshotAction = 'create_snapshot' | 'delete_snapshot';

/** Every {@link InstanceAction}. */
export const instanceActions = [
  'create',
  'update',
  'start',
  'stop',
  'standby',
  'restore',
  'delete',
  'fork',
  'ready',
  'exit',
  'lost',
] as const;

/** Every {@link Action}. */
export const actions = [...instanceActions, 'create_snapshot', 'delete_snapshot'] as const;

/**
 * What an action means in a state: a move to one of the states `to`, nothing to do (`noop`), or not allowed (`refused`).
 */
export type Transition =
  | { readonly kind: 'move'; readonly to: readonly State[] }
  | { readonly kind: 'noop' }
  | { readonly kind: 'refused' };

const refused: Transition = { kind: 'refused' };
const noop: Transition = { kind: 'noop' };
const to = (...targets: readonly State[]): Transition => ({ kind: 'move', to: targets });
const running = to('Initializing', 'Running');
const stopped = to('Stopped');
const everywhere = (move: Transition): Row => Object.fromEntries(states.map((state) => [state, move]));

type Row = Partial<Record<State | 'absent', Transition>>;

/**
 * Source of the rows of verbs: hypeman's preconditions; its no-ops are those of its change #205. A stop goes further: what
 * stands by gives up its memory, what has ended inside its machine, and what somebody halted need not go on first, which a guest
 * that sleeps may be unable to. And `Unknown` is no dead end: whoever knows better may stop it or let it go on.
 */
const table: Record<InstanceAction, Row> = {
  create: { absent: running },
  fork: { absent: to('Initializing', 'Running', 'Stopped', 'Standby') },
  update: everywhere(to(...states)),
  start: { Stopped: running, Initializing: noop, Running: noop },
  stop: {
    ...{ Initializing: stopped, Running: stopped, Paused: stopped, Shutdown: stopped, Standby: stopped },
    ...{ Unknown: stopped, Stopped: noop },
  },
  standby: { Running: to('Standby'), Standby: noop },
  restore: { Standby: running, Paused: running, Unknown: running, Initializing: noop, Running: noop },
  delete: everywhere(to()),
  ready: { Initializing: to('Running') },
  exit: { ...everywhere(stopped), Stopped: noop },
  lost: { ...everywhere(to('Unknown')), Stopped: refused, Unknown: noop },
};

/**
 * Tells what an action means for an instance in a state; `absent` stands for an instance that does not exist yet. An action or a
 * state that there is not, which the types refuse, is `refused`.
 *
 * @example
 * ```ts
 * import { transition } from 'rx-instances';
 *
 * transition('standby', 'Running'); // => { kind: 'move', to: ['Standby'] }
 * transition('stop', 'Stopped'); // => { kind: 'noop' }
 * transition('start', 'Standby'); // => { kind: 'refused' }
 * ```
 */
export function transition(action: InstanceAction, from: State | 'absent'): Transition {
  const rows: Partial<Record<string, Row>> = table;
  const row = Object.hasOwn(table, action) ? rows[action] : undefined;
  return (row !== undefined && Object.hasOwn(row, from) ? row[from] : undefined) ?? refused;
}
