/** The firmware of a simulated vehicle: the real updater over a disk in memory, and starts that go as the bundle says. */
import type { TrustedKeys } from '../edge/update/trust.ts';
import type { Disk } from '../edge/update/disk.ts';
import { memoryDisk } from '../edge/update/memory-slots.ts';
import type { Updater } from '../edge/update/port.ts';
import { bootSimulated, type FirmwareBehaviour } from '../edge/update/simulated.ts';
import { openUpdater } from '../edge/update/updater.ts';

/** What runs in a vehicle. */
export interface RunningFirmware {
  updater: Updater;
  behaviour: FirmwareBehaviour;
  /** Starts that it took. */
  starts: number;
}

const factoryVersion = '1.0.0';

export class SimulatedFirmware {
  readonly #trustedKeys: TrustedKeys;
  readonly #disk: Disk = memoryDisk();

  constructor(trustedKeys: TrustedKeys) {
    this.#trustedKeys = trustedKeys;
  }

  /** Starts as the launcher does, and goes back when what is on trial does not come up. */
  async start(): Promise<RunningFirmware> {
    const { slot, behaviour, version, starts } = await bootSimulated(this.#disk, factoryVersion);
    return { updater: await openUpdater({ disk: this.#disk, version, slot, trustedKeys: this.#trustedKeys }), behaviour, starts };
  }
}
