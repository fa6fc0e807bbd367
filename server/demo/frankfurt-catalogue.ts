/** Models and tariffs of the demo city: market-like, all prices in euro cents with 19 % VAT included. */
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';

type TariffInput = CityDefinitionInput['tariffs'][number];
type ModelInput = CityDefinitionInput['models'][number];

interface Prices {
  id: string;
  english: string;
  german: string;
  unlockFeeMinor: number;
  perMinuteMinor: number;
  pausePerMinuteMinor: number;
  dailyCapMinor: number;
  depositMinor: number;
  outsideBayMinor: number;
  notPluggedInMinor: number;
  lateFixedMinor: number;
  latePerMinuteMinor: number;
}

const tariff = (prices: Prices): TariffInput => ({
  id: prices.id,
  name: { en: prices.english, de: prices.german },
  currency: 'EUR',
  unlockFeeMinor: prices.unlockFeeMinor,
  segments: [{ startMinute: 0, intervalMinutes: 1, rateMinor: prices.perMinuteMinor }],
  pausePerMinuteMinor: prices.pausePerMinuteMinor,
  dailyCapMinor: prices.dailyCapMinor,
  depositMinor: prices.depositMinor,
  taxPercent: 19,
  fines: {
    outsideBayMinor: prices.outsideBayMinor,
    notPluggedInMinor: prices.notPluggedInMinor,
    lateFixedMinor: prices.lateFixedMinor,
    latePerMinuteMinor: prices.latePerMinuteMinor,
  },
});

const noLateFines = { notPluggedInMinor: 0, lateFixedMinor: 0, latePerMinuteMinor: 0 };

export const tariffs: TariffInput[] = [
  tariff({ id: 'scooter', english: 'Scooter', german: 'E-Scooter', unlockFeeMinor: 100, perMinuteMinor: 23, pausePerMinuteMinor: 10, dailyCapMinor: 2_900, depositMinor: 1_000, outsideBayMinor: 1_000, ...noLateFines }),
  tariff({ id: 'ebike', english: 'eBike', german: 'E-Bike', unlockFeeMinor: 100, perMinuteMinor: 18, pausePerMinuteMinor: 8, dailyCapMinor: 2_400, depositMinor: 1_000, outsideBayMinor: 1_000, ...noLateFines }),
  tariff({ id: 'car-small', english: 'Small electric car', german: 'Kleinwagen, elektrisch', unlockFeeMinor: 0, perMinuteMinor: 29, pausePerMinuteMinor: 15, dailyCapMinor: 5_900, depositMinor: 10_000, outsideBayMinor: 2_500, notPluggedInMinor: 1_500, lateFixedMinor: 1_000, latePerMinuteMinor: 40 }),
  tariff({ id: 'car-compact', english: 'Compact electric car', german: 'Kompaktwagen, elektrisch', unlockFeeMinor: 0, perMinuteMinor: 34, pausePerMinuteMinor: 17, dailyCapMinor: 6_900, depositMinor: 15_000, outsideBayMinor: 2_500, notPluggedInMinor: 1_500, lateFixedMinor: 1_000, latePerMinuteMinor: 45 }),
  tariff({ id: 'van-small', english: 'Small electric van', german: 'Kleintransporter, elektrisch', unlockFeeMinor: 0, perMinuteMinor: 37, pausePerMinuteMinor: 19, dailyCapMinor: 7_900, depositMinor: 20_000, outsideBayMinor: 3_500, notPluggedInMinor: 2_000, lateFixedMinor: 1_500, latePerMinuteMinor: 50 }),
  tariff({ id: 'van-large', english: 'Large electric van', german: 'Transporter, elektrisch', unlockFeeMinor: 0, perMinuteMinor: 45, pausePerMinuteMinor: 23, dailyCapMinor: 9_900, depositMinor: 25_000, outsideBayMinor: 3_500, notPluggedInMinor: 2_000, lateFixedMinor: 1_500, latePerMinuteMinor: 60 }),
];

