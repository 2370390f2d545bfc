import { defer, type Observable, of, Subject, throwError, timer } from 'rxjs';
import { DoorInstance } from '../../src/door/doorInstance.js';
import { doorSettings } from '../../src/door/doorOptions.js';
import { newTally } from '../../src/door/doorTally.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { Delays } from '../../src/streams/delays.js';
import { marbles } from '../support/marbles.js';
import { FakeManager, id } from './doorStage.js';

/** An instance on Standby without ports, whose wakes end in this way. */
function sleeper(onWake: (manager: FakeManager) => Observable<Instance>) {
  const manager = new FakeManager();
  manager.ports = [];
  manager.onWake = () => onWake(manager);
  const tally = newTally();
  const ignored = { changed: () => undefined, told: () => undefined, decided: () => undefined };
  const context = { manager, settings: doorSettings({}), tally, delays: new Delays(), ...ignored };
  const instance = new DoorInstance(manager.set('Standby'), context);
  return { manager, tally, instance };
}

describe('the wake of an instance', () => {
  it('is not tried again before a pause is over that doubles with each failure, up to 30 s', () => {
    marbles(({ flush }) => {
      const { manager, instance, tally } = sleeper(() => throwError(() => new Error('no')));
      const tried: number[] = [];
      const trying = timer(0, 250).subscribe((tick) => {
        const before = manager.wakes.length;
        instance.wake('restore');
        if (manager.wakes.length > before) tried.push(tick / 4);
        if (tick >= 4 * 130) trying.unsubscribe();
      });
      flush();
      expect(tried).toStrictEqual([0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5, 121.5]);
      expect(tally.failedWakes).toBe(10);
    });
  });

  it('is tried at once after one that succeeded', () => {
    marbles(() => {
      let fails = true;
      const { manager, instance } = sleeper((table) =>
        defer(() => (fails ? throwError(() => new Error('no')) : of(table.set('Running')))),
      );
      expect(instance.wake('restore')).toBe(undefined);
      expect(instance.wake('restore')).toBe('backing_off');
      fails = false;
      instance.changed(manager.set('Running'));
      instance.changed(manager.set('Standby'));
      expect(instance.wake('restore')).toBe(undefined);
      expect(manager.wakes).toHaveLength(2);
    });
  });

  it('is not tried sooner because the instance was in another state that was not Running', () => {
    marbles(() => {
      const { manager, instance } = sleeper(() => throwError(() => new Error('no')));
      instance.wake('restore');
      for (const state of ['Stopped', 'Standby'] as const) instance.changed(manager.set(state));
      expect(instance.wake('restore')).toBe('backing_off');
    });
  });

  it('is one for all who ask while it is under way', () => {
    marbles(({ cold, flush }) => {
      const { manager, instance } = sleeper((table) =>
        cold('---(a|)', { a: { ...table.get(), state: 'Running' as const, revision: 2 } }),
      );
      expect([instance.wake('restore'), instance.wake('restore')]).toStrictEqual([undefined, undefined]);
      flush();
      expect(manager.wakes).toHaveLength(1);
      expect(instance.state).toBe('Running');
    });
  });

  it('is not begun once the manager closes', () => {
    const { instance } = sleeper(() => of());
    instance.beClosing();
    expect(instance.wake('restore')).toBe('closing');
  });

  it('is listened to no more once the instance is gone, nor is what was asked of it', () => {
    const awake = new Subject<Instance>();
    const asked = new Subject<Instance>();
    const { manager, instance } = sleeper(() => awake);
    manager.onRefresh = () => asked;
    instance.wake('restore');
    instance.ask();
    expect([awake.observed, asked.observed]).toStrictEqual([true, true]);
    instance.close('not_running');
    expect([awake.observed, asked.observed]).toStrictEqual([false, false]);
  });

  it.each(['Running', 'Initializing'] as const)('makes it young from when it is %s', (state) => {
    marbles(() => {
      const { manager, instance } = sleeper(() => of());
      const young: boolean[] = [];
      timer(60_000).subscribe(() => {
        young.push(instance.isYoung());
        instance.changed(manager.set(state));
        young.push(instance.isYoung());
      });
      timer(119_999).subscribe(() => young.push(instance.isYoung()));
      timer(120_000).subscribe(() => {
        young.push(instance.isYoung());
        expect(young).toStrictEqual([false, true, true, false]);
      });
    });
  });

  it('leaves a view that is older than the known one without effect', () => {
    const { manager, instance } = sleeper(() => of());
    const old = manager.get(id);
    instance.changed(manager.set('Running'));
    instance.changed(old);
    expect(instance.state).toBe('Running');
  });
});
