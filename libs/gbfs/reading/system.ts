/** A whole system out of the texts of its feeds. Pure: what was fetched or read from disk comes in, the model goes out. */
import { Findings, GbfsError } from '../finding.ts';
import type { FeedReport, GbfsSystem } from '../model.ts';
import { readDocument, type FeedDocument } from './document.ts';
import { readInformation, readRegions } from './information.ts';
import { Place } from './place.ts';
import { readPricingPlans } from './pricing-plans.ts';
import { checkReferences } from './references.ts';
import { readStations, withStatus } from './stations.ts';
import { readVehicles, withAvailabilities } from './vehicles.ts';
import { readVehicleTypes } from './vehicle-types.ts';
import { readZones } from './zones.ts';

export interface FeedText { feed: string; location: string; text: string }

export interface SystemTexts {
  /** Where the system was found, for reports. */
  location: string;
  /** As the discovery file says; the feeds' own version counts without it. */
  version?: string;
  /** Language of plain texts (2.x). */
  language?: string;
  feeds: FeedText[];
  /** Feeds that are named but could not be fetched. */
  failed?: { feed: string; location: string; reason: string }[];
  /** What was found out before the feeds were read. */
  findings?: Findings;
}

/** Feeds that are in the model. The vehicles of 2.x are called free_bike_status. */
const usedFeeds = ['system_information', 'system_regions', 'vehicle_types', 'vehicle_status', 'free_bike_status', 'vehicle_availability', 'station_information', 'station_status', 'system_pricing_plans', 'geofencing_zones'];

const ignoredFeeds: Record<string, string> = {
  gbfs: 'the discovery file itself',
  gbfs_versions: 'other versions of the same system',
  manifest: 'other systems of the same operator',
  system_alerts: 'alerts are of the moment',
  system_hours: 'opening hours are not in the model',
  system_calendar: 'the calendar of the season is not in the model',
};

export const isUsedFeed = (feed: string): boolean => usedFeeds.includes(feed);

/**
 * Reads what can be read. A wrong value costs its field, a wrong item itself, a broken feed that feed; each leaves a finding.
 * @throws GbfsError `nothing-to-read` when no feed of a system is left
 */
export function readSystem(texts: SystemTexts): GbfsSystem {
  const findings = texts.findings ?? new Findings();
  const reports: FeedReport[] = [];
  const documents = new Map<string, FeedDocument>();
  for (const { feed, location, text } of texts.feeds) {
    if (!isUsedFeed(feed)) {
      reports.push({ feed, location, state: 'ignored', itemCount: 0, reason: Object.hasOwn(ignoredFeeds, feed) ? ignoredFeeds[feed] : 'not a feed that this library knows' });
      continue;
    }
    const document = readDocument(feed, text, findings);
    if (document) documents.set(feed, document);
    else reports.push({ feed, location, state: 'failed', itemCount: 0, reason: 'not readable; see the findings' });
  }
  for (const { feed, location, reason } of texts.failed ?? []) {
    reports.push({ feed, location, state: 'failed', itemCount: 0, reason });
    findings.add('error', 'feed-unreachable', feed, '', reason);
  }
  if (documents.size === 0) throw new GbfsError('nothing-to-read', `no feed of a GBFS system can be read at ${texts.location}${firstError(findings)}`);
  const system = assemble(texts, documents, findings);
  for (const { feed, location } of texts.feeds)
    if (documents.has(feed)) reports.push({ feed, location, state: 'read', itemCount: itemCount(feed, system) });
  checkReferences(system, findings);
  return { ...system, feeds: reports, findings: findings.list };
}

function assemble(texts: SystemTexts, documents: Map<string, FeedDocument>, findings: Findings): GbfsSystem {
  const data = (feed: string) => documents.get(feed)?.data ?? new Place(feed, '', {}, findings);
  const language = texts.language && texts.language !== 'und' ? texts.language : data('system_information').at('language').text() ?? data('system_information').at('languages').texts()[0] ?? 'und';
  const all = [...documents.values()];
  const lastUpdates = all.flatMap(({ lastUpdatedAt }) => lastUpdatedAt ?? []).toSorted();
  const lifetimes = all.flatMap(({ timeToLiveSeconds }) => timeToLiveSeconds ?? []);
  const version = texts.version ?? all.find((document) => document.version)?.version ?? '1.0';
  if (!/^(2|3)\.\d+(-RC\d*)?$/.test(version)) findings.add('warning', 'version-unexpected', 'gbfs', '/version', `version "${version}"${version === '1.0' ? ' (or none, which means the same)' : ''} is not 2.0 to 3.1; read by what is there`);
  if (!documents.has('system_information')) findings.add('error', 'feed-missing', 'system_information', '', 'required but absent; placeholders stand in for name and time zone');
  const status = documents.has('vehicle_status') ? 'vehicle_status' : 'free_bike_status';
  return {
    version, location: texts.location,
    lastUpdatedAt: lastUpdates.at(-1),
    timeToLiveSeconds: lifetimes.length > 0 ? Math.min(...lifetimes) : undefined,
    information: readInformation(data('system_information'), language),
    regions: readRegions(data('system_regions'), language),
    vehicleTypes: readVehicleTypes(data('vehicle_types'), language),
    vehicles: withAvailabilities(readVehicles(data(status)), data('vehicle_availability')),
    stations: withStatus(readStations(data('station_information'), language), data('station_status')),
    pricingPlans: readPricingPlans(data('system_pricing_plans'), language),
    ...readZones(data('geofencing_zones'), language),
    feeds: [], findings: [],
  };
}

function itemCount(feed: string, system: GbfsSystem): number {
  const counts: Record<string, number> = {
    system_information: 1,
    system_regions: system.regions.length,
    vehicle_types: system.vehicleTypes.length,
    vehicle_status: system.vehicles.length,
    free_bike_status: system.vehicles.length,
    vehicle_availability: system.vehicles.filter(({ availabilities }) => availabilities.length > 0).length,
    station_information: system.stations.length,
    station_status: system.stations.filter(({ status }) => status).length,
    system_pricing_plans: system.pricingPlans.length,
    geofencing_zones: system.zones.length,
  };
  return counts[feed] ?? 0;
}

function firstError(findings: Findings): string {
  const error = findings.list.find(({ severity }) => severity === 'error');
  return error ? `: ${error.feed}: ${error.message}` : '';
}
