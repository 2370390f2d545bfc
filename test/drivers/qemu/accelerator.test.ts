import { chooseAccelerator, type Host } from '../../../src/drivers/qemu/accelerator.js';

const image = { kernel: '/image/vmlinux', memoryMiB: 128 };

const intel = 'processor\t: 0\nflags\t\t: fpu vmx sse\nbugs\t\t: none\n';
const amd = 'processor\t: 0\nflags\t\t: svm fpu\n';
const none = 'processor\t: 0\nflags\t\t: fpu svm_lock vmxnet\nvmx flags\t: vnmi svm\nbugs\t: vmx\n';

/** A host on which KVM works, but for what is given; what it was asked is noted. */
function hostOf(differences: Partial<Host> = {}) {
  const asked: unknown[] = [];
  const works: Host = {
    processors: () => Promise.resolve(intel),
    openKvm: () => Promise.resolve(),
    probe: () => Promise.resolve(true),
    ...differences,
  };
  const host: Host = {
    processors: () => {
      asked.push('processors');
      return works.processors();
    },
    openKvm: () => {
      asked.push('openKvm');
      return works.openKvm();
    },
    probe: (kernel) => {
      asked.push(kernel);
      return works.probe(kernel);
    },
  };
  return { host, asked };
}

const fails = () => Promise.reject(new Error('no'));

describe('without a wish of the image', () => {
  it.each<[string, string, Partial<Host>, readonly unknown[]]>([
    ['kvm', 'works on Intel', {}, ['processors', 'openKvm', image]],
    ['kvm', 'works on AMD', { processors: () => Promise.resolve(amd) }, ['processors', 'openKvm', image]],
    ['tcg', 'has no processors for it', { processors: () => Promise.resolve(none) }, ['processors']],
    ['tcg', 'does not tell its processors', { processors: fails }, ['processors']],
    ['tcg', 'does not let KVM be opened', { openKvm: fails }, ['processors', 'openKvm']],
    [
      'tcg',
      'runs no kernel under KVM',
      { probe: () => Promise.resolve(false) },
      ['processors', 'openKvm', image],
    ],
  ])('it is %s where the host %s', async (accelerator, _, differences, questions) => {
    const { host, asked } = hostOf(differences);
    expect(await chooseAccelerator(image, host)).toBe(accelerator);
    expect(asked).toEqual(questions);
  });
});

it.each(['kvm', 'tcg'] as const)('is %s where the image says so, and nothing is asked', async (accel) => {
  const { host, asked } = hostOf({ processors: fails, probe: () => Promise.resolve(false) });
  expect(await chooseAccelerator({ ...image, accel }, host)).toBe(accel);
  expect(asked).toEqual([]);
});

it.each([true, false])(
  'is found out once, however many ask at once and later (KVM works: %s)',
  async (works) => {
    const { host, asked } = hostOf({ probe: () => Promise.resolve(works) });
    const other = { ...image, kernel: '/other/vmlinux' };
    const first = await Promise.all([image, other].map((one) => chooseAccelerator(one, host)));
    const later = await chooseAccelerator(other, host);
    const accelerator = works ? 'kvm' : 'tcg';
    expect([...first, later]).toEqual([accelerator, accelerator, accelerator]);
    expect(asked).toEqual(['processors', 'openKvm', image]);
  },
);

it('is found out for each host', async () => {
  const [one, other] = [hostOf(), hostOf({ processors: fails })];
  await expect(chooseAccelerator(image, one.host)).resolves.toBe('kvm');
  await expect(chooseAccelerator(image, other.host)).resolves.toBe('tcg');
});

it('fails for all who wait when it could not be tried, and is tried again by who comes after', async () => {
  let tries = 0;
  const probe = () => ((tries += 1) === 1 ? fails() : Promise.resolve(true));
  const { host } = hostOf({ probe });
  const waiting = [chooseAccelerator(image, host), chooseAccelerator(image, host)];
  await expect(Promise.allSettled(waiting)).resolves.toMatchObject([
    { status: 'rejected', reason: { message: 'no' } },
    { status: 'rejected', reason: { message: 'no' } },
  ]);
  await expect(chooseAccelerator(image, host)).resolves.toBe('kvm');
  expect(tries).toBe(2);
});
