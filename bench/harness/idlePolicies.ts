/** A port, without which auto-standby has nothing to look after. */
export const port = { ports: [{ guest: 80 }] } as const;

/** All policies but health checks, of an instance for which none of them has anything to do for hours. */
export const portAndPolicies = {
  ...port,
  autoStandby: { enabled: true, idleTimeoutMs: 86_400_000 },
  restartPolicy: { policy: 'always', backoffMs: 0 },
  ttlMs: 86_400_000,
} as const;
