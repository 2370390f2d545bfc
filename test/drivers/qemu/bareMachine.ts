import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { filter, firstValueFrom, map, type Observable, ReplaySubject, Subject, take, toArray } from 'rxjs';
import type { Image } from '../../../src/drivers/qemu/image.js';

/** A virtual machine that nothing stands between: QEMU as it is, its serial line and its monitor. */
export interface BareMachine {
  /** Emits each line that it ever said, then what it says; completes with its end. */
  readonly lines$: ReplaySubject<string>;
  /** Resolves with how QEMU ended: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** Asks the small image's first process, and resolves with its answer. */
  ask(question: string): Promise<string>;
  /** Says a line to the first process that it has no answer for. */
  say(line: string): void;
  /** Resolves with the next lines that it counts. */
  counts(howMany: number): Promise<readonly number[]>;
  /** Tells QEMU's monitor a command, and resolves with what that says. */
  command(line: string): Promise<string>;
  kill(): void;
}

/** Starts one, in a folder in which there may be a disk, without hardware that could differ from host to host. */
export function startBareMachine(
  { kernel, initrd, kernelArguments, memoryMiB }: Image & { readonly initrd: string },
  { folder, options = [] }: { readonly folder: string; readonly options?: readonly string[] },
): BareMachine {
  const disk = { driver: 'qcow2', 'node-name': 'disk', file: { driver: 'file', filename: 'disk.qcow2' } };
  const args = [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-action', 'panic=exit-failure'],
    ...['-machine', 'pc', '-accel', 'tcg', '-cpu', 'max', '-m', `${String(memoryMiB)}M`],
    ...['-kernel', kernel, '-initrd', initrd, '-append', kernelArguments.join(' ')],
    ...['-chardev', 'stdio,id=line,signal=off', '-serial', 'chardev:line'],
    ...['-monitor', 'unix:monitor,server=on,wait=off'],
    ...['-blockdev', JSON.stringify(disk), '-device', 'virtio-blk-pci,drive=disk'],
    ...['-netdev', 'user,id=net,hostfwd=tcp:127.0.0.1:0-:80'],
    ...['-device', 'virtio-net-pci,netdev=net,mac=52:54:00:00:00:07,romfile='],
    ...['-device', 'pvpanic-pci', '-device', 'vmgenid,guid=auto'],
  ];
  const child = spawn('qemu-system-x86_64', [...args, ...options], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  // It may end before it has heard all that it is told.
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);

  const live$ = new Subject<string>();
  const lines$ = new ReplaySubject<string>(Infinity);
  live$.subscribe(lines$);
  createInterface(child.stdout)
    .on('line', (line) => {
      live$.next(line);
    })
    .on('close', () => {
      live$.complete();
    });

  const say = (line: string): void => {
    child.stdin.write(`${line}\n`);
  };

  return {
    lines$,
    ended,
    say,
    ask: async (question) => {
      const answer = firstValueFrom(valuesAfter('answer ', live$));
      say(question);
      return answer;
    },
    counts: (howMany) =>
      firstValueFrom(
        valuesAfter('count ', live$).pipe(
          map((number) => Number(number)),
          take(howMany),
          toArray(),
        ),
      ),
    command: (line) => tellMonitor(join(folder, 'monitor'), line),
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}

/** What the lines say that begin so. */
const valuesAfter = (beginning: string, lines$: Observable<string>): Observable<string> =>
  lines$.pipe(
    filter((line) => line.startsWith(beginning)),
    map((line) => line.slice(beginning.length)),
  );

const prompt = '(qemu) ';

/** It greets with a prompt, says the command again letter by letter, and ends what it says with another prompt. */
async function tellMonitor(path: string, line: string): Promise<string> {
  const socket = connect(relative(process.cwd(), path));
  socket.write(`${line}\n`);
  let heard = '';
  for await (const bytes of socket) {
    heard += String(bytes);
    if (heard.split(prompt).length > 2) break;
  }
  return heard;
}
