import { EventEmitter } from 'node:events';
import { createOwnConnections } from '../../src/controllers/ownConnections.js';
import type { OwnConnections } from '../../src/instances/ownConnections.js';

const source = { address: '127.0.0.1', port: 40_001 };
const machine = { address: '127.0.0.1', port: 8_080 };

let own: OwnConnections;
beforeEach(() => {
  jest.useFakeTimers();
  own = createOwnConnections();
});
afterEach(() => {
  jest.useRealTimers();
});

/** A socket from there to the machine, of which nothing is known until it is connected. */
function adds(localPort = source.port): { connect(): void; close(): void } {
  const socket = new EventEmitter();
  own.add(socket);
  return {
    connect: () => {
      Object.assign(socket, { localAddress: source.address, localPort });
      Object.assign(socket, { remoteAddress: machine.address, remotePort: machine.port });
      socket.emit('connect');
    },
    close: () => socket.emit('close'),
  };
}

it('knows a connection from when it is there, by both its ends', () => {
  const socket = adds();
  expect(own.has(source, machine)).toBe(false);
  socket.connect();
  expect(own.has(source, machine)).toBe(true);
  expect(own.has({ ...source, port: 40_002 }, machine)).toBe(false);
  expect(own.has({ ...source, address: '127.0.0.2' }, machine)).toBe(false);
  expect(own.has(source, { ...machine, port: 8_081 })).toBe(false);
  expect(own.has(source, { ...machine, address: '127.0.0.2' })).toBe(false);
});

it('knows one that is open for as long as it is', () => {
  adds().connect();
  jest.advanceTimersByTime(3_600_000);
  expect(own.has(source, machine)).toBe(true);
});

it('knows one that was closed for as long as the kernel may list it, and then no more', () => {
  const socket = adds();
  socket.connect();
  socket.close();
  jest.advanceTimersByTime(149_999);
  expect(own.has(source, machine)).toBe(true);
  jest.advanceTimersByTime(1);
  expect(own.has(source, machine)).toBe(false);
});

it('knows the next one of the same ends for as long as that is open', () => {
  const first = adds();
  first.connect();
  first.close();
  const second = adds();
  second.connect();
  jest.advanceTimersByTime(150_000);
  // One that is closed is when the others are looked through.
  const other = adds(40_002);
  other.connect();
  other.close();
  expect(own.has(source, machine)).toBe(true);
});

it('knows nothing of one that never came to be', () => {
  adds().close();
  expect(own.has(source, machine)).toBe(false);
});
