/** What the agent asks its models. Each judges in the call, without I/O, in well under its limit. */
import type { BodyState, MotionSample, PositionFix } from '../sensors/port.ts';

export interface CollisionVerdict {
  /** When it happened, by the clock of the samples. */
  atMs: number;
  peakG: number;
  confidence: number;
  decidedBy: 'model' | 'rule';
}

/** Fed with every sample, 100 a second. One verdict for one crash. */
export interface CollisionDetector {
  /** @param wheelSpeedMetresPerSecond the latest known, for the rule: slip, or a sudden stop */
  push(sample: MotionSample, wheelSpeedMetresPerSecond: number): CollisionVerdict | undefined;
}

export interface GeofenceCrossing {
  kind: 'entered' | 'left';
  zoneId: string;
  atMs: number;
}

/** Fed with every fix, one a second. Knows minimum dwell and accuracy, so that it does not flap. */
export interface GeofenceMonitor {
  push(fix: PositionFix): readonly GeofenceCrossing[];
  /** Ids of the zones that the vehicle is in, after dwell. */
  inside(): readonly string[];
}

export type TamperKind = 'moved-while-locked' | 'battery-removed' | 'enclosure-opened' | 'tilted' | 'unusual';

export interface TamperVerdict {
  kind: TamperKind;
  atMs: number;
  confidence: number;
  decidedBy: 'model' | 'rule';
}

/** Fed with every sample while the vehicle is locked. One verdict for one kind until it is quiet again. */
export interface TamperDetector {
  push(sample: MotionSample, body: BodyState, isLocked: boolean): TamperVerdict | undefined;
}
