/** system_information and system_regions. */
import type { Region, SystemInformation } from '../model.ts';
import { uniqueById, type Place } from './place.ts';

/** Placeholders stand in for what is required and absent, each with an error, so that the rest of the system can be used. */
export function readInformation(data: Place, language: string): SystemInformation {
  const required = (name: string, placeholder: string): string => {
    const text = data.at(name).text()?.trim();
    if (text) return text;
    data.at(name).report('error', 'missing-field', `required but absent; "${placeholder}" stands in`);
    return placeholder;
  };
  const id = required('system_id', 'unknown');
  const languages = data.at('languages').texts();
  const licence = data.either('license_id', 'license_url').text();
  return {
    id,
    languages: languages.length > 0 ? languages : [data.at('language').text() ?? language],
    name: data.at('name').localised(language) ?? { [language]: required('name', id) },
    operator: data.at('operator').localised(language),
    timeZone: readTimeZone(data.at('timezone'), required),
    url: data.at('url').text(),
    email: data.either('email', 'feed_contact_email').text(),
    phoneNumber: data.at('phone_number').text(),
    startDate: data.at('start_date').text(),
    openingHours: data.at('opening_hours').text(),
    licence,
    attribution: data.at('attribution_organization_name').localised(language),
  };
}

function readTimeZone(place: Place, required: (name: string, placeholder: string) => string): string {
  const name = required('timezone', 'Etc/UTC');
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name;
  } catch (error) {
    place.report('error', 'time-zone-unknown', `"${name.slice(0, 60)}" is no IANA time zone; "Etc/UTC" stands in (${error instanceof Error ? error.name : 'error'})`);
    return 'Etc/UTC';
  }
}

export function readRegions(data: Place, language: string): Region[] {
  return uniqueById(data.at('regions').objects().flatMap((place) => {
    const id = place.at('region_id').requiredText('the region is left out');
    return id === undefined ? [] : [{ place, item: { id, name: place.at('name').localised(language) ?? { [language]: id } } }];
  }));
}
