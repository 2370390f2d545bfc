import type { Registry } from 'prom-client';

/** Names a metric, and says into which registry it goes. */
export type Named = (name: string) => { readonly name: string; readonly registers: [Registry] };
