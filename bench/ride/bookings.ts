/** Bookings through the public API of a program, each of another scooter: create → authorise → confirm. */
import { Agent, request } from 'undici';
import { v7 } from 'uuid';
import { frankfurt } from '../../server/demo/frankfurt.ts';
import { demoUser } from '../../tests/journeys/program.ts';

export interface Bookings {
  /** One booking, confirmed. @throws Error with the answer when it is not */
  book(): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param url of the gateway
 * @param fleet how many vehicles the city has; two thirds of them are scooters, and each is booked once
 */
export async function prepareBookings(url: string, { fleet, connections }: { fleet: number; connections: number }): Promise<Bookings> {
  // Staff may hold many bookings, so a few accounts are enough.
  const tokens = (await Promise.all(Array.from({ length: 8 }, (_, index) => demoUser(url, `bench-${index}@example.com`, 'staff')))).map((user) => user.token);
  const admin = await demoUser(url, 'bench-admin@example.com', 'admin');
  const city = frankfurt({ vehicles: fleet, seed: 1 });
  const scooters = city.vehicles.filter((vehicle) => city.models.find((model) => model.id === vehicle.modelId)?.type === 'scooter').map((vehicle) => ({ ...vehicle, batteryPercent: 90, inService: true }));
  const answer = await admin.send('PUT', '/v1/cities/bench', { ...city, id: 'bench', vehicles: scooters });
  if (answer.status !== 200) throw new Error(`the fleet of the benchmark: ${answer.status} ${JSON.stringify(answer.body)}`);
  const agent = new Agent({ connections, pipelining: 1 });
  let nextVehicle = 0;
  return {
    async book() {
      const index = nextVehicle++;
      const vehicleId = scooters[index]?.id;
      if (!vehicleId) throw new Error('the fleet of the benchmark is used up');
      const { statusCode, body } = await request(`${url}/v1/bookings`, {
        method: 'POST', dispatcher: agent,
        headers: { authorization: `Bearer ${tokens[index % tokens.length]}`, 'content-type': 'application/json', 'idempotency-key': v7() },
        body: JSON.stringify({ vehicleId }),
      });
      const text = await body.text();
      if (statusCode !== 201 || !text.includes('"confirmed"')) throw new Error(`booking: ${statusCode} ${text}`);
    },
    close: () => agent.close(),
  };
}
