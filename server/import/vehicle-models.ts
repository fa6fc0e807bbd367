/** A GBFS vehicle type as a model of ours: which of our four types it is, what it can do, who may drive it. */
import type { Findings, LocalisedText, VehicleType } from '../../libs/gbfs/index.ts';
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';
import { defaultRangeMetres, defaultSpeedKilometresPerHour, minimumAgeYears, minimumBatteryPercent, type Propulsion, type VehicleTypeName } from './defaults.ts';
import { fittingId, oneText } from './names.ts';

export type ModelInput = CityDefinitionInput['models'][number];

/** Words by which a car's name or model says that it is a van. */
const vanWords = /\b(van|transporter|kastenwagen|lieferwagen|varebil|cargo|kangoo|vivaro|jumpy|jumper|berlingo|partner|combo|caddy|vito|evito|sprinter|transit|crafter|ducato|trafic|master|expert|boxer|nv200|proace|dokker|doblo|movano|scudo)\b/i;
const vanCargoLitres = 2_000;
const vanLoadKilograms = 550;
/** What class AM allows. */
const mopedSpeedKilometresPerHour = 45;

const propulsions: Record<VehicleType['propulsion'], Propulsion> = {
  human: 'human', electric_assist: 'electric-assist', electric: 'electric', hydrogen_fuel_cell: 'electric',
  combustion: 'combustion', combustion_diesel: 'combustion', hybrid: 'hybrid', plug_in_hybrid: 'hybrid',
};

/** The type of a system that lists none: GBFS says that these are bicycles without a motor. */
export const unnamedBicycle: VehicleType = { id: 'bicycle', formFactor: 'bicycle', propulsion: 'human', planIds: [] };

/**
 * Bicycles become `ebike`; one without a motor keeps the propulsion `human`, always at 100 % and never below its floor of 0.
 * Mopeds become `scooter` with licence AM. @returns undefined for a form that we do not rent
 * @param options.hasChargers some station of the feed charges vehicles: only then has an electric car to be plugged in
 */
export function modelOf(type: VehicleType, options: { hasChargers: boolean }, findings: Findings): ModelInput | undefined {
  const report = (severity: 'info' | 'warning', code: string, message: string) => findings.add(severity, code, 'vehicle_types', '', `vehicle type "${type.id}": ${message}`);
  const ours = ourType(type);
  if (!ours) {
    report('warning', 'form-factor-not-supported', `we rent no "${type.formFactor}"; its vehicles are left out`);
    return undefined;
  }
  const propulsion = propulsions[type.propulsion];
  const hasRange = type.maximumRangeMetres !== undefined && type.maximumRangeMetres >= 1000;
  const range = hasRange ? Math.round(type.maximumRangeMetres ?? 0) : defaultRangeMetres(ours, propulsion);
  if (!hasRange && propulsion !== 'human') report('info', 'range-assumed', `no usable maximum range; ${range} m is assumed`);
  const isFourWheeled = ours === 'car' || ours === 'van';
  const speed = type.maximumSpeedKilometresPerHour;
  return {
    id: fittingId(type.id, 120),
    type: ours,
    name: modelName(type, ours),
    maximumRangeMetres: range,
    maximumSpeedKilometresPerHour: speed !== undefined && speed > 0 && speed <= 200 ? speed : type.formFactor === 'moped' ? mopedSpeedKilometresPerHour : defaultSpeedKilometresPerHour[ours],
    propulsion,
    pluggable: isFourWheeled && propulsion === 'electric' && options.hasChargers,
    minimumBatteryPercent: minimumBatteryPercent(propulsion),
    minimumAgeYears: Math.min(99, Math.max(minimumAgeYears[ours], type.minimumAgeYears ?? 0)),
    licenceClass: isFourWheeled ? 'B' : type.formFactor === 'moped' ? 'AM' : undefined,
    seats: type.riderCapacity !== undefined && type.riderCapacity >= 1 && type.riderCapacity <= 9 ? type.riderCapacity : undefined,
  };
}

function ourType(type: VehicleType): VehicleTypeName | undefined {
  switch (type.formFactor) {
    case 'bicycle': case 'cargo_bicycle': return 'ebike';
    case 'scooter_standing': case 'scooter_seated': case 'moped': return 'scooter';
    case 'car': return isVan(type) ? 'van' : 'car';
    case 'other': return undefined;
  }
}

const isVan = (type: VehicleType): boolean =>
  (type.cargoVolumeLitres ?? 0) >= vanCargoLitres || (type.cargoLoadKilograms ?? 0) >= vanLoadKilograms || [type.name, type.make, type.model].some((text) => hasVanWord(text));
const hasVanWord = (text: LocalisedText | undefined): boolean => Object.values(text ?? {}).some((each) => vanWords.test(each));

/** "Renault Zoe", else the type's own name, else what it is: "Car, electric". */
function modelName(type: VehicleType, ours: VehicleTypeName): string {
  const madeBy = [oneText(type.make), oneText(type.model)].filter(Boolean).join(' ');
  const nouns: Record<VehicleTypeName, string> = { scooter: type.formFactor === 'moped' ? 'Moped' : 'Scooter', ebike: type.formFactor === 'cargo_bicycle' ? 'Cargo bike' : 'Bike', car: 'Car', van: 'Van' };
  const words: Record<VehicleType['propulsion'], string> = {
    human: 'without motor', electric_assist: 'electric', electric: 'electric', combustion: 'petrol', combustion_diesel: 'diesel', hybrid: 'hybrid', plug_in_hybrid: 'plug-in hybrid', hydrogen_fuel_cell: 'hydrogen',
  };
  return (oneText(type.name) ?? (madeBy || `${nouns[ours]}, ${words[type.propulsion]}`)).slice(0, 120);
}
