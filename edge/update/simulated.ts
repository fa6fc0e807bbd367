/** How a simulated vehicle starts: as the launcher would, with firmware that behaves as its bundle says. */
import { z } from 'zod';
import { beforeStart, slotToStart, type Slot } from './boot.ts';
import { Slots } from './slots.ts';
import type { Disk } from './disk.ts';

/** The file of a firmware bundle that tells a simulated vehicle what it would be like. */
export const behaviourFile = 'simulated.json';

/**
 * `healthy`; `crashes-at-once` and `hangs` never mark themselves healthy; `crashes-later` does, and then restarts again and again;
 * `goes-silent` does, and then sends no telemetry.
 */
export const FirmwareBehaviour = z.enum(['healthy', 'crashes-at-once', 'hangs', 'crashes-later', 'goes-silent']);
export type FirmwareBehaviour = z.infer<typeof FirmwareBehaviour>;
const BehaviourFile = z.object({ behaviour: FirmwareBehaviour, version: z.string() });

export interface SimulatedBoot {
  slot: Slot;
  behaviour: FirmwareBehaviour;
  version: string;
  /** Starts until one stayed up; each counts as a boot. */
  starts: number;
}

/** Starts the slot whose turn it is, counts, and goes back, until firmware stays up. @param factoryVersion of slot a before any update */
export async function bootSimulated(disk: Disk, factoryVersion: string): Promise<SimulatedBoot> {
  const slots = new Slots(disk);
  for (let starts = 1; ; starts++) {
    const before = await slots.boot();
    const record = beforeStart(before);
    if (record !== before) await slots.setBoot(record);
    const slot = slotToStart(record);
    const bytes = await disk.read(`slots/${slot}/${behaviourFile}`);
    const { behaviour, version } = bytes ? BehaviourFile.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))) : { behaviour: 'healthy' as const, version: factoryVersion };
    const fails = record.trial && (behaviour === 'crashes-at-once' || behaviour === 'hangs');
    if (!fails) return { slot, behaviour, version, starts };
  }
}
