/**
 * The three models of the agent on one core: `npm run bench -- edge [MINUTES]`. Prints JSON lines: p50 and p99 of a
 * sample, throughput, memory, sizes; INT8 against float32 and the index against every edge in the same run; and how long after
 * an impact begins its verdict is there. Rides, parked days and zones are made up from a seed, so that nothing else is needed.
 */
import { readFileSync } from 'node:fs';
import { collisionDetector, loadCollisionModel } from '../edge/detection/collision.ts';
import { geofenceMonitor, loadZones } from '../edge/detection/geofence.ts';
import { receptiveFieldOf, StreamingNetwork } from '../edge/detection/network.ts';
import { loadTamperModel, tamperDetector } from '../edge/detection/tamper.ts';
import { generatedZones, naivelyContains } from '../edge/detection/testing/zones.ts';
import type { MotionSample, PositionFix } from '../edge/sensors/port.ts';
import { crashScenes, judgeCrashes, percentileOf, sampleOf, total } from '../edge/training/collision-evaluation.ts';
import { attacks, attackScene } from '../edge/training/parked.ts';
import { between, randomFor } from '../edge/training/randomness.ts';
import { madeUpRide } from '../edge/training/recordings.ts';
import { wholeRide } from '../edge/training/scenes.ts';
import { parkedBody } from '../edge/training/tamper-evaluation.ts';
import { floatLayers, StreamingFloats, wholeWindowLogit } from './edge/float-network.ts';

