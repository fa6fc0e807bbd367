/** The vehicles of a system with their place and model, and the tariff of each. */
import type { Findings, GbfsSystem, Position, PricingPlan, Vehicle, VehicleType } from '../../libs/gbfs/index.ts';
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';
import { currencyOfCountry } from './countries.ts';
import type { VehicleTypeName } from './defaults.ts';
import { fittingId } from './names.ts';
import { fallbackTariff, tariffOf, type TariffInput } from './tariffs.ts';
import type { ModelInput } from './vehicle-models.ts';

export interface KnownType { type: VehicleType; model: ModelInput }
export interface Placed { vehicle: Vehicle; known: KnownType; position: Position; isRenting: boolean }
export interface Priced extends Placed { tariffId: string; isRentable: boolean }

const mostDockedAtOneStation = 1_000;

/** Vehicles with a type of ours and a place: their own, or their station's. */
export function placedVehicles(system: GbfsSystem, types: Map<string, KnownType>, dockedVehicles: 'from-counts' | 'none', findings: Findings): Placed[] {
  const stations = new Map(system.stations.map((station) => [station.id, station]));
  const only = types.size === 1 && system.vehicleTypes.length <= 1 ? [...types.values()][0] : undefined;
  const docked = dockedVehicles === 'none' ? [] : vehiclesFromCounts(system, findings);
  return [...system.vehicles, ...docked].flatMap((vehicle) => {
    const lost = (code: string, message: string) => {
      findings.add('warning', code, 'vehicle_status', '', `vehicle "${vehicle.id}" ${message}; left out`);
      return [];
    };
    const known = vehicle.typeId === undefined ? only : types.get(vehicle.typeId);
    if (!known) return lost('vehicle-type-not-imported', vehicle.typeId === undefined ? 'does not say its type' : `is of type "${vehicle.typeId}", which is not imported`);
    const station = vehicle.stationId === undefined ? undefined : stations.get(vehicle.stationId);
    const position = vehicle.position ?? station?.position;
    if (!position) return lost('position-missing', `stands at station "${vehicle.stationId}", which is not there`);
    const isRenting = station?.status ? station.status.isRenting && station.status.isInstalled : true;
    return [{ vehicle, known, position, isRenting }];
  });
}

/** As many vehicles as a station counts beyond those that stand there by name. */
function vehiclesFromCounts(system: GbfsSystem, findings: Findings): Vehicle[] {
  const atStation = Map.groupBy(system.vehicles, ({ stationId }) => stationId);
  const named = (stationId: string, typeId: string | undefined) =>
    (atStation.get(stationId) ?? []).filter((vehicle) => typeId === undefined || vehicle.typeId === undefined || vehicle.typeId === typeId).length;
  const made = system.stations.flatMap(({ id: stationId, status }) => {
    if (!status) return [];
    const counts: { vehicleTypeId?: string; count: number }[] = status.availableByType.length > 0 ? status.availableByType : [{ count: status.vehiclesAvailable }];
    return counts.flatMap(({ vehicleTypeId, count }) => {
      const missing = Math.max(0, Math.min(count, mostDockedAtOneStation) - named(stationId, vehicleTypeId));
      // Station numbers repeat from city to city: the system's id makes them unique.
      const prefix = [system.information.id, stationId, ...(vehicleTypeId === undefined || counts.length === 1 ? [] : [vehicleTypeId])].join(':');
      return Array.from({ length: missing }, (_, index): Vehicle => ({
        id: `${prefix}:${index + 1}`, typeId: vehicleTypeId, stationId, isReserved: false, isDisabled: false, availabilities: [], rentalUris: {},
      }));
    });
  });
  if (made.length > 0) findings.add('info', 'docked-vehicles-made', 'station_status', '', `${made.length} vehicles were made from the numbers at stations, because docked vehicles have no ids in a feed`);
  return made;
}

export interface PricingOptions { country: string; currency: string; defaultPlanId?: string; acceptDefaultPrices: boolean; fines?: Partial<TariffInput['fines']> }

/**
 * The tariffs of all plans in the city's currency, and each vehicle with its own: its plan, else its type's, else the one that
 * was asked for, else the only one there is. Vehicles that are left without one get our default, out of service unless accepted.
 */
