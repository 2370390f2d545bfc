import { createConnection, type Socket } from 'node:net';

/** QEMU's protocol as one speaks it by hand. */
export interface BareQmp {
  /** Resolves once QEMU has done it; rejects with what QEMU says against it. */
  run(command: string, parameters?: object): Promise<void>;
  /** Resolves once QEMU has moved a state in or out, of which it tells when it was asked to (`events`). */
  moved(): Promise<void>;
}

interface Message {
  readonly QMP?: object;
  readonly id?: number;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: { readonly status?: string };
}

/** Connects to a QEMU that was started a moment ago. */
export async function connectBareQmp(path: string): Promise<BareQmp> {
  const socket = await connected(path);
  const answered = new Map<number, (message: Message) => void>();
  let rest = '';
  let ids = 0;
  let greet: () => void = () => undefined;
  let tellMoved: () => void = () => undefined;
  const greeted = new Promise<void>((resolve) => (greet = resolve));

  socket.setEncoding('utf8');
  // Whoever is told to quit resets as often as it says goodbye.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    for (const answer of answered.values()) answer({ error: { desc: 'QEMU is gone' } });
  });
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = JSON.parse(line) as Message;
      if (message.QMP !== undefined) greet();
      if (message.id !== undefined) answered.get(message.id)?.(message);
      if (message.event === 'MIGRATION' && message.data?.status === 'completed') tellMoved();
    }
  });

  const run = async (command: string, parameters: object = {}): Promise<void> => {
    const id = (ids += 1);
    const { error } = await new Promise<Message>((resolve) => {
      answered.set(id, resolve);
      socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
    });
    answered.delete(id);
    if (error !== undefined) throw new Error(`${command}: ${error.desc}`);
  };

  await greeted;
  await run('qmp_capabilities');
  return { run, moved: () => new Promise((resolve) => (tellMoved = resolve)) };
}

async function connected(path: string): Promise<Socket> {
  for (;;) {
    const socket = createConnection({ path });
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => {
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    if (isThere) return socket;
    await new Promise((turn) => setTimeout(turn, 1));
  }
}
