import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProcessDriver, type InstanceSpec } from 'rx-instances';
import type { DriverSubject } from 'rx-instances/testing';
import { processesOf } from '../../support/processes.js';

const spec = (fields: Partial<InstanceSpec>): InstanceSpec => ({
  driver: 'process',
  image: 'scratch',
  env: {},
  tags: {},
  ...fields,
});

const script = (...lines: readonly string[]) => ({ entrypoint: ['/bin/sh', '-c', lines.join('\n')] });

const answer = `
  const { createServer } = require('node:net');
  createServer((socket) => socket.end(process.env.INSTANCE_ID)).listen(process.env.PORT);
`;

const openMany = `
  const { openSync } = require('node:fs');
  try {
    for (let count = 0; count < 100; count += 1) openSync('/dev/null');
  } catch ({ code }) {
    process.exit(code === 'EMFILE' ? 3 : 1);
  }
`;

/** The time of processors that an instance has taken, as the kernel counts it, in hundredths of a second. */
const cpuMsOf = (instanceId: string): number =>
  processesOf(instanceId).reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return sum + 10 * ((user ?? 0) + (system ?? 0));
  }, 0);

/** The process driver, for the contract. */
export const createProcessSubject = (homesDir: string): DriverSubject => ({
  createDriver: () => createProcessDriver({ pollMs: 5 }),
  homesDir,
  isRunning: (_, instanceId) => processesOf(instanceId).length > 0,
  crash: (_, instanceId) => {
    for (const pid of processesOf(instanceId)) process.kill(pid, 'SIGSEGV');
  },
  fields: {
    entrypoint: ['node'],
    cmd: ['server.js'],
    readiness: { kind: 'http', port: 8080, path: '/health' },
    ports: [{ guest: 8080 }, { guest: 9090, host: 9_091 }],
    stopSignal: 'SIGINT',
    stopGraceMs: 100,
  },
  lasting: { spec: spec({ entrypoint: ['sleep', '600'] }) },
  ending: { spec: spec(script('exit 3')) },
  slow: {
    spec: spec({
      ...script('echo not ready yet', 'sleep 0.05', 'echo ready', 'exec sleep 600'),
      readiness: { kind: 'log', pattern: '^ready$' },
    }),
  },
  neverReady: { spec: spec({ entrypoint: ['sleep', '600'], readiness: { kind: 'log', pattern: '.' } }) },
  broken: { spec: spec({ entrypoint: ['/no/such/program'] }) },
  stubborn: {
    spec: spec({
      ...script('trap "" TERM', 'echo deaf', 'while :; do sleep 600; done'),
      readiness: { kind: 'log', pattern: 'deaf' },
    }),
  },
  printing: { spec: spec(script('printf "one\\ntwo\\nthree\\n"', 'exec sleep 600')) },
  answering: {
    spec: spec({
      entrypoint: [process.execPath, '-e', answer],
      ports: [{ guest: 8080 }],
      readiness: { kind: 'tcp', port: 8080 },
    }),
  },
  execs: {
    failing: ['/bin/sh', '-c', 'echo out; echo err >&2; exit 3'],
    endless: ['sleep', '600'],
    copying: ['cat'],
    naming: ['/bin/sh', '-c', 'echo "$EXEC_NAME"'],
  },
  limits: {
    memoryMiB: { spec: spec({ ...script('tail /dev/zero'), memoryMiB: 16 }) },
    cpus: { spec: spec({ ...script('while :; do :; done'), cpus: 0.2 }), usedMs: cpuMsOf },
    pids: {
      spec: spec({
        ...script('(sleep 9 & sleep 9 & sleep 9 & sleep 9 &) 2>&1 | grep -q fork && exit 3'),
        pids: 4,
      }),
    },
    openFiles: {
      spec: spec({ entrypoint: [process.execPath, '-e', openMany], openFiles: 64 }),
    },
    user: {
      spec: spec({
        ...script('test "$(id -u):$(id -g)" = 65534:65533 && echo > mine && exit 3'),
        user: '65534:65533',
      }),
    },
  },
  content: {
    write: (home, text) => {
      writeFileSync(join(home, 'work', 'content'), text);
    },
    read: (home) => {
      try {
        return readFileSync(join(home, 'work', 'content'), 'utf8');
      } catch {
        return undefined;
      }
    },
  },
  damage: (_, folder) => {
    const file = join(folder, 'work', 'content');
    chmodSync(file, 0o600);
    appendFileSync(file, '!');
    chmodSync(file, 0o400);
  },
});
