/** Sensors that play a ride: one that was recorded, or one that was made up. In real time, over and over. */
import { readFileSync } from 'node:fs';
import type { Actuators, BodyState, MotionSample, PositionFix, Sensors } from './port.ts';

/** One moment of a recording. */
export interface RecordedFix {
  /** From the beginning of the ride, rising. */
  atSeconds: number;
  lat: number;
  lon: number;
  speedMetresPerSecond: number;
  /** Where it was recorded. */
  batteryPercent?: number;
}

/** Column names differ between recordings: the first that is there counts. */
const columns = { time: ['timestamp', 'Timestamp'], lat: ['position_lat', 'Latitude'], lon: ['position_long', 'Longitude'], speed: ['speed', 'Speed'], battery: ['SoC'] } as const;

/**
 * Reads a recording: CSV with a header, a row a second or so, speed in km/h.
 * @throws Error when it has no usable rows
 */
export function readRecording(text: string): RecordedFix[] {
  const [header = '', ...lines] = text.trim().split(/\r?\n/);
  const names = header.split(',').map((name) => name.trim());
  const indexOf = (of: keyof typeof columns): number => columns[of].map((name) => names.indexOf(name)).find((index) => index >= 0) ?? -1;
  const at = { time: indexOf('time'), lat: indexOf('lat'), lon: indexOf('lon'), speed: indexOf('speed'), battery: indexOf('battery') };
  const rows = lines.map((line) => line.split(',')).map((cells) => {
    const battery = Number(cells[at.battery]);
    // Without a zone it would be read as this machine's; only differences count.
    const atSeconds = Date.parse(`${(cells[at.time] ?? '').replace(' ', 'T').replace(/Z$/, '')}Z`) / 1000;
    return { atSeconds, lat: Number(cells[at.lat]), lon: Number(cells[at.lon]), speedMetresPerSecond: Number(cells[at.speed]) / 3.6, ...(at.battery >= 0 && Number.isFinite(battery) && { batteryPercent: battery }) };
  }).filter(({ atSeconds, lat, lon, speedMetresPerSecond }) => [atSeconds, lat, lon, speedMetresPerSecond].every(Number.isFinite));
  const rising = rows.filter((row, index) => index === 0 || row.atSeconds > (rows[index - 1]?.atSeconds ?? 0));
  const [first] = rising;
  if (!first) throw new Error('the recording has no row with time, position and speed');
  return rising.map((row) => ({ ...row, atSeconds: row.atSeconds - first.atSeconds }));
}

export const readRecordingFile = (path: string): RecordedFix[] => readRecording(readFileSync(path, 'utf8'));

const metresPerDegree = 111_195;
const degreesPerRadian = 180 / Math.PI;

/** A circle of 200 m radius at 5 m/s, with a stop of 20 s at its end. */
export function madeUpRound(start: { lat: number; lon: number }): RecordedFix[] {
  const [radiusMetres, speedMetresPerSecond, stopSeconds] = [200, 5, 20];
  const roundSeconds = Math.round((2 * Math.PI * radiusMetres) / speedMetresPerSecond);
  return Array.from({ length: roundSeconds + stopSeconds }, (_, atSeconds) => {
    const angle = (2 * Math.PI * Math.min(atSeconds, roundSeconds)) / roundSeconds;
    return {
      atSeconds, speedMetresPerSecond: atSeconds < roundSeconds ? speedMetresPerSecond : 0,
      lat: start.lat + (radiusMetres * Math.sin(angle)) / metresPerDegree,
      lon: start.lon + (radiusMetres * (1 - Math.cos(angle))) / (metresPerDegree * Math.cos(start.lat / degreesPerRadian)),
    };
  });
}

const fixPauseMs = 1000;
const motionPauseMs = 10;
const accuracyMetres = 3;
const usesPercentPerKilometre = 2;
/** Of a quiet sensor, g and degrees a second. */
const noise = { accelerationG: 0.01, rotationDegreesPerSecond: 0.3 };

