/** Runs scripts that nobody trusts: with a share of the machine, for some time, as nobody, and tells what became of each. */
import { createProcessDriver, type ExitStatus, openManager } from 'rx-instances';
import { concatMap, filter, from, lastValueFrom, tap } from 'rxjs';

const scripts = {
  honest: 'echo "the answer is $((6 * 7))"',
  hungry: 'tail /dev/zero',
  crowd: 'for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & done; echo "all of us are here"',
  endless: 'while :; do :; done',
};

const wanted = { memoryMiB: 32, cpus: 0.5, pids: 6, openFiles: 64, user: '65534:65534' } as const;

function described({ code, signal, timedOut, oomKilled }: ExitStatus): string {
  if (timedOut !== undefined) return 'took too long';
  if (oomKilled === true) return 'took too much memory';
  return code === 0 ? 'did it' : `ended with ${String(code ?? signal)}`;
}

async function main(): Promise<void> {
  const driver = createProcessDriver();
  const manager = await openManager({ drivers: [driver] });

  // A driver says what this host can hold: without root or control groups it is less, and asking for more is refused.
  const here: readonly string[] = driver.capabilities.limits ?? [];
  const limits = Object.fromEntries(Object.entries(wanted).filter(([name]) => here.includes(name)));
  const missing = Object.keys(wanted).filter((name) => !here.includes(name));
  if (missing.length > 0) console.log(`this host can't limit ${missing.join(', ')}`);

  const exits = manager.events('judge').pipe(filter(({ action }) => action === 'exit'));
  const judged = exits.subscribe(({ instance, cause }) => {
    console.log(`${instance?.spec.tags['script'] ?? ''} ended, by ${cause.by}: ${cause.reason ?? 'itself'}`);
  });

  // Where memory has no limit here, to try what takes all of it would be unkind.
  const safe = Object.entries(scripts).filter(([name]) => name !== 'hungry' || here.includes('memoryMiB'));
  const results$ = from(safe).pipe(
    concatMap(([script, text]) =>
      manager
        .run({
          ...{ image: 'scratch', entrypoint: ['sh', '-c', text], tags: { script } },
          ...{ runTimeoutMs: 1_500, stopGraceMs: 100, ...limits },
        })
        .pipe(
          tap(({ exit, stdout, stderr }) => {
            console.log(`  ${script} ${described(exit)} ${(stdout + stderr).trim()}`);
          }),
        ),
    ),
  );
  await lastValueFrom(results$);
  judged.unsubscribe();
  await manager.close();
}

void main();
