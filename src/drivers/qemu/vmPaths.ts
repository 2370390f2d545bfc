import { join } from 'node:path';

/** Where everything of a virtual machine lies in its home. QEMU runs in the home, so that it gets relative paths. */
export const vmPaths = {
  /** What a snapshot keeps: disk and memory. */
  machine: 'vm',
  /** What the running QEMU was built of. */
  config: 'config.json',
  qmpSocket: 'qmp.sock',
  serialSocket: 'serial.sock',
  /** There while a state is written. */
  stateSocket: 'state.sock',
  /** A link to that of the image. */
  initrd: 'initrd',
  environ: 'environ',
  cmdline: 'cmdline',
} as const;

/** Where the disk and the memory of a home lie. */
export const machineDirOf = (home: string): string => join(home, vmPaths.machine);
