import type { Socket } from 'node:net';
import { Subscription, timer } from 'rxjs';
import type { Connection } from '../instances/connectionSource.js';
import type { State } from '../lifecycle/state.js';
import type { Endpoint } from '../lifecycle/endpoint.js';
import type { DoorContext } from './doorContext.js';
import type { Refusal } from '../instances/doorStats.js';
import { keepListening } from './keepListening.js';
import type { ToldStatus } from './toldStatus.js';
import { ProxiedConnection, type ConnectionKeeper } from './proxiedConnection.js';
import type { ForwardedPort } from '../lifecycle/instance.js';
import { resetSocket } from './resetSocket.js';
import { reception } from './reception.js';

const firstRetryMs = 5;
const maxRetryMs = 250;

/** The instance of a port, as the door knows it. */
export interface PortOwner {
  readonly id: string;
  readonly state: State;
  /** How often it has come to Standby. */
  readonly sleeps: number;
  /** It has come to run so short a time ago that it may not listen yet. */
  isYoung(): boolean;
  /** Wakes it, unless that is being done; or says why not. */
  wake(verb: 'restore' | 'start'): Refusal | undefined;
  /** Asks what became of the machine; the answer is told by `settle`. */
  ask(): void;
}

/**
 * A published port: its listener, and the connections that came by it. While nobody knows whether the machine listens, one of those
 * that wait tries it for all.
 */
export class DoorPort implements ConnectionKeeper {
  status: ToldStatus;
  #port: ForwardedPort;
  readonly #instance: PortOwner;
  readonly #context: DoorContext;
  readonly #connections = new Map<ProxiedConnection, Connection>();
  readonly #waiting = new Set<ProxiedConnection>();
  /** Of which the instance has been asked to say what became of the machine. */
  readonly #doubted = new Set<ProxiedConnection>();
  #listening = new Subscription();
  #address: Endpoint | undefined;
  #isDoubtful = true;
  #probe: ProxiedConnection | undefined;
  #retryMs = firstRetryMs;
  #retry: Subscription | undefined;

  constructor(instance: PortOwner, port: ForwardedPort, context: DoorContext) {
    this.#instance = instance;
    this.#port = port;
    this.#context = context;
    this.status = this.#opening();
    this.#listen();
  }

  get connections(): Iterable<Connection> {
    return this.#connections.values();
  }

  /** Takes another view of the same port: connections stay, where it listens may change. */
  update(port: ForwardedPort): void {
    const { host } = this.#port;
    this.#port = port;
    if (host === port.host) return;
    this.#listening.unsubscribe();
    this.status = this.#opening();
    this.#listen();
  }

