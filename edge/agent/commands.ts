/** What commands of the platform do to a vehicle. */
import type { CommandMessage, CommandResult } from '../protocol/messages.ts';
import type { AgentMemory } from '../storage/port.ts';

export interface Wheels {
  isMoving: boolean;
  askToStop(): void;
  signal(): void;
}

/** @returns why it was refused, undefined when done; `memory` is how the vehicle stands after it */
export function execute({ kind, bookingId }: CommandMessage, memory: AgentMemory, wheels: Wheels): string | undefined {
  const ofThisRide = bookingId === null || memory.bookingId === null || memory.bookingId === bookingId;
  const { isMoving } = wheels;
  switch (kind) {
    case 'unlock':
      if (memory.disabled) return 'disabled';
      if (!memory.locked && !ofThisRide) return 'in-use';
      memory.locked = false;
      memory.bookingId = bookingId;
      return undefined;
    case 'resume':
      if (!ofThisRide) return 'of-another-booking';
      if (memory.disabled) return 'disabled';
      memory.locked = false;
      memory.bookingId = bookingId ?? memory.bookingId;
      return undefined;
    case 'pause':
    case 'lock':
      // A lock that comes after the next rider has opened is over: that ride was locked long ago.
      if (!ofThisRide) return kind === 'lock' ? undefined : 'of-another-booking';
      if (isMoving) {
        // The rider's phone asks again until it stands.
        wheels.askToStop();
        return 'moving';
      }
      memory.locked = true;
      return undefined;
    case 'disable':
      // Never under a rider who is moving: whoever asks tries again until it stands.
      if (isMoving) return 'moving';
      memory.disabled = true;
      return undefined;
    case 'enable':
      // On a tow, say: its motor must not come back while the wheels turn.
      if (isMoving) return 'moving';
      memory.disabled = false;
      return undefined;
    case 'locate':
      wheels.signal();
      return undefined;
  }
}

const rememberedCommands = 100;

/** Runs a command once for each id. @returns its result, and whether it had run before */
export function obey(command: CommandMessage, memory: AgentMemory, wheels: Wheels, nowMs: number): { result: CommandResult; isRepeated: boolean } {
  const before = memory.executed.find(({ commandId }) => commandId === command.commandId);
  if (before) return { result: before, isRepeated: true };
  const reason = Date.parse(command.expiresAt) < nowMs ? 'expired' : execute(command, memory, wheels);
  const result: CommandResult = { commandId: command.commandId, outcome: reason === undefined ? 'done' : 'refused', ...(reason !== undefined && { reason }) };
  // Remembered in the same write as what it did.
  memory.executed = [...memory.executed.slice(1 - rememberedCommands), result];
  return { result, isRepeated: false };
}
