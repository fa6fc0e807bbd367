/** What a feed does not say but its time zone does: the country, its currency, and the standard rate of its value added tax. */

/** [ISO 3166-1, ISO 4217, standard VAT per cent (2025), time zones]. */
const countries: readonly (readonly [country: string, currency: string, valueAddedTaxPercent: number, ...timeZones: string[]])[] = [
  ['AT', 'EUR', 20, 'Europe/Vienna'], ['BE', 'EUR', 21, 'Europe/Brussels'], ['BG', 'EUR', 20, 'Europe/Sofia'], ['CH', 'CHF', 8.1, 'Europe/Zurich'],
  ['CY', 'EUR', 19, 'Asia/Nicosia', 'Europe/Nicosia', 'Asia/Famagusta'], ['CZ', 'CZK', 21, 'Europe/Prague'], ['DE', 'EUR', 19, 'Europe/Berlin', 'Europe/Busingen'],
  ['DK', 'DKK', 25, 'Europe/Copenhagen'], ['EE', 'EUR', 24, 'Europe/Tallinn'], ['ES', 'EUR', 21, 'Europe/Madrid', 'Atlantic/Canary', 'Africa/Ceuta'], ['FI', 'EUR', 25.5, 'Europe/Helsinki'],
  ['FR', 'EUR', 20, 'Europe/Paris'], ['GB', 'GBP', 20, 'Europe/London', 'Europe/Belfast'], ['GR', 'EUR', 24, 'Europe/Athens'], ['HR', 'EUR', 25, 'Europe/Zagreb'], ['HU', 'HUF', 27, 'Europe/Budapest'],
  ['IE', 'EUR', 23, 'Europe/Dublin'], ['IS', 'ISK', 24, 'Atlantic/Reykjavik'], ['IT', 'EUR', 22, 'Europe/Rome'], ['LI', 'CHF', 8.1, 'Europe/Vaduz'], ['LT', 'EUR', 21, 'Europe/Vilnius'],
  ['LU', 'EUR', 17, 'Europe/Luxembourg'], ['LV', 'EUR', 21, 'Europe/Riga'], ['MC', 'EUR', 20, 'Europe/Monaco'], ['MT', 'EUR', 18, 'Europe/Malta'], ['NL', 'EUR', 21, 'Europe/Amsterdam'],
  ['NO', 'NOK', 25, 'Europe/Oslo', 'Arctic/Longyearbyen'], ['PL', 'PLN', 23, 'Europe/Warsaw'], ['PT', 'EUR', 23, 'Europe/Lisbon', 'Atlantic/Madeira', 'Atlantic/Azores'],
  ['RO', 'RON', 21, 'Europe/Bucharest'], ['RS', 'RSD', 20, 'Europe/Belgrade'], ['SE', 'SEK', 25, 'Europe/Stockholm'], ['SI', 'EUR', 22, 'Europe/Ljubljana'], ['SK', 'EUR', 23, 'Europe/Bratislava'],
  ['AL', 'ALL', 20, 'Europe/Tirane'], ['AD', 'EUR', 4.5, 'Europe/Andorra'], ['BA', 'BAM', 17, 'Europe/Sarajevo'], ['MD', 'MDL', 20, 'Europe/Chisinau'], ['ME', 'EUR', 21, 'Europe/Podgorica'],
  ['MK', 'MKD', 18, 'Europe/Skopje'], ['TR', 'TRY', 20, 'Europe/Istanbul', 'Asia/Istanbul'], ['UA', 'UAH', 20, 'Europe/Kyiv', 'Europe/Kiev'], ['JP', 'JPY', 10, 'Asia/Tokyo'], ['NZ', 'NZD', 15, 'Pacific/Auckland'],
];

const byTimeZone = new Map(countries.flatMap(([country, , , ...timeZones]) => timeZones.map((timeZone) => [timeZone, country] as const)));
const currencies = new Map(countries.map(([country, currency]) => [country, currency] as const));
const rates = new Map(countries.map(([country, , percent]) => [country, percent] as const));

export const countryOfTimeZone = (timeZone: string): string | undefined => byTimeZone.get(timeZone);
export const valueAddedTaxPercent = (country: string): number | undefined => rates.get(country);
export const currencyOfCountry = (country: string): string | undefined => currencies.get(country);
