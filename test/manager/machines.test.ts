import { EMPTY, NEVER, type Observable, Subject } from 'rxjs';
import type { Machine, MachineSignal } from 'rx-instances';
import { createMachines, type Held, type Report } from '../../src/manager/machines.js';

const machineOf = (signals$: Subject<MachineSignal>): Machine => ({
  handle: {},
  signals$,
  inspect: () => NEVER,
  stop: () => EMPTY,
  kill: () => EMPTY,
});

const into =
  (heard: string[]) =>
  (id: string, _: Held, { kind }: Report): Observable<never> => {
    heard.push(`${id} ${kind}`);
    return EMPTY;
  };

it('hands on what a machine says until it is let go', () => {
  const heard: string[] = [];
  const machines = createMachines(into(heard));
  const signals$ = new Subject<MachineSignal>();
  const held = machines.hold('a', machineOf(signals$));

  expect(machines.of('a')).toBe(held);
  expect(held.ready).toBe(false);
  signals$.next({ kind: 'ready' });
  expect(held.ready).toBe(true);
  machines.release('a');
  signals$.next({ kind: 'lost', reason: 'gone' });

  expect(heard).toEqual(['a ready']);
  expect(machines.of('a')).toBeUndefined();
  expect(signals$.observed).toBe(false);
});

it('detaches all at once, those that have nothing to detach too', () => {
  const heard: string[] = [];
  const machines = createMachines(into(heard));
  const signals = [new Subject<MachineSignal>(), new Subject<MachineSignal>()] as const;
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

it('hands on one report after the other, and of what waits the newest of each kind', () => {
  const heard: string[] = [];
  const taken = new Subject<never>();
  const machines = createMachines((_, __, report) => {
    heard.push(report.kind === 'lost' ? report.reason : report.kind);
    return heard.length === 1 ? taken : EMPTY;
  });
  const signals$ = new Subject<MachineSignal>();
  machines.hold('a', machineOf(signals$));

  signals$.next({ kind: 'ready' });
  for (let times = 1; times <= 1_000; times += 1) signals$.next({ kind: 'lost', reason: String(times) });
  machines.look('a');
  machines.look('of none');
  signals$.next({ kind: 'exit', exit: { code: 0, signal: null } });
  expect(heard).toEqual(['ready']);
  taken.complete();

  expect(heard).toEqual(['ready', '1000', 'look', 'exit']);
});
