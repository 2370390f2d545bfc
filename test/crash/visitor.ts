import { connect } from 'node:net';
import { firstValueFrom, timer } from 'rxjs';
import type { InstanceManager } from '../../src/manager/instanceManager.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Dice } from './dice.js';
import type { Told } from './told.js';

interface Visit {
  readonly instanceId: string;
  readonly visit: number;
  answeredAt?: number;
}

/** Until a client is known to the front door it may be too late for it to be left awake. */
const knownAfterMs = 300;
/** What may be idle for longer than a run is left alone, so that its idle clock is kept. */
const visitedUpToMs = 60_000;
const speaksEveryMs = 100;
let visits = 0;

/** A client of instances. */
export interface Visitor {
  /** Connects to an instance by the front door, and leaves it some time after that. */
  visit(instance: Instance): Promise<void>;
  onEvent(event: LifecycleEvent): void;
}

/** Creates a {@link Visitor}, who tells when an instance is put on standby under a client. */
export function createVisitor(manager: InstanceManager, dice: Dice, tell: (told: Told) => void): Visitor {
  const open = new Set<Visit>();

  const visit: Visitor['visit'] = async ({ id, state, spec: { autoStandby } }) => {
    if (autoStandby?.enabled === true && autoStandby.idleTimeoutMs > visitedUpToMs) return;
    const { frontDoor = [] } = await firstValueFrom(manager.status(id));
    const address = frontDoor.find((port) => port.state === 'listening')?.address;
    if (address === undefined) return;
    if (state === 'Standby') tell({ kind: 'phase', phase: 'waking', at: Date.now() });
    // Each manager has numbers of its own.
    const it: Visit = { instanceId: id, visit: process.pid * 1_000 + (visits += 1) };
    const socket = connect(address);
    const leave = (): void => {
      if (!open.delete(it)) return;
      if (it.answeredAt !== undefined) tell({ kind: 'left', visit: it.visit, at: Date.now() });
      socket.end();
    };
    open.add(it);
    socket.on('error', () => undefined).on('close', () => open.delete(it));
    socket.once('data', () => {
      it.answeredAt = Date.now();
      tell({ kind: 'answered', visit: it.visit, id, at: it.answeredAt });
    });
    const speaking = timer(0, speaksEveryMs).subscribe(() => socket.write('x'));
    socket.on('close', () => {
      speaking.unsubscribe();
    });
    timer(dice.below(2_500)).subscribe(leave);
  };

  const onEvent: Visitor['onEvent'] = ({ action, cause, instanceId, time }) => {
    if (action !== 'standby' || cause.by !== 'auto_standby') return;
    for (const { instanceId: visited, answeredAt = Infinity } of open) {
      if (visited !== instanceId || time < answeredAt + knownAfterMs) continue;
      const error = `a client was there for ${String(time - answeredAt)} ms`;
      tell({ kind: 'failed', verb: 'auto-standby', error });
    }
  };

  return { visit, onEvent };
}
