/** A consumer is killed in the middle of its work, and goes on where it was: nothing is missed, at most one thing is done twice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { concatMap, delay, lastValueFrom, map, of, range, takeWhile, tap } from 'rxjs';

const count = 6;

/** The program that bills: every event once at least, in order. */
async function bill(dataDir: string): Promise<void> {
  const manager = await openManager({ dataDir, drivers: [createMemoryDriver()] });
  const bills$ = manager.consume('billing', (event) => of(event.sequence).pipe(delay(50)), { durable: true });
  const done = lastValueFrom(
    bills$.pipe(
      tap((sequence) => {
        console.log(`  billed event ${String(sequence)}`);
      }),
      takeWhile((sequence) => sequence < count),
    ),
    { defaultValue: undefined },
  );

  // The first time there is something to bill.
  const known = await lastValueFrom(manager.list());
  if (known.length === 0) {
    const names$ = range(1, count).pipe(map((number) => `web-${String(number)}`));
    await lastValueFrom(names$.pipe(concatMap((name) => manager.create({ name, image: 'any' }))));
  }
  await done;
  await manager.close();
}

/** Runs the program; kills it -9 after so many bills. */
async function run(dataDir: string, bills: number): Promise<void> {
  const child = spawn(process.execPath, [...process.execArgv, __filename, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let seen = '';
  child.stdout.on('data', (text: Buffer) => {
    process.stdout.write(text);
    seen += text.toString();
    if (seen.split('billed').length > bills) child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  console.log(signal === null ? 'it has ended' : 'it was killed');
}

async function main(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'billing-'));
  await run(dataDir, 3);
  await run(dataDir, Infinity);
  rmSync(dataDir, { recursive: true });
}

void (process.argv[2] === undefined ? main() : bill(process.argv[2]));