export class ReplayedSensors implements Sensors, Actuators {
  readonly #ride: readonly RecordedFix[];
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #fixListeners = new Set<(fix: PositionFix) => void>();
  readonly #motionListeners = new Set<(sample: MotionSample) => void>();
  readonly #timers: NodeJS.Timeout[];
  #odometerMetres = 0;
  #batteryPercent: number;
  #speed = 0;
  #heading = 0;
  #disabled = false;
  #playedMs = 0;
  #next = 0;
  #felt = 0;

  /** @param nowMs the vehicle's clock, Unix milliseconds */
  constructor(ride: readonly RecordedFix[], nowMs: () => number, random: () => number) {
    if (ride.length === 0) throw new Error('there is nothing to play');
    this.#ride = ride;
    this.#nowMs = nowMs;
    this.#random = random;
    this.#batteryPercent = ride[0]?.batteryPercent ?? 90;
    const beganMs = performance.now();
    this.#timers = [
      setInterval(() => this.#advance(), fixPauseMs),
      // As many samples as time has gone, whatever the timer does.
      setInterval(() => this.#feel(Math.floor((performance.now() - beganMs) / motionPauseMs)), motionPauseMs),
    ];
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  onFix(listener: (fix: PositionFix) => void): () => void {
    this.#fixListeners.add(listener);
    return () => void this.#fixListeners.delete(listener);
  }

  onMotion(listener: (sample: MotionSample) => void): () => void {
    this.#motionListeners.add(listener);
    return () => void this.#motionListeners.delete(listener);
  }

  body(): BodyState {
    return { batteryPercent: this.#batteryPercent, batteryPresent: true, enclosureClosed: true, pluggedIn: false, odometerMetres: this.#odometerMetres, wheelSpeedMetresPerSecond: this.#speed };
  }

  setLocked(): void {
    // The recording goes on: whoever recorded it was riding.
  }

  setDisabled(disabled: boolean): void {
    this.#disabled = disabled;
  }

  signal(): void {
    // No lights, no horn.
  }

  askToStop(): void {
    this.#speed = 0;
  }

  #advance(): void {
    if (this.#disabled) return;
    const last = this.#ride.at(-1)?.atSeconds ?? 0;
    this.#playedMs += fixPauseMs;
    if (this.#playedMs / 1000 > last + 1) [this.#playedMs, this.#next] = [0, 0];
    let here = this.#ride[this.#next];
    while ((this.#ride[this.#next + 1]?.atSeconds ?? Number.POSITIVE_INFINITY) <= this.#playedMs / 1000) here = this.#ride[++this.#next];
    if (!here) return;
    const before = this.#ride[Math.max(0, this.#next - 1)] ?? here;
    const [east, north] = [(here.lon - before.lon) * Math.cos(here.lat / degreesPerRadian), here.lat - before.lat];
    if (east !== 0 || north !== 0) this.#heading = (Math.atan2(east, north) * degreesPerRadian + 360) % 360;
    this.#speed = here.speedMetresPerSecond;
    const metres = this.#speed * (fixPauseMs / 1000);
    this.#odometerMetres += metres;
    this.#batteryPercent = here.batteryPercent ?? Math.max(5, this.#batteryPercent - (metres / 1000) * usesPercentPerKilometre);
    const fix = { timeMs: this.#nowMs(), lat: here.lat, lon: here.lon, accuracyMetres, speedMetresPerSecond: this.#speed, headingDegrees: Math.round(this.#heading) };
    for (const listener of this.#fixListeners) listener(fix);
  }

  #feel(samples: number): void {
    // After a long stop of the process only the last second is made up for.
    this.#felt = Math.max(this.#felt, samples - 100);
    const shake = (size: number): number => (this.#random() - 0.5) * 2 * size * (1 + this.#speed / 2);
    for (; this.#felt < samples; this.#felt++) {
      const sample: MotionSample = {
        timeMs: this.#felt * motionPauseMs, accelerationG: [shake(noise.accelerationG), shake(noise.accelerationG), 1 + shake(noise.accelerationG)],
        rotationDegreesPerSecond: [shake(noise.rotationDegreesPerSecond), shake(noise.rotationDegreesPerSecond), shake(noise.rotationDegreesPerSecond)],
      };
      for (const listener of this.#motionListeners) listener(sample);
    }
  }
}
