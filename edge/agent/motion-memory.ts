/** The last three seconds of motion, for whoever has to understand an impact. */
import type { AlertMessage } from '../protocol/messages.ts';
import type { MotionSample } from '../sensors/port.ts';

const remembered = 300;
const members = 7;
const round = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;

/** A ring: no object is made for a sample. */
export class MotionMemory {
  readonly #samples = new Float64Array(remembered * members);
  #next = 0;
  #count = 0;

  /** @returns the acceleration's magnitude, g */
  push({ timeMs, accelerationG: [x, y, z], rotationDegreesPerSecond: [roll, pitch, yaw] }: MotionSample): number {
    const start = this.#next * members;
    this.#samples[start] = timeMs;
    this.#samples[start + 1] = x;
    this.#samples[start + 2] = y;
    this.#samples[start + 3] = z;
    this.#samples[start + 4] = roll;
    this.#samples[start + 5] = pitch;
    this.#samples[start + 6] = yaw;
    this.#next = (this.#next + 1) % remembered;
    this.#count = Math.min(remembered, this.#count + 1);
    return Math.hypot(x, y, z);
  }

  /** What is remembered, the oldest first, with times against a moment. */
  around(atMs: number): NonNullable<AlertMessage['motion']> {
    return Array.from({ length: this.#count }, (_, index) => {
      const start = ((this.#next - this.#count + index + remembered) % remembered) * members;
      const [timeMs = 0, x = 0, y = 0, z = 0, roll = 0, pitch = 0, yaw = 0] = this.#samples.subarray(start, start + members);
      return { offsetMs: Math.round(timeMs - atMs), accelerationG: [round(x, 2), round(y, 2), round(z, 2)], rotationDegreesPerSecond: [round(roll, 1), round(pitch, 1), round(yaw, 1)] };
    });
  }
}
