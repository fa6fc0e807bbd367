/** Telemetry of one vehicle as bytes: protobuf by `telemetry.proto`, in columns, deflated where that pays. */

/** One moment of a vehicle. */
export interface TelemetryRecord {
  /** Counts up by one for each record of this vehicle, across power cuts. */
  sequence: number;
  /** Vehicle clock, Unix milliseconds. */
  timeMs: number;
  latitudeDegrees: number;
  longitudeDegrees: number;
  speedMetresPerSecond: number;
  headingDegrees: number;
  accuracyMetres: number;
  batteryPercent: number;
  odometerMetres: number;
  /** The strongest acceleration since the record before, gravity included. */
  peakAccelerationG: number;
  locked: boolean;
  pluggedIn: boolean;
  disabled: boolean;
  /** The vehicle does not know the time for sure. */
  clockUnsure: boolean;
}

export interface TelemetryBatch {
  /** Starts of the agent since it was made. */
  bootCount: number;
  /** With consecutive sequence numbers. */
  records: readonly TelemetryRecord[];
}
