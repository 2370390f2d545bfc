import type { InstanceSpec } from '../lifecycle/instance.js';
import { canonical } from './requestFingerprint.js';

/** What a field that is left out stands for, as {@link BaseSpec} and {@link DriverFields} say it. What an image decides is not among them. */
const defaults: Readonly<Record<string, unknown>> = {
  ...{ runTimeoutMs: 0, autoStandby: { enabled: false } },
  ...{ entrypoint: [], cmd: [], ports: [], kernelArguments: [] },
  ...{ stopSignal: 'SIGTERM', stopGraceMs: 5_000, network: 'isolated' },
  output: process.platform === 'linux' ? 'pipes' : 'file',
};

const portDefaults = { host: 0, wake: 'standby' };

type Fields = Readonly<Record<string, unknown>>;

const filledIn = (field: string, value: unknown): unknown => {
  const said = value ?? defaults[field];
  return field === 'ports' && Array.isArray(said)
    ? said.map((port: object) => ({ ...portDefaults, ...port }))
    : said;
};

/**
 * The fields in which what is kept is another than what is asked for, by their names. What is left out is taken for its default; a time to
 * live counts from the creation on, so that of one that is asked for with it only matters that its end is set and to come.
 */
export function differingFields(
  kept: InstanceSpec,
  asked: InstanceSpec,
  { hasTtl, now }: { readonly hasTtl: boolean; readonly now: number },
): readonly string[] {
  const [before, after] = [kept as Fields & InstanceSpec, asked as Fields & InstanceSpec];
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields].filter((field) => {
    if (field === 'expiresAt' && hasTtl) return (before.expiresAt ?? 0) <= now;
    return canonical(filledIn(field, before[field])) !== canonical(filledIn(field, after[field]));
  });
}
