import { connect } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type CreateRequest, type Instance, type InstanceManager, openManager } from 'rx-instances';
import { createQemuDriver } from 'rx-instances/qemu';
import { filter, firstValueFrom, lastValueFrom, map, type Observable, take, toArray } from 'rxjs';

/** The small image, which the test command builds. */
export const image = resolve('build/images/small');

/** A request for a machine of it, ready when its first process is. */
export const request: CreateRequest = {
  name: 'template',
  image,
  readiness: { kind: 'log', pattern: '^guest-ready' },
  ports: [{ guest: 80 }],
};

export const value = firstValueFrom;

/** A manager of virtual machines in a folder of its own, and ways to talk to them. */
export interface VirtualMachines {
  readonly dataDir: string;
  readonly manager: InstanceManager;
  homeOf(instance: Pick<Instance, 'id'>): string;
  /** Closes the manager and opens another, while the machines run on. */
  reopen(): Promise<void>;
  /** Asks the first process of a guest by its serial line, and resolves with its answer. */
  ask(name: string, question: string): Promise<string>;
  /** Says something to it that it has no answer for. */
  say(name: string, line: string): Promise<void>;
  /** All that a guest has counted, as its console tells it. */
  counted(instance: Pick<Instance, 'id'>): readonly number[];
  /** Resolves once a guest has counted so many more. */
  counts(name: string, howMany: number): Promise<readonly number[]>;
  /** Ends every machine and removes all. */
  clear(): Promise<void>;
}

/** Opens a manager of virtual machines. */
export async function openVirtualMachines(): Promise<VirtualMachines> {
  const dataDir = mkdtempSync(join(tmpdir(), 'vm-'));
  const open = (): Promise<InstanceManager> => openManager({ dataDir, drivers: [createQemuDriver()] });
  let manager = await open();

  const homeOf = ({ id }: Pick<Instance, 'id'>): string => join(dataDir, 'instances', id);
  const newLines = (name: string): Observable<string> =>
    manager.logs(name, { tail: 0, follow: true }).pipe(map(({ text }) => text));

  const say = async (name: string, line: string): Promise<void> => {
    const socket = connect({ path: join(homeOf(await value(manager.get(name))), 'serial.sock') });
    // The guest may end over it.
    socket.on('error', () => undefined);
    socket.resume();
    socket.end(`${line}\n`);
    await once(socket, 'close');
  };

  return {
    dataDir,
    get manager() {
      return manager;
    },
    homeOf,
    reopen: async () => {
      await manager.close();
      manager = await open();
    },
    say,
    ask: async (name, question) => {
      const answer = value(
        newLines(name).pipe(
          map((line) => /^answer (.*)/.exec(line)?.[1]),
          filter((text) => text !== undefined),
        ),
      );
      await say(name, question);
      return answer;
    },
    counted: (instance) =>
      [...readFileSync(join(homeOf(instance), 'logs/app.log'), 'utf8').matchAll(/^count (\d+)\r?$/gm)].map(
        ([, count]) => Number(count),
      ),
    counts: (name, howMany) =>
      lastValueFrom(
        newLines(name).pipe(
          map((line) => Number(/^count (\d+)$/.exec(line)?.[1])),
          filter((count) => !Number.isNaN(count)),
          take(howMany),
          toArray(),
        ),
      ),
    clear: async () => {
      await manager.close({ stopInstances: true });
      rmSync(dataDir, { recursive: true });
    },
  };
}
