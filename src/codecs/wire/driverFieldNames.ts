import type { DriverFields } from '../../lifecycle/instance.js';

/** What each field that a driver of this package understands is called on the wire. */
export const driverFieldNames: Readonly<Record<keyof DriverFields, string>> = {
  entrypoint: 'entrypoint',
  cmd: 'cmd',
  cwd: 'cwd',
  readiness: 'readiness',
  stopSignal: 'stop_signal',
  output: 'output',
  stopGraceMs: 'stop_grace_ms',
  memoryMiB: 'memory_mib',
  cpus: 'cpus',
  pids: 'pids',
  openFiles: 'open_files',
  user: 'user',
  vcpus: 'vcpus',
  kernelArguments: 'kernel_arguments',
  ports: 'ports',
  accel: 'accel',
  network: 'network',
};
