import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { defer, EMPTY, Observable, of, Subject } from 'rxjs';
import type { DoorManager, KeptPorts } from '../../src/door/doorManager.js';
import type { DoorTools } from '../../src/door/doorOptions.js';
import { createFrontDoor, type FrontDoor } from '../../src/door/frontDoor.js';
import type { CreateRequest } from '../../src/instances/instanceRequests.js';
import type { FrontDoorOptions } from '../../src/instances/frontDoorOptions.js';
import type { Endpoint } from '../../src/lifecycle/endpoint.js';
import type { ForwardedPort, Instance } from '../../src/lifecycle/instance.js';
import type { InstanceChange } from '../../src/lifecycle/instanceChange.js';
import type { State } from '../../src/lifecycle/state.js';
import { until } from '../support/until.js';

/** A machine: a server that can stand still, as a frozen process does, and go away. */
export class FakeMachine {
  readonly server: Server;
  readonly sockets = new Set<Socket>();
  readonly heard: string[] = [];
  #isFrozen = false;
  #thawed: (() => void)[] = [];

  constructor(onClient: (socket: Socket) => void = echo) {
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
      const begin = (): void => {
        socket.on('data', (bytes) => this.heard.push(String(bytes)));
        onClient(socket);
        socket.resume();
      };
      if (this.#isFrozen) this.#thawed.push(begin);
      else begin();
    });
  }

  async listen(port = 0): Promise<Endpoint> {
    this.server.listen({ port, host: '127.0.0.1', backlog: 4_096 });
    await once(this.server, 'listening');
    return { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
  }

  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.sockets) socket.pause();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const socket of this.sockets) socket.resume();
    for (const begin of this.#thawed.splice(0)) begin();
  }

  /** Ends as a virtual machine does: those who are connected are told so. */
  end(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

const echo = (socket: Socket): void => {
  socket.on('data', (bytes) => socket.write(bytes));
  socket.on('end', () => socket.end());
};

/** A client that notes what it is told. */
export class Client {
  readonly socket: Socket;
  received = '';
  end: 'fin' | 'rst' | undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (bytes) => (this.received += String(bytes)));
    this.socket.on('end', () => (this.end ??= 'fin'));
    this.socket.on('error', () => (this.end = 'rst'));
  }

  hears(text: string): Promise<string> {
    return until(
      () => this.received,
      (received) => received === text || this.end !== undefined,
    );
  }

  ended(): Promise<string | undefined> {
    return until(
      () => this.end,
      (end) => end !== undefined,
    );
  }
}

/** A wake that was asked for. */
export interface Wake {
  readonly verb: 'restore' | 'start';
  readonly options: unknown;
}

export const id = 'a'.repeat(24);

/** A manager of instances that do as they are told, and who watches it. */
export class FakeManager implements DoorManager {
  readonly table = new Map<string, Instance>();
  readonly wakes: Wake[] = [];
  readonly machines = new Map<string, Endpoint>();
  refreshes = 0;
  ports: readonly ForwardedPort[] = [{ guest: 80 }];
  onWake = (instanceId: string): Observable<Instance> => of(this.set('Running', instanceId));
  onRefresh = (instanceId: string): Observable<Instance> => of(this.get(instanceId));
  readonly #changes = new Subject<InstanceChange>();

  get(instanceId = id): Instance {
    const instance = this.table.get(instanceId);
    if (instance === undefined) throw new Error('there is no such instance');
    return instance;
  }

  set(state: State, instanceId = id): Instance {
    const revision = (this.table.get(instanceId)?.revision ?? 0) + 1;
    const spec = { driver: 'memory', image: 'any', env: {}, tags: {} };
    const instance: Instance = { id: instanceId, name: instanceId, spec, state, revision, createdAt: 0 };
    this.table.set(instanceId, instance);
    this.#changes.next({ kind: 'upsert', instance, event: undefined as never });
    return instance;
  }

