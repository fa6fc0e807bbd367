/** Real rides as recorded, about a fix a second: speed, course and height. And made-up ones, where there are no recordings. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { between, type Random, shuffled } from './randomness.ts';

export interface Ride {
  id: string;
  vehicle: 'bike' | 'scooter';
  /** From the beginning of the ride, rising. */
  timesS: readonly number[];
  speedsMetresPerSecond: readonly number[];
  /** Without jumps at 360: it goes on counting. */
  coursesDegrees: readonly number[];
  heightsMetres: readonly number[];
}

const columns = {
  time: ['timestamp', 'Timestamp'], lat: ['position_lat', 'Latitude'], lon: ['position_long', 'Longitude'], speed: ['speed', 'Speed'], height: ['altitude', 'Altitude'],
} as const;

function readRide(id: string, vehicle: Ride['vehicle'], text: string): Ride | undefined {
  const [header = '', ...lines] = text.trim().split(/\r?\n/);
  const names = header.split(',');
  const column = (of: keyof typeof columns): number => columns[of].map((name) => names.indexOf(name)).find((index) => index >= 0) ?? -1;
  const at = { time: column('time'), lat: column('lat'), lon: column('lon'), speed: column('speed'), height: column('height') };
  const rows = lines.map((line) => line.split(',')).map((cells) => {
    // Without a zone they would be read as this machine's; only differences count.
    const time = Date.parse(`${(cells[at.time] ?? '').replace(' ', 'T')}Z`) / 1000;
    return { time, lat: Number(cells[at.lat]), lon: Number(cells[at.lon]), speed: Number(cells[at.speed]) / 3.6, height: Number(cells[at.height]) };
  }).filter((row) => Object.values(row).every(Number.isFinite));
  const rising = rows.filter((row, index) => index === 0 || row.time > (rows[index - 1]?.time ?? 0));
  const first = rising[0];
  if (!first || rising.length < 20) return undefined;
  const courses: number[] = [];
  for (const [index, row] of rising.entries()) {
    const before = rising[Math.max(0, index - 2)] ?? row;
    const [east, north] = [(row.lon - before.lon) * Math.cos((row.lat * Math.PI) / 180), row.lat - before.lat];
    const last = courses.at(-1) ?? 0;
    // Two metres at least: a standing receiver wanders.
    const course = Math.hypot(east, north) * 111_195 < 2 ? last : (Math.atan2(east, north) * 180) / Math.PI;
    courses.push(last + ((((course - last) % 360) + 540) % 360) - 180);
  }
  return { id, vehicle, timesS: rising.map((row) => row.time - first.time), speedsMetresPerSecond: rising.map((row) => Math.min(12, row.speed)), coursesDegrees: courses, heightsMetres: rising.map((row) => row.height) };
}

/** @param folder `telemetry/ebike-escooter-dublin`. Rides with fewer than 20 fixes are left out. */
export function readRides(folder: string): Ride[] {
  return (['bike', 'scooter'] as const).flatMap((vehicle) => {
    const trips = join(folder, `e-${vehicle}`, 'trips');
    const files = readdirSync(trips).filter((name) => name.endsWith('.csv')).toSorted();
    return files.flatMap((name) => readRide(`${vehicle}/${name.replace('.csv', '')}`, vehicle, readFileSync(join(trips, name), 'utf8')) ?? []);
  });
}

/** A ride that nobody rode: stretches between stops with turns. For tests, which have no recordings. */
export function madeUpRide(random: Random, id: string, minutes: number): Ride {
  const vehicle = random() < 0.5 ? 'bike' : 'scooter';
  const [times, speeds, courses, heights]: [number[], number[], number[], number[]] = [[], [], [], []];
  let [speed, wanted, course, turn, height] = [0, 5, 0, 0, 50];
  for (let time = 0; time < minutes * 60; time++) {
    if (random() < 0.03) wanted = random() < 0.25 ? 0 : between(random, 2.5, 7);
    if (random() < 0.06) turn = between(random, -25, 25);
    if (random() < 0.3) turn = 0;
    speed += Math.max(-1.8, Math.min(1.1, (wanted - speed) * 0.5)) + between(random, -0.15, 0.15);
    speed = Math.max(0, speed);
    course += speed > 1 ? turn : 0;
    height += between(random, -0.02, 0.02) * speed;
    times.push(time);
    speeds.push(speed);
    courses.push(course);
    heights.push(height);
  }
  return { id, vehicle, timesS: times, speedsMetresPerSecond: speeds, coursesDegrees: courses, heightsMetres: heights };
}

export interface Split {
  training: Ride[];
  /** For thresholds. */
  validation: Ride[];
  /** Never seen before the evaluation. */
  heldOut: Ride[];
}

/** By recording, each kind of vehicle by itself: two thirds, an eighth, the rest. */
export function splitRides(random: Random, rides: readonly Ride[]): Split {
  const split: Split = { training: [], validation: [], heldOut: [] };
  for (const vehicle of ['bike', 'scooter'] as const) {
    const order = shuffled(random, rides.filter((ride) => ride.vehicle === vehicle));
    const [training, validation] = [Math.round(order.length * 0.66), Math.round(order.length * 0.785)];
    split.training.push(...order.slice(0, training));
    split.validation.push(...order.slice(training, validation));
    split.heldOut.push(...order.slice(validation));
  }
  return split;
}

export const durationSecondsOf = ({ timesS }: Ride): number => timesS.at(-1) ?? 0;
