import { open, readFile } from 'node:fs/promises';
import type { Image } from './image.js';

/** What is asked of a host to learn whether its processors can run machines themselves. */
export interface Host {
  /** What Linux shows of the processors. */
  processors(): Promise<string>;
  /** Opens KVM for reading and writing, or rejects. */
  openKvm(): Promise<void>;
  /** Whether a kernel that is started under KVM says anything; rejects when that could not be tried. */
  probe(image: Bootable): Promise<boolean>;
}

/** What is booted for trial. */
export type Bootable = Pick<Image, 'kernel' | 'memoryMiB'>;

/** This host; `probe` starts a kernel under KVM. */
export const hostOf = (probe: Host['probe']): Host => ({
  processors: () => readFile('/proc/cpuinfo', 'utf8'),
  openKvm: async () => {
    await (await open('/dev/kvm', 'r+')).close();
  },
  probe,
});

const known = new WeakMap<Host, Promise<boolean>>();

/**
 * Resolves with what is to run the processors of an image's machines: what the image says, else KVM where it works, else TCG,
 * QEMU's emulator. Whether KVM works is found out once, with the first image: that it can be opened is not enough, since in
 * a virtual machine it may be there and run nothing.
 */
export async function chooseAccelerator(
  image: Bootable & Pick<Image, 'accel'>,
  host: Host,
): Promise<'kvm' | 'tcg'> {
  if (image.accel !== undefined) return image.accel;
  const works = known.get(host) ?? kvmWorks(host, image);
  known.set(host, works);
  try {
    return (await works) ? 'kvm' : 'tcg';
  } catch (error) {
    // It could not be tried; the next one tries again.
    known.delete(host);
    throw error;
  }
}

async function kvmWorks(host: Host, image: Bootable): Promise<boolean> {
  try {
    if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(await host.processors())) return false;
    await host.openKvm();
  } catch {
    return false;
  }
  return host.probe(image);
}
