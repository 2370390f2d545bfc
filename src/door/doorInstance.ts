import { defer, last, Subscription, timer } from 'rxjs';
import type { Instance } from '../lifecycle/instance.js';
import { messageOf } from '../lifecycle/messageOf.js';
import type { State } from '../lifecycle/state.js';
import { monotonicNow } from '../streams/monotonicNow.js';
import { backoffMs } from './backoff.js';
import type { DoorContext } from './doorContext.js';
import { DoorPort, type PortOwner } from './doorPort.js';
import type { Refusal } from '../instances/doorStats.js';

const cause = { by: 'front_door', reason: 'connection' } as const;

/** What the door knows of an instance, and its published ports. It is woken once for all who need it. */
export class DoorInstance implements PortOwner {
  readonly id: string;
  sleeps = 0;
  readonly ports = new Map<number, DoorPort>();
  readonly #context: DoorContext;
  #instance: Instance;
  #runsSince = monotonicNow();
  #isClosing = false;
  #failures = 0;
  #notBefore = -Infinity;
  #waking: Subscription | undefined;
  #asking: Subscription | undefined;
  #mustAskAgain = false;
  readonly #drains = new Subscription();

  constructor(instance: Instance, context: DoorContext) {
    this.id = instance.id;
    this.#instance = instance;
    this.#context = context;
    this.#publish();
  }

  get state(): State {
    return this.#instance.state;
  }

  isYoung(): boolean {
    return monotonicNow() - this.#runsSince < this.#context.settings.wakeTimeoutMs;
  }

  /** Takes a newer view of the instance; an older one says nothing. */
  changed(instance: Instance): void {
    const before = this.#instance;
    if (instance.revision <= before.revision) return;
    this.#instance = instance;
    this.#publish();
    const hasMoved = instance.state !== before.state || instance.startedAt !== before.startedAt;
    if (hasMoved) this.#movedFrom(before.state);
    this.#each((port) => {
      port.review();
    });
  }

  wake(verb: 'restore' | 'start'): Refusal | undefined {
    if (this.#waking !== undefined) return undefined;
    if (this.#isClosing) return 'closing';
    if (monotonicNow() < this.#notBefore) return 'backing_off';
    const { manager, settings, tally } = this.#context;
    const options = { ...cause, timeoutMs: settings.wakeTimeoutMs };
    const woken$ = defer(() =>
      verb === 'restore' ? manager.restore(this.id, options) : manager.start(this.id, undefined, options),
    ).pipe(last());
    const waking = new Subscription();
    this.#waking = waking;
    waking.add(
      woken$.subscribe({
        next: (instance) => {
          this.#waking = undefined;
          this.#failures = 0;
          tally.woken += 1;
          this.#decided(verb);
          this.changed(instance);
          // Somebody may have put it to rest again already.
          this.#each((port) => {
            port.review();
          });
        },
        error: (error: unknown) => {
          this.#lookAfterFailure(verb, error);
        },
      }),
    );
    return undefined;
  }

  /** Those who doubt now are told by what is asked from now on. */
  ask(): void {
    if (this.#asking !== undefined) {
      this.#mustAskAgain = true;
      return;
    }
    const doubted = [...this.ports.values()].map((port) => [port, port.takeDoubted()] as const);
    const answered = (): void => {
      this.#asking = undefined;
      for (const [port, connections] of doubted) port.settle(connections);
      if (!this.#mustAskAgain) return;
      this.#mustAskAgain = false;
      this.ask();
    };
    this.#asking = new Subscription();
    this.#asking.add(this.#refresh(answered));
  }

  /** Nobody is woken any more. */
  beClosing(): void {
    this.#isClosing = true;
  }

  /** Closes its ports and resets their connections. */
  close(why: Refusal): void {
    this.#isClosing = true;
    this.#drains.unsubscribe();
    this.#asking?.unsubscribe();
    this.#waking?.unsubscribe();
    this.#each((port) => {
      port.close(why);
    });
  }

  #each(action: (port: DoorPort) => void): void {
    for (const port of [...this.ports.values()]) action(port);
  }

  /** Reads the truth, and goes on whether or not there is one. */
  #refresh(onAnswer: () => void): Subscription {
    return defer(() => this.#context.manager.refresh(this.id))
      .pipe(last())
      .subscribe({
        next: (instance) => {
          this.changed(instance);
          onAnswer();
        },
        error: onAnswer,
      });
  }

  #publish(): void {
    const wanted = new Map(this.#context.manager.portsOf(this.#instance).map((port) => [port.guest, port]));
    for (const [guest, port] of this.ports) {
      if (wanted.has(guest)) continue;
      this.ports.delete(guest);
      port.close('not_running');
    }
    for (const [guest, port] of wanted) {
      const known = this.ports.get(guest);
      if (known === undefined) this.ports.set(guest, new DoorPort(this, port, this.#context));
      else known.update(port);
    }
  }

  #movedFrom(before: State): void {
    const { state } = this.#instance;
    if (state === 'Running' || state === 'Initializing') this.#runsSince = monotonicNow();
    if (state === 'Running') this.#notBefore = -Infinity;
    if (state === 'Standby') this.sleeps += 1;
    this.#each((port) => {
      port.forgetMachine();
      if (before === 'Standby') port.wakeUp();
      if (state === 'Standby') port.fallAsleep();
    });
    if (state === 'Stopped') this.#drain();
  }

  /** A machine that has ended ends its connections by itself, and what it last wrote is still on its way. */
  #drain(): void {
    const left = [...this.ports.values()].flatMap((port) => port.through());
    if (left.length === 0) return;
    this.#drains.add(
      timer(this.#context.settings.drainMs).subscribe(() => {
        for (const connection of left) connection.reset();
      }),
    );
  }

  #decided(verb: string, error?: unknown): void {
    const { reason } = cause;
    this.#context.decided({ instanceId: this.id, verb, reason, ...(error !== undefined && { error }) });
  }

  /** A wake that failed because somebody else was quicker has not failed. */
  #lookAfterFailure(verb: string, error: unknown): void {
    this.#waking?.add(
      this.#refresh(() => {
        this.#waking = undefined;
        if (this.state !== 'Running' && this.state !== 'Initializing') this.#failed(verb, error);
      }),
    );
  }

  #failed(verb: string, error: unknown): void {
    const { tally, settings } = this.#context;
    this.#failures += 1;
    tally.failedWakes += 1;
    this.#decided(verb, error);
    const retryMs = backoffMs(this.#failures);
    this.#notBefore = monotonicNow() + retryMs;
    settings.logger.warn(
      { instanceId: this.id, retryMs, err: error },
      `an instance could not be woken: ${messageOf(error)}`,
    );
    this.#each((port) => {
      port.refuseSleepers('wake_failed');
    });
  }
}
