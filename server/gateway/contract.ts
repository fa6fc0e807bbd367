/** What the gateway itself answers, beside the operations of other modules. */
import { z } from 'zod';
import { defineContract } from '../wire/contract.ts';

export const gatewayContract = defineContract({
  module: 'gateway',
  operations: {
    countEvents: {
      method: 'GET', path: '/v1/statistics/events', summary: 'Events ever published, and handed over and acknowledged by any consumer', public: true,
      access: { roles: ['staff', 'admin'], scope: 'bookings:manage' },
      status: 200, response: z.object({ eventsPublished: z.int(), eventsHandled: z.int() }), errors: [],
    },
  },
  events: {},
});
