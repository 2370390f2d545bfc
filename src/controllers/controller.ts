import { isDeepStrictEqual } from 'node:util';
import type * as t from 'io-ts';
import {
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  identity,
  ignoreElements,
  last,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  ReplaySubject,
  Subject,
  takeWhile,
  tap,
} from 'rxjs';
import type { Controller, ControllerPort, Decision, RunningController } from '../instances/controller.js';
import type { InstanceStatus } from '../instances/instanceStatus.js';
import { isRecord } from '../codecs/closed.js';
import { hasTag } from '../lifecycle/errors.js';
import type { Cause } from '../lifecycle/cause.js';
import type { Instance, InstanceSpec, Json } from '../lifecycle/instance.js';
import type { InstanceChange } from '../lifecycle/instanceChange.js';
import { createAlarms } from './alarms.js';
import { Withdrawn } from './withdrawn.js';

/** Why an instance is looked at. */
export type Occasion<Input> =
  /** It is seen for the first time, or has changed; by whom is told where its event was seen. */
  | { readonly kind: 'changed'; readonly action?: string; readonly cause?: Cause }
  /** The time has come that was asked for. */
  | { readonly kind: 'due' }
  /** What was decided has its turn: it is done if it is decided again. */
  | { readonly kind: 'turn' }
  /** What was decided is done, or has failed. */
  | { readonly kind: 'done'; readonly verb: string; readonly result: unknown }
  | { readonly kind: 'failed'; readonly verb: string; readonly error: unknown }
  /** Something from elsewhere. */
  | { readonly kind: 'input'; readonly input: Input };

/** What is to be done about an instance. */
export interface Act {
  /** A verb of {@link Instances}, or a word of the controller's own. */
  readonly verb: string;
  readonly reason: string;
  /** Where it goes well it is no {@link Decision}: what comes again and again is told of nobody. @defaultValue false */
  readonly isQuiet?: boolean;
}

/** What a controller makes of an instance at one moment. */
export interface Verdict<Memory> {
  /** What it remembers from now on; it is kept before anything is done. Absent: nothing. */
  readonly memory?: Memory | undefined;
  /** When it looks at the instance again at the latest, as Unix time in milliseconds. */
  readonly at?: number | undefined;
  /** What is to be done now, if nothing is being done about the instance. */
  readonly act?: Act | undefined;
}

/** What a controller sees of an instance. */
export interface Sight<Memory> {
  readonly instance: Instance;
  readonly memory: Memory | undefined;
  /** Unix time in milliseconds. */
  readonly now: number;
}

/** The rules of a controller. */
export interface ControllerRules<Memory, Input> {
  /** {@link Controller.name}. */
  readonly name: string;
  /** The field of a spec without which an instance is none of its business. @defaultValue every instance is */
  readonly field?: keyof InstanceSpec;
  /** How it is kept what is remembered. @defaultValue it is not: it is gone with the manager */
  readonly memory?: t.Type<Memory, Json>;
  /** The part of what is remembered that is kept; each change of it is a write. @defaultValue all */
  readonly kept?: (memory: Memory) => Memory | undefined;
  /** How much is done at a time, over all instances. @defaultValue 16 */
  readonly concurrency?: number;
  /**
   * Tells what is to be done about an instance, whenever something about it has changed. It changes nothing itself, so that it can be
   * tested as a table: what it returns holds until it is asked again.
   */
  decide(sight: Sight<Memory>, occasion: Occasion<Input>): Verdict<Memory>;
  /**
   * Does it; what is emitted last is the `result`. Meanwhile the rules are asked as ever, and `unwanted$` emits each time that they do not
   * want it any more. What then was not done fails with {@link Withdrawn}. @defaultValue the verb of that name, for the instance as it was seen
   */
  perform?(
    act: Act,
    sight: Sight<Memory>,
    port: ControllerPort,
    unwanted$: Observable<Sight<Memory>>,
  ): Observable<unknown>;
  /** What comes from elsewhere, by instance. @defaultValue nothing */
  inputs?(port: ControllerPort): Observable<{ readonly instanceId: string; readonly input: Input }>;
  /** What is told of an instance, see {@link RunningController.status}. */
  readonly status?: (sight: Sight<Memory>) => InstanceStatus;
  /** What `hold` of an instance comes to. It may throw, then `hold` fails with that. */
  readonly hold?: (sight: Sight<Memory>) => Input;
}

const defaultConcurrency = 16;

