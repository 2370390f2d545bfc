import { execFile } from 'node:child_process';
import { resolve } from 'node:path';

interface Cruise {
  readonly summary: {
    readonly violations: readonly {
      readonly rule: { readonly name: string };
      readonly from: string;
      readonly to: string;
    }[];
  };
}

/** Runs the floor law over the `src` of a folder and returns what breaks it. */
function breachesIn(folder: string): Promise<readonly string[]> {
  const rules = resolve('.dependency-cruiser.cjs');
  const options = ['--config', rules, '--output-type', 'json', 'src'];
  return new Promise((done) => {
    execFile(
      resolve('node_modules/.bin/depcruise'),
      options,
      { cwd: folder, maxBuffer: 2 ** 24 },
      (_, stdout) => {
        const { summary } = JSON.parse(stdout) as Cruise;
        done(
          summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${packageOf(to)}`).sort(),
        );
      },
    );
  });
}

const packageOf = (path: string): string => /node_modules\/([^/]+)/.exec(path)?.[1] ?? path;

describe('the floor law', () => {
  it('catches a breach of every kind', async () => {
    expect(await breachesIn('test/house/fixtures/layers')).toStrictEqual([
      'codecs-floor: src/codecs/decode.ts -> src/streams/bus.ts',
      'config-floor: src/config/config.ts -> src/attic/serve.ts',
      'door-apart: src/door/frontDoor.ts -> src/manager/manager.ts',
      'drivers-apart: src/drivers/process/spawn.ts -> src/drivers/memory/launch.ts',
      'http-apart: src/http/serve.ts -> src/manager/manager.ts',
      'instances-floor: src/instances/instances.ts -> src/drivers/driver.ts',
      'instances-types: src/instances/instances.ts -> rxjs',
      'lifecycle-packages: src/lifecycle/event.ts -> rxjs',
      'manager-interfaces: src/manager/manager.ts -> src/drivers/process/spawn.ts',
      'metrics-packages: src/metrics/metrics.ts -> yaml',
      'no-barrel: src/drivers/driver.ts -> src/streams/index.ts',
      'no-circular: src/streams/first.ts -> src/streams/second.ts',
      'no-way-back: src/streams/queue.ts -> src/index.ts',
      'room-has-a-floor: src/config/config.ts -> src/attic/serve.ts',
      'store-floor: src/store/store.ts -> src/drivers/driver.ts',
      'streams-floor: src/streams/queue.ts -> src/index.ts',
      'streams-packages: src/streams/bus.ts -> os',
    ]);
  }, 120_000);
});
