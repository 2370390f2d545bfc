import { join } from 'node:path';

/** Where everything of a virtual machine lies in its home. QEMU runs in the home, so that it gets relative paths. */
export const vmPaths = {
  /** What a snapshot keeps: disk and memory. */
  machine: 'vm',
  /** What the running QEMU was built of. */
  config: 'config.json',
  qmpSocket: 'qmp.sock',
  /** Of QEMU: what is said there reaches the agent in the guest. */
  agentSocket: 'agent.sock',
  /** Of the manager, which hands on what is said there. */
  serialSocket: 'serial.sock',
  /** What the guest reads, a pipe, and where QEMU writes besides the log: nowhere. */
  console: 'console',
  consoleInput: 'console.in',
  consoleOutput: 'console.out',
  /** There while a state is written. */
  stateSocket: 'state.sock',
  /** A link to that of the image. */
  initrd: 'initrd',
  environ: 'environ',
  cmdline: 'cmdline',
} as const;

/** Where the disk and the memory of a home lie. */
export const machineDirOf = (home: string): string => join(home, vmPaths.machine);
