type IsProxy = (value: unknown) => boolean;

/** As much of Node as is asked for; a browser has nothing of it. */
interface Runtime {
  readonly process?: {
    readonly getBuiltinModule?: (name: string) => { readonly types: { readonly isProxy: IsProxy } };
  };
}

/**
 * Tells a proxy, whose traps are code of whoever made it. Only Node can; elsewhere nothing is taken for one. Asked of the runtime and
 * not imported, so that what decodes runs in a browser too.
 */
export const isProxy: IsProxy =
  (globalThis as Runtime).process?.getBuiltinModule?.('node:util').types.isProxy ?? (() => false);
