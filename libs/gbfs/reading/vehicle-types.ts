/** vehicle_types: 2.1 to 3.1. */
import type { FormFactor, PropulsionType, ReturnConstraint, VehicleType } from '../model.ts';
import { uniqueById, type Place } from './place.ts';

const formFactors: readonly FormFactor[] = ['bicycle', 'cargo_bicycle', 'car', 'moped', 'scooter_standing', 'scooter_seated', 'other'];
const propulsions: readonly PropulsionType[] = ['human', 'electric_assist', 'electric', 'combustion', 'combustion_diesel', 'hybrid', 'plug_in_hybrid', 'hydrogen_fuel_cell'];
const returnConstraints: readonly ReturnConstraint[] = ['free_floating', 'roundtrip_station', 'any_station', 'hybrid'];

export function readVehicleTypes(data: Place, language: string): VehicleType[] {
  return uniqueById(data.at('vehicle_types').objects().flatMap((place) => {
    const id = place.at('vehicle_type_id').requiredText('the vehicle type is left out');
    const formFactor = readFormFactor(place.at('form_factor'));
    const propulsion = oneOf(place.at('propulsion_type'), propulsions);
    if (id === undefined) return [];
    if (!propulsion) place.report('warning', 'missing-field', `"${id}" has no propulsion that GBFS knows; read as "${formFactor === 'bicycle' ? 'human' : 'electric'}"`);
    const item: VehicleType = {
      id, formFactor,
      propulsion: propulsion ?? (formFactor === 'bicycle' ? 'human' : 'electric'),
      name: place.at('name').localised(language),
      make: place.at('make').localised(language),
      model: place.at('model').localised(language),
      maximumRangeMetres: place.at('max_range_meters').amount(),
      maximumSpeedKilometresPerHour: place.at('max_permitted_speed').amount(),
      riderCapacity: place.at('rider_capacity').count(),
      cargoVolumeLitres: place.at('cargo_volume_capacity').amount(),
      cargoLoadKilograms: place.at('cargo_load_capacity').amount(),
      minimumAgeYears: place.at('min_age').count(),
      returnConstraint: oneOf(place.at('return_constraint'), returnConstraints),
      defaultPlanId: place.at('default_pricing_plan_id').text(),
      planIds: place.at('pricing_plan_ids').texts(),
    };
    return [{ place, item }];
  }));
}

/** `scooter` is the name of 2.1 and 2.2 for what later became standing and seated. */
function readFormFactor(place: Place): FormFactor {
  if (place.value === 'scooter') return 'scooter_standing';
  return oneOf(place, formFactors) ?? 'other';
}

function oneOf<T extends string>(place: Place, known: readonly T[]): T | undefined {
  const text = place.text();
  const found = known.find((each) => each === text);
  if (text !== undefined && !found) place.report('warning', 'unknown-value', `"${text.slice(0, 60)}" is none of ${known.join(', ')}`);
  return found;
}
