import type { LaunchPlan } from '../driver.js';

/** What a memory driver can be made to fail at. */
export type MemoryOperation =
  | ('prepare' | 'launch' | 'adopt' | 'inspect' | 'stop' | 'kill' | 'freeze' | 'thaw' | 'discard')
  | ('signal' | 'suspend' | 'resume' | 'forget')
  | ('take' | 'layOut' | 'replace');

/** How to make a memory driver. */
export interface MemoryDriverOptions {
  /**
   * What its standby frees: with `memory` a machine can be suspended and resumed, and a snapshot can be one of a Standby.
   *
   * @defaultValue `'cpu'`
   */
  readonly standbyFrees?: 'cpu' | 'memory';
  /** How long a launch takes, in milliseconds, or a resume; with 0 it is done within `subscribe`. @defaultValue 0 */
  readonly launchMs?: number;
  /** How long a machine takes to end when it is asked to, in milliseconds; with 0 it ends within `subscribe`. @defaultValue 0 */
  readonly stopMs?: number;
  /**
   * Asked before each operation, with the plan of the instance; an error that it gives is what the operation fails with.
   *
   * @defaultValue none fails
   */
  readonly fail?: (operation: MemoryOperation, plan: LaunchPlan) => Error | undefined;
  /**
   * Asked at each launch for each port of the instance: the port of 127.0.0.1 at which whoever plays the machine listens for it.
   *
   * @defaultValue another port for each, from 20000 on, at which nobody listens
   */
  readonly portOf?: (instanceId: string, guest: number) => number;
}
