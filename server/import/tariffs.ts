/** A GBFS pricing plan as a tariff. Structured fields first; words only where there is nothing else. */
import type { Findings, PricingPlan, PricingSegment } from '../../libs/gbfs/index.ts';
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';
import { valueAddedTaxPercent } from './countries.ts';
import { defaultDepositMinor, defaultPrices, type VehicleTypeName } from './defaults.ts';
import { fittingId, localisedName } from './names.ts';
import { pricesInText, unitInName, type PriceUnit } from './price-texts.ts';

export type TariffInput = CityDefinitionInput['tariffs'][number];

export interface ReadTariff {
  tariff: TariffInput;
  /** False when the published price cannot be charged as published; vehicles at it are not rented unless asked for. */
  isFaithful: boolean;
}

const minutesPerUnit: Record<PriceUnit, number> = { hour: 60, day: 1440 };
const feed = 'system_pricing_plans';

/** @param types of the vehicles that are rented at this plan: the deposit is the highest of theirs */
export function tariffOf(plan: PricingPlan, types: readonly VehicleTypeName[], country: string, findings: Findings): ReadTariff {
  const report = (severity: 'info' | 'warning' | 'error', code: string, message: string) => findings.add(severity, code, feed, '', `plan "${plan.id}": ${message}`);
  let isFaithful = !plan.isIncomplete;
  const refuse = (code: string, message: string) => {
    isFaithful = false;
    report('error', code, message);
  };
  if (plan.isIncomplete) refuse('plan-incomplete', 'parts of its price could not be read');
  const time = plan.perMinute.length > 0 || plan.perKilometre.length > 0 ? structured(plan) : fromWords(plan, report, refuse);
  const perKilometreMinor = kilometrePrice(plan.perKilometre, refuse);
  if (plan.isSurging) report('warning', 'surge-not-quantified', 'prices are raised right now, by how much the feed does not say; the plain prices are imported');
  if (plan.reservationFlatMinor) report('warning', 'reservation-flat-not-supported', 'a flat price for reserving cannot be charged; it is left out, to the rider\'s favour');
  const cap = plan.fareCap;
  if (cap && cap.durationMinutes !== 1440) report('warning', 'cap-not-supported', `a cap for ${cap.durationMinutes} minutes cannot be kept, only one for a day; it is left out`);
  const grossed = taxed(plan, country, report, refuse);
  const deposits = types.flatMap((type) => defaultDepositMinor(type, plan.currency) ?? []);
  if (deposits.length === 0 && types.length > 0) report('info', 'deposit-unknown', `no customary deposit in ${plan.currency}; none is taken`);
  const dailyCapMinor = cap?.durationMinutes === 1440 ? cap.priceMinor : time.dailyCapMinor;
  const tariff: TariffInput = {
    id: fittingId(plan.id, 120),
    name: localisedName(plan.name, plan.id),
    currency: plan.currency,
    unlockFeeMinor: grossed.add(time.unlockFeeMinor),
    // A segment that ends where it starts charges nothing.
    segments: time.segments.filter(({ start, end }) => end === undefined || end > start).map(({ start, end, interval, rateMinor }) => ({ startMinute: start, endMinute: end, intervalMinutes: interval, rateMinor: grossed.add(rateMinor) })),
    perKilometreMinor: grossed.add(perKilometreMinor),
    reservationPerMinuteMinor: grossed.add(plan.reservationPerMinuteMinor ?? 0),
    dailyCapMinor: dailyCapMinor === undefined || dailyCapMinor < 1 ? undefined : grossed.add(dailyCapMinor),
    depositMinor: deposits.length > 0 ? Math.max(...deposits) : 0,
    taxPercent: grossed.percent,
    fines: { outsideBayMinor: 0, notPluggedInMinor: 0, lateFixedMinor: 0, latePerMinuteMinor: 0 },
  };
  if (tariff.segments.length > 50) {
    refuse('too-many-segments', `${tariff.segments.length} segments are more than the 50 that a tariff has`);
    tariff.segments = tariff.segments.slice(0, 50);
  }
  return { tariff, isFaithful };
}

interface TimePrice { unlockFeeMinor: number; segments: PricingSegment[]; dailyCapMinor?: number }
type Report = (severity: 'info' | 'warning' | 'error', code: string, message: string) => void;

const structured = (plan: PricingPlan): TimePrice => ({ unlockFeeMinor: plan.priceMinor, segments: plan.perMinute });

