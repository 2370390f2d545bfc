import { readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
// By its full name: jest loads this file without its module mapper.
import { until } from './until.ts';

/** Fails the run when it has left a process or a file, and removes what it left. */
export default async function teardown(): Promise<void> {
  const folder = process.env['LEAVES_NOTHING_IN'];
  // Jest ends a run more than once when it bails out: what is here the second time is not ours to remove.
  if (folder === undefined) return;
  delete process.env['LEAVES_NOTHING_IN'];
  const processes = await until(
    () => processesOf(folder),
    (found) => found.size === 0,
  );
  for (const pid of processes.keys()) process.kill(pid, 'SIGKILL');
  const files = readdirSync(folder);
  rmSync(folder, { recursive: true, force: true });
  process.env['TMPDIR'] = dirname(folder);

  const left = [
    ...[...processes].map(([pid, command]) => `process ${String(pid)} (${command})`),
    ...files.map((file) => `file ${file}`),
  ];
  if (left.length > 0) throw new Error(`The tests left behind: ${left.join(', ')}`);
}

/** Processes that work in a folder, or have it in their environment, with their command lines. */
function processesOf(folder: string): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const pid of readdirSync('/proc').map(Number)) {
    if (Number.isNaN(pid) || pid === process.pid) continue;
    try {
      const proc = join('/proc', String(pid));
      const traces = [readlinkSync(join(proc, 'cwd')), readFileSync(join(proc, 'environ'), 'utf8')];
      const command = readFileSync(join(proc, 'cmdline'), 'utf8').replaceAll('\0', ' ').trim();
      if (traces.some((trace) => trace.includes(folder))) found.set(pid, command);
    } catch {
      // It has ended meanwhile, or is not ours to look at.
    }
  }
  return found;
}
