import * as t from 'io-ts';
import { isAbsolute } from 'node:path';
import { closed } from '../../codecs/closed.js';
import { text } from '../../codecs/scalars.js';
import type { Fault } from '../../lifecycle/errors.js';
import { type FileIdentities, type FileIdentity, fileIdentityFields } from './fileIdentity.js';
import type { Image } from './image.js';

/** What a machine boots. */
export type Boot = Pick<Image, 'kernel' | 'initrd' | 'kernelArguments'>;

/** The same, as it was when a machine stood still that may not have loaded all of it yet: it goes on with the same bytes only. */
export interface KeptBoot {
  readonly kernel: KeptFile;
  readonly initrd?: KeptFile;
  readonly kernelArguments: readonly string[];
}

type KeptFile = FileIdentity & { readonly file: string };

/** What a machine boots, without all else that is known of its image. */
export const bootOf = ({ kernel, initrd, kernelArguments }: Boot): Boot => ({
  ...{ kernel, kernelArguments },
  ...(initrd === undefined ? {} : { initrd }),
});

/** Writes down what the files are like now. */
export async function keepBoot(identities: FileIdentities, boot: Boot): Promise<KeptBoot> {
  const kept = async (file: string): Promise<KeptFile> => ({ file, ...(await identities.of(file)) });
  const { kernel, initrd, kernelArguments } = boot;
  return {
    kernel: await kept(kernel),
    ...(initrd === undefined ? {} : { initrd: await kept(initrd) }),
    kernelArguments,
  };
}

/** What was kept, to be booted. */
export const bootOfKept = ({ kernel, initrd, kernelArguments }: KeptBoot): Boot => ({
  ...{ kernel: kernel.file, kernelArguments },
  ...(initrd === undefined ? {} : { initrd: initrd.file }),
});

/** What has become of the files since. */
export async function faultsOfBoot(identities: FileIdentities, kept: KeptBoot): Promise<readonly Fault[]> {
  const faultsOf = async (name: string, file: KeptFile | undefined): Promise<readonly Fault[]> => {
    if (file === undefined) return [];
    const isSame = await identities.isSame(file.file, file).catch(() => undefined);
    if (isSame === true) return [];
    const found = isSame === undefined ? 'nothing that can be read' : 'another file';
    return [{ path: `boot.${name}`, found, expected: `what ${file.file} was when the memory was kept` }];
  };
  return [...(await faultsOf('kernel', kept.kernel)), ...(await faultsOf('initrd', kept.initrd))];
}

const path = text('an absolute path', (value) => isAbsolute(value) && !/\p{Cc}/u.test(value));
const kernelArguments = t.readonlyArray(
  text('a text without control characters', (value) => !/\p{Cc}/u.test(value)),
);
const keptFile = closed(
  'a file that is booted',
  { file: path, ...fileIdentityFields.required },
  fileIdentityFields.optional,
);

/** Decodes a {@link Boot}. */
export const boot: t.Type<Boot, unknown> = closed(
  'what is booted',
  { kernel: path, kernelArguments },
  { initrd: path },
);

/** Decodes a {@link KeptBoot}. */
export const keptBoot: t.Type<KeptBoot, unknown> = closed(
  'what was to be booted',
  { kernel: keptFile, kernelArguments },
  { initrd: keptFile },
);
