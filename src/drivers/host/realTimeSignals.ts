import { readFileSync } from 'node:fs';

/** The first that programs may use, as the GNU C library and what is built with it count them; the last is the same everywhere. */
const [first, last] = [34, 64];
const numbers = Array.from({ length: last - first }, (_, index) => index + 1);

const known = new Map<string, number>(
  process.platform === 'linux'
    ? [
        ['SIGRTMIN', first],
        ...numbers.map((n) => [`SIGRTMIN+${String(n)}`, first + n] as const),
        ['SIGRTMAX', last],
        ...numbers.map((n) => [`SIGRTMAX-${String(n)}`, last - n] as const),
      ]
    : [],
);

/** Names of the real-time signals of this system, counted from the first and from the last. Node has none for them. */
export const realTimeSignals: readonly string[] = [...known.keys()];

/** What Node takes to send a signal of this name. */
export const signalOf = (name: string): NodeJS.Signals | number =>
  known.get(name) ?? (name as NodeJS.Signals);

/** Whether a signal is a real-time one that ends a process: it neither handles, nor ignores, nor blocks it. */
export function isDeadly(pid: number, name: string): boolean {
  const number = known.get(name);
  if (number === undefined) return false;
  try {
    const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    const masks = [...status.matchAll(/^Sig(?:Blk|Ign|Cgt):\s*([0-9a-f]+)$/gm)].map(([, mask = '']) => mask);
    return masks.length === 3 && masks.every((mask) => !((BigInt(`0x${mask}`) >> BigInt(number - 1)) & 1n));
  } catch {
    return false;
  }
}