/** eKFV allows scooters 20 km/h; a pedelec helps up to 25 km/h. Two-wheelers from 18 because that is the age of an account. */
export const models: ModelInput[] = [
  { id: 'segway-max-pro', type: 'scooter', name: 'Segway Ninebot Max Pro', maximumRangeMetres: 65_000, maximumSpeedKilometresPerHour: 20, propulsion: 'electric', pluggable: false, minimumBatteryPercent: 15, minimumAgeYears: 18, seats: 1 },
  { id: 'okai-es600', type: 'scooter', name: 'Okai ES600', maximumRangeMetres: 80_000, maximumSpeedKilometresPerHour: 20, propulsion: 'electric', pluggable: false, minimumBatteryPercent: 15, minimumAgeYears: 18, seats: 1 },
  { id: 'kalkhoff-image', type: 'ebike', name: 'Kalkhoff Image 3', maximumRangeMetres: 110_000, maximumSpeedKilometresPerHour: 25, propulsion: 'electric-assist', pluggable: false, minimumBatteryPercent: 10, minimumAgeYears: 18, seats: 1 },
  { id: 'fiat-500e', type: 'car', name: 'Fiat 500e', maximumRangeMetres: 320_000, maximumSpeedKilometresPerHour: 150, propulsion: 'electric', pluggable: true, minimumBatteryPercent: 20, minimumAgeYears: 18, licenceClass: 'B', seats: 4 },
  { id: 'renault-5', type: 'car', name: 'Renault 5 E-Tech', maximumRangeMetres: 405_000, maximumSpeedKilometresPerHour: 150, propulsion: 'electric', pluggable: true, minimumBatteryPercent: 20, minimumAgeYears: 18, licenceClass: 'B', seats: 5 },
  { id: 'vw-id3', type: 'car', name: 'Volkswagen ID.3', maximumRangeMetres: 430_000, maximumSpeedKilometresPerHour: 160, propulsion: 'electric', pluggable: true, minimumBatteryPercent: 20, minimumAgeYears: 18, licenceClass: 'B', seats: 5 },
  { id: 'renault-kangoo-van', type: 'van', name: 'Renault Kangoo Van E-Tech', maximumRangeMetres: 285_000, maximumSpeedKilometresPerHour: 132, propulsion: 'electric', pluggable: true, minimumBatteryPercent: 20, minimumAgeYears: 21, licenceClass: 'B', seats: 2 },
  { id: 'mercedes-evito', type: 'van', name: 'Mercedes-Benz eVito', maximumRangeMetres: 310_000, maximumSpeedKilometresPerHour: 120, propulsion: 'electric', pluggable: true, minimumBatteryPercent: 20, minimumAgeYears: 21, licenceClass: 'B', seats: 3 },
];

/** How the fleet is made up: the share of each model and the tariff it is rented at. The shares add up to 1. */
export const fleet = [
  { modelId: 'segway-max-pro', tariffId: 'scooter', share: 0.32, idPrefix: 'scooter' },
  { modelId: 'okai-es600', tariffId: 'scooter', share: 0.18, idPrefix: 'scooter' },
  { modelId: 'kalkhoff-image', tariffId: 'ebike', share: 0.28, idPrefix: 'ebike' },
  { modelId: 'fiat-500e', tariffId: 'car-small', share: 0.06, idPrefix: 'car' },
  { modelId: 'renault-5', tariffId: 'car-small', share: 0.06, idPrefix: 'car' },
  { modelId: 'vw-id3', tariffId: 'car-compact', share: 0.04, idPrefix: 'car' },
  { modelId: 'renault-kangoo-van', tariffId: 'van-small', share: 0.03, idPrefix: 'van' },
  { modelId: 'mercedes-evito', tariffId: 'van-large', share: 0.03, idPrefix: 'van' },
] as const;
