/** system_pricing_plans: 2.0 to 3.1, in minor units. */
import { minorUnits } from '../money.ts';
import type { PricingPlan, PricingSegment } from '../model.ts';
import { uniqueById, type Place } from './place.ts';

const currencyCode = /^[A-Z]{3}$/;

/** Remembers for one plan whether an amount was rounded or could not be read. */
interface Reading { currency: string; isRounded: boolean; isIncomplete: boolean }

export function readPricingPlans(data: Place, language: string): PricingPlan[] {
  return uniqueById(data.at('plans').objects().flatMap((place) => {
    const id = place.at('plan_id').requiredText('the plan is left out');
    const currency = place.at('currency').requiredText('the plan is left out')?.toUpperCase();
    if (id === undefined || currency === undefined) return [];
    if (!currencyCode.test(currency)) {
      place.at('currency').report('error', 'currency-unknown', `"${currency.slice(0, 20)}" is no ISO 4217 code; plan "${id}" is left out`);
      return [];
    }
    return [{ place, item: readPlan(place, id, currency, language) }];
  }));
}

function readPlan(place: Place, id: string, currency: string, language: string): PricingPlan {
  const reading: Reading = { currency, isRounded: false, isIncomplete: false };
  const priceMinor = readMoney(place.at('price'), reading);
  if (priceMinor === undefined) {
    if (place.at('price').isAbsent) place.at('price').report('error', 'missing-field', `plan "${id}" has no price`);
    reading.isIncomplete = true;
  }
  const cap = place.at('fare_capping');
  const capPriceMinor = readMoney(cap.at('price'), reading);
  const capDurationMinutes = cap.at('duration').amount();
  const item: PricingPlan = {
    id, currency,
    name: place.at('name').localised(language) ?? { [language]: id },
    description: place.at('description').localised(language) ?? {},
    priceMinor: priceMinor ?? 0,
    isTaxAdded: place.at('is_taxable').boolean() ?? false,
    perMinute: readSegments(place.at('per_min_pricing'), reading),
    perKilometre: readSegments(place.at('per_km_pricing'), reading),
    isSurging: place.at('surge_pricing').boolean() ?? false,
    reservationPerMinuteMinor: readMoney(place.at('reservation_price_per_min'), reading),
    reservationFlatMinor: readMoney(place.at('reservation_price_flat_rate'), reading),
    fareCap: capPriceMinor === undefined || capDurationMinutes === undefined ? undefined : { durationMinutes: capDurationMinutes, priceMinor: capPriceMinor },
    isRounded: false,
    isIncomplete: false,
    url: place.at('url').text(),
  };
  return { ...item, isRounded: reading.isRounded, isIncomplete: reading.isIncomplete };
}

/** A segment that cannot be read makes the plan incomplete: charging the rest would not be the published price. */
function readSegments(list: Place, reading: Reading): PricingSegment[] {
  if (!list.isAbsent && !Array.isArray(list.value)) reading.isIncomplete = true;
  return list.list().flatMap((place): PricingSegment[] => {
    const start = place.at('start').amount();
    const interval = place.at('interval').amount();
    const endPlace = place.at('end');
    const end = endPlace.amount();
    const rateMinor = readMoney(place.at('rate'), reading);
    const isEndWrong = !endPlace.isAbsent && (end === undefined || (start !== undefined && end < start));
    if (start === undefined || interval === undefined || rateMinor === undefined || isEndWrong) {
      place.report('error', 'segment-unusable', 'a pricing segment needs start, rate and interval, and no end before its start; the plan is incomplete without it');
      reading.isIncomplete = true;
      return [];
    }
    return [{ start, interval, rateMinor, ...(end === undefined ? {} : { end }) }];
  });
}

/** 2.0 wrote prices as texts; both are read by their digits. */
function readMoney(place: Place, reading: Reading): number | undefined {
  if (place.isAbsent) return undefined;
  const { value } = place;
  const amount = typeof value === 'number' || typeof value === 'string' ? minorUnits(value, reading.currency) : undefined;
  if (!amount) {
    place.report('error', 'money-unreadable', `expected an amount in ${reading.currency}, found ${JSON.stringify(value)?.slice(0, 60)}`);
    reading.isIncomplete = true;
    return undefined;
  }
  if (!amount.exact) {
    place.report('warning', 'money-rounded', `${String(value)} ${reading.currency} is finer than the smallest unit; rounded down to ${amount.minor}`);
    reading.isRounded = true;
  }
  return amount.minor;
}
