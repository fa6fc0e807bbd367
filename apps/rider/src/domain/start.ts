/** When a booking for a fixed time may begin. */

export const daysAhead = 7;
const slotMinutes = 30;
/** Long enough that the slot has not passed when the rider has read the price. */
const leadMinutes = 15;

/** The days that can be chosen, today first, each as its local midnight. */
export function startDays(now: Date): Date[] {
  return Array.from({ length: daysAhead + 1 }, (_, index) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + index));
}

/** The half hours of a day that lie ahead, within a week of now. */
export function startTimes(day: Date, now: Date): Date[] {
  const first = now.getTime() + leadMinutes * 60_000;
  const last = now.getTime() + daysAhead * 86_400_000;
  return Array.from({ length: (24 * 60) / slotMinutes }, (_, index) => new Date(day.getFullYear(), day.getMonth(), day.getDate(), 0, index * slotMinutes)).filter((time) => time.getTime() >= first && time.getTime() <= last);
}

/** Durations to choose from, in minutes. */
export function durations(fixedTime: boolean): readonly number[] {
  return fixedTime ? [60, 120, 180, 240, 480, 720, 1_440, 2_880] : [10, 20, 30, 60, 120];
}
