import * as t from 'io-ts';

const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/**
 * Writes bytes as hypeman does: units of 1,024, and the next one only past them, so that 1 GiB is `1024.0 MB`.
 *
 * @see c2h5oh/datasize
 */
export function sizeOf(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  while (amount > 1_024 && unit < units.length - 1) {
    amount /= 1_024;
    unit += 1;
  }
  return unit === 0 ? `${String(bytes)} B` : `${amount.toFixed(1)} ${units[unit] ?? ''}`;
}

/** The bytes of a size as hypeman reads it: a whole number and a unit, `1GB`, `512 MB`, `2g`; NaN for what is none. */
function bytesOf(size: string): number {
  const [, amount, unit = ''] = /^(\d{1,15}) ?(b|[kmgtpe](?:i?b)?)?$/i.exec(size) ?? [];
  // `Mb` and the like are bits.
  if (amount === undefined || /^[KMGTPE]b$/.test(unit)) return NaN;
  return Number(amount) * 1_024 ** 'bkmgtpe'.indexOf((unit[0] ?? 'b').toLowerCase());
}

/** Decodes a size to whole MiB. */
export const mebibytes = new t.Type<number, string, unknown>(
  'a size such as 512MB (a whole number of MiB)',
  (value): value is number => typeof value === 'number',
  (value, context) => {
    const amount = typeof value === 'string' ? bytesOf(value) / 2 ** 20 : NaN;
    return Number.isSafeInteger(amount) && amount > 0 ? t.success(amount) : t.failure(value, context);
  },
  (amount) => sizeOf(amount * 2 ** 20),
);
