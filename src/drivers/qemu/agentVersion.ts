import * as t from 'io-ts';

/** What the agent in a guest understands: since 2 it reaches files. */
export type AgentVersion = 1 | 2;

/** The first that reaches files. */
export const filesSince: AgentVersion = 2;

/** Decodes an {@link AgentVersion}. */
export const agentVersion: t.Type<AgentVersion, unknown> = t.union(
  [t.literal(1), t.literal(2)],
  'a version of the agent (1 or 2)',
);
