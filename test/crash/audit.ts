import { readdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { ownMark } from '../../src/drivers/driver.js';
import { readRun } from '../../src/drivers/host/runRecord.js';
import { isOfSnapshot, type LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { transition } from '../../src/lifecycle/state.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import { openDataDir } from '../../src/store/openDataDir.js';
import { wholeLog } from '../store/changes.js';
import { kernelViewOf, processesOf, processesWith } from '../support/processes.js';
import { until } from '../support/until.js';
import { answer, type Asked } from './ask.js';
import { openCrashManager } from './openCrashManager.js';
import { isOpponent } from './opponent.js';
import { createPolicyAudit } from './policyAudit.js';
import type { Told } from './told.js';

/** Holds a data directory to its record from outside. */
export interface Audit {
  /** Takes in what was told since the last look. */
  hear(told: Told): void;
  /** Opens the directory, and tells all that is not as it has to be. */
  look(): Promise<readonly string[]>;
  /** Pids of the leaders that run. */
  leaders(): readonly number[];
  /** How often something was done by itself, by `action by, reason`. */
  readonly done: ReadonlyMap<string, number>;
  /** Every small process that was seen. */
  readonly spawners: ReadonlySet<number>;
}

/** What ends by itself may have done so a moment ago; nothing else is settled later than opening. */
const goneSince = 'is undefined';

/** How much is asked for again after a kill. */
const mostAgain = 20;
/** What is not remembered. */
const refusals = ['InvalidState', 'InstanceNotFound', 'NameTaken'];

/** What came from another process has other prototypes. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

const unlimited = { maxEvents: 2 ** 24, maxBytes: 2 ** 40, maxAgeMs: 2 ** 40 };

/** Creates the {@link Audit} of a directory. */
export function createAudit(dataDir: string): Audit {
  const table = new Map<string, Instance>();
  /** Which revisions of an instance there ever were; 0 stands for its end. */
  const revisions = new Map<string, Set<number>>();
  const spawners = new Set<number>();
  /** Which actions there ever were by each request id, and what each that was asked for last came to, if it was acknowledged. */
  const actions = new Set<string>();
  const asked = new Map<string, { readonly it: Asked; acknowledged?: string }>();
  const policies = createPolicyAudit();
  let told: Told[] = [];
  let folded = 0;

  /** Takes an event into the table, and tells what is wrong with it. */
  const fold = (event: LifecycleEvent): readonly string[] => {
    const { sequence } = event;
    folded = sequence;
    if (isOfSnapshot(event)) return [];
    const { action, instanceId, instance } = event;
    const before = table.get(instanceId);
    const place = `event ${String(sequence)} (${action})`;
    const move = transition(action, before?.state ?? 'absent');
    const known = revisions.get(instanceId) ?? new Set();
    revisions.set(instanceId, known.add(instance?.revision ?? 0));
    if (instance === undefined) table.delete(instanceId);
    else table.set(instanceId, instance);
    const { exit, spec } = instance ?? {};
    const { requestId } = event.cause;
    const byRequest = `${String(requestId)} ${action}`;
    // The source of a fork that was undone is put on standby, and goes on, once more.
    const mayRecur = requestId === undefined || (requestId.startsWith('fork-') && action !== 'fork');
    const recurs = !mayRecur && actions.has(byRequest);
    actions.add(byRequest);
    return [
      [!recurs, `${place} came of ${String(requestId)} once more`],
      [event.previousState === before?.state, `${place} tells another state before it`],
      [
        (instance?.revision ?? 0) === (instance === undefined ? 0 : (before?.revision ?? 0) + 1),
        `${place} has a wrong revision`,
      ],
      [
        move.kind === 'move' && (instance === undefined || move.to.includes(instance.state)),
        `${place} is not allowed`,
      ],
      [
        action !== 'exit' ||
          exit?.code !== null ||
          exit.signal !== null ||
          (spec !== undefined && isOpponent(spec)),
        `${place} does not tell how it ended`,
      ],
    ]
      .flatMap(([isSo, otherwise]) => (isSo === true ? [] : [String(otherwise)]))
      .concat(policies.fold(event));
  };

  const checkLog = (log: readonly LifecycleEvent[]): readonly string[] => {
    const first = folded + 1;
    const faults: string[] = [];
    log.forEach((event, index) => {
      if (event.sequence !== first + index) faults.push(`event ${String(first + index)} is missing`);
      faults.push(...fold(event));
    });
    const lastHeard = new Map<number, number>();
    for (const it of told) {
      if (it.kind === 'event') {
        const kept = log[it.event.sequence - first];
        if (!isDeepStrictEqual(plain(kept), plain(it.event)))
          faults.push(`event ${String(it.event.sequence)} was told otherwise`);
        lastHeard.set(it.event.sequence, (lastHeard.get(it.event.sequence) ?? 0) + 1);
      }
      if (it.kind === 'done' && revisions.get(it.id)?.has(it.revision) !== true) {
        faults.push(`${it.verb} was acknowledged, and its revision ${String(it.revision)} is not kept`);
      }
      if (it.kind === 'done' && it.verb === 'delete' && table.has(it.id))
        faults.push('a deleted instance is there');
      if (it.kind === 'failed' && !it.error.startsWith('DriverFailed: '))
        faults.push(`${it.verb} failed: ${it.error}`);
    }
    for (const [sequence, times] of lastHeard) {
      if (times > 1) faults.push(`event ${String(sequence)} was told ${String(times)} times`);
    }
    told = [];
    return faults;
  };

  /** Asks again for what was asked for since the last look, and once more: it comes to the same, and nothing comes of that. */
  const askAgain = async (manager: InstanceManager): Promise<readonly string[]> => {
    const faults: string[] = [];
    let events = 0;
    const counting = manager.events('again').subscribe(({ cause }) => {
      if (cause.requestId !== undefined) events += 1;
    });
    for (const { it, acknowledged } of [...asked.values()].slice(-mostAgain)) {
      const before = events;
      const first = await answer(manager, it);
      if (acknowledged !== undefined && acknowledged !== first)
        faults.push(`${it.requestId} was acknowledged as ${acknowledged} and comes to ${first}`);
      if (acknowledged !== undefined && events > before) faults.push(`${it.requestId} was done again`);
      const between = events;
      const second = await answer(manager, it);
      if (!refusals.includes(first) && (second !== first || events > between))
        faults.push(`${it.requestId} came to ${first}, then to ${second}`);
    }
    asked.clear();
    counting.unsubscribe();
    return faults;
  };

  const same = (what: string, instances: readonly Instance[]): readonly string[] => {
    const mine = new Map([...table].sort());
    const theirs = new Map(instances.map((instance) => [instance.id, instance] as const).sort());
    return isDeepStrictEqual(theirs, mine) ? [] : [`${what} is not what the log makes of it`];
  };

  /** What runs, by pid, against what should. */
  const checkProcesses = (instances: readonly Instance[]): readonly string[] => {
    const ours = new Set(processesWith('CRASH', dataDir));
    const faults: string[] = [];
    const groups = new Set<number>();
    const runaways = new Set<number>();
    for (const { id, name, spec, state, handle } of instances) {
      const view = handle?.pid === undefined ? undefined : kernelViewOf(handle.pid);
      if (handle?.pid !== undefined) groups.add(handle.pid);
      if (state !== 'Stopped' && isOpponent(spec)) for (const pid of processesOf(id)) runaways.add(pid);
      const isSo =
        state === 'Stopped'
          ? handle === undefined
          : view !== undefined && (view.state === 'T') === (state === 'Standby');
      if (!isSo)
        faults.push(`${name} is ${state}, its process ${String(handle?.pid)} is ${String(view?.state)}`);
    }
    for (const pid of ours) {
      const group = kernelViewOf(pid)?.group;
      if (group !== undefined && !groups.has(group) && !runaways.has(pid))
        faults.push(`process ${String(pid)} is of no instance`);
    }
    return faults;
  };

  const checkFiles = (instances: readonly Instance[]): readonly string[] => {
    const homes = join(dataDir, 'instances');
    const ids = new Set(instances.map(({ id }) => id));
    return [
      ...readdirSync(homes)
        .filter((name) => !ids.delete(name))
        .map((name) => `home ${name} is of no instance`),
      ...[...ids].map((id) => `instance ${id} has no home`),
      ...instances.flatMap(({ id }) =>
        readdirSync(join(homes, id))
          .filter((name) => !['work', 'logs', 'run', ownMark].includes(name))
          .map((name) => `file ${id}/${name} is nobody's`),
      ),
    ];
  };

  return {
    hear: (it) => {
      told.push(it);
      policies.hear(it);
      if (it.kind === 'asked') asked.set(it.asked.requestId, { it: it.asked });
      if (it.kind !== 'done' || it.requestId === undefined) return;
      const known = asked.get(it.requestId);
      if (known !== undefined) known.acknowledged = `${it.id} ${String(it.revision)}`;
    },
    look: async () => {
      const manager = await openCrashManager(dataDir);
      const faults: string[] = [];
      try {
        const seen = (): readonly string[] => {
          let found: readonly string[] = [];
          manager.list().subscribe((instances) => {
            found = checkProcesses(instances);
          });
          return found;
        };
        const mayBeUntold = (fault: string): boolean => fault.endsWith(goneSince);
        faults.push(
          ...seen()
            .filter((fault) => !mayBeUntold(fault))
            .map((fault) => `as soon as it is open: ${fault}`),
        );
        faults.push(...(await askAgain(manager)));
        const looked = await until(seen, ({ length }) => length === 0);
        faults.push(...looked);
        const instances = await firstValueFrom(manager.list());
        for (const { id } of instances) {
          const run = await readRun(join(dataDir, 'instances', id));
          if (run !== undefined) spawners.add(run.spawner.pid);
        }
      } finally {
        await manager.close();
      }
      const store = await openDataDir(dataDir, {
        retention: unlimited,
        now: Date.now,
        onDamaged: ({ key }) => faults.push(`the record ${key} is damaged`),
      });
      try {
        const { instances } = await firstValueFrom(store.load());
        faults.push(...checkLog(await wholeLog(store, folded, 1_000)));
        faults.push(...same('the table', instances), ...checkFiles(instances));
        const clocks = await firstValueFrom(store.loadRuntime('auto_standby'));
        faults.push(...policies.checkClocks(clocks, instances));
      } finally {
        await lastValueFrom(store.close(), { defaultValue: undefined });
      }
      return faults;
    },
    leaders: () => [...table.values()].flatMap(({ handle }) => handle?.pid ?? []),
    spawners,
    done: policies.done,
  };
}
