/** What a feed does not say but its time zone does: the country, and the standard rate of its value added tax. */

/** [ISO 3166-1, standard VAT per cent (2025), time zones]. */
const countries: readonly (readonly [country: string, valueAddedTaxPercent: number, ...timeZones: string[]])[] = [
  ['AT', 20, 'Europe/Vienna'], ['BE', 21, 'Europe/Brussels'], ['BG', 20, 'Europe/Sofia'], ['CH', 8.1, 'Europe/Zurich'],
  ['CY', 19, 'Asia/Nicosia', 'Europe/Nicosia', 'Asia/Famagusta'], ['CZ', 21, 'Europe/Prague'], ['DE', 19, 'Europe/Berlin', 'Europe/Busingen'],
  ['DK', 25, 'Europe/Copenhagen'], ['EE', 24, 'Europe/Tallinn'], ['ES', 21, 'Europe/Madrid', 'Atlantic/Canary', 'Africa/Ceuta'], ['FI', 25.5, 'Europe/Helsinki'],
  ['FR', 20, 'Europe/Paris'], ['GB', 20, 'Europe/London', 'Europe/Belfast'], ['GR', 24, 'Europe/Athens'], ['HR', 25, 'Europe/Zagreb'], ['HU', 27, 'Europe/Budapest'],
  ['IE', 23, 'Europe/Dublin'], ['IS', 24, 'Atlantic/Reykjavik'], ['IT', 22, 'Europe/Rome'], ['LI', 8.1, 'Europe/Vaduz'], ['LT', 21, 'Europe/Vilnius'],
  ['LU', 17, 'Europe/Luxembourg'], ['LV', 21, 'Europe/Riga'], ['MC', 20, 'Europe/Monaco'], ['MT', 18, 'Europe/Malta'], ['NL', 21, 'Europe/Amsterdam'],
  ['NO', 25, 'Europe/Oslo', 'Arctic/Longyearbyen'], ['PL', 23, 'Europe/Warsaw'], ['PT', 23, 'Europe/Lisbon', 'Atlantic/Madeira', 'Atlantic/Azores'],
  ['RO', 21, 'Europe/Bucharest'], ['RS', 20, 'Europe/Belgrade'], ['SE', 25, 'Europe/Stockholm'], ['SI', 22, 'Europe/Ljubljana'], ['SK', 23, 'Europe/Bratislava'],
  ['AL', 20, 'Europe/Tirane'], ['AD', 4.5, 'Europe/Andorra'], ['BA', 17, 'Europe/Sarajevo'], ['MD', 20, 'Europe/Chisinau'], ['ME', 21, 'Europe/Podgorica'],
  ['MK', 18, 'Europe/Skopje'], ['TR', 20, 'Europe/Istanbul', 'Asia/Istanbul'], ['UA', 20, 'Europe/Kyiv', 'Europe/Kiev'], ['JP', 10, 'Asia/Tokyo'], ['NZ', 15, 'Pacific/Auckland'],
];

const byTimeZone = new Map(countries.flatMap(([country, , ...timeZones]) => timeZones.map((timeZone) => [timeZone, country] as const)));
const rates = new Map(countries.map(([country, percent]) => [country, percent] as const));

export const countryOfTimeZone = (timeZone: string): string | undefined => byTimeZone.get(timeZone);
export const valueAddedTaxPercent = (country: string): number | undefined => rates.get(country);
