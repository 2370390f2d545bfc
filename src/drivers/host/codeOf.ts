/** The code of an error of the system, such as `ENOENT`; empty where it has none. */
export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';
