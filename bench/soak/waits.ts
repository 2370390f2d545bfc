import type { WaitTarget } from 'rx-instances';
import { lastValueFrom, takeUntil, timer } from 'rxjs';
import { type Actor, pause, type World } from './world.js';

const targets: readonly (WaitTarget | readonly WaitTarget[])[] = [
  'Running',
  'Stopped',
  'Standby',
  ['Running', 'Stopped'],
  'Initializing',
];

/** The manager's last look at the deadline takes a second at most; the rest is for a machine under load. */
const graceMs = 5_000;

const mayFail = new Set(['InstanceNotFound', 'StateUnreadable', 'AmbiguousName']);

/** Waits for something that may never come; some are aborted, some are given up. */
async function waitOnce(world: World, shared: AbortSignal): Promise<void> {
  const { manager, witness, random, tally } = world;
  const id = random.pick([...witness.table.keys()]) ?? 'nobody';
  const own = new AbortController();
  const reason = new Error('aborted, as was to be tried');
  const kind = random.pick(['shared', 'own', 'given up', 'none']);
  const signal = kind === 'shared' ? shared : kind === 'own' ? own.signal : undefined;
  const timeoutMs = random.below(400);
  const abortAfter = setTimeout(() => {
    own.abort(reason);
  }, random.below(200));
  const wait$ = manager.waitForState(id, random.pick(targets) ?? 'Running', {
    timeoutMs,
    pollMs: 20 + random.below(100),
    ...(signal === undefined ? {} : { signal }),
  });
  const given$ = kind === 'given up' ? wait$.pipe(takeUntil(timer(random.below(200)))) : wait$;

  tally.waits += 1;
  const startedAt = performance.now();
  await lastValueFrom(given$, { defaultValue: undefined }).catch((error: unknown) => {
    const tag = (error as { readonly _tag?: string })._tag ?? '';
    const isExpected = mayFail.has(tag) || error === reason || (tag === 'ManagerClosed' && world.isClosing);
    if (!isExpected) world.broken(`a wait failed with ${String(error)}`);
  });
  clearTimeout(abortAfter);
  const ms = performance.now() - startedAt;
  if (ms > timeoutMs + graceMs) {
    world.broken(`a wait of ${String(timeoutMs)} ms took ${ms.toFixed(0)} ms`);
  }
}

/** Begins one wait after another, all with one signal that never aborts or one of their own. */
export const waitAround =
  (shared: AbortSignal): Actor =>
  async (world) => {
    while (!world.isOver) {
      await waitOnce(world, shared);
      await pause(world.random.below(5));
    }
  };