/** Only `price` is there: once for a trip, unless name or description say that it is for an hour or a day. */
function fromWords(plan: PricingPlan, report: Report, refuse: (code: string, message: string) => void): TimePrice {
  const flat: TimePrice = { unlockFeeMinor: plan.priceMinor, segments: [] };
  if (plan.priceMinor === 0) return flat;
  const described = pricesInText(plan.description, plan.currency);
  const amount = (unit: PriceUnit) => described.find((price) => price.unit === unit)?.amountMinor;
  const unit = unitInName(plan.name) ?? described.find(({ amountMinor }) => amountMinor === plan.priceMinor)?.unit;
  if (!unit) {
    if (described.length > 0) refuse('price-contradicts-text', 'the description states prices for an hour or a day that the fields do not have');
    else report('info', 'flat-price', 'has only a price for the whole trip; charged once, however long the ride');
    return flat;
  }
  const stated = amount(unit);
  if (stated !== undefined && stated !== plan.priceMinor) {
    refuse('price-contradicts-text', `the price is ${plan.priceMinor} minor units, but the description says ${stated} for one ${unit}`);
    return flat;
  }
  const daily = unit === 'hour' ? amount('day') : undefined;
  const dailyCapMinor = daily !== undefined && daily >= plan.priceMinor ? daily : undefined;
  const capText = dailyCapMinor === undefined ? '' : `, at most ${dailyCapMinor} for a day`;
  report('info', 'price-read-from-text', `${plan.priceMinor} minor units of ${plan.currency} for each started ${unit}${capText}: the unit was read from the plan's name and description, as the feed has no field for it`);
  if (daily !== undefined && dailyCapMinor === undefined) report('warning', 'cap-implausible', `a price of ${daily} for a day is below the one of an hour; left out`);
  return { unlockFeeMinor: 0, segments: [{ start: 0, interval: minutesPerUnit[unit], rateMinor: plan.priceMinor }], dailyCapMinor };
}

/** One open segment from the first kilometre can be charged; anything else cannot. */
function kilometrePrice(segments: readonly PricingSegment[], refuse: (code: string, message: string) => void): number {
  const [only, ...others] = segments;
  if (!only) return 0;
  const isPlain = others.length === 0 && only.start === 0 && only.end === undefined && only.interval === 1 && only.rateMinor >= 0;
  if (isPlain) return only.rateMinor;
  refuse('kilometre-price-not-supported', 'its price by distance has steps, which cannot be charged');
  return 0;
}

/** Our prices have the tax in them. A plan whose tax comes on top is raised by it, rounded down. */
function taxed(plan: PricingPlan, country: string, report: Report, refuse: (code: string, message: string) => void): { percent: number; add: (minor: number) => number } {
  if (!plan.isTaxAdded) return { percent: 0, add: (minor) => minor };
  const percent = valueAddedTaxPercent(country);
  if (percent === undefined) {
    refuse('tax-unknown', `tax comes on top of its prices, and the rate of ${country} is not known here`);
    return { percent: 0, add: (minor) => minor };
  }
  report('info', 'tax-added', `tax comes on top of its prices; raised by ${percent} % of ${country}`);
  const thousandths = BigInt(Math.round(percent * 10));
  return { percent, add: (minor) => Number((BigInt(minor) * (1000n + thousandths)) / 1000n) };
}

/** For vehicles of a feed without plans: a tariff from our tables, free of charge where they lack the currency; rented at only when asked for. */
export function fallbackTariff(type: VehicleTypeName, country: string, currency: string): { tariff: TariffInput; isKnown: boolean } {
  const prices = defaultPrices(type, currency);
  const { unlockFeeMinor, perMinuteMinor } = prices ?? { unlockFeeMinor: 0, perMinuteMinor: 0 };
  const tariff: TariffInput = {
    id: `default-${type}`, name: { en: `Default for ${type}` }, currency,
    unlockFeeMinor, segments: [{ startMinute: 0, intervalMinutes: 1, rateMinor: perMinuteMinor }],
    depositMinor: defaultDepositMinor(type, currency) ?? 0, taxPercent: valueAddedTaxPercent(country) ?? 0,
    fines: { outsideBayMinor: 0, notPluggedInMinor: 0, lateFixedMinor: 0, latePerMinuteMinor: 0 },
  };
  return { tariff, isKnown: prices !== undefined };
}