const minutes = Number(process.argv[2] ?? 5);
const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'edge', ...figures })}\n`);
const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
const modelFile = (name: string): Buffer => readFileSync(new URL(`../edge/models/${name}.bin`, import.meta.url));

interface Timing {
  p50Microseconds: number;
  p99Microseconds: number;
  highestMicroseconds: number;
  perSecond: number;
}

/** Each call by itself for the percentiles, then all at once for the throughput: asking the clock costs as much as a small call. */
function timed(count: number, call: (index: number) => unknown): Timing {
  for (let index = 0; index < count; index++) call(index);
  const times = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const before = performance.now();
    call(index);
    times[index] = (performance.now() - before) * 1000;
  }
  const sorted = Array.from(times.sort());
  const started = process.cpuUsage();
  for (let index = 0; index < count; index++) call(index);
  const used = process.cpuUsage(started);
  return { p50Microseconds: rounded(percentileOf(sorted, 0.5)), p99Microseconds: rounded(percentileOf(sorted, 0.99)), highestMicroseconds: rounded(sorted.at(-1) ?? 0), perSecond: Math.round(count / ((used.user + used.system) / 1e6)) };
}

const times = (faster: Timing, slower: Timing): number => rounded(faster.perSecond / slower.perSecond, 1);

function collision(): void {
  const file = modelFile('collision');
  const model = loadCollisionModel(file);
  const rides = [madeUpRide(randomFor(1, 'bench'), 'bench', minutes)];
  const trace = wholeRide(randomFor(1, 'bench ride'), rides[0] ?? madeUpRide(randomFor(1, 'bench'), 'bench', 1));
  const samples: MotionSample[] = Array.from(trace.wheel, (_, index) => sampleOf(trace, index));
  const wheelAt = (index: number): number => trace.wheel[index] ?? 0;
  let [clock, sum] = [0, 0];
  const push = (detector: ReturnType<typeof collisionDetector>) => (index: number) => {
    const { accelerationG, rotationDegreesPerSecond } = samples[index] as MotionSample;
    return detector.push({ timeMs: (clock += 10), accelerationG, rotationDegreesPerSecond }, wheelAt(index));
  };
  const whole = timed(samples.length, push(collisionDetector({ model })));
  print({ model: 'collision', samples: samples.length, ...whole, coreShareAt100HertzPercent: rounded(10_000 / whole.perSecond, 3), modelBytes: file.length });
  print({ model: 'collision', decider: 'rule alone', ...timed(samples.length, push(collisionDetector())) });
  const network = new StreamingNetwork(model.network);
  const rows = samples.map(({ accelerationG, rotationDegreesPerSecond }) => Float32Array.from([...accelerationG, ...rotationDegreesPerSecond]));
  const int8 = timed(rows.length, (index) => (sum += network.push(rows[index] as Float32Array)));
  const layers = floatLayers(model.network);
  const floats = new StreamingFloats(layers);
  const streaming = timed(rows.length, (index) => (sum += floats.push(rows[index] as Float32Array)));
  const field = receptiveFieldOf(model.network.layers);
  const few = Math.min(2000, rows.length - field);
  const window = timed(few, (index) => (sum += wholeWindowLogit(layers, trace.motion.subarray(index * 6, (index + field) * 6))));
  print({ network: 'INT8, a column a sample', ...int8 });
  print({ network: 'float32, a column a sample', ...streaming, int8TimesAsFast: times(int8, streaming) });
  print({ network: 'float32, the whole window a sample', ...window, int8TimesAsFast: times(int8, window) });
  if (!Number.isFinite(sum)) throw new Error('the networks said nothing');
  const scenes = crashScenes(4242, Array.from({ length: 6 }, (_, index) => madeUpRide(randomFor(2, `crash ${index}`), `crash ${index}`, 4)), 15);
  const { recalls, latenciesMs, early } = judgeCrashes(scenes, 'both', model);
  const computeMs = whole.p99Microseconds / 1000;
  print({ model: 'collision', crashes: total(recalls).of, found: total(recalls).hits, early, fromFirstSampleOver4gToVerdictMs: { p50: rounded(percentileOf(latenciesMs, 0.5) + computeMs), p90: rounded(percentileOf(latenciesMs, 0.9) + computeMs), p99: rounded(percentileOf(latenciesMs, 0.99) + computeMs) }, fromDecidingSampleToVerdictMs: { p99: rounded(computeMs, 4) } });
}

function geofence(): void {
  const features = generatedZones(3, 180, 230);
  const text = JSON.stringify({ type: 'FeatureCollection', features });
  const started = performance.now();
  const zones = loadZones(text);
  const parseMs = performance.now() - started;
  const indexBytes = zones.polygons.reduce((sum, { edges, bandStarts, bandEdges }) => sum + edges.byteLength + bandStarts.byteLength + bandEdges.byteLength, 0) + zones.levels.reduce((sum, level) => sum + level.byteLength, 0);
  const random = randomFor(5, 'fixes');
  // A ride all over the city, 40 m from fix to fix, so that zones come and go.
  let [lat, lon, heading] = [50.11, 8.68, 0];
  const fixes: PositionFix[] = Array.from({ length: 20_000 }, () => {
    heading += between(random, -20, 20);
    lat = Math.max(50.03, Math.min(50.19, lat + 0.00036 * Math.cos((heading * Math.PI) / 180)));
    lon = Math.max(8.56, Math.min(8.8, lon + 0.00056 * Math.sin((heading * Math.PI) / 180)));
    return { timeMs: 0, lat, lon, accuracyMetres: between(random, 2, 12), speedMetresPerSecond: 5, headingDegrees: 0 };
  });
  const monitor = geofenceMonitor({ zones });
  let [clock, crossings, inside] = [0, 0, 0];
  const indexed = timed(fixes.length, (index) => (crossings += monitor.push({ ...(fixes[index] as PositionFix), timeMs: (clock += 1000) }).length));
  const naive = timed(2000, (index) => {
    const fix = fixes[index] as PositionFix;
    for (const feature of features) if (naivelyContains(feature, fix.lon, fix.lat)) inside++;
  });
  print({ model: 'geofence', geojsonBytes: text.length, zones: zones.ids.length, edges: zones.polygons.reduce((sum, { edges }) => sum + edges.length / 4, 0), parseMs: rounded(parseMs), indexMebibytes: rounded(indexBytes / 2 ** 20), ...indexed, crossings });
  print({ model: 'geofence', yardstick: 'every edge of every zone, and no distance to borders', ...naive, inside, indexTimesAsFast: times(indexed, naive) });
}

function tamper(): void {
  const file = modelFile('tamper');
  const model = loadTamperModel(file);
  const traces = attacks.map((attack) => attackScene(randomFor(8, attack), attack));
  const samples = traces.flatMap((trace) => Array.from(trace.wheel, (_, index) => sampleOf(trace, index)));
  const detector = tamperDetector({ model });
  let [clock, verdicts] = [0, 0];
  const all = timed(samples.length, (index) => {
    const { accelerationG, rotationDegreesPerSecond } = samples[index] as MotionSample;
    if (detector.push({ timeMs: (clock += 10), accelerationG, rotationDegreesPerSecond }, parkedBody, true)) verdicts++;
  });
  // One sample in fifty judges a window; it is among the slowest percent or two.
  print({ model: 'tamper', samples: samples.length, verdicts, ...all, coreShareAt100HertzPercent: rounded(10_000 / all.perSecond, 3), modelBytes: file.length });
}

collision();
geofence();
tamper();
const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
print({ memory: 'this process with its samples', rssMebibytes: rounded(rss / 2 ** 20, 0), heapMebibytes: rounded(heapUsed / 2 ** 20, 0), arraysMebibytes: rounded(arrayBuffers / 2 ** 20, 1) });
