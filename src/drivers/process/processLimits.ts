import { found } from '../../codecs/decode.js';
import { describeFault, type Fault, LaunchFailed } from '../../lifecycle/errors.js';
import type { InstanceSpec, LimitName } from '../../lifecycle/instance.js';
import { findIdentity, type Identity } from '../host/identity.js';
import { type Controller, type LimitPlace, limitPlaces, mostOpenFiles } from '../host/limitPlaces.js';
import type { LimitGroup, Limits } from '../host/spawnerMessages.js';
import { findProgram } from './programFile.js';

type Asked = Pick<InstanceSpec, LimitName>;

const controllerOf = { memoryMiB: 'memory', cpus: 'cpu', pids: 'pids' } as const satisfies Partial<
  Record<LimitName, Controller>
>;
type Grouped = keyof typeof controllerOf;
const grouped = Object.keys(controllerOf) as readonly Grouped[];

/** The limits that processes of this host can be held to at the moment. */
export function limitsHere(): readonly LimitName[] {
  const places = limitPlaces();
  const held = grouped.filter((name) => placeOf(places, name) !== undefined);
  return [...held, 'openFiles', ...(process.geteuid?.() === 0 ? (['user'] as const) : [])];
}

const placeOf = (places: readonly LimitPlace[], name: Grouped): LimitPlace | undefined =>
  places.find(({ controllers }) => controllers.includes(controllerOf[name]));

/** What this host can't hold a process to, of what a request asks for, and what it would need. */
export function faultsOfLimits(asked: Asked): readonly Fault[] {
  const wanted = grouped.filter((name) => asked[name] !== undefined);
  const places = wanted.length === 0 ? [] : limitPlaces();
  const fault = (path: LimitName, expected: string): Fault => ({ path, found: found(asked[path]), expected });
  const missing = wanted
    .filter((name) => placeOf(places, name) === undefined)
    .map((name) => {
      const needs = `a control group with the controller "${controllerOf[name]}" in which it may make others (cgroup v1 as root, or v2 handed down to it)`;
      return fault(name, `no limit, since this process has not ${needs}`);
    });
  const most = asked.openFiles === undefined ? undefined : mostOpenFiles();
  const tooMany = most !== undefined && (asked.openFiles ?? 0) > most;
  return [
    ...missing,
    ...(tooMany
      ? [fault('openFiles', `at most ${String(most)}, which this process may have open itself`)]
      : []),
    ...(asked.user === undefined ? [] : faultsOfUser(asked.user).map((expected) => fault('user', expected))),
  ];
}

function faultsOfUser(user: string): readonly string[] {
  const identity = findIdentity(user);
  if (typeof identity === 'string') return [`a user of this host: ${identity}`];
  if (isOwn(identity)) return [];
  if (process.geteuid?.() !== 0) return ['no other user than that of this process, which is not root'];
  if (identity.groups.length === 0 || findSetpriv() !== undefined) return [];
  return [
    'a user in one group only, or one named with its group: there is no program "setpriv" in PATH, which enters others',
  ];
}

const findSetpriv = (): string | undefined => findProgram('setpriv', { cwd: '/', path: process.env['PATH'] });

/** Nothing has to be changed for it. */
const isOwn = ({ uid, gid }: Identity): boolean =>
  uid !== 0 && uid === process.geteuid?.() && gid === process.getegid?.();

/** To what a process is held, and as whom it runs. */
export interface ProcessLimits {
  readonly limits?: Limits;
  /** Absent where it runs as this process does. */
  readonly identity?: Identity;
}

const bytesOf = (mebibytes: number): string => String(mebibytes * 2 ** 20);
const periodMicros = 100_000;
const quotaOf = (cpus: number): string => String(Math.round(cpus * periodMicros));

const settingsOf = (name: Grouped, value: number, isSecond: boolean): LimitGroup['settings'] => {
  switch (name) {
    case 'memoryMiB':
      // Beyond it nothing is to be swapped out either, where that is counted.
      return isSecond
        ? [
            { file: 'memory.max', value: bytesOf(value) },
            { file: 'memory.swap.max', value: '0', isOptional: true },
          ]
        : [
            { file: 'memory.limit_in_bytes', value: bytesOf(value) },
            { file: 'memory.memsw.limit_in_bytes', value: bytesOf(value), isOptional: true },
          ];
    case 'cpus':
      return isSecond
        ? [{ file: 'cpu.max', value: `${quotaOf(value)} ${String(periodMicros)}` }]
        : [
            { file: 'cpu.cfs_period_us', value: String(periodMicros) },
            { file: 'cpu.cfs_quota_us', value: quotaOf(value) },
          ];
    case 'pids':
      return [{ file: 'pids.max', value: String(value) }];
  }
};

/**
 * What holds a process to the limits of its spec.
 *
 * @throws {@link LaunchFailed} where this host, which may have been another when the spec was taken, has not what that needs
 */
export function limitsOf(spec: Asked): ProcessLimits {
  const [fault] = faultsOfLimits(spec);
  if (fault !== undefined) {
    throw new LaunchFailed({ reason: describeFault(fault) });
  }
  const identity = spec.user === undefined ? undefined : (findIdentity(spec.user) as Identity);
  const becoming = identity === undefined || isOwn(identity) ? undefined : identity;
  const setpriv = (becoming?.groups.length ?? 0) === 0 ? undefined : findSetpriv();
  const wanted = grouped.filter((name) => spec[name] !== undefined);
  const places = wanted.length === 0 ? [] : limitPlaces();
  const groups = places.flatMap((place): readonly LimitGroup[] => {
    const { dir, name, controllers } = place;
    const settings = wanted
      .filter((each) => controllers.includes(controllerOf[each]))
      .flatMap((each) => settingsOf(each, spec[each] as number, name !== undefined));
    return settings.length === 0 ? [] : [{ dir, settings, ...(name !== undefined && { name }) }];
  });
  const isLimited = groups.length > 0 || spec.openFiles !== undefined || setpriv !== undefined;
  return {
    ...(isLimited && {
      limits: {
        groups,
        ...(spec.openFiles !== undefined && { openFiles: spec.openFiles }),
        ...(setpriv !== undefined && { setpriv }),
      },
    }),
    ...(becoming !== undefined && { identity: becoming }),
  };
}
