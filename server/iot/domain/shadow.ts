/** Shadow documents: merging, what differs, and when each leaf was set, as AWS IoT defines them. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface ShadowState {
  desired?: JsonObject;
  reported?: JsonObject;
}

/** When each leaf was set, Unix seconds; arrays have one for each element. */
export type Metadata = { timestamp: number } | { [key: string]: Metadata } | Metadata[];
export type MetadataObject = { [key: string]: Metadata };

export interface Shadow {
  state: ShadowState;
  metadata: { desired?: MetadataObject; reported?: MetadataObject };
  /** Counts up with every change, past a deletion too. */
  version: number;
  /** Of the last change, Unix seconds. */
  timestamp: number;
}

export const maximumShadowBytes = 8 * 1024;
/** Levels of objects and arrays below `desired` and `reported`. */
export const maximumShadowDepth = 8;

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
/** A member of that name would be the prototype, not a member. */
const isSafe = (key: string): boolean => key !== '__proto__';

/** Whether it has more levels of objects and arrays than this; looks no deeper. */
export function isDeeperThan(levels: number, value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeperThan(levels - 1, member));
}

/** Objects are merged member by member, null removes, everything else replaces. */
export function merged(before: JsonObject, change: JsonObject): JsonObject {
  const result: JsonObject = { ...before };
  for (const [key, value] of Object.entries(change)) {
    if (!isSafe(key)) continue;
    const old = result[key];
    if (value === null) delete result[key];
    else if (isObject(value)) result[key] = merged(isObject(old) ? old : {}, value);
    else result[key] = value;
  }
  return result;
}

function stampOf(value: Json, timestamp: number): Metadata {
  if (Array.isArray(value)) return value.map((element) => stampOf(element, timestamp));
  if (isObject(value)) return Object.fromEntries(Object.entries(value).filter(([key, member]) => isSafe(key) && member !== null).map(([key, member]) => [key, stampOf(member, timestamp)]));
  return { timestamp };
}

const asObject = (metadata: Metadata | undefined): MetadataObject => (metadata && !Array.isArray(metadata) ? (metadata as MetadataObject) : {});

/** The metadata of `merged(state, change)`. */
export function stamped(before: MetadataObject, state: JsonObject, change: JsonObject, timestamp: number): MetadataObject {
  const result: MetadataObject = { ...before };
  for (const [key, value] of Object.entries(change)) {
    if (!isSafe(key)) continue;
    if (value === null) delete result[key];
    else if (isObject(value)) {
      const old = state[key];
      result[key] = stamped(isObject(old) ? asObject(result[key]) : {}, isObject(old) ? old : {}, value, timestamp);
    } else result[key] = stampOf(value, timestamp);
  }
  return result;
}

const isSame = (a: Json, b: Json | undefined): boolean => {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((element, index) => isSame(element, b[index]));
  if (isObject(a)) return isObject(b) && Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => key in b && isSame(value, b[key]));
  return a === b;
};

/** What of the desired state is not so in the reported one; undefined when nothing. */
export function deltaOf(desired: JsonObject, reported: JsonObject): JsonObject | undefined {
  const delta: JsonObject = {};
  for (const [key, wanted] of Object.entries(desired)) {
    const is = reported[key];
    if (isObject(wanted) && isObject(is)) {
      const inner = deltaOf(wanted, is);
      if (inner) delta[key] = inner;
    } else if (!isSame(wanted, is)) delta[key] = wanted;
  }
  return Object.keys(delta).length > 0 ? delta : undefined;
}

/** The metadata of those members that a part of the state has. */
export function metadataOf(part: JsonObject, metadata: MetadataObject): MetadataObject {
  return Object.fromEntries(Object.entries(part).map(([key, value]) => {
    const known = metadata[key] ?? {};
    return [key, isObject(value) ? metadataOf(value, asObject(known)) : known];
  }));
}

/** What an update asks for; null removes the whole section. */
export interface ShadowChange {
  desired?: JsonObject | null;
  reported?: JsonObject | null;
}

function sectionAfter(section: 'desired' | 'reported', before: Shadow | undefined, change: ShadowChange, timestamp: number): { state?: JsonObject; metadata?: MetadataObject } {
  const [state, metadata, wanted] = [before?.state[section], before?.metadata[section], change[section]];
  if (wanted === null) return {};
  if (wanted === undefined) return { ...(state && { state }), ...(metadata && { metadata }) };
  const next = merged(state ?? {}, wanted);
  // A section whose last member was removed is gone.
  return Object.keys(next).length === 0 ? {} : { state: next, metadata: stamped(metadata ?? {}, state ?? {}, wanted, timestamp) };
}

/** @param lastVersion of the shadow, also when it was deleted; 0 when there never was one */
export function changed(before: Shadow | undefined, lastVersion: number, change: ShadowChange, timestamp: number): Shadow {
  const desired = sectionAfter('desired', before, change, timestamp);
  const reported = sectionAfter('reported', before, change, timestamp);
  return {
    state: { ...(desired.state && { desired: desired.state }), ...(reported.state && { reported: reported.state }) },
    metadata: { ...(desired.metadata && { desired: desired.metadata }), ...(reported.metadata && { reported: reported.metadata }) },
    version: lastVersion + 1,
    timestamp,
  };
}
