import { abandonedWait } from './abandonedWait.js';
import { crowdedBuffer } from './crowdedBuffer.js';
import { endWithinPublish } from './endWithinPublish.js';
import { listThenSubscribe } from './listThenSubscribe.js';
import { literalRace } from './literalRace.js';
import { lostWakeUp } from './lostWakeUp.js';
import { pollBehindEvent } from './pollBehindEvent.js';
import { publishWithinPublish } from './publishWithinPublish.js';
import { slowPoll } from './slowPoll.js';
import { staleSnapshot } from './staleSnapshot.js';
import { throwingSubscriber } from './throwingSubscriber.js';

const traps = [
  lostWakeUp,
  staleSnapshot,
  pollBehindEvent,
  listThenSubscribe,
  crowdedBuffer,
  publishWithinPublish,
  endWithinPublish,
  throwingSubscriber,
  literalRace,
  slowPoll,
  abandonedWait,
];

/** Goes through every trap, and tells of each how the peer falls into it and how ours does not. Throws where it is otherwise. */
export async function runTraps(): Promise<void> {
  for (const { name, peer, falls, passes } of traps) {
    console.log(`\n${name}`);
    console.log(`  ${peer}: ${await falls()}`);
    console.log(`  ours: ${await passes()}`);
  }
  console.log(`\n${String(traps.length)} traps: peers fall into each of them, ours into none`);
}
