import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { brokenPromises, comparedSchemas } from './compare.ts';
import { currentRelease, type Release } from './schemas.ts';

const folder = new URL('./released/', import.meta.url);
const releases = readdirSync(folder).filter((name) => name.endsWith('.json'));

/** What a release promised and we took back, with the reason; by release. */
const withdrawnFrom: Record<string, Record<string, string>> = {
  '0.1.0.json': { 'iot.issueCredentials': 'it gave devices a secret to send over plain TCP; devices have certificates now (iot.issueCertificate)' },
};

describe('what was released goes on working', () => {
  const current = currentRelease();

  test('there is a release to compare with', () => {
    expect(releases.length).toBeGreaterThan(0);
  });

  test.each(releases)('%s: old clients call the new server, old events meet new consumers', (name) => {
    const released = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Release;
    expect(Object.keys(released.operations).length).toBeGreaterThan(0);
    expect(brokenPromises(released, current, withdrawnFrom[name] ?? {})).toEqual([]);
  });
});

const compare = (direction: 'accepts' | 'answers', before: z.ZodType, now: z.ZodType) => {
  const io = direction === 'accepts' ? 'input' : 'output';
  return comparedSchemas(z.toJSONSchema(before, { io }), z.toJSONSchema(now, { io }), direction, '');
};
const trip = z.object({ id: z.uuid(), note: z.string().max(10).optional() });

describe('the comparison', () => {
  test.each<[string, 'accepts' | 'answers', z.ZodType, z.ZodType]>([
    ['a new optional member of a request', 'accepts', trip, trip.extend({ more: z.string().optional() })],
    ['a new member of a request with a default', 'accepts', trip, trip.extend({ more: z.string().default('') })],
    ['a member of a request that is optional now', 'accepts', trip, trip.partial()],
    ['a wider limit', 'accepts', trip, trip.extend({ note: z.string().max(20).optional() })],
    ['another word in a request', 'accepts', z.enum(['a']), z.enum(['a', 'b'])],
    ['null besides', 'accepts', z.string(), z.string().nullable()],
    ['a new member of an answer', 'answers', trip, trip.extend({ more: z.string() })],
    ['a member of an answer that is always there now', 'answers', trip, trip.required()],
    ['never null any more', 'answers', z.string().nullable(), z.string()],
  ])('lets pass: %s', (_, direction, before, now) => {
    expect(compare(direction, before, now)).toEqual([]);
  });

  test.each<[string, 'accepts' | 'answers', z.ZodType, z.ZodType]>([
    ['a new needed member of a request', 'accepts', trip, trip.extend({ more: z.string() })],
    ['an optional member of a request that is needed now', 'accepts', trip, trip.required()],
    ['a tighter limit', 'accepts', trip, trip.extend({ note: z.string().max(5).optional() })],
    ['a word less in a request', 'accepts', z.enum(['a', 'b']), z.enum(['a'])],
    ['a list of words where any text was taken', 'accepts', z.string(), z.enum(['a'])],
    ['another type', 'accepts', z.object({ n: z.number() }), z.object({ n: z.string() })],
    ['integers only', 'accepts', z.number(), z.int()],
    ['unknown members refused', 'accepts', z.object({}), z.strictObject({})],
    ['a removed member of a strict request', 'accepts', z.strictObject({ a: z.string().optional() }), z.strictObject({})],
    ['a removed member of an answer', 'answers', trip, trip.omit({ note: true })],
    ['a member of an answer that may be missing now', 'answers', trip, trip.partial()],
    ['null besides, in an answer', 'answers', z.object({ a: z.string() }), z.object({ a: z.string().nullable() })],
    ['a change deep inside', 'answers', z.object({ items: z.array(trip) }), z.object({ items: z.array(trip.omit({ id: true })) })],
  ])('catches: %s', (_, direction, before, now) => {
    expect(compare(direction, before, now)).not.toEqual([]);
  });

  test('a removed operation, another path, a new key, a removed event', () => {
    const operation = { method: 'GET', path: '/a', public: true, status: 200, idempotent: false, errors: [] };
    const released: Release = { operations: { 'a.get': operation, 'a.list': operation }, events: { 'a.made 1': { type: 'a.made', version: 1, data: {} } } };
    expect(brokenPromises(released, { operations: { 'a.get': { ...operation, path: '/b', idempotent: true } }, events: {} })).toHaveLength(4);
    expect(brokenPromises(released, released)).toEqual([]);
    const without: Release = { ...released, operations: { 'a.get': operation } };
    expect(brokenPromises(released, without, { 'a.list': 'it leaked' })).toEqual([]);
    expect(brokenPromises(released, released, { 'a.list': 'it leaked' })).toHaveLength(1);
    expect(brokenPromises(released, released, { 'a.never': 'it leaked' })).toHaveLength(1);
  });
});
