import { connect, type Socket } from 'node:net';
import { monotonicNow } from '../streams/monotonicNow.js';
import type { Delayed } from '../streams/delays.js';
import type { OwnConnections } from '../instances/ownConnections.js';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { DoorTally } from './doorTally.js';
import { resetSocket } from './resetSocket.js';
import { HeldBytes, type HeldLimits } from './heldBytes.js';

/** Who decides what becomes of a connection. Within each call it may be told so already. */
export interface ConnectionKeeper {
  /** The machine took it. */
  connected(connection: ProxiedConnection): void;
  /** The machine did not take it, or went away before it said a word. */
  doubted(connection: ProxiedConnection): void;
  /** It needs the instance, which stands by. */
  wakeFor(connection: ProxiedConnection): void;
  /** It has waited as long as it may. */
  late(connection: ProxiedConnection): void;
  /** Both sides have ended. */
  ended(connection: ProxiedConnection): void;
}

/**
 * A client, and the machine once there is one. Bytes go through in both directions, no faster than they are taken; a half that ends
 * ends the other, with FIN or RST as it was. What the client said is held until the machine has said something, so that another
 * machine can be told if this one goes away.
 */
export class ProxiedConnection implements Delayed {
  readonly client: Socket;
  readonly openedAt = monotonicNow();
  line: Delayed['line'];
  due = 0;
  before: Delayed | undefined;
  after: Delayed | undefined;
  /** It has asked for its instance to be woken, and was not answered since. */
  asksForWake = false;
  /** How often its instance had come to Standby when its machine went away; the keeper's. */
  sleeps = 0;
  readonly #keeper: ConnectionKeeper;
  readonly #tally: DoorTally;
  readonly #held: HeldBytes;
  #machine: Socket | undefined;
  #isThrough = false;
  #isOver = false;
  #isAsleep = false;
  /** How the machine's half ended, of which the keeper has still to say what it means. */
  #doubt: 'fin' | 'rst' | undefined;
  #clientHasEnded = false;
  #clientIsClosed = false;
  /** The machine has said something. */
  #wasAnswered = false;
  /** The client spoke last. */
  #isUnanswered = false;
  /** All that the client said is held. */
  #isWhole = true;

