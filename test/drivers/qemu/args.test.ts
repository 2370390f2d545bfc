import { type ArgsOptions, blockNode, qemuArgs } from '../../../src/drivers/qemu/args.js';
import type { VmConfig } from '../../../src/drivers/qemu/vmConfig.js';

const vm: VmConfig = {
  ...{ qemu: '7.2.22', machine: 'pc-i440fx-7.2', accel: 'tcg', cpu: 'max' },
  ...{ vcpus: 1, memoryMiB: 128, hasDisk: true },
};

const booting: ArgsOptions = {
  isShared: true,
  disk: { file: 'disk-0.qcow2', node: 'disk0' },
  guestPorts: [],
  reachesHost: false,
  confinement: { user: undefined, hasSandbox: true },
  boot: { kernel: '/image/vmlinux', initrd: '/image/initrd', kernelArguments: ['quiet', 'a="b c"'] },
};

const argsOf = (options: Partial<ArgsOptions> = {}, changes: Partial<VmConfig> = {}): readonly string[] =>
  qemuArgs({ ...vm, ...changes }, { ...booting, ...options });

/** What comes after each of these options. */
const after = (option: string, args: readonly string[]): readonly (string | undefined)[] =>
  args.flatMap((arg, index) => (arg === option ? [args[index + 1]] : []));

/** What both have in common, and what only one of them has. */
const difference = (one: readonly string[], other: readonly string[]) => ({
  one: one.filter((arg) => !other.includes(arg)),
  other: other.filter((arg) => !one.includes(arg)),
});

describe('the machine', () => {
  it('has nothing that was not asked for, and reads no configuration of the host', () => {
    expect(argsOf()).toEqual(expect.arrayContaining(['-nodefaults', '-no-user-config', '-no-reboot']));
    expect(after('-display', argsOf())).toEqual(['none']);
  });

  it.each<[Partial<VmConfig>, string, string]>([
    [{ machine: 'pc-i440fx-9.0' }, '-machine', 'pc-i440fx-9.0,memory-backend=mem0'],
    [{ accel: 'kvm' }, '-accel', 'kvm'],
    [{ cpu: 'qemu64,+sse' }, '-cpu', 'qemu64,+sse'],
    [{ vcpus: 256 }, '-smp', '256'],
    [{ memoryMiB: 1_048_576 }, '-m', '1048576M'],
  ])('is built of %j', (changes, option, value) => {
    expect(after(option, argsOf({}, changes))).toEqual([value]);
  });

  it('has as much memory in its file as in all', () => {
    expect(after('-object', argsOf({}, { memoryMiB: 512 }))).toEqual([
      'memory-backend-file,id=mem0,size=512M,mem-path=vm/ram,share=on',
    ]);
  });

  it('writes to its memory for all to see, or for itself, which is all the difference', () => {
    const [shared, own] = [argsOf({ isShared: true }), argsOf({ isShared: false })];
    expect(difference(shared, own)).toEqual({
      one: ['memory-backend-file,id=mem0,size=128M,mem-path=vm/ram,share=on'],
      other: ['memory-backend-file,id=mem0,size=128M,mem-path=vm/ram,share=off'],
    });
    expect(own).toHaveLength(shared.length);
  });

  it('tells a copy that it is one, the host of a panic, and ends with one', () => {
    expect(after('-device', argsOf())).toEqual(expect.arrayContaining(['vmgenid,guid=auto', 'pvpanic-pci']));
    expect(after('-action', argsOf())).toEqual(['panic=exit-failure']);
  });

  it('says what it says on its serial line to the log and to nobody else, and is talked to by a pipe and by QMP, without waiting', () => {
    expect(after('-chardev', argsOf())).toEqual([
      'pipe,id=ser0,path=console,logfile=logs/app.log,logappend=on',
      // Nobody has to read it: the guest is held up only in what it says to the agent's other end.
      'socket,id=agent0,path=agent.sock,server=on,wait=off',
    ]);
    expect(after('-serial', argsOf())).toEqual(['chardev:ser0']);
    expect(after('-qmp', argsOf())).toEqual(['unix:qmp.sock,server=on,wait=off']);
  });

  it('is told its environment and its command by files, of which nothing stands here', () => {
    expect(after('-fw_cfg', argsOf())).toEqual([
      'name=opt/org.rx-instances/environ,file=environ',
      'name=opt/org.rx-instances/cmdline,file=cmdline',
    ]);
  });
});

