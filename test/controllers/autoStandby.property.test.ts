import * as fc from 'fast-check';
import { delay, firstValueFrom } from 'rxjs';
import type { Connection } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { createAutoStandby } from '../../src/controllers/autoStandby.js';
import { openPoliced } from './policedManager.js';
import { playSource } from './playedSource.js';

type Step =
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'open'; readonly isIgnored: boolean; readonly isTold: boolean }
  | { readonly kind: 'close'; readonly which: number }
  | { readonly kind: 'fails'; readonly what: 'freeze' | 'read'; readonly is: boolean }
  | { readonly kind: 'update'; readonly idleTimeoutMs: number }
  | { readonly kind: 'reopen'; readonly after: number }
  | { readonly kind: 'hold' | 'reset' | 'restore' | 'standby' };

const timeout = fc.integer({ min: 1, max: 5_000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 6_000 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('open' as const),
      isIgnored: fc.boolean(),
      isTold: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('close' as const), which: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fails' as const),
      what: fc.constantFrom('freeze' as const, 'read' as const),
      is: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('update' as const), idleTimeoutMs: timeout }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), after: fc.nat(3_000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('hold' as const, 'reset' as const, 'restore' as const, 'standby' as const),
    }),
  },
);

/** Plays the steps, and gives what went wrong. */
async function played(steps: readonly Step[], isSlow: boolean): Promise<readonly string[]> {
  const wrong: string[] = [];
  const failing = { freeze: false, read: false };
  let id = '';
  let idleTimeoutMs = 3_000;
  let awakeUntil = 0;
  let isByHand = false;
  const source = playSource(() => id);
  /** Those of which the controller is sure to know. */
  let known = new Set<Connection>();
  const resynced = (): void => {
    known = new Set(isSlow || failing.read ? [] : source.connections);
  };
  const live = (): readonly Connection[] => [...source.connections].filter(({ guest }) => guest !== 443);
  const read = source.read;
  source.read = () => (isSlow ? read().pipe(delay(50)) : read());
  source.onRead = () => {
    source.failure = failing.read ? new Error('it cannot be read') : undefined;
  };
  /** Called as the verb begins. */
  const fail = (operation: string): Error | undefined => {
    if (operation !== 'freeze' || isByHand) return undefined;
    if (live().length > 0) wrong.push('standby under a connection');
    if (Date.now() < awakeUntil) wrong.push(`standby ${String(awakeUntil - Date.now())} ms too early`);
    return failing.freeze ? new Error('it cannot be frozen') : undefined;
  };
  const isUsed = (): void => {
    awakeUntil = Date.now() + idleTimeoutMs;
  };
  const controllers = [createAutoStandby({ sources: [source] })];
  const policed = await openPoliced({ controllers }, createMemoryDriver({ fail }));
  const call = async (verb: 'hold' | 'restore' | 'standby'): Promise<void> => {
    isByHand = verb === 'standby';
    await firstValueFrom(policed.manager[verb]('web')).catch((error: unknown) => {
      if (verb !== 'hold') throw error;
    });
    isByHand = false;
  };
  const autoStandby = (): object => ({
    autoStandby: { enabled: true, idleTimeoutMs, ignoreDestinationPorts: [443] },
  });

  const play = async (next: Step): Promise<void> => {
    switch (next.kind) {
      case 'pass':
        return policed.pass(next.ms);
      case 'open': {
        const connection = source.open({ guest: next.isIgnored ? 443 : 80 }, next.isTold || isSlow);
        if (next.isTold || isSlow) known.add(connection);
        return;
      }
      case 'close': {
        const connection = [...source.connections][next.which];
        if (connection === undefined) return;
        source.close(connection);
        if (known.delete(connection) && connection.guest === 80) isUsed();
        return;
      }
      case 'fails':
        failing[next.what] = next.is;
        return;
      case 'update':
        ({ idleTimeoutMs } = next);
        awakeUntil = 0;
        await firstValueFrom(policed.manager.update('web', autoStandby()));
        return;
      case 'reopen':
        awakeUntil = 0;
        resynced();
        return policed.reopen({ after: next.after });
      case 'reset':
        source.tell({ kind: 'reset' });
        return;
      case 'restore':
        if ((await policed.get()).state !== 'Standby') return;
        await call('restore');
        isUsed();
        return;
      case 'hold':
        if ((await policed.get()).state !== 'Running') return;
        await call('hold');
        isUsed();
        return;
      case 'standby':
        if ((await policed.get()).state === 'Running') await call('standby');
    }
  };

  ({ id } = await policed.create({ ports: [{ guest: 80 }], ...autoStandby() }));
  isUsed();
  for (const next of steps) await play(next);

  failing.freeze = false;
  failing.read = false;
  for (const connection of source.connections) source.close(connection);
  await policed.pass(idleTimeoutMs + 1_000);
  const { state } = await policed.get();
  if (state !== 'Standby') wrong.push(`${state} long after the last close`);
  await policed.close();
  return wrong;
}

it('an instance is never put on standby under a connection or too early, and always once nobody uses it, whatever comes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.boolean(), async (steps, isSlow) => {
      expect(await played(steps, isSlow)).toEqual([]);
    }),
    // A hold for longer than the time that an update leaves.
    { numRuns: 150, examples: [[[{ kind: 'hold' }, { kind: 'update', idleTimeoutMs: 1 }], false]] },
  );
});
