/** An error of the file system, with a path that its reader knows instead of the descriptor by which it was reached. */
export function namedError(error: unknown, path: string): unknown {
  if (typeof error !== 'object' || error === null || !('path' in error) || !('message' in error))
    return error;
  const reached = String(error.path);
  if (!reached.startsWith('/proc/self/fd/')) return error;
  return Object.assign(error, {
    path,
    message: String(error.message).replaceAll(`'${reached}'`, `'${path}'`),
  });
}