/**
 * Makes a controller out of rules: it watches, asks the rules what is to be done about each instance, remembers, does it, a few at a time and
 * of each instance one at a time, and asks again. What it misses, `watch` brings back; what it remembered under the manager before, it
 * goes on with. It fails when a rule throws, and is opened again by the manager.
 */
export function createController<Memory = never, Input = never>(
  rules: ControllerRules<Memory, Input>,
): Controller {
  return { name: rules.name, open: (port) => opened(rules, port) };
}

interface Known<Memory> {
  instance: Instance;
  memory: Memory | undefined;
  /** What of that is kept, or about to be. */
  kept: Memory | undefined;
  /** Completes once what is remembered is kept. */
  kept$: Observable<never>;
  /** Whether something waits for its turn, or is under way. */
  isBusy: boolean;
  /** Told when what is under way is not wanted any more. */
  unwanted$: Subject<Sight<Memory>> | undefined;
}

function opened<Memory, Input>(
  rules: ControllerRules<Memory, Input>,
  port: ControllerPort,
): RunningController {
  const { name, field, concurrency = defaultConcurrency, kept: keptOf = identity, status, hold } = rules;
  const { now, logger } = port;
  const remembered = rules.memory === undefined ? undefined : port.remembered(rules.memory);
  const known = new Map<string, Known<Memory>>();
  const turns$ = new Subject<Known<Memory>>();
  const due$ = new Subject<string>();
  const alarms = createAlarms(now, (instanceId) => {
    due$.next(instanceId);
  });

  const sightOf = ({ instance, memory }: Known<Memory>): Sight<Memory> => ({ instance, memory, now: now() });

  const remember = (its: Known<Memory>, memory: Memory | undefined): void => {
    if (memory === its.memory || isDeepStrictEqual(memory, its.memory)) return;
    its.memory = memory;
    if (remembered === undefined) return;
    const part = memory === undefined ? undefined : keptOf(memory);
    if (isDeepStrictEqual(part, its.kept)) return;
    const kept$ = new Subject<never>();
    const { id } = its.instance;
    its.kept = part;
    its.kept$ = kept$;
    remembered.save(id, part).subscribe({
      error: (err: unknown) => {
        logger.warn(
          { controller: name, instanceId: id, err },
          'what a controller remembers could not be kept',
        );
        kept$.complete();
      },
      complete: () => {
        kept$.complete();
      },
    });
  };

  const decide = (its: Known<Memory>, occasion: Occasion<Input>): Act | undefined => {
    const sight = sightOf(its);
    const { memory, at, act } = rules.decide(sight, occasion);
    remember(its, memory);
    // While something is done it is asked again at the end; and what is late for ever must not keep the loop busy.
    const next = at === undefined ? undefined : Math.max(at, sight.now + 1);
    alarms.set(its.instance.id, its.isBusy || act !== undefined ? undefined : next);
    return act;
  };

  const look = (its: Known<Memory>, occasion: Occasion<Input>): void => {
    const act = decide(its, occasion);
    if (its.isBusy) {
      if (act === undefined) its.unwanted$?.next(sightOf(its));
    } else if (act !== undefined) {
      its.isBusy = true;
      turns$.next(its);
    }
  };

  const lookAt = (instanceId: string, occasion: Occasion<Input>): void => {
    const its = known.get(instanceId);
    if (its !== undefined) look(its, occasion);
  };

  /** Whether it is still the one that is there. */
  const isThere = (its: Known<Memory>): boolean => known.get(its.instance.id) === its;

  const forget = (instanceId: string): void => {
    known.delete(instanceId);
    alarms.set(instanceId, undefined);
  };

  const see = (
    instance: Instance,
    memories: Map<string, Memory>,
    occasion: Extract<Occasion<Input>, { kind: 'changed' }>,
  ): void => {
    const its = known.get(instance.id);
    if (its === undefined) {
      const memory = memories.get(instance.id);
      // One that comes back under the same id has nothing of it.
      memories.delete(instance.id);
      const idle = { kept$: EMPTY, isBusy: false, unwanted$: undefined };
      const seen = { instance, memory, kept: memory, ...idle };
      known.set(instance.id, seen);
      look(seen, occasion);
    } else if (instance.revision > its.instance.revision) {
      its.instance = instance;
      look(its, occasion);
    }
  };

  const apply = (change: InstanceChange, memories: Map<string, Memory>): void => {
    if (change.kind === 'snapshot') {
      const there = new Set(change.instances.map(({ id }) => id));
      for (const id of known.keys()) if (!there.has(id)) forget(id);
      for (const instance of change.instances) see(instance, memories, { kind: 'changed' });
    } else if (change.kind === 'upsert') {
      const { action, cause } = change.event;
      see(change.instance, memories, { kind: 'changed', action, cause });
    } else if (change.kind === 'removed') {
      const its = known.get(change.instanceId);
      // It is there no more, or has lost the field.
      if (its !== undefined && change.event.action !== 'delete') remember(its, undefined);
      forget(change.instanceId);
    }
  };

  const watched$ = (remembered?.load() ?? of(new Map<string, Memory>())).pipe(
    map((loaded) => new Map(loaded)),
    mergeMap((memories) =>
      port.watch(field === undefined ? {} : { hasFields: [field] }).pipe(
        takeWhile(({ kind }) => kind !== 'closing'),
        tap((change) => {
          apply(change, memories);
        }),
      ),
    ),
    ignoreElements(),
  );

  const alarmed$ = due$.pipe(
    tap((instanceId) => {
      lookAt(instanceId, { kind: 'due' });
    }),
    ignoreElements(),
  );

  const inputs$ = (rules.inputs?.(port) ?? EMPTY).pipe(
    tap(({ instanceId, input }) => {
      lookAt(instanceId, { kind: 'input', input });
    }),
    ignoreElements(),
  );

  const performed = (its: Known<Memory>): Observable<Decision> =>
    defer(() => {
      const act = isThere(its) ? decide(its, { kind: 'turn' }) : undefined;
      if (act === undefined) {
        its.isBusy = false;
        // Its alarm was put off for this turn.
        if (isThere(its)) decide(its, { kind: 'due' });
        return EMPTY;
      }
      const { verb, reason, isQuiet = false } = act;
      const sight = sightOf(its);
      const unwanted$ = new ReplaySubject<Sight<Memory>>(1);
      its.unwanted$ = unwanted$;
      const { id: instanceId } = its.instance;
      const after = (occasion: Occasion<Input>): void => {
        its.isBusy = false;
        its.unwanted$ = undefined;
        if (isThere(its)) look(its, occasion);
      };
      /** What came of it is known before `watch` tells it. */
      const takeIn = (result: unknown): void => {
        if (verb === 'delete') forget(instanceId);
        else if (isView(result, its.instance)) its.instance = result;
      };
      return concat(
        its.kept$,
        defer(() => rules.perform?.(act, sight, port, unwanted$) ?? called(act, sight, port)),
      ).pipe(
        last(undefined, undefined),
        mergeMap((result): Observable<Decision> => {
          takeIn(result);
          after({ kind: 'done', verb, result });
          return isQuiet ? EMPTY : of({ instanceId, verb, reason });
        }),
        catchError((error: unknown) => {
          if (error instanceof Withdrawn) {
            after({ kind: 'due' });
            return EMPTY;
          }
          if (!hasTag(error, 'Conflict')) after({ kind: 'failed', verb, error });
          else if (its.instance.revision !== sight.instance.revision) after({ kind: 'due' });
          // The change is on its way, and is decided about then.
          else {
            its.isBusy = false;
            its.unwanted$ = undefined;
          }
          return of({ instanceId, verb, reason, error });
        }),
      );
    });

  return {
    decisions$: merge(turns$.pipe(mergeMap(performed, concurrency)), alarmed$, inputs$, watched$).pipe(
      finalize(() => {
        alarms.clear();
        known.clear();
      }),
    ),
    ...(status !== undefined && {
      status: ({ id }) => {
        const its = known.get(id);
        return its === undefined ? {} : status(sightOf(its));
      },
    }),
    ...(hold !== undefined && {
      hold: ({ id }) =>
        defer(() => {
          const its = known.get(id);
          if (its === undefined) return EMPTY;
          look(its, { kind: 'input', input: hold(sightOf(its)) });
          return its.kept$;
        }),
    }),
  };
}

/** Whether it is a newer view of the instance. */
const isView = (result: unknown, { id, revision }: Instance): result is Instance =>
  isRecord(result) &&
  result['id'] === id &&
  typeof result['revision'] === 'number' &&
  result['revision'] > revision;

/** The verb of that name, for the instance as it was seen. */
function called(
  { verb, reason }: Act,
  { instance: { id, revision } }: Sight<unknown>,
  { instances }: ControllerPort,
): Observable<Instance> {
  const options = { reason, expectedRevision: revision };
  switch (verb) {
    case 'start':
      return instances.start(id, {}, options);
    case 'stop':
    case 'standby':
    case 'restore':
    case 'restart':
    case 'delete':
      return instances[verb](id, options);
    default:
      throw new TypeError(`nothing is known of how to ${verb}`);
  }
}
