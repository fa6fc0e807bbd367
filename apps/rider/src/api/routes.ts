/** The routes that this app calls. The compiler holds each line against the server's contract. */
import type { Route } from './contract';

type Called =
  | 'registerRider' | 'getProfile' | 'updateProfile' | 'submitLicence' | 'eraseAccount' | 'exportData'
  | 'listPaymentMethods' | 'addPaymentMethod' | 'removePaymentMethod' | 'getReceipt'
  | 'listCities' | 'listBays' | 'listZones' | 'getVehicle' | 'searchVehicles' | 'streamVehicles'
  | 'createQuote' | 'createBooking' | 'listBookings' | 'getBooking' | 'confirmPayment' | 'unlock' | 'unlockRemotely'
  | 'pause' | 'resume' | 'cancel' | 'uploadPhoto' | 'end' | 'giveFeedback'
  | 'listMyChecks' | 'answerCheck';

export const routes: { readonly [Name in Called]: Route<Name> } = {
  registerRider: ['POST', '/v1/riders'],
  getProfile: ['GET', '/v1/me'],
  updateProfile: ['PATCH', '/v1/me'],
  submitLicence: ['PUT', '/v1/me/licence'],
  eraseAccount: ['DELETE', '/v1/me'],
  exportData: ['GET', '/v1/me/export'],
  listPaymentMethods: ['GET', '/v1/me/payment-methods'],
  addPaymentMethod: ['POST', '/v1/me/payment-methods'],
  removePaymentMethod: ['DELETE', '/v1/me/payment-methods/{paymentMethodId}'],
  getReceipt: ['GET', '/v1/bookings/{bookingId}/receipt'],
  listCities: ['GET', '/v1/cities'],
  listBays: ['GET', '/v1/bays'],
  listZones: ['GET', '/v1/zones'],
  getVehicle: ['GET', '/v1/vehicles/{vehicleId}'],
  searchVehicles: ['GET', '/v1/vehicles'],
  streamVehicles: ['GET', '/v1/vehicles/stream'],
  createQuote: ['POST', '/v1/quotes'],
  createBooking: ['POST', '/v1/bookings'],
  listBookings: ['GET', '/v1/bookings'],
  getBooking: ['GET', '/v1/bookings/{bookingId}'],
  confirmPayment: ['POST', '/v1/bookings/{bookingId}/confirm-payment'],
  unlock: ['POST', '/v1/bookings/{bookingId}/unlock'],
  unlockRemotely: ['POST', '/v1/bookings/{bookingId}/unlock-remotely'],
  pause: ['POST', '/v1/bookings/{bookingId}/pause'],
  resume: ['POST', '/v1/bookings/{bookingId}/resume'],
  cancel: ['POST', '/v1/bookings/{bookingId}/cancel'],
  uploadPhoto: ['POST', '/v1/photos'],
  end: ['POST', '/v1/bookings/{bookingId}/end'],
  giveFeedback: ['POST', '/v1/bookings/{bookingId}/feedback'],
  listMyChecks: ['GET', '/v1/me/checks'],
  answerCheck: ['POST', '/v1/me/checks/{incidentId}'],
};

export type RouteName = keyof typeof routes;
