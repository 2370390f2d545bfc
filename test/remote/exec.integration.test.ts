import { openRemote } from 'rx-instances/remote';
import { WebSocket } from 'ws';
import { openExecStage } from '../http/exec/execStage.js';
import { executionsContract } from '../instances/executionsContract.js';

executionsContract(async () => {
  const stage = await openExecStage();
  const manager = await openRemote({ baseUrl: stage.address, WebSocket });
  return {
    manager,
    close: async () => {
      await manager.close();
      await stage[Symbol.asyncDispose]();
    },
  };
});
