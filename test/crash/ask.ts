import { firstValueFrom, type Observable } from 'rxjs';
import type { CreateRequest } from '../../src/instances/instanceRequests.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { InstanceManager } from '../../src/manager/instanceManager.js';

/** What was asked for by a request id, so that it can be asked for again. */
export type Asked =
  | { readonly requestId: string; readonly verb: 'create'; readonly request: CreateRequest }
  | { readonly requestId: string; readonly verb: 'fork'; readonly target: string; readonly name: string }
  | { readonly requestId: string; readonly verb: 'update'; readonly target: string; readonly tag: string }
  | {
      readonly requestId: string;
      readonly verb: 'stop' | 'start' | 'standby' | 'restore' | 'restart' | 'delete';
      readonly target: string;
    };

/** Asks for it, each time in the same words. */
export function ask(manager: InstanceManager, asked: Asked): Observable<Instance> {
  const options = { requestId: asked.requestId };
  switch (asked.verb) {
    case 'create':
      return manager.create(asked.request, options);
    case 'fork':
      return manager.fork(asked.target, { name: asked.name, fromRunning: true }, options);
    case 'update':
      return manager.update(asked.target, { tags: { n: asked.tag } }, options);
    case 'start':
      return manager.start(asked.target, {}, options);
    default:
      return manager[asked.verb](asked.target, options);
  }
}

/** What it came to, in words: an instance as it was then, or an error. */
export const answer = (manager: InstanceManager, asked: Asked): Promise<string> =>
  firstValueFrom(ask(manager, asked)).then(
    ({ id, revision }) => `${id} ${String(revision)}`,
    (error: unknown) => (error as Error).name,
  );
