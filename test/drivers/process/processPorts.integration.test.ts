import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EMPTY, firstValueFrom } from 'rxjs';
import { createProcessDriver, type InstanceSpec, type Machine } from 'rx-instances';
import { all, createProcessBench, exitOf, isReady, readyScript } from './processBench.js';

// As on a platform that tells this program itself where to listen.
process.env['PORT'] = '5000';
const bench = createProcessBench({ inheritEnv: ['PORT'] });
afterAll(() => {
  delete process.env['PORT'];
});

const portOf = (machine: Machine, guest: number): number => machine.ports?.addressOf(guest)?.port ?? 0;

const ports = [{ guest: 8_080 }, { guest: 9_090, host: 9_091 }];

/** The variables that tell a process of ports. */
const told = async (fields: Partial<InstanceSpec>) => {
  const launched = await bench.launched({ ...readyScript('env', 'echo ready', 'exec sleep 600'), ...fields });
  const lines = (await bench.log(launched.plan)).filter((line) => /^PORT(_\d+)?=/.test(line));
  return { ...launched, variables: lines.toSorted() };
};

const server = [
  process.execPath,
  '-e',
  "require('http').createServer((_, answer) => answer.end(process.env.INSTANCE_ID)).listen(process.env.PORT_8080)",
];

const page = async (port: number): Promise<string> =>
  (await fetch(`http://127.0.0.1:${String(port)}/`)).text();

it('a process learns the port of each of its ports, and of the first as PORT: before what it inherits', async () => {
  const { machine, variables } = await told({ ports });
  const [first, second] = [String(portOf(machine, 8_080)), String(portOf(machine, 9_090))];
  expect(variables).toEqual([`PORT=${first}`, `PORT_8080=${first}`, `PORT_9090=${second}`]);
});

it('one without ports learns of none, and inherits as ever', async () => {
  const { machine, variables } = await told({});
  expect(variables).toEqual(['PORT=5000']);
  expect(machine.handle).not.toHaveProperty('ports');
});

it('a port is picked outside of what the system gives to outgoing connections', async () => {
  const { machine } = await told({ ports });
  for (const guest of [8_080, 9_090]) {
    expect(portOf(machine, guest)).toBeGreaterThanOrEqual(20_000);
    expect(portOf(machine, guest)).toBeLessThanOrEqual(32_767);
  }
});

it.each<[string, Record<string, string>, number, readonly string[]]>([
  ['PORT of the first', { PORT: '4001' }, 8_080, ['PORT=4001', 'PORT_8080=4001']],
  ['PORT_<guest>', { PORT_9090: '4002' }, 9_090, ['PORT_9090=4002']],
])('a request that names %s in its env has it listen there', async (_, env, guest, expected) => {
  const { machine, variables } = await told({ ports, env });
  expect(variables).toEqual(expect.arrayContaining([...expected]));
  expect(portOf(machine, guest)).toBe(Number(Object.values(env)[0]));
});

it.each<[string, Record<string, string>]>([
  ['its own', { PORT_9090: '9091' }],
  ['another one', { PORT: '9091' }],
])(
  'a request whose env has it listen where clients of %s of its ports connect is refused',
  async (_, env) => {
    const plan = await bench.prepared({ entrypoint: ['sleep', '600'], ports, env });
    const reason =
      'env tells the program to listen on port 9091, which is ports[1].host, where clients connect: leave one of them out';
    await expect(firstValueFrom(bench.driver.launch(plan))).rejects.toMatchObject({
      ...{ _tag: 'LaunchFailed', reason },
    });
  },
);

it('a PORT in env that is no port is told as it is, and the port is reached elsewhere', async () => {
  const { machine, variables } = await told({ ports, env: { PORT: '/run/web.sock' } });
  expect(variables).toEqual([
    'PORT=/run/web.sock',
    ...[8_080, 9_090].map((guest) => `PORT_${String(guest)}=${String(portOf(machine, guest))}`),
  ]);
});

it('a readiness by one of its ports is that of where it listens, whoever else listens at the port of that number', async () => {
  const holder = createServer((_, answer) => answer.end('another'));
  await once(holder.listen(0, '127.0.0.1'), 'listening');
  const guest = (holder.address() as AddressInfo).port;
  const entrypoint = server.map((text) => text.replace('8080', String(guest)));
  const readiness = { kind: 'http', port: guest, path: '/' } as const;
  const { plan, machine } = await bench.launched({ entrypoint, ports: [{ guest }], readiness });
  await expect(page(portOf(machine, guest))).resolves.toBe(plan.instanceId);
  holder.close();
  holder.closeAllConnections();
  await once(holder, 'close');
});

it('a readiness by a port that is none of its ports is that of this host', async () => {
  // Free, and held by a program that never listens there.
  const port = portOf((await told({ ports })).machine, 8_080);
  const { plan } = await bench.launched({
    entrypoint: server,
    env: { PORT_8080: String(port) },
    readiness: { kind: 'tcp', port },
  });
  await expect(page(port)).resolves.toBe(plan.instanceId);
});

it('its port is another one after each launch', async () => {
  const { plan, machine } = await bench.launched({ entrypoint: ['sleep', '600'], ports });
  await all(machine.kill());
  const again = bench.hold(await firstValueFrom(bench.driver.launch(plan)));
  expect(portOf(again, 8_080)).not.toBe(portOf(machine, 8_080));
});

describe('where there are two ports in all', () => {
  const fields = { entrypoint: ['sleep', '600'], ports };
  const create = () => createProcessDriver({ pollMs: 5, portRange: { from: 19_998, to: 19_999 } });

  it('they are held while a machine runs, adopted or not, and by no longer', async () => {
    const driver = create();
    const [plan, other] = [await bench.prepared(fields), await bench.prepared(fields)];
    const machine = bench.hold(await firstValueFrom(driver.launch(plan)));
    await expect(firstValueFrom(driver.launch(other))).rejects.toMatchObject({ _tag: 'LaunchFailed' });

    const next = create();
    const adopted = bench.hold(await firstValueFrom(next.adopt(plan, machine.handle)));
    await expect(firstValueFrom(next.launch(other))).rejects.toMatchObject({ _tag: 'LaunchFailed' });

    await all(adopted.kill());
    await exitOf(machine);
    bench.hold(await firstValueFrom(next.launch(other)));
    await all(driver.close?.() ?? EMPTY);
    await all(next.close?.() ?? EMPTY);
  });

  it('a launch that fails leaves none of them held', async () => {
    const driver = create();
    const plan = await bench.prepared(fields);
    const broken = await bench.prepared({ ...fields, entrypoint: ['/no/such/program'] });
    await expect(firstValueFrom(driver.launch(broken))).rejects.toMatchObject({ _tag: 'LaunchFailed' });
    const machine = bench.hold(await firstValueFrom(driver.launch(plan)));
    await isReady(machine);
    await all(driver.close?.() ?? EMPTY);
  });
});

it.each([
  [{ from: 0, to: 1 }, 'portRange.from'],
  [{ from: 2, to: 1 }, 'portRange'],
  [{ from: 1 }, 'portRange.to'],
])('the range %j is refused', (portRange, path) => {
  expect(() => createProcessDriver({ portRange: portRange as never })).toThrow(
    expect.objectContaining({ _tag: 'InvalidRequest', faults: [expect.objectContaining({ path })] }) as Error,
  );
});