export function pricedFleet(fleet: Placed[], allPlans: PricingPlan[], options: PricingOptions, findings: Findings): { tariffs: TariffInput[]; fleet: Priced[] } {
  const plans = allPlans.filter(({ currency }) => currency === options.currency);
  for (const plan of allPlans.filter(({ currency }) => currency !== options.currency))
    findings.add('error', 'currency-not-of-city', 'system_pricing_plans', '', `plan "${plan.id}" is in ${plan.currency}; a city has one currency, and this one has ${options.currency}; left out`);
  const known = new Set(plans.map(({ id }) => id));
  const planIds = fleet.map((placed) => planIdOf(placed, plans, known, options.defaultPlanId));
  const types = new Map<string, Set<VehicleTypeName>>();
  for (const [index, placed] of fleet.entries()) {
    const planId = planIds[index];
    if (planId !== undefined) types.set(planId, (types.get(planId) ?? new Set()).add(placed.known.model.type));
  }
  const allTypes = new Set(fleet.map(({ known: { model } }) => model.type));
  const read = new Map(plans.map((plan) => [plan.id, tariffOf(plan, [...(types.get(plan.id) ?? allTypes)], options.country, findings)]));
  const fallbacks = new Map([...allTypes].map((type) => [type, fallbackTariff(type, options.country, options.currency)] as const));
  const priced = fleet.map((placed, index): Priced => {
    const planId = planIds[index];
    if (planId !== undefined) return { ...placed, tariffId: fittingId(planId, 120), isRentable: options.acceptDefaultPrices || (read.get(planId)?.isFaithful ?? false) };
    const fallback = fallbacks.get(placed.known.model.type);
    const isRentable = options.acceptDefaultPrices && fallback?.isKnown === true;
    findings.add(isRentable ? 'info' : 'warning', 'plan-missing', 'system_pricing_plans', '',
      `the feed does not say at which plan vehicle "${placed.vehicle.id}" is rented; ${isRentable ? 'our default price holds' : 'imported out of service'}`);
    return { ...placed, tariffId: `default-${placed.known.model.type}`, isRentable };
  });
  const used = new Set(priced.map(({ tariffId }) => tariffId));
  const tariffs = [...[...read.values()].map(({ tariff }) => tariff), ...[...fallbacks.values()].map(({ tariff }) => tariff).filter(({ id }) => used.has(id))];
  return { tariffs: tariffs.map((tariff) => ({ ...tariff, fines: { ...tariff.fines, ...options.fines } })), fleet: priced };
}

/** The currency of most vehicles' plans, else of most plans, else of the country. */
export function currencyOf(fleet: Placed[], plans: PricingPlan[], country: string): string | undefined {
  const currencies = new Map(plans.map(({ id, currency }) => [id, currency]));
  const counts = new Map<string, number>();
  const count = (currency: string | undefined, weight: number) => {
    if (currency !== undefined) counts.set(currency, (counts.get(currency) ?? 0) + weight);
  };
  for (const { vehicle, known } of fleet) count(currencies.get(vehicle.planId ?? known.type.defaultPlanId ?? ''), plans.length + 1);
  for (const { currency } of plans) count(currency, 1);
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  return most?.[0] ?? currencyOfCountry(country);
}

/** What the feed names counts, even if it is not there: only where it names nothing may the only plan be meant. */
function planIdOf({ vehicle, known }: Placed, plans: PricingPlan[], knownIds: Set<string>, defaultPlanId: string | undefined): string | undefined {
  const { defaultPlanId: typePlanId, planIds } = known.type;
  const named = vehicle.planId ?? typePlanId ?? (planIds.length === 1 ? planIds[0] : undefined);
  if (named !== undefined && knownIds.has(named)) return named;
  if (defaultPlanId !== undefined && knownIds.has(defaultPlanId)) return defaultPlanId;
  return named === undefined && plans.length === 1 ? plans[0]?.id : undefined;
}

/** Charge by what the feed says, in this order: fuel per cent, range of the type's maximum, full. */
export function vehicleInput({ vehicle, known, position, isRenting, tariffId, isRentable }: Priced, findings: Findings): CityDefinitionInput['vehicles'][number] {
  const { model } = known;
  return {
    id: fittingId(vehicle.id, 80),
    modelId: model.id, tariffId, position,
    batteryPercent: batteryPercent(vehicle, model, findings),
    inService: isRenting && isRentable && !vehicle.isDisabled,
  };
}

function batteryPercent(vehicle: Vehicle, model: ModelInput, findings: Findings): number {
  if (model.propulsion === 'human') return 100;
  if (vehicle.energyFraction !== undefined) return Math.round(vehicle.energyFraction * 1000) / 10;
  if (vehicle.currentRangeMetres === undefined) {
    findings.add('info', 'charge-unknown', 'vehicle_status', '', `vehicle "${vehicle.id}" does not say its range or charge; taken as full`);
    return 100;
  }
  if (vehicle.currentRangeMetres <= model.maximumRangeMetres) return Math.round((vehicle.currentRangeMetres / model.maximumRangeMetres) * 1000) / 10;
  findings.add('info', 'range-above-maximum', 'vehicle_status', '', `vehicle "${vehicle.id}" has a range of ${vehicle.currentRangeMetres} m, more than its type's ${model.maximumRangeMetres} m; taken as full`);
  return 100;
}
