import { catchError, concat, EMPTY, map, mergeMap, NEVER, type Observable, of, throwError } from 'rxjs';
import type { Driver, Freezing, LaunchPlan, Machine, Snapshotting } from 'rx-instances';
import type { MemoryDriver } from 'rx-instances/testing';
import { keepingSubject } from '../memory/memorySubject.js';
import { brokenBy, hot, inFreezing, inMachines, inSnapshots, late, once, resumed } from './brokenBy.js';

/** Runs on where it was. */
const goingOn = (driver: Driver, plan: LaunchPlan): Observable<Machine> =>
  resumed(driver, plan).pipe(mergeMap((machine) => concat(machine.freezing?.thaw() ?? EMPTY, of(machine))));

/** Without what it should not do. */
const forgotten = ({ forget }: Driver, home: string): Observable<never> => forget?.(home) ?? EMPTY;

describe('the contract holds a driver that keeps memory to its sentences:', () => {
  it('one without fault breaks no sentence', async () => {
    await expect(brokenBy(() => ({}), keepingSubject)).resolves.toEqual([]);
  });

  it.each<[string, (driver: MemoryDriver) => Partial<Driver>, string]>([
    [
      'suspends before subscribe',
      inFreezing(({ suspend }) => (suspend === undefined ? {} : { suspend: () => hot(suspend()) })),
      'suspend, resume and forget do nothing before',
    ],
    [
      'resumes before subscribe',
      (driver) => ({ resume: (plan) => hot(resumed(driver, plan)) }),
      'suspend, resume and forget do nothing before',
    ],
    [
      'forgets before subscribe',
      (driver) => ({ forget: (home) => hot(forgotten(driver, home)) }),
      'suspend, resume and forget do nothing before',
    ],
    [
      'keeps nothing',
      inFreezing(({ freeze }) => ({ suspend: freeze })),
      'what was suspended and killed is resumed where it was',
    ],
    [
      'suspends once only',
      inFreezing(({ suspend }) => (suspend === undefined ? {} : { suspend: once(suspend) })),
      'suspend halts a machine, as often as it is asked',
    ],
    [
      'halts nothing when it suspends',
      inFreezing(({ suspend, thaw }) => ({ suspend: () => concat(suspend?.() ?? EMPTY, thaw()) })),
      'suspend halts a machine, as often as it is asked',
    ],
    [
      'suspends only what runs',
      inMachines(({ freezing, inspect }) => ({
        freezing: {
          ...(freezing as Freezing),
          suspend: () =>
            inspect().pipe(
              mergeMap(({ kind }) =>
                kind === 'frozen'
                  ? throwError(() => new Error('it does not run'))
                  : (freezing?.suspend?.() ?? EMPTY),
              ),
            ),
        },
      })),
      'a machine that was frozen can be suspended',
    ],
    [
      'cannot suspend what it adopted',
      ({ adopt }) => ({
        adopt: (plan, handle) =>
          adopt(plan, handle).pipe(
            map(({ freezing: { freeze, thaw } = {} as Freezing, ...machine }) => ({
              ...machine,
              freezing: { freeze, thaw },
            })),
          ),
      }),
      'a machine that was adopted can be suspended',
    ],
    [
      'lets a resumed machine go on at once',
      (driver) => ({ resume: (plan) => goingOn(driver, plan) }),
      'what was suspended and killed is resumed where it was',
    ],
    [
      'does not say that a resumed machine is ready',
      (driver) => ({
        resume: (plan) => resumed(driver, plan).pipe(map((machine) => ({ ...machine, signals$: NEVER }))),
      }),
      'what was suspended and killed is resumed where it was, ready',
    ],
    [
      'begins where it should go on',
      ({ launch }) => ({
        resume: (plan) =>
          launch(plan).pipe(mergeMap((machine) => concat(machine.freezing?.freeze() ?? EMPTY, of(machine)))),
      }),
      'what was suspended and killed is resumed where it was',
    ],
    [
      'goes on once only',
      ({ resume = () => EMPTY }) => ({ resume: once(resume) }),
      'it goes on from one machine to the next',
    ],
    [
      'makes a memory void before anything goes on',
      (driver) => ({
        resume: (plan) =>
          resumed(driver, plan).pipe(
            mergeMap((machine) => concat(forgotten(driver, plan.home), of(machine))),
          ),
      }),
      'until it is thawed, a kill undoes a resume',
    ],
    [
      'lets a resumed machine live that nobody waits for',
      (driver) => ({ resume: late((plan) => resumed(driver, plan)) }),
      'a resume whose subscriber went before the machine came up',
    ],
    ...[
      'once it is thawed, its memory is void',
      'once a machine that was suspended is thawed, its memory is void',
      'a home in which none was suspended holds no memory',
      'forget removes a memory',
      'launch begins in a home with a memory too, and makes that void',
      'a copy of kind Stopped leaves the memory out',
      'what is made of it as Stopped leaves the memory out',
    ].map((sentence): [string, (driver: MemoryDriver) => Partial<Driver>, string] => [
      `begins where there is no memory: ${sentence}`,
      (driver) => ({
        resume: (plan) => resumed(driver, plan).pipe(catchError(() => driver.launch(plan))),
      }),
      sentence,
    ]),
    ['forgets nothing', () => ({ forget: () => EMPTY }), 'forget removes a memory'],
    [
      'forgets once only',
      ({ forget = () => EMPTY }) => ({ forget: once(forget) }),
      'forget removes a memory, and where there is none',
    ],
    [
      'goes on where it should begin',
      (driver) => ({
        launch: (plan) => goingOn(driver, plan).pipe(catchError(() => driver.launch(plan))),
      }),
      'launch begins in a home with a memory too',
    ],
    [
      'copies no memory',
      ({ prepare }) => ({ prepare: (plan) => prepare({ ...plan, kind: 'Stopped' }) }),
      'a copy of a home that holds a memory goes on from it',
    ],
    [
      'copies no memory of what stands still',
      ({ prepare, running }) => ({
        prepare: (plan) =>
          running().some((id) => plan.copyOf?.endsWith(id))
            ? prepare({ ...plan, kind: 'Stopped' })
            : prepare(plan),
      }),
      'a copy of a home whose machine stands still goes on from there',
    ],
    [
      'takes the memory away from what it copies',
      (driver) => ({
        prepare: (plan) => concat(driver.prepare(plan), forgotten(driver, plan.copyOf ?? '')),
      }),
      'what is suspended is still there when it was copied',
    ],
    [
      'copies the memory whether it should or not',
      ({ prepare }) => ({
        prepare: (plan) => prepare({ ...plan, kind: 'Standby' }).pipe(catchError(() => prepare(plan))),
      }),
      'a copy of kind Stopped leaves the memory out',
    ],
    [
      'copies what is not there',
      ({ prepare }) => ({
        prepare: (plan) =>
          prepare(plan).pipe(
            catchError((error: unknown) =>
              plan.kind === 'Standby' ? prepare({ ...plan, kind: 'Stopped' }) : throwError(() => error),
            ),
          ),
      }),
      'a copy of kind Standby of a home without a memory fails',
    ],
    [
      'says that it keeps memory and cannot go on from it',
      () => ({ resume: undefined as never }),
      'what was suspended and killed is resumed where it was',
    ],
    [
      'takes no memory',
      inSnapshots(({ take }) => ({ take: (plan) => take({ ...plan, kind: 'Stopped' }) })),
      'homes that are made of it go on where the machine was',
    ],
    [
      'takes no memory of what stands still',
      ({ snapshots, running }) => ({
        snapshots: {
          ...(snapshots as Snapshotting),
          take: (plan) =>
            (snapshots as Snapshotting).take(
              running().includes(plan.instanceId) ? { ...plan, kind: 'Stopped' } : plan,
            ),
        },
      }),
      'it can be taken of a machine that stands still',
    ],
    [
      'lays out the memory whether it should or not',
      inSnapshots(({ layOut }) => ({
        layOut: (plan, content) => layOut({ ...plan, kind: 'Standby' }, content),
      })),
      'what is made of it as Stopped leaves the memory out',
    ],
    [
      'replaces all but the memory',
      inSnapshots(({ replace }) => ({
        replace: (plan, content) => replace({ ...plan, kind: 'Stopped' }, content),
      })),
      'it takes the place of what a home holds, and that goes on where the machine was',
    ],
    [
      'brings back all but the memory',
      (driver) =>
        inSnapshots(({ replace }) => ({
          replace: (plan, content) =>
            replace(plan, content).pipe(
              map((done) => ({ ...done, undo: () => concat(done.undo(), forgotten(driver, plan.home)) })),
            ),
        }))(driver),
      'it takes the place of what a home holds, and that goes on where the machine was',
    ],
    [
      'takes a memory that is not there',
      inSnapshots(({ take }) => ({
        take: (plan) => take(plan).pipe(catchError(() => take({ ...plan, kind: 'Stopped' }))),
      })),
      'one cannot be taken of a home without a memory',
    ],
  ])('one that %s', async (_, fault, sentence) => {
    await expect(brokenBy(fault, keepingSubject)).resolves.toContainEqual(expect.stringContaining(sentence));
  });

  it('one that can go on from a memory and does not say so', async () => {
    const broken = await brokenBy(({ launch }) => ({ resume: launch }));
    expect(broken).toContainEqual(
      expect.stringContaining('which frees no memory on standby cannot keep any'),
    );
  });
});
