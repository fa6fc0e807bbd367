/** What an agent senses and moves. Simulated, replayed from a recording, or real behind the same interface. */

/** In the vehicle's axes: x forward, y left, z up. */
export interface MotionSample {
  /** Monotonic, milliseconds. */
  timeMs: number;
  /** In g, gravity included. */
  accelerationG: readonly [x: number, y: number, z: number];
  rotationDegreesPerSecond: readonly [x: number, y: number, z: number];
}

export interface PositionFix {
  /** Vehicle clock, Unix milliseconds. */
  timeMs: number;
  lat: number;
  lon: number;
  /** One standard deviation. */
  accuracyMetres: number;
  speedMetresPerSecond: number;
  headingDegrees: number;
}

/** The body of the vehicle, read when needed. */
export interface BodyState {
  batteryPercent: number;
  /** False while the battery is out and the agent runs on its reserve. */
  batteryPresent: boolean;
  enclosureClosed: boolean;
  pluggedIn: boolean;
  odometerMetres: number;
  /** By the wheel, not by satellite. */
  wheelSpeedMetresPerSecond: number;
}

export interface Sensors {
  /** At about 100 Hz while the vehicle is awake. @returns what ends the listening */
  onMotion(listener: (sample: MotionSample) => void): () => void;
  /** At about 1 Hz while there is a fix. @returns what ends the listening */
  onFix(listener: (fix: PositionFix) => void): () => void;
  body(): BodyState;
}

/** What the agent can do to the vehicle. */
export interface Actuators {
  setLocked(locked: boolean): void;
  /** Cuts the motor of a standing vehicle, or gives it back. */
  setDisabled(disabled: boolean): void;
  /** Lights and horn. */
  signal(): void;
  /** Tells who rides that the vehicle can be locked only when it stands: a display, a tone. It does not brake. */
  askToStop(): void;
}
