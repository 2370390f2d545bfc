import { instancesContract } from '../instances/instancesContract.js';
import { openRemoteStage } from './remoteStage.js';

instancesContract(async () => {
  const both = await openRemoteStage();
  return { driver: both.stage.driver, manager: both.remote, close: () => both[Symbol.asyncDispose]() };
});
