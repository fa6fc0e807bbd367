import { expect, test } from 'vitest';
import { eventually } from '../../program/testing.ts';
import { FactFinder, factSettings } from './domain/facts.ts';
import { LiveFleet } from './domain/live.ts';
import { ZoneIndex } from './domain/zones.ts';
import { Intake } from './intake.ts';
import { FleetView } from './queries.ts';
import { LiveStreams, streamSettings } from './stream.ts';
import { frame, frankfurt, payloadOf, recordAt } from './testing/world.ts';

const box = [frankfurt.lon - 0.01, frankfurt.lat - 0.01, frankfurt.lon + 0.01, frankfurt.lat + 0.01] as const;

function open(settings = {}) {
  const fleet = new LiveFleet();
  const intake = new Intake(fleet, new FactFinder(fleet, new ZoneIndex(), factSettings), () => undefined);
  const streams = new LiveStreams(new FleetView(fleet, intake), { ...streamSettings, coalesceMs: 20, ...settings });
  let sequence = 0;
  const say = (vehicleId: string, latitudeDegrees = frankfurt.lat) => intake.frames(frame(vehicleId, payloadOf([recordAt(++sequence, Date.now() - 100_000 + sequence * 1000, { latitudeDegrees })])), Date.now());
  return { streams, say };
}

async function nextOf(reader: AsyncIterator<string>): Promise<{ name: string; data: { items?: { vehicleId: string; position: { lat: number } }[]; vehicleIds?: string[] } }> {
  const { value } = await reader.next() as { value: string };
  return { name: /^event: (\w+)/.exec(value)?.[1] ?? '', data: JSON.parse(/^data: (.*)$/m.exec(value)?.[1] ?? 'null') };
}

test('TELEMETRY-21: a stream begins with what is in the viewport, then tells only what changed in it, together, and what left', async () => {
  const { streams, say } = open();
  say('here');
  say('elsewhere', 48);
  const reader = streams.open({ box, caller: 'desk', signal: new AbortController().signal })[Symbol.asyncIterator]();
  expect(await nextOf(reader)).toMatchObject({ name: 'snapshot', data: { items: [{ vehicleId: 'here' }] } });
  say('here', frankfurt.lat + 0.001);
  say('here', frankfurt.lat + 0.002);
  say('elsewhere', 48.001);
  say('new');
  const changed = await nextOf(reader);
  expect(changed.name).toBe('changed');
  expect(changed.data.items?.map(({ vehicleId, position }) => [vehicleId, position.lat])).toEqual([['here', frankfurt.lat + 0.002], ['new', frankfurt.lat]]);
  for (let step = 0; step < 12; step++) say('here', frankfurt.lat + 0.02);
  expect(await nextOf(reader)).toEqual({ name: 'left', data: { vehicleIds: ['here'] } });
  streams.close();
  expect((await reader.next()).done).toBe(true);
});

test('TELEMETRY-22: a reader that does not read costs no more than one that does, has its place until it goes, and each caller has only so many', async () => {
  const { streams, say } = open({ mostPerCaller: 2 });
  const gone = new AbortController();
  const slow = streams.open({ box, caller: 'desk', signal: gone.signal })[Symbol.asyncIterator]();
  await slow.next();
  streams.open({ box, caller: 'desk', signal: gone.signal });
  expect(() => streams.open({ box, caller: 'desk', signal: gone.signal })).toThrow(expect.objectContaining({ code: 'too-many-streams' }));
  for (let step = 0; step < 50; step++) say(`vehicle-${step % 5}`, frankfurt.lat + step * 1e-5);
  await eventually(async () => (await nextOf(slow)).data.items?.length === 5);
  gone.abort();
  expect(streams.openStreams).toBe(0);
});
