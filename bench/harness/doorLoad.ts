import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What the process of a load is asked for: a port, nanoseconds, or a number. */
export type LoadQuestion =
  | { readonly kind: 'listen' }
  | {
      readonly kind: 'up' | 'down';
      readonly port: number;
      readonly connections: number;
      /** By all connections together; the answer is the time of one. */
      readonly mebibytes: number;
    }
  | { readonly kind: 'connect'; readonly port: number; readonly connections: number; readonly atOnce: number }
  /** Connects, says so much, and stays; the answer tells how many there are. */
  | { readonly kind: 'stay'; readonly port: number; readonly connections: number; readonly bytes: number }
  | { readonly kind: 'request'; readonly port: number; readonly times: number; readonly quantile: number };

export interface LoadAnswer {
  readonly figure?: number;
  readonly failure?: string;
}

/** A server or clients, in a process of their own. */
export interface DoorLoad {
  ask(question: LoadQuestion): Promise<number>;
  end(): void;
}

export function startDoorLoad(): DoorLoad {
  const child = fork(join(__dirname, 'doorLoadProcess.ts'), [], {
    execArgv: ['--require', 'ts-node/register'],
  });
  return {
    ask: async (question) => {
      const told = once(child, 'message');
      child.send(question);
      const [{ figure, failure }] = (await told) as [LoadAnswer];
      if (figure === undefined) throw new Error(failure ?? 'the load said nothing');
      return figure;
    },
    end: () => {
      child.kill('SIGKILL');
    },
  };
}