  delete(instanceId = id): void {
    this.table.delete(instanceId);
    this.#changes.next({ kind: 'removed', instanceId, event: undefined as never });
  }

  closing(): void {
    this.#changes.next({ kind: 'closing' });
  }

  loseSight(): void {
    const instances = [...this.table.values()];
    this.#changes.next({ kind: 'snapshot', instances, cursor: { epoch: '', sequence: 0 } });
  }

  get watchers(): boolean {
    return this.#changes.observed;
  }

  watch(): Observable<InstanceChange> {
    return new Observable((subscriber) => {
      const instances = [...this.table.values()];
      subscriber.next({ kind: 'snapshot', instances, cursor: { epoch: '', sequence: 0 } });
      return this.#changes.subscribe(subscriber);
    });
  }

  restore(instanceId: string, options?: object): Observable<Instance> {
    return this.#wake({ verb: 'restore', options }, instanceId);
  }

  start(instanceId: string, _?: object, options?: object): Observable<Instance> {
    return this.#wake({ verb: 'start', options }, instanceId);
  }

  refresh(instanceId: string): Observable<Instance> {
    return defer(() => {
      this.refreshes += 1;
      return this.onRefresh(instanceId);
    });
  }

  portsOf(): readonly ForwardedPort[] {
    return this.ports;
  }

  addressOf(instanceId: string): Endpoint | undefined {
    return this.machines.get(instanceId);
  }

  #wake(wake: Wake, instanceId: string): Observable<Instance> {
    return defer(() => {
      this.wakes.push(wake);
      return this.onWake(instanceId);
    });
  }
}

/** Keeps ports in a map. */
export const keptIn = (ports: Map<string, number>): KeptPorts => ({
  of: (instanceId, guest) => ports.get(`${instanceId} ${String(guest)}`),
  save: (instanceId, guest, host) =>
    defer(() => {
      ports.set(`${instanceId} ${String(guest)}`, host);
      return EMPTY;
    }),
  forget: () => undefined,
});

/** A door before one instance with one machine; all of it is ended after the test. */
export class DoorStage {
  readonly manager = new FakeManager();
  readonly #ends: (() => void)[] = [];

  /** Opens the door, and waits until it listens for all ports. */
  async open(options: FrontDoorOptions & DoorTools = {}): Promise<FrontDoor> {
    const door = createFrontDoor(this.manager, options);
    this.#ends.push(() => {
      door.close();
    });
    await until(
      () => door.status(id),
      (ports) => ports.every(({ state }) => state === 'listening'),
    );
    return door;
  }

  async machine(onClient?: (socket: Socket) => void, port?: number): Promise<FakeMachine> {
    const machine = new FakeMachine(onClient);
    this.manager.machines.set(id, await machine.listen(port));
    this.#ends.push(() => {
      machine.end();
    });
    return machine;
  }

  client(door: FrontDoor, guest = 80): Client {
    const port = door.status(id).find((known) => known.guest === guest)?.address?.port;
    if (port === undefined) throw new Error('the door does not listen');
    const client = new Client(port);
    this.#ends.push(() => {
      client.socket.destroy();
    });
    return client;
  }

  atEnd(end: () => void): void {
    this.#ends.push(end);
  }

  end(): void {
    for (const end of this.#ends.splice(0).reverse()) end();
  }
}

/** Waits until it is so. */
export const comes = (look: () => boolean): Promise<boolean> => until(look, (isSo) => isSo);

/** A request for a process that answers each request with `hello`. */
export const server: CreateRequest = {
  name: 'web',
  image: 'scratch',
  entrypoint: [
    process.execPath,
    '-e',
    "require('node:http').createServer((_, answer) => answer.end('hello')).listen(process.env.PORT, '127.0.0.1')",
  ],
  ports: [{ guest: 80, wake: 'stopped' }],
  readiness: { kind: 'http', port: 80, path: '/' },
};
