/** Whether a stage is good enough for the next one: by what vehicles do, not by what jobs say. */
import type { Thresholds } from '../contract.ts';

export interface VehicleHealth {
  /** Telemetry since the soak began. */
  records: number;
  /** Starts of the agent since then. */
  boots: number;
}

/** How vehicles fare that do not have the bundle. */
export interface Baseline {
  silentPercent: number;
  crashingPercent: number;
}

export interface Deliveries {
  /** Vehicles of the stage. */
  vehicles: number;
  succeeded: number;
  failed: number;
}

export interface Verdict {
  gate: 'passed' | 'failed' | 'waiting';
  reasons: string[];
}

export interface HealthVerdict extends Verdict {
  health: { heard: number; silent: number; crashing: number; controlSilentPercent: number; controlCrashingPercent: number };
}

/** A parked vehicle speaks once a minute: while more of the others than this have said nothing either, silence tells nothing yet. */
const mostSilentOthersPercent = 50;
/** One start belongs to the installation, and one may be chance. */
const harmlessBoots = 2;

const percentOf = (part: number, whole: number): number => (whole === 0 ? 0 : (100 * part) / whole);
const shown = (percent: number): string => `${Math.round(percent * 10) / 10}%`;

/** Before the soak: enough have it, too many failed, or neither yet. */
export function judgeDeliveries({ vehicles, succeeded, failed }: Deliveries, thresholds: Thresholds): Verdict {
  const failedPercent = percentOf(failed, vehicles);
  if (failedPercent > thresholds.maximumFailurePercent) return { gate: 'failed', reasons: [`${failed} of ${vehicles} installations failed (${shown(failedPercent)}; at most ${shown(thresholds.maximumFailurePercent)})`] };
  const installedPercent = percentOf(succeeded, vehicles);
  if (installedPercent < thresholds.minimumInstalledPercent) return { gate: 'waiting', reasons: [`${succeeded} of ${vehicles} vehicles have it (${shown(installedPercent)}; at least ${shown(thresholds.minimumInstalledPercent)})`] };
  return { gate: 'passed', reasons: [] };
}

const meanBoots = (vehicles: readonly VehicleHealth[]): number => (vehicles.length === 0 ? 0 : vehicles.reduce((sum, { boots }) => sum + boots, 0) / vehicles.length);
const count = (vehicles: readonly VehicleHealth[], is: (vehicle: VehicleHealth) => boolean): number => vehicles.filter(is).length;

/**
 * After the soak: those that have it against those that do not.
 * @param before the baseline of an earlier stage, for when everybody has it; nobody silent and nobody crashing without one
 */
export function judgeHealth(having: readonly VehicleHealth[], control: readonly VehicleHealth[], before: Baseline | undefined, thresholds: Thresholds): HealthVerdict {
  const isSilent = ({ records }: VehicleHealth) => records === 0;
  const normal = meanBoots(control);
  const isCrashing = ({ boots }: VehicleHealth) => boots > harmlessBoots + 2 * normal;
  const baseline: Baseline = control.length > 0
    ? { silentPercent: percentOf(count(control, isSilent), control.length), crashingPercent: percentOf(count(control, isCrashing), control.length) }
    : (before ?? { silentPercent: 0, crashingPercent: 0 });
  const silent = count(having, isSilent);
  const crashing = count(having, isCrashing);
  const health = { heard: having.length - silent, silent, crashing, controlSilentPercent: baseline.silentPercent, controlCrashingPercent: baseline.crashingPercent };
  const isAnybodyHeard = health.heard > 0 || control.some((vehicle) => !isSilent(vehicle));
  if (having.length === 0 || !isAnybodyHeard) return { gate: 'waiting', reasons: ['no telemetry of any vehicle to judge by'], health };
  if (baseline.silentPercent > mostSilentOthersPercent) return { gate: 'waiting', reasons: [`too early to tell: ${shown(baseline.silentPercent)} of the others have said nothing either`], health };
  const reasons: string[] = [];
  const judge = (number: number, what: string, normalPercent: number, maximumPercent: number) => {
    const percent = percentOf(number, having.length);
    if (percent - normalPercent > maximumPercent) reasons.push(`${number} of ${having.length} vehicles ${what} (${shown(percent)}, others ${shown(normalPercent)}; at most ${shown(maximumPercent)} more)`);
  };
  judge(silent, 'went silent', baseline.silentPercent, thresholds.maximumSilentPercent);
  judge(crashing, 'restart again and again', baseline.crashingPercent, thresholds.maximumCrashingPercent);
  return { gate: reasons.length > 0 ? 'failed' : 'passed', reasons, health };
}
