/** How long to wait after so many failures in a row: half a second, twice as long each time, 30 s at most. In milliseconds. */
export const backoffMs = (failures: number): number => Math.min(30_000, 250 * 2 ** Math.min(failures, 10));
