import { createHash, randomInt } from 'node:crypto';
import { join } from 'node:path';
import { filter, interval, Observable, type Subscription, take, timer } from 'rxjs';
import { ExecFailed } from '../../lifecycle/errors.js';
import type { Execution } from '../../lifecycle/execution.js';
import { type AgentConnection, connectAgent } from './agentConnection.js';
import { agentFrames, type AgentMessage, type AgentProgram, mostProgramBytes } from './agentMessages.js';
import { createGuestExecution, type GuestExecution } from './guestExecution.js';
import { vmPaths } from './vmPaths.js';

/** Whose guest it is. */
export interface GuestIdentity {
  readonly home: string;
  readonly instanceId: string;
  readonly name: string;
}

/**
 * The agent in the guest of a home, as it is known here. What it runs goes on when the machine is resumed in the same home; so it is
 * told how the machine fares.
 */
export interface GuestAgent {
  /** Runs a program; emits it once it runs, completes once nothing of it is left and all that it wrote was read. */
  run(program: AgentProgram): Observable<Execution>;
  /** There is a QEMU to connect to. */
  connect(): void;
  /** The guest is halted. */
  halt(): void;
  /** The guest goes on after it stood still: its clock is put right before anything else. */
  goOn(): void;
  /** The machine has ended, and its memory was kept. */
  park(): void;
  /** The machine runs on, and nobody here has to do with it any more: kills what runs for this process. */
  leave(): void;
  /** The machine has ended, or what was kept of it. */
  end(): void;
}

/** Between two attempts to connect. */
const reconnectMs = 100;
/** How long a guest may take until its agent answers, in seconds in which it runs. */
const answerSeconds = 60;

/** Creates a {@link GuestAgent}. */
export function createGuestAgent({ home, instanceId, name }: GuestIdentity): GuestAgent {
  const execs = new Map<number, GuestExecution>();
  let connection: AgentConnection | undefined;
  let reconnecting: Subscription | undefined;
  let [isGreeted, isAttached, isHalted, isBroken, isLate] = [false, false, false, false, false];

  const send = (frame: Buffer): void => {
    connection?.send(frame);
  };

  const setClock = (): void => {
    isLate = false;
    send(agentFrames.clock(BigInt(Date.now()) * 1_000_000n));
  };

  const greeted = (): void => {
    isGreeted = true;
    if (isLate) setClock();
    send(agentFrames.identity(instanceId, name, machineIdOf(instanceId)));
    send(agentFrames.attach([...execs.values()].flatMap((exec) => exec.known() ?? [])));
  };

  const said = (message: AgentMessage): boolean => {
    if (message.kind === 'attached') {
      if (isAttached) return false;
      isAttached = true;
      const there = new Set(message.ids);
      for (const [id, exec] of execs) exec.attach(there.has(id));
      return true;
    }
    if (message.kind === 'hello' || !isAttached) return false;
    // One that was given up may have said something before it heard so.
    return execs.get(message.id)?.take(message) ?? true;
  };

  const disconnected = (): void => {
    reconnecting?.unsubscribe();
    [connection, isGreeted, isAttached] = [undefined, false, false];
    for (const exec of execs.values()) exec.detach();
  };

  const loseAll = (error?: ExecFailed): void => {
    for (const exec of [...execs.values()]) exec.lose(error);
  };

  const connect = (): void => {
    if (connection !== undefined || isBroken) return;
    connection = connectAgent(join(home, vmPaths.agentSocket), {
      greeted,
      said,
      lost: () => {
        disconnected();
        // It is refused where the machine ends, which is told soon.
        reconnecting = timer(reconnectMs).subscribe(connect);
      },
      broken: () => {
        isBroken = true;
        disconnected();
        loseAll(unreasonable());
      },
    });
  };

  const end = (): void => {
    connection?.destroy();
    disconnected();
    loseAll();
    isBroken = false;
  };

  const begin = (program: AgentProgram): readonly [number, GuestExecution] => {
    let id: number;
    do id = randomInt(1, 2 ** 32);
    while (execs.has(id));
    const exec = createGuestExecution(id, program, send);
    execs.set(id, exec);
    if (isAttached) exec.attach(false);
    return [id, exec];
  };

  return {
    run: (program) =>
      new Observable((subscriber) => {
        const fault = isBroken ? unreasonable() : faultOf(program);
        if (fault !== undefined) {
          subscriber.error(fault);
          return undefined;
        }
        const [id, exec] = begin(program);
        const waiting = interval(1_000)
          .pipe(
            filter(() => !isAttached && !isHalted),
            take(answerSeconds),
          )
          .subscribe({
            complete: () => {
              exec.lose(silent());
            },
          });
        const giveUp = (): void => {
          waiting.unsubscribe();
          if (!execs.delete(id)) return;
          exec.close();
          if (isAttached) send(agentFrames.drop(id));
        };
        const pass = async (): Promise<void> => {
          await exec.started;
          waiting.unsubscribe();
          subscriber.next(exec);
          await exec.over;
        };
        pass().then(
          () => {
            subscriber.complete();
          },
          (error: unknown) => {
            subscriber.error(error);
          },
        );
        return giveUp;
      }),

    connect,
    halt: () => {
      isHalted = true;
    },
    goOn: () => {
      isHalted = false;
      isLate = true;
      if (connection === undefined) connect();
      else if (isGreeted) setClock();
    },
    park: () => {
      isHalted = true;
      isBroken = false;
      connection?.destroy();
      disconnected();
    },
    leave: () => {
      send(agentFrames.leave());
      connection?.end();
      disconnected();
      loseAll();
    },
    end,
  };
}

/** As systemd wants it: 32 hexadecimal digits, the same for an instance at all times. */
const machineIdOf = (instanceId: string): string =>
  createHash('sha256').update(`rx-instances ${instanceId}`).digest('hex').slice(0, 32);

function faultOf({ command, env, cwd = '' }: AgentProgram): ExecFailed | undefined {
  const texts = [cwd, ...command, ...Object.entries(env).flat()];
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
  const most = 2 ** 16 - 1;
  if (bytes <= mostProgramBytes && command.length <= most && Object.keys(env).length <= most)
    return undefined;
  const reason = `its arguments and variables take ${String(bytes)} bytes, and may take ${String(mostProgramBytes)}`;
  return new ExecFailed({ reason, code: 126 });
}

const unreasonable = (): ExecFailed =>
  new ExecFailed({ reason: 'the agent in the guest said what cannot be', code: 126 });

const silent = (): ExecFailed =>
  new ExecFailed({
    reason: `the agent in the guest has not answered for ${String(answerSeconds)} s`,
    code: 126,
  });
