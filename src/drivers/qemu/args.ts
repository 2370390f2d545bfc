import { type Confinement, confinementArgs } from './confinement.js';
import type { Layer } from './disk.js';
import type { Boot } from './keptBoot.js';
import { memoryFiles } from './memory.js';
import type { VmConfig } from './vmConfig.js';
import { vmPaths } from './vmPaths.js';

/** The arguments of QEMU besides what the machine is built of. */
export interface ArgsOptions {
  /** Whether what the guest writes to its memory stays in the file; otherwise it is the process's own, and goes with it. */
  readonly isShared: boolean;
  /** Topmost layer of the disk, in the folder of the machine. */
  readonly disk: Layer | undefined;
  /** Ports of the guest, each of which a free one of this host leads to: by binding it QEMU makes sure that it is free. */
  readonly guestPorts: readonly number[];
  /** Whether the guest reaches what the host reaches, its loopback too. It is no part of what is saved of a machine. */
  readonly reachesHost: boolean;
  readonly confinement: Confinement;
  /** What it boots; without it, it waits to be given the state of another one. */
  readonly boot: Boot | undefined;
  /** Whether it waits nevertheless: the other one had not loaded all of that yet. @defaultValue whether it boots nothing */
  readonly waits?: boolean;
}

/** The id that the guest's memory has in every machine: what was saved of one is looked for under it in the other. */
const memoryId = 'mem0';

/**
 * The command line of a QEMU that runs in a home: paths in it are relative to that. It holds nothing secret, since everybody
 * may read it: the environment of the instance comes from a file.
 *
 * A machine is built alike whenever it is built, so that the state of one fits the other. Its network is its own, behind
 * the host's; `vmgenid` shows a guest that it is a copy, so that it draws other random numbers than its source; `pvpanic`
 * reports a kernel that panics; the serial port leads to the agent in the guest, if there is one.
 */
export function qemuArgs(
  vm: VmConfig,
  { isShared, disk, guestPorts, reachesHost, confinement, boot, waits = boot === undefined }: ArgsOptions,
): readonly string[] {
  const size = `${String(vm.memoryMiB)}M`;
  const onOff = isShared ? 'on' : 'off';
  // Relative as all paths within an option: a comma in one would end it.
  const memory = `${vmPaths.machine}/${memoryFiles.ram}`;
  const forwards = guestPorts.map((guest) => `,hostfwd=tcp:127.0.0.1:0-:${String(guest)}`);
  const reach = reachesHost ? '' : ',restrict=on';
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...confinementArgs(vm.qemu, confinement),
    ...['-machine', `${vm.machine},memory-backend=${memoryId}`, '-accel', vm.accel, '-cpu', vm.cpu],
    ...['-smp', String(vm.vcpus), '-m', size],
    ...['-object', `memory-backend-file,id=${memoryId},size=${size},mem-path=${memory},share=${onOff}`],
    // The guest would wait for whoever reads from a socket: all goes to the log, and is read there.
    ...['-chardev', `pipe,id=ser0,path=${vmPaths.console},logfile=logs/app.log,logappend=on`],
    ...['-serial', 'chardev:ser0', '-qmp', `unix:${vmPaths.qmpSocket},server=on,wait=off`],
    ...(disk === undefined
      ? []
      : [
          '-blockdev',
          JSON.stringify(blockNode(disk)),
          '-device',
          `virtio-blk-pci,drive=${disk.node},id=vd0`,
        ]),
    ...[
      '-netdev',
      `user,id=n0${reach}${forwards.join('')}`,
      '-device',
      'virtio-net-pci,netdev=n0,id=nic0,romfile=',
    ],
    ...['-device', 'pvpanic-pci', '-device', 'vmgenid,guid=auto', '-action', 'panic=exit-failure'],
    ...[
      ...['-device', 'virtio-serial-pci,id=vser0,max_ports=2'],
      ...['-chardev', `socket,id=agent0,path=${vmPaths.agentSocket},server=on,wait=off`],
      ...['-device', 'virtserialport,bus=vser0.0,nr=1,chardev=agent0,name=org.rx-instances.agent'],
    ],
    ...['environ', 'cmdline'].flatMap((name) => [
      '-fw_cfg',
      `name=opt/org.rx-instances/${name},file=${name}`,
    ]),
    ...(boot === undefined ? [] : bootArgs(boot)),
    ...(waits ? ['-S', '-incoming', 'defer'] : []),
  ];
}

const bootArgs = ({ kernel, initrd, kernelArguments }: Boot): readonly string[] => [
  ...['-kernel', kernel, '-append', kernelArguments.join(' ')],
  ...(initrd === undefined ? [] : ['-initrd', initrd]),
];

/** A layer as a node of QEMU; those below it are found by the names that stand in it. */
export const blockNode = ({ node, file }: Layer): object => ({
  driver: 'qcow2',
  'node-name': node,
  discard: 'unmap',
  file: { driver: 'file', filename: `${vmPaths.machine}/${file}` },
});