describe('its disk', () => {
  it('is a node of that name around that file, in its folder, of which the blanks are given back', () => {
    const [node = ''] = after('-blockdev', argsOf({ disk: { file: 'disk-7.qcow2', node: 'disk7' } }));
    expect(JSON.parse(node)).toEqual({
      ...{ driver: 'qcow2', 'node-name': 'disk7', discard: 'unmap' },
      file: { driver: 'file', filename: 'vm/disk-7.qcow2' },
    });
    expect(JSON.parse(node)).toEqual(blockNode({ file: 'disk-7.qcow2', node: 'disk7' }));
  });

  it('is taken by a device of always the same name', () => {
    const args = argsOf({ disk: { file: 'disk-7.qcow2', node: 'disk7' } });
    expect(after('-device', args)).toContain('virtio-blk-pci,drive=disk7,id=vd0');
  });

  it('is missing with its device where there is none, which is all the difference', () => {
    const { one, other } = difference(argsOf(), argsOf({ disk: undefined }));
    expect(one).toEqual([
      '-blockdev',
      JSON.stringify(blockNode({ file: 'disk-0.qcow2', node: 'disk0' })),
      'virtio-blk-pci,drive=disk0,id=vd0',
    ]);
    expect(other).toEqual([]);
  });
});

describe('its network', () => {
  it('is its own, by a card without a program to boot from', () => {
    expect(after('-netdev', argsOf())).toEqual(['user,id=n0,restrict=on']);
    expect(after('-device', argsOf())).toContain('virtio-net-pci,netdev=n0,id=nic0,romfile=');
  });

  it('is reached by the ports that were asked for, at free ones of this host only, in their order', () => {
    expect(after('-netdev', argsOf({ guestPorts: [80, 22, 443] }))).toEqual([
      'user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:0-:80,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:127.0.0.1:0-:443',
    ]);
  });

  it('leads to the host and beyond where that was asked for, which is all the difference', () => {
    expect(difference(argsOf(), argsOf({ reachesHost: true }))).toEqual({
      one: ['user,id=n0,restrict=on'],
      other: ['user,id=n0'],
    });
  });
});

describe('before its guest runs it gives up', () => {
  const denying = (elevate: string): string =>
    `on,obsolete=deny,elevateprivileges=${elevate},resourcecontrol=deny,spawn=deny`;

  it('calls of the kernel that it needs no more', () => {
    expect(after('-sandbox', argsOf())).toEqual([denying('deny')]);
  });

  it('none where it was built without that', () => {
    const args = argsOf({ confinement: { user: undefined, hasSandbox: false } });
    expect(args).not.toContain('-sandbox');
  });

  it.each([
    ['7.2.22', '-runas', '7:8'],
    ['9.0.4', '-runas', '7:8'],
    ['9.1.0', '-run-with', 'user=7:8'],
    ['10.0.2', '-run-with', 'user=7:8'],
  ])('to be root, for which it has to be able to become another: %s by %s', (qemu, option, value) => {
    const args = argsOf({ confinement: { user: { uid: 7, gid: 8 }, hasSandbox: true } }, { qemu });
    expect(after(option, args)).toEqual([value]);
    expect(after('-sandbox', args)).toEqual([denying('allow')]);
  });
});

describe('it boots', () => {
  it('the kernel with its arguments in one, and the initial file system', () => {
    const args = argsOf();
    expect(after('-kernel', args)).toEqual(['/image/vmlinux']);
    expect(after('-append', args)).toEqual(['quiet a="b c"']);
    expect(after('-initrd', args)).toEqual(['/image/initrd']);
    expect(args).not.toContain('-incoming');
    expect(args).not.toContain('-S');
  });

  it('without an initial file system, and without arguments', () => {
    const args = argsOf({ boot: { kernel: '/vmlinux', kernelArguments: [] } });
    expect(after('-append', args)).toEqual(['']);
    expect(args).not.toContain('-initrd');
  });

  it('what lies at a path with commas, spaces and quotes: each is an argument of its own', () => {
    const [kernel, initrd] = ['/my, "image"/=kernel', '/my, "image"/a,b'];
    const args = argsOf({ boot: { kernel, initrd, kernelArguments: [] } });
    expect(after('-kernel', args)).toEqual([kernel]);
    expect(after('-initrd', args)).toEqual([initrd]);
    expect(args.filter((arg) => arg.includes('my, "image"'))).toEqual([kernel, initrd]);
  });
});

it('waits, halted, for the state of another that was built alike', () => {
  const [booted, resumed] = [argsOf(), argsOf({ boot: undefined })];
  const { one, other } = difference(booted, resumed);
  expect(one).toEqual(['-kernel', '/image/vmlinux', '-append', 'quiet a="b c"', '-initrd', '/image/initrd']);
  expect(other).toEqual(['-S', '-incoming', 'defer']);
  expect(resumed.slice(-3)).toEqual(['-S', '-incoming', 'defer']);
});
