import fastify, { type FastifyInstance } from 'fastify';
import type { InstanceManager, ManagerOptions } from 'rx-instances';
import { openManager } from 'rx-instances';
import { apiServerOptions, instancesApi, type InstancesApiOptions } from 'rx-instances/http';
import { openWebhooks } from 'rx-instances/webhooks';
import { createMemoryDriver, type MemoryDriver, type MemoryDriverOptions } from 'rx-instances/testing';

/** What an API answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A server over a manager without machines, and a client of it. */
export interface Stage extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly manager: InstanceManager;
  readonly driver: MemoryDriver;
  readonly address: string;
  /** Asks it something; a body that is no text is sent as JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface StageOptions extends Omit<Partial<InstancesApiOptions>, 'manager' | 'drivers'> {
  readonly memory?: MemoryDriverOptions;
  readonly open?: Partial<ManagerOptions>;
  /** Whether it sends events to endpoints. */
  readonly withWebhooks?: boolean;
  readonly host?: string;
  readonly prefix?: string;
  /** Adds routes of an application. */
  readonly routes?: (app: FastifyInstance) => unknown;
}

/** Opens a {@link Stage}. */
export async function openStage({
  memory,
  open,
  withWebhooks = false,
  host = '127.0.0.1',
  routes,
  ...options
}: StageOptions = {}): Promise<Stage> {
  const driver = createMemoryDriver(memory);
  const drivers = [driver];
  const manager = await openManager({ drivers, ...open });
  const app = fastify(apiServerOptions());
  const webhooks = withWebhooks ? await openWebhooks(manager) : undefined;
  await app.register(instancesApi, { manager, drivers, ...(webhooks && { webhooks }), ...options });
  routes?.(app);
  const address = await app.listen({ host, port: 0 });
  return {
    app,
    manager,
    driver,
    address,
    ask: async (method, path, body, headers = {}) =>
      answerOf(await ask(address, method, path, body, headers)),
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await webhooks?.close();
      await manager.close();
    },
  };
}

const ask = (
  address: string,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Response> =>
  fetch(`${address}${path}`, {
    method,
    headers: {
      connection: 'close',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const { status, headers } = response;
  const isJson = headers.get('content-type')?.includes('json') === true && text !== '';
  return { status, headers, text, body: isJson ? (JSON.parse(text) as Answer['body']) : {} };
}
