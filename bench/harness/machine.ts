import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

const peers = [
  ...['rxjs', 'lmdb', 'fastify', '@fastify/sse', 'effect', 'emittery', 'p-wait-for'],
  '@smithy/util-waiter',
];

/** Tells in a line what the figures were taken on. */
export function machine(): string {
  const processors = cpus();
  const model = (processors[0]?.model ?? 'processor')
    .replace(/\(R\)|\(TM\)| CPU| @.*| Processor/g, '')
    .trim();
  const memory = `${String(Math.round(totalmem() / 2 ** 30))} GiB`;
  const day = new Date().toISOString().slice(0, 10);
  const versions = peers.map((name) => `${name} ${versionOf(name)}`).join(', ');
  return `${day}, ${process.platform}, ${String(processors.length)} × ${model}, ${memory}; Node ${process.versions.node}, ${versions}`;
}

/** Looks where Node looks: a package may hide its manifest from `require`. */
function versionOf(name: string): string {
  const [first = ''] = (require.resolve.paths(name) ?? []).filter((folder) => {
    try {
      readFileSync(join(folder, name, 'package.json'));
      return true;
    } catch {
      return false;
    }
  });
  return (JSON.parse(readFileSync(join(first, name, 'package.json'), 'utf8')) as { version: string }).version;
}
