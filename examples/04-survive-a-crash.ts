/** Starts an instance again whenever it ends by itself. One of the starts fails, and the policy survives that too. */
import { createProcessDriver, openManager } from 'rx-instances';
import { promised } from 'rx-instances/promises';
import { catchError, EMPTY, firstValueFrom, map, of, Subject } from 'rxjs';

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createProcessDriver()] });
  const instances = promised(manager);

  // The policy. It has a queue of its own, so that a start may take the time that it takes. The failure of one is caught where
  // it is called: further out it would end the policy, and nothing would be started again from then on.
  const answers$ = new Subject<string>();
  const restarts$ = manager.consume('keep_alive', ({ action, instanceId }) => {
    if (action !== 'exit') return EMPTY;
    return manager.start(instanceId).pipe(
      map(({ name, handle }) => `${name} runs again as ${String(handle?.pid)}`),
      catchError((error: unknown) => of(`it cannot be started again: ${String(error)}`)),
    );
  });
  answers$.subscribe((answer) => {
    console.log(answer);
  });
  restarts$.subscribe(answers$);

  // The trouble: kill -9, and what the policy makes of it.
  const kill = async (): Promise<void> => {
    const answered = firstValueFrom(answers$);
    const { name, handle } = await instances.get('worker');
    console.log(`${name} is killed`);
    process.kill(handle?.pid ?? NaN, 'SIGKILL');
    await answered;
  };

  const entrypoint = ['sleep', '60'];
  await instances.create({ name: 'worker', image: 'scratch', entrypoint });
  await kill();

  // From its next start on it is another program, which is not there.
  await instances.update('worker', { entrypoint: ['no-such-program'] });
  await kill();

  // Somebody mends it, and the policy is still there.
  await instances.update('worker', { entrypoint });
  await instances.start('worker');
  await kill();

  const { state } = await instances.waitForState('worker', 'Running');
  console.log(`in the end it is ${state}`);
  await manager.close();
}

void main();
