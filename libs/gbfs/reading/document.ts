/** The envelope of every feed: last_updated, ttl, version, data. */
import type { Findings } from '../finding.ts';
import { Place } from './place.ts';

export interface FeedDocument {
  feed: string;
  data: Place;
  version?: string;
  lastUpdatedAt?: string;
  timeToLiveSeconds?: number;
}

/** Undefined, with a finding, for a text that is no JSON object with `data`. */
export function readDocument(feed: string, text: string, findings: Findings): FeedDocument | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith('\uFEFF') ? text.slice(1) : text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const cut = /unterminated|unexpected end/i.test(reason) ? ' (the file seems to be cut off)' : '';
    findings.add('error', 'json-invalid', feed, '', `not readable as JSON${cut}: ${reason}`);
    return undefined;
  }
  const root = new Place(feed, '', value, findings);
  const data = root.at('data');
  if (!root.isObject || !data.isObject) {
    (root.isObject ? data : root).report('error', 'data-missing', 'a feed is an object with an object "data" in it; the feed is left out');
    return undefined;
  }
  return {
    feed, data,
    version: root.at('version').text(),
    lastUpdatedAt: root.at('last_updated').instant(),
    timeToLiveSeconds: root.at('ttl').amount(),
  };
}

export interface Discovered {
  version: string;
  language: string;
  languages: string[];
  feeds: { feed: string; url: string }[];
}

/** 3.x lists feeds in `data.feeds`, 2.x under each language. The first language that was asked for, or else the first there is. */
export function readDiscovery(document: FeedDocument, preferredLanguages: readonly string[]): Discovered {
  const version = document.version ?? '1.0';
  const listed = (place: Place) => place.at('feeds').objects().flatMap((entry) => {
    const feed = entry.at('name').requiredText('the feed is left out');
    const url = entry.at('url').requiredText('the feed is left out');
    return feed === undefined || url === undefined ? [] : [{ feed: feed.replace(/\.json$/, ''), url }];
  });
  if (!document.data.at('feeds').isAbsent) return { version, language: 'und', languages: [], feeds: once(listed(document.data), document.data) };
  const languages = document.data.entries().filter(([, place]) => !place.at('feeds').isAbsent).map(([language]) => language);
  const language = choose(languages, preferredLanguages) ?? 'und';
  if (languages.length > 1) document.data.report('info', 'languages-not-read', `read in "${language}" only; also there: ${languages.filter((each) => each !== language).join(', ')}`);
  return { version, language, languages, feeds: once(listed(document.data.at(language)), document.data) };
}

function once(feeds: { feed: string; url: string }[], data: Place): { feed: string; url: string }[] {
  const kept = new Map<string, { feed: string; url: string }>();
  for (const entry of feeds) {
    if (kept.has(entry.feed)) data.report('warning', 'duplicate-id', `feed "${entry.feed}" is listed twice; the first is read`);
    else kept.set(entry.feed, entry);
  }
  return [...kept.values()];
}

/** `de` finds `de-AT` and the other way round. */
function choose(languages: string[], preferred: readonly string[]): string | undefined {
  const base = (tag: string) => tag.toLowerCase().split(/[-_]/)[0];
  for (const wanted of preferred) {
    const found = languages.find((each) => each.toLowerCase() === wanted.toLowerCase()) ?? languages.find((each) => base(each) === base(wanted));
    if (found !== undefined) return found;
  }
  return languages[0];
}
