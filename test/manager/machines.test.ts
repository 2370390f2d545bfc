import { EMPTY, NEVER, Subject } from 'rxjs';
import type { Machine, Signal } from 'rx-instances';
import { createMachines } from '../../src/manager/machines.js';

const machineOf = (signals$: Subject<Signal>): Machine => ({
  handle: {},
  signals$,
  inspect: () => NEVER,
  stop: () => EMPTY,
  kill: () => EMPTY,
});

it('hands on what a machine says until it is let go', () => {
  const heard: [string, Signal['kind']][] = [];
  const machines = createMachines((id, _, { kind }) => heard.push([id, kind]));
  const signals$ = new Subject<Signal>();
  const held = machines.hold('a', machineOf(signals$));

  expect(machines.of('a')).toBe(held);
  expect(held.ready).toBe(false);
  signals$.next({ kind: 'ready' });
  expect(held.ready).toBe(true);
  machines.release('a');
  signals$.next({ kind: 'lost', reason: 'gone' });

  expect(heard).toEqual([['a', 'ready']]);
  expect(machines.of('a')).toBeUndefined();
  expect(signals$.observed).toBe(false);
});

it('detaches all at once, those that have nothing to detach too', () => {
  const heard: string[] = [];
  const machines = createMachines((id, _, { kind }) => heard.push(`${id} ${kind}`));
  const signals = [new Subject<Signal>(), new Subject<Signal>()] as const;
  machines.hold('a', machineOf(signals[0]));
  machines.hold('b', {
    ...machineOf(signals[1]),
    detach: () => {
      signals[1].next({ kind: 'lost', reason: 'detached' });
      heard.push('detached');
    },
  });
  machines.detachAll();

  expect(heard).toEqual(['detached']);
  expect(signals.map(({ observed }) => observed)).toEqual([false, false]);
  expect(machines.of('a')).toBeUndefined();
});
