import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { filter, firstValueFrom, ReplaySubject } from 'rxjs';
import {
  agentFrames,
  type AgentMessage,
  type Known,
  readMessage,
} from '../../../src/drivers/qemu/agentMessages.js';
import { createFrameCutter, stuff } from '../../../src/drivers/qemu/agentStuffing.js';

/** Somebody who says to the agent of a guest whatever he is told to. */
export interface AgentHost {
  say(...frames: readonly Buffer[]): void;
  /** Says what is no frame. */
  raw(bytes: Buffer): void;
  /** Resolves with the next message of a kind that was not heard yet, of a program if one is named. */
  hear<Kind extends AgentMessage['kind']>(
    kind: Kind,
    id?: number,
  ): Promise<Extract<AgentMessage, { kind: Kind }>>;
  /** What was heard of a kind so far, and not asked for. */
  heard<Kind extends AgentMessage['kind']>(kind: Kind): readonly Extract<AgentMessage, { kind: Kind }>[];
  /** Says hello and resolves once that is answered. */
  greet(): Promise<void>;
  attach(known?: readonly Known[]): Promise<readonly number[]>;
  /** Resolves once all that was said before was taken in. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** Connects to the socket of an agent. */
export async function connectAgentHost(path: string): Promise<AgentHost> {
  const socket: Socket = createConnection(path);
  await once(socket, 'connect');
  const cutter = createFrameCutter();
  const messages$ = new ReplaySubject<AgentMessage>(Infinity);
  let all: AgentMessage[] = [];
  socket.on('data', (bytes) => {
    for (const frame of cutter.take(bytes)) {
      const message = frame && readMessage(frame);
      if (message === undefined) continue;
      all.push(message);
      messages$.next(message);
    }
  });

  const host: AgentHost = {
    say: (...frames) => {
      for (const frame of frames) socket.write(stuff(frame));
    },
    raw: (bytes) => socket.write(bytes),
    hear: async (kind, id) => {
      const message = await firstValueFrom(
        messages$.pipe(
          filter(
            (each): each is Extract<AgentMessage, { kind: typeof kind }> =>
              all.includes(each) &&
              each.kind === kind &&
              (id === undefined || ('id' in each && each.id === id)),
          ),
        ),
      );
      all = all.filter((each) => each !== message);
      return message;
    },
    heard: (kind) =>
      all.filter((each): each is Extract<AgentMessage, { kind: typeof kind }> => each.kind === kind),
    greet: async () => {
      const nonce = randomBytes(16);
      // What an earlier connection has half said is over with this.
      host.raw(Buffer.of(0));
      host.say(agentFrames.hello(nonce));
      while (!(await host.hear('hello')).nonce.equals(nonce));
    },
    attach: async (known = []) => {
      host.say(agentFrames.attach(known));
      return (await host.hear('attached')).ids;
    },
    settled: async () => {
      const id = randomBytes(4).readUInt32LE();
      const program = { command: ['true'], env: {}, hasInput: false, hasOutput: false };
      host.say(agentFrames.exec(id, program));
      await host.hear('exited', id);
      host.say(agentFrames.drop(id));
    },
    close: async () => {
      socket.destroy();
      await once(socket, 'close');
    },
  };
  return host;
}
