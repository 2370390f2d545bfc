/** Runs a server in your own folder, and starts it again when a file is saved: what nodemon does, and it tells when it is ready. */
import { mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcessDriver, openManager } from 'rx-instances';
import {
  concatMap,
  debounceTime,
  filter,
  fromEvent,
  lastValueFrom,
  switchMap,
  take,
  takeUntil,
  tap,
} from 'rxjs';

const port = 18_412;
const project = mkdtempSync(join(tmpdir(), 'project-'));
const save = (text: string): void => {
  const server = `require('node:http').createServer((_, answer) => answer.end('${text}')).listen(${String(port)});`;
  writeFileSync(join(project, 'server.js'), server);
};

async function main(): Promise<void> {
  save('hello');
  const manager = await openManager({ drivers: [createProcessDriver({ inheritEnv: true })] });

  // An editor saves in several steps. What is saved while it starts is not lost: it is started once more.
  const watcher = watch(project);
  const restarts$ = fromEvent(watcher, 'change').pipe(
    debounceTime(100),
    concatMap(() => manager.restart('dev')),
    takeUntil(manager.closing$),
  );
  restarts$.subscribe({ error: console.error });

  const answers$ = manager.events('dev_server').pipe(
    filter(({ action }) => action === 'ready'),
    switchMap(async () => (await fetch(`http://127.0.0.1:${String(port)}/`)).text()),
    tap((answer) => {
      console.log(`it answers "${answer}"`);
      if (answer === 'hello') save('hello again');
    }),
    take(2),
  );
  const answered = lastValueFrom(answers$);

  // It works in the folder itself: nothing of it is copied, and nothing of it is removed with the instance.
  const readiness = { kind: 'http', port, path: '/' } as const;
  const entrypoint = ['node', 'server.js'];
  await lastValueFrom(manager.create({ name: 'dev', image: 'scratch', cwd: project, entrypoint, readiness }));
  await answered;
  watcher.close();
  await manager.close();
  rmSync(project, { recursive: true });
}

void main();
