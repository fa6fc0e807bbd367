import { defineModule } from '../../module.ts';
import { iotContract } from '../../iot/contract.ts';
import { bookingContract } from '../booking/contract.ts';
import { telemetryContract } from '../telemetry/contract.ts';
import { userContract } from '../user/contract.ts';
import { vehicleContract } from '../vehicle/contract.ts';
import { attachTelemetry, commandVehicle } from './aftermath.ts';
import { followAlerts } from './alerts.ts';
import { incidentContract } from './contract.ts';
import { type IncidentServices, presentIncident } from './incidents.ts';
import { askRider, closeByItself, noteSilence, riderHandlers } from './rider.ts';
import { lookHandlers, staffHandlers } from './staff.ts';
import { erasePerson, recentlyChanged } from './store.ts';
import { IncidentStreams } from './stream.ts';

type Operations = typeof incidentContract.operations;

const lookEveryMs = 1_000;

/** What happens by itself, at a time. */
function react(services: IncidentServices): void {
  const { database } = services.context;
  database.onTimer('ask-rider', ({ key, attempt }) => askRider(services, key, attempt));
  database.onTimer('rider-silent', ({ key }) => noteSilence(services, key));
  database.onTimer('close-by-itself', ({ key }) => closeByItself(services, key));
  database.onTimer('disable-vehicle', ({ key, payload }) => commandVehicle(services, 'disable', key, payload));
  database.onTimer('enable-vehicle', ({ key, payload }) => commandVehicle(services, 'enable', key, payload));
  database.onTimer('attach-telemetry', ({ key, payload }) => attachTelemetry(services, key, payload));
}

/** A second process of this module changes incidents, too: what it did is read from the rows, for the screens that this one serves. */
async function followOthers({ context: { database, logger }, streams }: IncidentServices): Promise<{ stop(): Promise<void> }> {
  const read = async () => (await recentlyChanged(database.sql)).map(presentIncident);
  streams.note(await read());
  let reading: Promise<void> | undefined;
  const timer = setInterval(() => {
    reading ??= read()
      .then((incidents) => streams.offer(incidents))
      .catch((error: unknown) => logger.warn({ error }, 'incidents that other processes changed cannot be read; tried again'))
      .finally(() => (reading = undefined));
  }, lookEveryMs);
  return {
    async stop() {
      clearInterval(timer);
      await reading;
    },
  };
}

export const incidentModule = defineModule<Operations>({
  name: 'incident',
  contract: incidentContract,
  needs: ['booking', 'telemetry', 'vehicle'],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { database, events, metrics } = context;
    const streams = new IncidentStreams();
    const services: IncidentServices = { context, streams, bookings: context.client(bookingContract), telemetry: context.client(telemetryContract), vehicles: context.client(vehicleContract) };
    react(services);
    const followed = await followOthers(services);
    const { erased } = userContract.events;
    database.consume([erased], (event, { sql }) => erasePerson(sql, erased.data.parse(event.data).riderId));
    const { opened } = incidentContract.events;
    const untilOpen = metrics.seconds('mobility_incident_open_duration_seconds', 'From the moment that a vehicle raised the alarm to an open incident');
    database.onPublished((event) => {
      const { data } = event.type === opened.type ? opened.data.safeParse(event.data) : { data: undefined };
      if (data) untilOpen(Math.max(0, Date.parse(data.openedAt) - Date.parse(data.occurredAt)) / 1000);
    });
    metrics.gauge('mobility_incident_streams_open', 'Open streams of incidents', () => streams.openStreams);
    // Not through the inbox: the topic is busy, the alerts in it are few, and each has an id that is kept for good.
    const alerts = events.subscribe({ group: 'incident-alerts', topics: [iotContract.events.alertRaised.topic], maximumBatch: 500, handle: (batch) => database.whileReachable(() => followAlerts(services, batch)) });
    return {
      handlers: { ...lookHandlers(services), ...staffHandlers(services), ...riderHandlers(services) },
      async stop() {
        streams.close();
        await followed.stop();
        await alerts.close();
      },
    };
  },
});
