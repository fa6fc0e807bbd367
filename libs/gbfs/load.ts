/** Loads a GBFS system from an http(s) URL or a folder. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Findings, GbfsError } from './finding.ts';
import type { GbfsSystem } from './model.ts';
import { readDiscovery, readDocument, type Discovered, type FeedDocument } from './reading/document.ts';
import { isUsedFeed, readSystem, type FeedText, type SystemTexts } from './reading/system.ts';
import { readFolder } from './sources/folder.ts';
import { httpFetcher, type FeedFetcher, type Fetched, type HttpOptions } from './sources/http.ts';

export interface LoadOptions extends HttpOptions {
  /** BCP 47, best first: which language of a 2.x system to read. */
  languages?: string[];
  /** Called before each feed is fetched. */
  onProgress?: (message: string) => void;
}

const newestFirst = (a: string, b: string) => b.localeCompare(a, 'en', { numeric: true });

/**
 * @param location the URL of a `gbfs.json` (a `gbfs_versions.json` leads to its newest version), a folder of feeds, or a discovery file on disk
 * @throws GbfsError when the location cannot be opened or nothing of a system is in it; everything less is a finding
 */
export async function loadGbfs(location: string, options: LoadOptions = {}): Promise<GbfsSystem> {
  if (/^https?:\/\//i.test(location)) return loadUrl(location, options);
  const path = location.startsWith('file:') ? fileURLToPath(location) : location;
  const found = await stat(path).catch((error: unknown) => {
    throw new GbfsError('location-unreadable', `${path} is neither an http(s) URL nor a folder that can be read`, { cause: error });
  });
  return loadFolder(found.isDirectory() ? path : dirname(path), options);
}

async function loadFolder(folder: string, options: LoadOptions): Promise<GbfsSystem> {
  options.onProgress?.(`reading ${folder}`);
  const files = await readFolder(folder, options.maximumBytes ?? 64 * 1024 * 1024);
  const findings = new Findings();
  const discoveryFile = files.find(({ feed }) => feed === 'gbfs');
  const document = discoveryFile && readDocument('gbfs', discoveryFile.text, findings);
  if (!discoveryFile) findings.add('info', 'feed-missing', 'gbfs', '', 'no discovery file; every feed in the folder is read');
  const discovered = document && readDiscovery(document, options.languages ?? []);
  const there = new Set(files.map(({ feed }) => feed));
  const failed = (discovered?.feeds ?? []).filter(({ feed }) => isUsedFeed(feed) && !there.has(feed))
    .map(({ feed }) => ({ feed, location: folder, reason: 'named by the discovery file, but there is no such file in the folder' }));
  return readSystem({ location: folder, version: document?.version ?? (document ? discovered?.version : undefined), language: discovered?.language, feeds: files.filter(({ feed }) => feed !== 'gbfs'), failed, findings });
}

async function loadUrl(location: string, options: LoadOptions): Promise<GbfsSystem> {
  const origin = URL.parse(location)?.origin ?? '';
  const fetcher = httpFetcher(origin, options);
  try {
    const findings = new Findings();
    const { fetched, document } = await fetchDiscovery(location, fetcher, findings, options);
    const discovered = readDiscovery(document, options.languages ?? []);
    if (discovered.feeds.length === 0) throw new GbfsError('nothing-to-read', `${fetched.url} is no GBFS discovery file: it lists no feeds`);
    const texts = await fetchFeeds(discovered, fetched.url, fetcher, options);
    return readSystem({ location: fetched.url, version: discovered.version, language: discovered.language, findings, ...texts });
  } finally {
    await fetcher.close();
  }
}

/** The discovery file, or the newest one that a list of versions leads to. */
async function fetchDiscovery(location: string, fetcher: FeedFetcher, findings: Findings, options: LoadOptions): Promise<{ fetched: Fetched; document: FeedDocument }> {
  options.onProgress?.(`fetching ${location}`);
  const fetched = await fetcher.fetchText(location);
  const document = readDocument('gbfs', fetched.text, findings);
  if (!document) throw new GbfsError('nothing-to-read', `${fetched.url} is no GBFS discovery file: ${findings.list[0]?.message ?? 'not readable'}`);
  if (!document.data.at('datasets').isAbsent) {
    const ids = document.data.at('datasets').objects().flatMap((dataset) => dataset.at('system_id').text() ?? []);
    throw new GbfsError('several-systems', `${fetched.url} is a manifest of several systems; give the gbfs.json of one of them: ${ids.slice(0, 20).join(', ')}`);
  }
  const versions = document.data.at('versions').objects().flatMap((entry) => {
    const [version, url] = [entry.at('version').text(), entry.at('url').text()];
    return version !== undefined && url !== undefined && /^[23]\./.test(version) ? [{ version, url }] : [];
  }).toSorted((a, b) => newestFirst(a.version, b.version));
  const [newest] = versions;
  if (!newest) return { fetched, document };
  options.onProgress?.(`fetching ${newest.url} (version ${newest.version})`);
  const chosen = await fetcher.fetchText(new URL(newest.url, fetched.url).href);
  const chosenDocument = readDocument('gbfs', chosen.text, findings);
  if (!chosenDocument) throw new GbfsError('nothing-to-read', `${chosen.url} is no GBFS discovery file`);
  return { fetched: chosen, document: chosenDocument };
}

/** One after the other: a system has about ten feeds, and its operator has other clients. */
async function fetchFeeds(discovered: Discovered, base: string, fetcher: FeedFetcher, options: LoadOptions): Promise<Pick<SystemTexts, 'feeds' | 'failed'>> {
  const feeds: FeedText[] = [];
  const failed: { feed: string; location: string; reason: string }[] = [];
  for (const { feed, url } of discovered.feeds) {
    const location = URL.parse(url, base)?.href ?? url;
    if (!isUsedFeed(feed)) {
      feeds.push({ feed, location, text: '' });
      continue;
    }
    options.onProgress?.(`fetching ${feed}`);
    try {
      feeds.push({ feed, location, text: (await fetcher.fetchText(location)).text });
    } catch (error) {
      if (!(error instanceof GbfsError)) throw error;
      failed.push({ feed, location, reason: error.message });
    }
  }
  return { feeds, failed };
}
