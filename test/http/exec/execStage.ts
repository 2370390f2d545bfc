import fastify, { type FastifyInstance } from 'fastify';
import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi, type InstancesApiOptions, instancesPage } from 'rx-instances/http';
import { createMemoryDriver } from 'rx-instances/testing';

/** A server over a manager that runs real programs. */
export interface ExecStage extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly manager: InstanceManager;
  readonly address: string;
}

/** Opens an {@link ExecStage}. */
export async function openExecStage(options: Partial<InstancesApiOptions> = {}): Promise<ExecStage> {
  const drivers = [createProcessDriver({ pollMs: 5 }), createMemoryDriver()];
  const manager = await openManager({ drivers });
  const app = fastify({ ...apiServerOptions(), forceCloseConnections: true });
  await app.register(instancesApi, { manager, drivers, drainMs: 2_000, ...options });
  await app.register(instancesPage);
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...{ app, manager, address },
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await manager.close();
    },
  };
}
