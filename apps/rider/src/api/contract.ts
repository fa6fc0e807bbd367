/** The shapes of the public API, taken from the server's contracts as types alone: no line of the server is bundled. */
import type { z } from 'zod';
import type { bookingContract } from '../../../../server/services/booking/contract.ts';
import type { incidentContract, RiderCheck as RiderCheckSchema } from '../../../../server/services/incident/contract.ts';
import type { paymentContract } from '../../../../server/services/payment/contract.ts';
import type { userContract } from '../../../../server/services/user/contract.ts';
import type { vehicleContract } from '../../../../server/services/vehicle/contract.ts';

export type { ProblemCode, ProblemDocument } from '../../../../server/wire/problem.ts';
export type { PriceLine, VehicleType } from '../../../../server/wire/schemas.ts';
export type { Booking } from '../../../../server/services/booking/contract.ts';
export type { Receipt } from '../../../../server/services/payment/contract.ts';
export type { Profile } from '../../../../server/services/user/contract.ts';
export type { Bay, Tariff, Vehicle, Zone } from '../../../../server/services/vehicle/contract.ts';

type Operations = typeof bookingContract.operations &
  Pick<typeof incidentContract.operations, 'listMyChecks' | 'answerCheck'> &
  typeof paymentContract.operations &
  typeof userContract.operations &
  typeof vehicleContract.operations;

type Input<Part> = Part extends z.ZodType ? z.input<Part> : never;
type Output<Part> = Part extends z.ZodType ? z.output<Part> : undefined;
type Part<Name extends keyof Operations, Key extends string> = Operations[Name] extends Record<Key, infer Schema> ? Schema : undefined;

/** Operations that the gateway serves to the outside. */
export type OperationName = { [Name in keyof Operations]: Operations[Name]['public'] extends true ? Name : never }[keyof Operations];

/** Method and path of an operation, as literal types: the route table cannot drift from the server. */
export type Route<Name extends OperationName> = readonly [Operations[Name]['method'], Operations[Name]['path']];

type Without<T> = { [Key in keyof T as T[Key] extends never ? never : Key]: T[Key] };
export type Request<Name extends OperationName> = Without<{
  params: Input<Part<Name, 'params'>>;
  query: Input<Part<Name, 'query'>>;
  body: Input<Part<Name, 'body'>>;
}>;

export type Reply<Name extends OperationName> = Output<Part<Name, 'response'>>;

export type RiderCheck = z.output<typeof RiderCheckSchema>;
export type Quote = Reply<'createQuote'>;
export type VehicleDetails = Reply<'getVehicle'>;
export type PaymentMethod = Reply<'listPaymentMethods'>['items'][number];
export type City = Reply<'listCities'>['items'][number];
export type Fault = NonNullable<Request<'giveFeedback'>['body']['faults']>[number];
export type LicenceClass = Request<'submitLicence'>['body']['classes'][number];
