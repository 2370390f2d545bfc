/** User and group of nobody in particular. */
const nobody = 65_534;

/** Does work without the rights of the superuser, where the tests run with them: nothing keeps him from any file. */
export async function asAnybody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(nobody);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
