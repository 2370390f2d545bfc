import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Observable } from 'rxjs';
import type { Endpoint } from '../../lifecycle/endpoint.js';
import type { Capabilities, Driver, Machine } from '../driver.js';
import type { DriverSubject, Specimen } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

const guests = [80, 8_080];

/** Declares the sentences of the contract about the ports of machines. */
export function portContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { lasting, answering }: DriverSubject<D>,
  { ports: hasPorts = false }: Capabilities,
): void {
  if (!hasPorts) {
    it('which has no ports has machines without them', async (bench) => {
      const { machine } = await bench.launched(lasting);
      assert.equal(machine.ports, undefined);
    });
    return;
  }

  const published: Specimen<D> = {
    ...lasting,
    spec: { ...lasting.spec, ports: guests.map((guest) => ({ guest })) },
  };

  describe('has ports:', () => {
    it('each of the spec has an address on this host that it shares with nobody', async (bench) => {
      const launched = [await bench.launched(published), await bench.launched(published)];
      const found = launched.flatMap(({ machine }) => guests.map((guest) => addressOf(machine, guest)));
      for (const { host } of found) assert.equal(host, '127.0.0.1');
      for (const { port } of found) assert.ok(Number.isInteger(port) && port > 0 && port < 65_536);
      assert.equal(new Set(found.map(({ port }) => port)).size, found.length);
    });

    it('one that is not in the spec has none', async (bench) => {
      const [{ machine }, bare] = [await bench.launched(published), await bench.launched(lasting)];
      assert.equal(portsOf(machine).addressOf(81), undefined);
      assert.equal(portsOf(bare.machine).addressOf(80), undefined);
    });

    it('they are never those that the spec has a front door listen on', async (bench) => {
      const plan = await bench.prepared(published);
      const { machine } = await bench.launchAgain(published, plan);
      const host = addressOf(machine, 80).port;
      await bench.one(bench.end(machine, 'kill'));
      await bench.runsNoMore(plan);
      const again = { ...plan, spec: { ...plan.spec, ports: [{ guest: 80, host }] } };
      const other = await bench.launchAgain(published, again);
      assert.notEqual(addressOf(other.machine, 80).port, host);
    });

    it('an adopted machine has them where they were', async (bench) => {
      const { plan, machine } = await bench.launched(published);
      const adopted = await bench.one(bench.adopt({ plan, machine }));
      for (const guest of guests) assert.deepEqual(addressOf(adopted, guest), addressOf(machine, guest));
    });

    if (answering === undefined) return;
    const guest = answering.spec.ports?.[0]?.guest ?? 0;

    it('who connects to one reaches the machine, also once it was frozen, thawed and adopted', async (bench) => {
      const { plan, machine } = await bench.launched(answering);
      await bench.isReady(machine);
      const answer = (): Promise<string> => bench.one(answerOf(addressOf(machine, guest)));
      assert.equal(await answer(), plan.instanceId);
      if (machine.freezing !== undefined) {
        await bench.done(machine.freezing.freeze());
        await bench.done(machine.freezing.thaw());
        assert.equal(await answer(), plan.instanceId);
      }
      const adopted = await bench.one(bench.adopt({ plan, machine }));
      assert.equal(await bench.one(answerOf(addressOf(adopted, guest))), plan.instanceId);
    });
  });
}

const portsOf = ({ ports }: Machine): NonNullable<Machine['ports']> => {
  assert.ok(ports !== undefined, 'a driver that says that it has ports has machines with them');
  return ports;
};

const addressOf = (machine: Machine, guest: number): Endpoint => {
  const address = portsOf(machine).addressOf(guest);
  assert.ok(address !== undefined, `port ${String(guest)} has an address`);
  return address;
};

/** All that is said to who connects. */
const answerOf = (address: Endpoint): Observable<string> =>
  new Observable((subscriber) => {
    const socket = connect(address);
    let said = '';
    socket.setEncoding('utf8').on('data', (text: string) => (said += text));
    socket.on('error', (error) => {
      subscriber.error(error);
    });
    socket.once('end', () => {
      subscriber.next(said);
      subscriber.complete();
    });
    return () => {
      socket.destroy();
    };
  });
