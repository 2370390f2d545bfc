import { openRemote, type RemoteInstances, type RemoteOptions } from 'rx-instances/remote';
import { openStage, type Stage, type StageOptions } from '../http/apiStage.js';

/** A manager behind an API, and the same from afar. */
export interface RemoteStage extends AsyncDisposable {
  readonly stage: Stage;
  readonly remote: RemoteInstances;
}

/** Opens a {@link RemoteStage}. */
export async function openRemoteStage(
  options: StageOptions = {},
  how: Partial<RemoteOptions> = {},
): Promise<RemoteStage> {
  const stage = await openStage(options);
  const remote = await openRemote({ baseUrl: stage.address, ...how });
  return {
    stage,
    remote,
    [Symbol.asyncDispose]: async () => {
      await remote.close();
      await stage[Symbol.asyncDispose]();
    },
  };
}
