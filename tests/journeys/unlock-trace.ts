/** One tap, one trace: from the app through the modules to the vehicle and back, whatever the topology. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { type Collector, type ReceivedSpan, startCollector } from '../../server/infra/observability/testing/collector.ts';
import { demoUser, type Program, until } from './program.ts';

const line = ({ service, kind, name }: ReceivedSpan): string => `${service} ${kind} ${name}`;
const isCall = (step: string): boolean => / client (booking|vehicle|iot)\./.test(step);

/** @param processes how many take part in it */
export function describeUnlockTrace(name: string, processes: number, start: (environment: Record<string, string>) => Promise<Program>): void {
  describe(`a trace: ${name}`, () => {
    let collector: Collector;
    let program: Program;
    beforeAll(async () => {
      collector = await startCollector();
      program = await start({ MOBILITY_OTLP_URL: collector.url, MOBILITY_VEHICLES: '12' });
    }, 300_000);
    afterAll(async () => {
      await program?.dispose();
      await collector?.close();
    }, 60_000);

    test('a remote unlock is one trace: gateway, booking, vehicle, broker, agent, its report, its event, and booking again', async () => {
      const rider = await demoUser(program.url, `traced-${v7()}@example.com`);
      const [vehicle] = await until(async () => {
        const { body } = await rider.get<{ items: { id: string }[] }>('/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&type=scooter&minBattery=30');
        return body.items.length > 0 && body.items;
      });
      const booked = await rider.post<{ id: string }>('/v1/bookings', { vehicleId: vehicle?.id });
      expect(booked.status).toBe(201);
      const traceId = v7().replaceAll('-', '');
      const tap = '00f067aa0ba902b7';
      const unlocked = await rider.post(`/v1/bookings/${booked.body.id}/unlock-remotely`, undefined, { traceparent: `00-${traceId}-${tap}-01` });
      expect(unlocked).toMatchObject({ status: 200, body: { state: 'riding' } });

      const way = [
        'gateway server POST /v1/bookings/{bookingId}/unlock-remotely', 'booking server booking.unlockRemotely', 'vehicle server vehicle.sendCommand', 'iot server iot.deliverCommand',
        'iot producer send vehicles/{vehicleId}/commands', 'vehicle-agent consumer process unlock', 'vehicle-agent producer send vehicles/{vehicleId}/state', 'iot consumer process vehicles/{vehicleId}/state',
        'vehicle consumer process vehicles.state-reported', 'vehicle producer send vehicles', 'booking consumer process vehicles.unlocked', 'booking producer send bookings',
      ];
      const spans = await until(async () => {
        const ofTrace = collector.spans.filter((span) => span.traceId === traceId);
        const isWhole = ofTrace.every(({ parentSpanId }) => parentSpanId === tap || ofTrace.some(({ spanId }) => spanId === parentSpanId));
        return isWhole && way.every((step) => ofTrace.some((span) => line(span) === step)) && ofTrace;
      }, 30_000);
      // From the end of the way back to its beginning: each is the child of the one before.
      const last = spans.find((span) => line(span) === way.at(-1));
      const found: string[] = [];
      let span = last;
      while (span) {
        found.unshift(line(span));
        const { parentSpanId } = span;
        const parent = spans.find(({ spanId }) => spanId === parentSpanId);
        if (!parent) expect(parentSpanId).toBe(tap);
        span = parent;
      }
      // A call that leaves its process has a span on either side.
      expect(found.filter((step) => !isCall(step))).toEqual(way);
      expect(found.filter(isCall)).toEqual(processes > 1 ? ['gateway client booking.unlockRemotely', 'booking client vehicle.sendCommand', 'vehicle client iot.deliverCommand'] : []);
      // Vehicles are simulated in the program itself, or beside the platform.
      expect(new Set(spans.filter((each) => way.includes(line(each))).map(({ instance }) => instance)).size).toBe(processes);
      const gateway = spans.find((candidate) => line(candidate) === way[0]);
      expect(gateway?.attributes).toMatchObject({ 'http.request.method': 'POST', 'http.route': '/v1/bookings/{bookingId}/unlock-remotely', 'http.response.status_code': '200', 'url.path': `/v1/bookings/${booked.body.id}/unlock-remotely` });
      // Whatever belongs to it lies within its time, and has a parent in it.
      for (const each of spans) {
        expect(each.startedAtMs, line(each)).toBeGreaterThanOrEqual((gateway?.startedAtMs ?? 0) - 5);
        expect(each.parentSpanId === tap || spans.some(({ spanId }) => spanId === each.parentSpanId), line(each)).toBe(true);
        expect(each.failed, line(each)).toBe(false);
      }
      expect(spans.map(line)).toContain('booking client transaction booking');
    }, 120_000);
  });
}
