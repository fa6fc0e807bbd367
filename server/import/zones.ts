/** Geofencing zones with rules as zones of one kind each. */
import type { Findings, GbfsSystem, GeofencingZone, ZoneRule } from '../../libs/gbfs/index.ts';
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';
import type { VehicleTypeName } from './defaults.ts';
import { fittingId, oneText } from './names.ts';

export type ZoneInput = CityDefinitionInput['zones'][number];
type Kind = ZoneInput['kind'];

/** What a rule means for one of our types: forbidden, limited, or a place where rides may end. */
interface Meaning { kind: Kind; maximumSpeedKilometresPerHour?: number }

const feed = 'geofencing_zones';
const mostPointsOfZone = 100_000;
const allowsEverything = (rule: ZoneRule) => rule.isRideStartAllowed && rule.isRideEndAllowed && rule.isRideThroughAllowed;

/**
 * @param typesOf our type of each vehicle type of the feed that is in the city
 * @param now UTC instant: zones that are over or not begun are left out
 */
export function zonesOf(system: GbfsSystem, typesOf: ReadonlyMap<string, VehicleTypeName>, now: string, findings: Findings): ZoneInput[] {
  const isRestrictedOutside = system.globalRules.some((rule) => !rule.isRideEndAllowed);
  const zones = system.zones.flatMap((zone) => {
    if ((zone.endsAt !== undefined && zone.endsAt <= now) || (zone.startsAt !== undefined && zone.startsAt > now)) {
      findings.add('info', 'zone-not-in-force', feed, '', `zone "${zone.id}" is not in force now; left out`);
      return [];
    }
    if (zone.area.flat().reduce((sum, ring) => sum + ring.length, 0) > mostPointsOfZone) {
      findings.add('error', 'zone-too-fine', feed, '', `zone "${zone.id}" has more than ${mostPointsOfZone} points; left out`);
      return [];
    }
    return zoneInputs(zone, typesOf, isRestrictedOutside, findings);
  });
  if (isRestrictedOutside && !zones.some(({ kind }) => kind === 'operating'))
    findings.add('warning', 'operating-area-missing', feed, '', 'rides may not end outside of zones, but no zone allows it; the city has no operating area');
  return zones;
}

function zoneInputs(zone: GeofencingZone, typesOf: ReadonlyMap<string, VehicleTypeName>, isRestrictedOutside: boolean, findings: Findings): ZoneInput[] {
  const byMeaning = new Map<string, { meaning: Meaning; types: Set<VehicleTypeName> }>();
  for (const [typeId, ours] of typesOf) {
    const rule = zone.rules.find(({ vehicleTypeIds }) => vehicleTypeIds.length === 0 || vehicleTypeIds.includes(typeId));
    for (const meaning of rule ? meaningsOf(rule, isRestrictedOutside, zone.id, findings) : []) {
      const key = `${meaning.kind} ${meaning.maximumSpeedKilometresPerHour ?? ''}`;
      const entry = byMeaning.get(key) ?? { meaning, types: new Set() };
      byMeaning.set(key, { meaning, types: entry.types.add(ours) });
    }
  }
  const name = (oneText(zone.name) ?? '').slice(0, 200);
  return [...byMeaning.values()].map(({ meaning, types }) => ({
    id: fittingId([zone.id, meaning.kind, ...(meaning.maximumSpeedKilometresPerHour === undefined ? [] : [meaning.maximumSpeedKilometresPerHour])].join(':'), 120),
    name, kind: meaning.kind, polygons: zone.area, vehicleTypes: [...types],
    maximumSpeedKilometresPerHour: meaning.maximumSpeedKilometresPerHour,
  }));
}

/**
 * No through ride: `no-ride`. No end: `no-parking`. A speed limit: `slow`. Everything allowed: `operating`, and where nothing
 * is allowed outside of zones, every zone in which a ride may end is part of the operating area.
 */
function meaningsOf(rule: ZoneRule, isRestrictedOutside: boolean, zoneId: string, findings: Findings): Meaning[] {
  const limit = rule.maximumSpeedKilometresPerHour;
  const hasLimit = limit !== undefined && limit > 0;
  if (rule.isStationParkingRequired) findings.add('info', 'station-parking-not-supported', feed, '', `zone "${zoneId}": parking at stations only is a rule of a whole city here, not of a zone; left out`);
  if (!rule.isRideThroughAllowed && !rule.isRideEndAllowed) return [{ kind: 'no-ride' }];
  if (!rule.isRideThroughAllowed) findings.add('warning', 'rule-not-supported', feed, '', `zone "${zoneId}": rides may end but not pass through; the latter is left out`);
  if (!rule.isRideStartAllowed && rule.isRideEndAllowed) findings.add('warning', 'rule-not-supported', feed, '', `zone "${zoneId}": rides may end but not start; the latter is left out`);
  const slow: Meaning[] = hasLimit ? [{ kind: 'slow', maximumSpeedKilometresPerHour: limit }] : [];
  if (!rule.isRideEndAllowed) return [{ kind: 'no-parking' }, ...slow];
  const isOperating = isRestrictedOutside || (!hasLimit && allowsEverything(rule) && !rule.isStationParkingRequired);
  return isOperating ? [{ kind: 'operating' }, ...slow] : slow;
}
