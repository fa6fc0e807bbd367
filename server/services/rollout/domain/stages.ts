/** Who comes when: drawn by lot, but the same lot every time, and each stage holds those before it. */

/**
 * @param lotOf the same for the same vehicle, evenly spread
 * @param percents of all vehicles, growing; the first stage has at least one vehicle
 * @returns the stage of each vehicle that is reached at all, in the order of the lots
 */
export function assignStages(vehicleIds: readonly string[], percents: readonly number[], lotOf: (vehicleId: string) => string): { vehicleId: string; stage: number }[] {
  const drawn = [...new Set(vehicleIds)].map((vehicleId) => ({ vehicleId, lot: lotOf(vehicleId) })).toSorted((a, b) => (a.lot < b.lot ? -1 : 1));
  const upTo = percents.map((percent) => Math.max(1, Math.ceil((drawn.length * percent) / 100 - 1e-9)));
  return drawn.flatMap(({ vehicleId }, rank) => {
    const stage = upTo.findIndex((count) => rank < count);
    return stage < 0 ? [] : [{ vehicleId, stage }];
  });
}
