import type { MachinePort } from './machinePorts.js';

/** The environment variables by which a program learns where it is to listen: `PORT_<guest>` for each of its ports, and `PORT` for the first. */
export const portVariables = (ports: readonly MachinePort[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    ports.flatMap(({ guest, host }, index) =>
      portVariablesOf(guest, index).map((variable) => [variable, String(host)]),
    ),
  );

/** Those for one port; the first is told by two. */
export const portVariablesOf = (guest: number, index: number): readonly string[] => [
  `PORT_${String(guest)}`,
  ...(index === 0 ? ['PORT'] : []),
];
