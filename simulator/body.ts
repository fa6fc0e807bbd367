/** The body of a simulated vehicle: wheels, battery, satellite receiver and motion sensor, behind the agent's interfaces. */
import type { Actuators, BodyState, MotionSample, PositionFix, Sensors } from '../edge/sensors/port.ts';
import type { Position, VehicleType } from '../server/wire/schemas.ts';
import { chargeStep, kinds, rideStep } from './physics.ts';

/** What is remembered of it across a power cut. */
export interface BodyMemory {
  position: Position;
  odometerMetres: number;
  batteryPercent: number;
  pluggedIn: boolean;
  destination: Position | null;
}

const standsForMs = 30_000;
const receiverAccuracyMetres = 3;
const degrees = 180 / Math.PI;

function headingDegrees(from: Position, to: Position): number {
  const north = to.lat - from.lat;
  const east = (to.lon - from.lon) * Math.cos(from.lat / degrees);
  return north === 0 && east === 0 ? 0 : (Math.atan2(east, north) * degrees + 360) % 360;
}

export class SimulatedBody implements Sensors, Actuators {
  readonly #type: VehicleType;
  readonly #rangeMetres: number;
  readonly memory: BodyMemory;
  readonly #nowMs: () => number;
  #heading = 0;
  #speed = 0;
  #holdUntilMs = 0;
  #disabled = false;
  #batteryPresent = true;
  #enclosureClosed = true;
  #fixListener: ((fix: PositionFix) => void) | undefined;
  #motionListener: ((sample: MotionSample) => void) | undefined;

  constructor(options: { type: VehicleType; rangeMetres: number | undefined; memory: BodyMemory; disabled: boolean; nowMs: () => number }) {
    this.#type = options.type;
    this.#rangeMetres = options.rangeMetres ?? kinds[options.type].rangeMetres;
    this.memory = options.memory;
    this.#disabled = options.disabled;
    this.#nowMs = options.nowMs;
  }

  get speedMetresPerSecond(): number {
    return this.#speed;
  }

  onFix(listener: (fix: PositionFix) => void): () => void {
    this.#fixListener = listener;
    return () => (this.#fixListener = undefined);
  }

  onMotion(listener: (sample: MotionSample) => void): () => void {
    this.#motionListener = listener;
    return () => (this.#motionListener = undefined);
  }

  body(): BodyState {
    const { batteryPercent, pluggedIn, odometerMetres } = this.memory;
    return { batteryPercent, pluggedIn, odometerMetres, batteryPresent: this.#batteryPresent, enclosureClosed: this.#enclosureClosed, wheelSpeedMetresPerSecond: this.#speed };
  }

  setLocked(locked: boolean): void {
    if (locked) this.stop();
  }

  setDisabled(disabled: boolean): void {
    this.#disabled = disabled;
  }

  signal(): void {
    // Nobody in the simulated street looks.
  }

  /** Who rides brakes by hand, and stays a while. */
  askToStop(): void {
    this.#standAt();
    this.#holdUntilMs = this.#nowMs() + standsForMs;
  }

  stop(): void {
    if (this.#speed > 0) this.#standAt();
  }

  /** Rides there, when it is unlocked. @param afterMs waits so long first */
  rideTo(destination: Position, afterMs = 0): void {
    this.memory.destination = { ...destination };
    this.#holdUntilMs = this.#nowMs() + afterMs;
  }

  /** Feeds the motion sensor with what happens to the vehicle. Times are counted from now. */
  feel(samples: Iterable<MotionSample>): void {
    for (const sample of samples) this.#motionListener?.(sample);
  }

  pullBattery(): void {
    this.#batteryPresent = false;
  }

  putBatteryBack(): void {
    this.#batteryPresent = true;
  }

  /** The wheels stop at once, as in a crash. */
  crash(): void {
    this.memory.destination = null;
    this.#standAt();
  }

  /** Lets time pass. @returns what the agent should tell at once */
  advance(seconds: number, isLocked: boolean): 'started' | 'arrived' | undefined {
    const { memory } = this;
    if (!isLocked && !this.#disabled && memory.destination && this.#nowMs() >= this.#holdUntilMs) return this.#ride(memory.destination, seconds);
    if (memory.pluggedIn) memory.batteryPercent = chargeStep(memory.batteryPercent, this.#type, seconds);
    return undefined;
  }

  #ride(destination: Position, seconds: number): 'started' | 'arrived' | undefined {
    const { memory } = this;
    const wasStanding = this.#speed === 0;
    this.#heading = headingDegrees(memory.position, destination);
    const step = rideStep({ ...memory, speedMetresPerSecond: this.#speed }, destination, { seconds, speedMetresPerSecond: kinds[this.#type].speedMetresPerSecond, rangeMetres: this.#rangeMetres });
    Object.assign(memory, { position: step.position, odometerMetres: step.odometerMetres, batteryPercent: step.batteryPercent, pluggedIn: false });
    this.#speed = step.speedMetresPerSecond;
    const isOver = step.arrived || step.batteryPercent === 0;
    if (isOver) memory.destination = null;
    this.#fix();
    if (isOver) return 'arrived';
    return wasStanding ? 'started' : undefined;
  }

  #standAt(): void {
    this.#speed = 0;
    this.#fix();
  }

  #fix(): void {
    const { lat, lon } = this.memory.position;
    this.#fixListener?.({ timeMs: this.#nowMs(), lat, lon, accuracyMetres: receiverAccuracyMetres, speedMetresPerSecond: this.#speed, headingDegrees: Math.round(this.#heading) });
  }
}
