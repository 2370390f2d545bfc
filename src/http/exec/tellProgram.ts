import type { ExecOutput } from '../../lifecycle/execution.js';
import type { Pullable } from '../../streams/pullable.js';
import type { ClientSocket } from './clientSocket.js';

/** Runs a program and tells its client what it writes, as that takes it. The program is killed when its client goes. */
export async function tellProgram(
  client: Pick<ClientSocket, 'gone$'>,
  program: Pullable<ExecOutput>,
  tell: (output: ExecOutput) => Promise<void>,
): Promise<void> {
  const outputs = program[Symbol.asyncIterator]();
  const leaving = client.gone$.subscribe(() => {
    void outputs.return?.();
  });
  try {
    for (;;) {
      const next = await outputs.next();
      if (next.done === true) return;
      await tell(next.value);
    }
  } finally {
    leaving.unsubscribe();
  }
}
