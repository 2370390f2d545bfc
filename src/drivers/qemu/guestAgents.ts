import { createGuestAgent, type GuestAgent, type GuestIdentity } from './guestAgent.js';

/** The agents of guests by their homes, also of those whose memory was kept: what they run goes on with it. */
export interface GuestAgents {
  of(identity: GuestIdentity): GuestAgent;
  /** Ends what would go on in a home: its memory is given up, or another's. */
  end(home: string): void;
  /** The machine of a home runs on without this process. */
  leave(home: string): void;
  endAll(): void;
}

/** Creates {@link GuestAgents}. */
export function createGuestAgents(): GuestAgents {
  const agents = new Map<string, GuestAgent>();

  const end = (home: string): void => {
    agents.get(home)?.end();
    agents.delete(home);
  };

  return {
    of: (identity) => {
      const agent = agents.get(identity.home) ?? createGuestAgent(identity);
      agents.set(identity.home, agent);
      return agent;
    },
    end,
    leave: (home) => {
      agents.get(home)?.leave();
      agents.delete(home);
    },
    endAll: () => {
      for (const home of [...agents.keys()]) end(home);
    },
  };
}
