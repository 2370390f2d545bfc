import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { abortSignal } from '../codecs/abortSignal.js';
import { closed, isPlain } from '../codecs/closed.js';
import { decodeAllOrThrow } from '../codecs/decode.js';
import { integer, longestTimerMs, oneOf } from '../codecs/scalars.js';
import { type State, states } from '../lifecycle/state.js';

/** What can be waited for. Whatever is `Unknown` ends a wait, for nothing leads on from there. */
export type WaitTarget = Exclude<State, 'Unknown'>;

/** How long to wait, and how often to look. Defaults are hypeman's. */
export interface WaitOptions {
  /**
   * Milliseconds to the deadline: of a manager at most its `instances.max_wait_timeout`, 5 minutes if it is told nothing, else at most
   * 2147483647.
   *
   * @defaultValue 60000, or that most where it is less
   */
  readonly timeoutMs?: number;
  /** Milliseconds between polls, 1 to 300000. @defaultValue 5000 */
  readonly pollMs?: number;
  /**
   * States that may come in between, though nothing leads on from them by itself: whoever knows that somebody will act. The
   * `Stopped` of a restart does not end a wait for `Running` then; only the deadline does.
   *
   * @defaultValue none
   */
  readonly through?: readonly Exclude<State, 'Created' | 'Initializing' | 'Running'>[];
  /**
   * Whether the instance need not be there yet: the wait goes on until one of this id or name is created or forked. If none is, it fails
   * with {@link InstanceNotFound} at the deadline; once there was one, its deletion ends the wait as ever.
   *
   * @defaultValue false
   */
  readonly mayBeAbsent?: boolean;
  /** Ends the wait at once when it aborts: with its reason as the error. */
  readonly signal?: AbortSignal;
}

/** States from which nothing leads on by itself. */
const deadEnds = ['Unknown', 'Stopped', 'Standby', 'Shutdown', 'Paused'] as const satisfies readonly State[];

/** What a wait is to wait for, and how long: nothing is left open. */
export interface WaitSettings {
  readonly targets: readonly State[];
  /** States that end it though they are no targets. */
  readonly deadEnds: readonly State[];
  readonly mayBeAbsent: boolean;
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Decodes what a wait is asked. @throws {@link InvalidRequest} naming every fault */
export type DecodeWait = (target: State | readonly State[], options: WaitOptions) => WaitSettings;

/** The most that a timer can wait for. */
const anyTimeout: LongestWait = { ms: longestTimerMs, name: 'milliseconds' };

/** How long a wait may take, and what that is called where one asks for more. */
export interface LongestWait {
  readonly ms: number;
  readonly name: string;
}

/** Makes a {@link DecodeWait} for waits that are bounded. */
export function createDecodeWait(longest = anyTimeout): DecodeWait {
  const keys = { timeoutMs: integer(longest.name, 0, longest.ms), ...otherKeys };
  const optionsCodec = closed('wait options', {}, keys);
  const defaultMs = Math.min(60_000, longest.ms);

  return (target, options) => {
    // What most ask is told to be right by a look; only what is not needs the words of a decoder.
    const targets = singles.get(target as State);
    if (targets !== undefined && areOptions(keys, options)) return settled(targets, options, defaultMs);
    decodeAllOrThrow([targetCodec, { target }], [optionsCodec, options]);
    return settled(targets ?? (target as readonly State[]), options, defaultMs);
  };
}

const settled = (targets: readonly State[], options: WaitOptions, defaultMs: number): WaitSettings => ({
  targets,
  deadEnds: without(options.through),
  mayBeAbsent: options.mayBeAbsent === true,
  timeoutMs: options.timeoutMs ?? defaultMs,
  pollMs: options.pollMs ?? 5_000,
  signal: options.signal,
});

/** All but those that a wait may go through; one list for the many waits that go through none. */
const without = (through: readonly State[] = []): readonly State[] =>
  through.length === 0 ? deadEnds : deadEnds.filter((state) => !through.includes(state));

const reachableStates = states.filter((state): state is WaitTarget => state !== 'Unknown');

/** Lists of one state, which a hundred thousand waits share. */
const singles: ReadonlyMap<State, readonly State[]> = new Map(
  reachableStates.map((state) => [state, [state]]),
);

const reachable = oneOf(reachableStates);

const validateTarget: t.Validate<unknown, readonly State[]> = (value, context) => {
  if (!Array.isArray(value)) {
    const one = reachable.validate(value, context);
    return E.isRight(one) ? t.success([one.right]) : t.failure(value, context, reachable.name);
  }
  if (value.length === 0 || value.length > states.length) return t.failure(value, context);
  return t.array(reachable).validate(value, context);
};

const target = new t.Type<readonly State[], unknown>(
  `a state, or a list of 1 to ${String(states.length)}`,
  (value): value is readonly State[] => E.isRight(validateTarget(value, [])),
  validateTarget,
  t.identity,
);

const otherKeys = {
  pollMs: integer('milliseconds', 1, 300_000),
  through: t.array(oneOf(deadEnds), `states that may come in between (a list of ${deadEnds.join(', ')})`),
  mayBeAbsent: t.boolean,
  signal: abortSignal,
};

function areOptions(keys: Readonly<Record<string, t.Mixed>>, options: unknown): boolean {
  if (!isPlain(options)) return false;
  for (const key in options) {
    const value = options[key];
    const isRight = Object.hasOwn(keys, key) && (value === undefined || keys[key]?.is(value) === true);
    if (!isRight) return false;
  }
  return true;
}

const targetCodec = closed('wait', { target }, {});