  constructor(client: Socket, keeper: ConnectionKeeper, limits: HeldLimits, tally: DoorTally) {
    this.client = client;
    this.#keeper = keeper;
    this.#tally = tally;
    this.#held = new HeldBytes(limits, tally);
    tally.open += 1;
    tally.waiting += 1;
    client.on('data', this.#clientSaid);
    client.on('end', this.#clientEnded);
    client.on('error', this.#clientFailed);
    client.on('close', this.#clientClosed);
    client.on('drain', this.#clientDrained);
  }

  /** The client has gone, or was sent away. */
  get isGone(): boolean {
    return this.client.destroyed;
  }

  /** Reads what the client says while it waits: so it is seen when it goes. */
  hold(): void {
    if (!this.#held.isFull) this.client.resume();
  }

  /** Connects to a machine, and then goes through. */
  connectTo({ host, port }: Endpoint, own?: Pick<OwnConnections, 'add'>): void {
    const machine = connect({ host, port, allowHalfOpen: true, noDelay: true });
    this.#machine = machine;
    own?.add(machine);
    machine.on('connect', this.#machineTook);
    machine.on('data', this.#machineSaid);
    machine.on('end', this.#machineEnded);
    machine.on('error', this.#machineFailed);
    machine.on('close', this.#machineClosed);
    machine.on('drain', this.#machineDrained);
    // What it says is there as soon as the machine takes the connection, and does not cost another turn of the event loop.
    this.hold();
  }

  /** The instance has come to Standby, and its machine may be there still. It is woken for who waits for an answer. */
  fallAsleep(raceMs: number): void {
    if (!this.#isThrough) return;
    this.#isAsleep = true;
    const cameMeanwhile = !this.#wasAnswered && monotonicNow() - this.openedAt < raceMs;
    if (this.#isUnanswered || cameMeanwhile) this.#askForWake();
  }

  /** The instance does not stand by any more. */
  wakeUp(): void {
    this.#isAsleep = false;
    this.asksForWake = false;
  }

  /** What the machine's half did was meant: the client's half does the same. */
  accept(): void {
    const doubt = this.#doubt;
    this.#doubt = undefined;
    if (doubt === 'fin') {
      this.#forget();
      this.client.end();
      this.client.resume();
    } else this.reset();
  }

  /** The machine has gone: another one is to be told all that was said. */
  retry(): void {
    this.#doubt = undefined;
    this.#dropMachine();
    this.hold();
  }

  get isDoubted(): boolean {
    return this.#doubt !== undefined;
  }

  get isThrough(): boolean {
    return this.#isThrough;
  }

  /** Ends both sides at once. */
  reset(): void {
    this.#dropMachine();
    if (this.client.destroyed) return;
    resetSocket(this.client);
  }

  onDue(): void {
    this.#keeper.late(this);
  }

  readonly #machineTook = (): void => {
    const machine = this.#machine as Socket;
    this.#isThrough = true;
    this.#tally.waiting -= 1;
    this.#isUnanswered = !this.#held.isEmpty;
    machine.cork();
    for (const piece of this.#held.pieces) machine.write(piece);
    machine.uncork();
    if (this.#clientHasEnded) machine.end();
    if (!machine.writableNeedDrain) this.client.resume();
    this.#keeper.connected(this);
  };

  readonly #clientSaid = (piece: Buffer): void => {
    if (!this.#wasAnswered && this.#isWhole) this.#hold(piece);
    if (!this.#isThrough) return;
    this.#isUnanswered = true;
    if (this.#isAsleep) this.#askForWake();
    if (this.#machine?.write(piece) === false) this.client.pause();
  };

  readonly #machineSaid = (piece: Buffer): void => {
    this.#isUnanswered = false;
    if (!this.#wasAnswered) {
      this.#wasAnswered = true;
      this.#held.clear();
    }
    if (!this.client.write(piece)) this.#machine?.pause();
  };

  /** While it waits the client is not read any further; once it is through it can do without. */
  #hold(piece: Buffer): void {
    this.#held.push(piece);
    if (!this.#held.isFull) return;
    if (!this.#isThrough) this.client.pause();
    else this.#forget();
  }

  #forget(): void {
    this.#isWhole = false;
    this.#held.clear();
  }

  readonly #clientDrained = (): void => {
    this.#machine?.resume();
  };

  readonly #machineDrained = (): void => {
    this.client.resume();
  };

  readonly #clientEnded = (): void => {
    this.#clientHasEnded = true;
    if (this.#isThrough) this.#machine?.end();
  };

  readonly #machineEnded = (): void => {
    if (this.#mayBeRetried()) this.#doubtIt('fin');
    else this.client.end();
  };

  readonly #clientFailed = (): void => {
    const machine = this.#machine;
    // One that is not connected yet is closed without a word.
    if (this.#isThrough && machine?.destroyed === false) resetSocket(machine);
  };

  readonly #machineFailed = (): void => {
    if (!this.#isThrough || this.#mayBeRetried()) this.#doubtIt('rst');
    else this.reset();
  };

  #mayBeRetried(): boolean {
    const hasNothingToLose = this.#clientHasEnded && this.#held.isEmpty;
    return this.#isWhole && !this.#wasAnswered && !this.isGone && !hasNothingToLose;
  }

  #doubtIt(doubt: 'fin' | 'rst'): void {
    this.#doubt = doubt;
    this.client.pause();
    this.#keeper.doubted(this);
  }

  #askForWake(): void {
    this.asksForWake = true;
    this.#keeper.wakeFor(this);
  }

  readonly #clientClosed = (): void => {
    this.#clientIsClosed = true;
    if (!this.#isThrough) this.#dropMachine();
    this.#endIfBothHave();
  };

  readonly #machineClosed = (): void => {
    this.#endIfBothHave();
  };

  #endIfBothHave(): void {
    if (this.#isOver || !this.#clientIsClosed || this.#machine?.closed === false) return;
    this.#isOver = true;
    this.#tally.open -= 1;
    if (!this.#isThrough) this.#tally.waiting -= 1;
    this.#held.clear();
    this.#keeper.ended(this);
  }

  /** Lets go of a machine, of which nothing is heard any more. */
  #dropMachine(): void {
    const machine = this.#machine;
    if (machine === undefined) return;
    if (this.#isThrough && !this.#isOver) this.#tally.waiting += 1;
    this.#isThrough = false;
    this.#machine = undefined;
    machine.off('connect', this.#machineTook);
    machine.off('data', this.#machineSaid);
    machine.off('end', this.#machineEnded);
    machine.off('error', this.#machineFailed);
    machine.off('close', this.#machineClosed);
    machine.off('drain', this.#machineDrained);
    machine.on('error', () => undefined);
    if (machine.connecting || machine.destroyed) machine.destroy();
    else resetSocket(machine);
  }
}
