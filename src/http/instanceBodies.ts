import { isRight } from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { json } from '../codecs/json.js';
import { secret } from '../codecs/secret.js';
import { longestTimerMs } from '../codecs/scalars.js';
import { driverFieldNames } from '../codecs/wire/driverFieldNames.js';
import { wireSpec } from '../codecs/wire/wireSpec.js';
import type {
  CreateRequest,
  ForkRequest,
  StartOverrides,
  UpdateRequest,
} from '../instances/instanceRequests.js';
import type { DriverFields } from '../lifecycle/instance.js';
import { described, type Described, describedObject, type ValueOf } from './described.js';
import { policyFields, policyRequests, said } from './policyBodies.js';
import { mebibytes } from './sizes.js';
import { choice, env, flag, name, none, tags, targetState, text, texts, whole } from './values.js';

/** What a driver of this package understands and hypeman does not have: as it is on the wire, and only its driver knows more. */
const driverFields = Object.fromEntries(
  Object.entries(driverFieldNames)
    .filter(([field]) => !['entrypoint', 'cmd', 'vcpus', 'network'].includes(field))
    .map(([, called]) => [called, described(secret(json), { description: `As ${called} of an instance` })]),
) as Readonly<Record<string, Described<unknown>>>;

const size = described(mebibytes, { type: 'string', description: 'Memory', examples: ['512MB'] });

const network = describedObject(
  'a network',
  {},
  {
    enabled: flag,
    bandwidth_download: none('bandwidth is not limited here'),
    bandwidth_upload: none('bandwidth is not limited here'),
    egress: none('egress is not filtered here'),
  },
);

const compression = describedObject(
  'compression',
  {},
  { enabled: described(t.literal(false), { const: false }), algorithm: text, level: whole('a level', 0, 22) },
);

/** What a machine is asked to be, beyond policies; all of it may be left out. */
const machineFields = {
  env,
  secrets: env,
  tags,
  size,
  vcpus: whole('processors', 1, 1_024),
  network,
  run_timeout_ms: whole('milliseconds', 0, longestTimerMs),
  driver_fields: described(secret(t.UnknownRecord), {
    type: 'object',
    description: 'Fields of a driver that is none of this package',
  }),
  ...driverFields,
};

const overrides = { entrypoint: texts, cmd: texts };

export const createBody = describedObject(
  'create request',
  { name, image: text },
  {
    hypervisor: text,
    ...overrides,
    ...machineFields,
    ...policyFields,
    skip_guest_agent: flag,
    skip_kernel_headers: flag,
    platform: none('images are of the host’s platform'),
    hotplug_size: none('memory is not plugged in while it runs'),
    overlay_size: none('disks have no limit here'),
    disk_io_bps: none('disks are not slowed down here'),
    devices: none('there are no devices here'),
    gpu: none('there are no devices here'),
    volumes: none('there are no volumes here'),
    credentials: none('credentials are not brokered here'),
    snapshot_policy: none('memory is not compressed here'),
  },
);
export const updateBody = describedObject(
  'update request',
  {},
  { ...machineFields, ...overrides, ...policyFields },
);
export const startBody = describedObject('start overrides', {}, overrides);
export const standbyBody = describedObject(
  'standby request',
  {},
  { compression, compression_delay: none('memory is not compressed here') },
);
export const forkBody = describedObject(
  'fork request',
  { name },
  { from_running: flag, target_state: targetState, env, tags, ...overrides },
);
export const snapshotBody = describedObject(
  'snapshot request',
  { kind: choice(['Standby', 'Stopped']) },
  { name, tags, compression },
);
export const restoreSnapshotBody = describedObject(
  'restore request',
  {},
  { target_state: targetState, target_hypervisor: text },
);
export const forkSnapshotBody = describedObject(
  'fork request',
  { name },
  { target_state: targetState, target_hypervisor: text, env, tags, ...overrides },
);

export const createRequest = (body: ValueOf<typeof createBody>): CreateRequest =>
  said({
    ...driverFieldsOf(body),
    ...policyRequests(body),
    name: body.name,
    image: body.image,
    driver: body.hypervisor,
    env: body.env,
    secrets: body.secrets,
    tags: body.tags,
    entrypoint: body.entrypoint,
    cmd: body.cmd,
    runTimeoutMs: body.run_timeout_ms,
  });

export const updateRequest = (body: ValueOf<typeof updateBody>): UpdateRequest =>
  said({
    ...driverFieldsOf(body),
    ...policyRequests(body),
    env: body.env,
    secrets: body.secrets,
    tags: body.tags,
    entrypoint: body.entrypoint,
    cmd: body.cmd,
    runTimeoutMs: body.run_timeout_ms,
  });

export const forkRequest = (body: ValueOf<typeof forkBody>): ForkRequest =>
  said({
    name: body.name,
    fromRunning: body.from_running,
    targetState: body.target_state,
    env: body.env,
    tags: body.tags,
    entrypoint: body.entrypoint,
    cmd: body.cmd,
  });

export const startOverrides = (body: ValueOf<typeof startBody>): StartOverrides => said(body);

/** What only a driver understands, by its own names. */
function driverFieldsOf(body: Readonly<Record<string, unknown>>): DriverFields {
  const wire = Object.fromEntries(Object.entries(body).filter(([key]) => Object.hasOwn(driverFields, key)));
  const {
    size: memoryMiB,
    vcpus,
    network: asked,
    driver_fields: others,
  } = body as ValueOf<typeof updateBody>;
  // The names have one table, which is that of specs.
  const decoded = wireSpec.decode({
    driver: '',
    image: '',
    env: {},
    tags: {},
    ...wire,
    driver_fields: others,
  });
  if (!isRight(decoded)) throw new Error('a field of a driver is JSON, and was not understood');
  const { driver, image, env: ignored, tags: none, ...fields } = decoded.right;
  return said({
    ...fields,
    ...(memoryMiB !== undefined && { memoryMiB }),
    vcpus,
    network: asked?.enabled === undefined ? undefined : asked.enabled ? 'user' : 'isolated',
  } as const);
}