  /** The state of the instance has changed, or is known better. */
  review(): void {
    for (const connection of [...this.#waiting]) this.#receive(connection);
  }

  /** The machine is another one, or may be: it is tried before it is trusted. */
  forgetMachine(): void {
    this.#address = undefined;
    this.#isDoubtful = true;
    this.#retryMs = firstRetryMs;
    this.#retry?.unsubscribe();
    this.#retry = undefined;
  }

  /** The instance has come to Standby. */
  fallAsleep(): void {
    for (const connection of this.#all()) {
      if (!connection.isDoubted) connection.fallAsleep(this.#context.settings.raceMs);
    }
  }

  /** The instance has left Standby. */
  wakeUp(): void {
    for (const connection of this.#all()) connection.wakeUp();
  }

  /** The instance will not wake: whoever needs that is refused. */
  refuseSleepers(why: Refusal): void {
    for (const connection of this.#all()) {
      if (connection.asksForWake || this.#waiting.has(connection)) this.#refuse(connection, why);
    }
  }

  /** What is known of the instance now was asked after the machine of the doubted had gone. */
  settle(doubted: readonly ProxiedConnection[]): void {
    for (const connection of doubted) {
      if (this.#doubted.delete(connection)) this.#judge(connection);
    }
    this.review();
  }

  /** Takes those of which is doubted what became of their machine. */
  takeDoubted(): readonly ProxiedConnection[] {
    return [...this.#doubted];
  }

  /** Those that go through to a machine. */
  through(): readonly ProxiedConnection[] {
    return this.#all().filter((connection) => connection.isThrough);
  }

  /** Closes the listener, and resets every connection; who is not through yet is refused. */
  close(why: Refusal): void {
    this.#listening.unsubscribe();
    this.#retry?.unsubscribe();
    for (const connection of this.#all()) {
      if (connection.isThrough) connection.reset();
      else this.#refuse(connection, why);
    }
  }

  connected(connection: ProxiedConnection): void {
    this.#context.delays.cancel(connection);
    if (this.#probe === connection) this.#probe = undefined;
    this.#isDoubtful = false;
    // A machine that stands still is connected to all the same: the kernel does that.
    if (this.#instance.state === 'Standby') connection.fallAsleep(Infinity);
    this.review();
  }

  doubted(connection: ProxiedConnection): void {
    if (this.#probe === connection) this.#probe = undefined;
    this.#address = undefined;
    this.#isDoubtful = true;
    connection.sleeps = this.#instance.sleeps;
    this.#doubted.add(connection);
    this.#instance.ask();
  }

  wakeFor(connection: ProxiedConnection): void {
    const what = this.#reception();
    if (what === 'restore' || what === 'start') this.#wake(connection, what);
  }

  late(connection: ProxiedConnection): void {
    this.#refuse(connection, 'timeout');
  }

  ended(connection: ProxiedConnection): void {
    const known = this.#connections.get(connection) as Connection;
    this.#connections.delete(connection);
    this.#waiting.delete(connection);
    this.#doubted.delete(connection);
    this.#context.delays.cancel(connection);
    this.#context.changed({ kind: 'closed', connection: known });
    if (this.#probe !== connection) return;
    this.#probe = undefined;
    this.review();
  }

  /** Most of them leave the list while it is gone through. */
  #all(): readonly ProxiedConnection[] {
    return [...this.#connections.keys()];
  }

  #opening(): ToldStatus {
    return { instanceId: this.#instance.id, guest: this.#port.guest, state: 'opening' };
  }

  #listen(): void {
    const { guest, host } = this.#port;
    const listened = { instanceId: this.#instance.id, guest, host };
    this.#listening = keepListening(listened, this.#context.settings, this.#arrived).subscribe((status) => {
      this.status = status;
      this.#context.told(status);
    });
  }

  readonly #arrived = (client: Socket): void => {
    const { settings, tally, delays } = this.#context;
    if (this.#connections.size >= settings.maxConnections) {
      tally.refused.limit += 1;
      resetSocket(client);
      return;
    }
    tally.accepted += 1;
    const connection = new ProxiedConnection(client, this, settings, tally);
    const { remoteAddress = '', remotePort = 0 } = client;
    const source = { address: remoteAddress, port: remotePort };
    const known = { instanceId: this.#instance.id, guest: this.#port.guest, source, since: Date.now() };
    this.#connections.set(connection, known);
    this.#context.changed({ kind: 'opened', connection: known });
    delays.start(connection, settings.wakeTimeoutMs);
    this.#receive(connection);
  };

  #reception(): ReturnType<typeof reception> {
    return reception(this.#instance.state, this.#port.wake ?? 'standby');
  }

  #receive(connection: ProxiedConnection): void {
    const what = this.#reception();
    if (what === 'refuse') this.#refuse(connection, 'not_running');
    else if (what === 'connect' && this.#mayTry()) this.#connect(connection);
    else {
      this.#waiting.add(connection);
      connection.hold();
      if (what === 'restore' || what === 'start') this.#wake(connection, what);
    }
  }

  #wake(connection: ProxiedConnection, verb: 'restore' | 'start'): void {
    const why = this.#instance.wake(verb);
    if (why !== undefined) this.#refuse(connection, why);
  }

  #mayTry(): boolean {
    return this.#probe === undefined && this.#retry === undefined;
  }

  #connect(connection: ProxiedConnection): void {
    this.#waiting.delete(connection);
    if (this.#isDoubtful) this.#probe = connection;
    this.#address ??= this.#context.manager.addressOf(this.#instance.id, this.#port.guest);
    if (this.#address === undefined) this.doubted(connection);
    else connection.connectTo(this.#address, this.#context.settings.own);
  }

  #judge(connection: ProxiedConnection): void {
    const what = this.#reception();
    const wasPutToSleep = what === 'restore' || connection.sleeps !== this.#instance.sleeps;
    // What ends with its machine may be the cause of that: nobody else is told it.
    if (connection.isThrough && !wasPutToSleep) connection.accept();
    else if (what === 'connect' && !this.#instance.isYoung()) this.#refuse(connection, 'unreachable');
    else this.#tryAgain(connection);
  }

  #tryAgain(connection: ProxiedConnection): void {
    const { delays, settings } = this.#context;
    connection.retry();
    if (connection.line === undefined) delays.start(connection, settings.wakeTimeoutMs);
    if (this.#reception() === 'connect') this.#retrySoon();
    this.#receive(connection);
  }

  #retrySoon(): void {
    if (this.#retry !== undefined || !this.#isDoubtful) return;
    this.#retry = timer(this.#retryMs).subscribe(() => {
      this.#retry = undefined;
      this.review();
    });
    this.#retryMs = Math.min(maxRetryMs, this.#retryMs * 2);
  }

  #refuse(connection: ProxiedConnection, why: Refusal): void {
    if (connection.isGone) return;
    this.#context.tally.refused[why] += 1;
    this.#waiting.delete(connection);
    this.#doubted.delete(connection);
    connection.reset();
  }
}
