import {
  createProcessDriver,
  type CreateRequest,
  type HealthStatus,
  type InstanceManager,
  type LifecycleEvent,
  openManager,
} from 'rx-instances';
import { firstValueFrom, map, repeat, skipWhile } from 'rxjs';

const clocks = { intervalMs: 50, timeoutMs: 50, startPeriodMs: 0, failureThreshold: 2 };
const readiness = { kind: 'log', pattern: '^well$' } as const;

let manager: InstanceManager;
let events: LifecycleEvent[];

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver({ pollMs: 5 })] });
  events = [];
  manager.events('test').subscribe((event) => events.push(event));
});

afterEach(() => manager.close());

/** Comes once it is found so. */
const found = (status: HealthStatus['status']): Promise<HealthStatus | undefined> =>
  firstValueFrom(
    manager.status('web').pipe(
      repeat({ delay: 5 }),
      map(({ healthCheck }) => healthCheck),
      skipWhile((health) => health?.status !== status),
    ),
  );

const create = async (fields: Partial<CreateRequest>): Promise<void> => {
  await firstValueFrom(manager.create({ name: 'web', image: 'scratch', readiness, ...fields }));
  await firstValueFrom(manager.waitForState('web', 'Running'));
};

/** Is well from its start on until it gets the signal. */
const server = [
  process.execPath,
  '-e',
  `let status = 200;
  process.on('SIGUSR2', () => (status = 503));
  require('http').createServer((_, answer) => answer.writeHead(status).end()).listen(process.env.PORT, () => console.log('well'));`,
];
const program = ['/bin/sh', '-c', `trap 'rm well' USR2; : > well; echo well; while :; do sleep 0.01; done`];

const web = {
  entrypoint: server,
  ports: [{ guest: 80 }],
  healthCheck: { kind: 'http', port: 80, ...clocks, intervalMs: 500, timeoutMs: 500 },
} as const;
const checked = {
  entrypoint: program,
  healthCheck: {
    kind: 'exec',
    command: ['test', '-e', 'well'],
    ...clocks,
    intervalMs: 1_000,
    timeoutMs: 1_000,
  },
} as const;

it.each<[string, Partial<CreateRequest>, string]>([
  ['by HTTP', web, 'it answered 503 instead of 200'],
  ['by a program', checked, 'it ended with code 1'],
])(
  'a process that is found ill %s is restarted by its policy, and well again',
  async (_, fields) => {
    await create({ ...fields, restartPolicy: { policy: 'on_failure', backoffMs: 0 } });
    await found('healthy');
    await firstValueFrom(manager.signal('web', 'SIGUSR2'));
    await firstValueFrom(manager.waitForState('web', 'Stopped'));
    await firstValueFrom(manager.waitForState('web', 'Running'));
    await found('healthy');
    const causes = events.map(({ action, cause: { by, reason } }) => [action, by, reason]);
    expect(causes).toContainEqual(['stop', 'restart_policy', 'unhealthy']);
    expect(causes).toContainEqual(['start', 'restart_policy', 'unhealthy']);
    expect(await firstValueFrom(manager.status('web'))).toMatchObject({
      restartPolicy: { attempts: 1, lastReason: 'unhealthy' },
    });
  },
  30_000,
);

it.each<[string, Partial<CreateRequest>, string]>([
  ['by HTTP', web, 'it answered 503 instead of 200'],
  ['by a program', checked, 'it ended with code 1'],
])(
  'one without a policy that is found ill %s is only told',
  async (_, fields, lastError) => {
    await create(fields);
    await firstValueFrom(manager.signal('web', 'SIGUSR2'));
    await expect(found('unhealthy')).resolves.toMatchObject({ lastError });
    expect(events.filter(({ action }) => action === 'stop')).toEqual([]);
    await expect(firstValueFrom(manager.get('web'))).resolves.toMatchObject({ state: 'Running' });
  },
  30_000,
);
