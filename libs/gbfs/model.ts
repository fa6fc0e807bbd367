/** One model for GBFS 2.0 to 3.1: WGS84 degrees, metres, minutes, UTC instants, integer minor units of a currency. */
import type { Finding } from './finding.ts';

/** BCP 47 language tag → text. */
export type LocalisedText = Record<string, string>;
export interface Position { lat: number; lon: number }
/** GeoJSON order, [longitude, latitude]; closed; outer rings anticlockwise, holes clockwise. */
export type Ring = [lon: number, lat: number][];
/** Polygons of rings: the outer ring first, then the holes. */
export type MultiPolygon = Ring[][];

export type FormFactor = 'bicycle' | 'cargo_bicycle' | 'car' | 'moped' | 'scooter_standing' | 'scooter_seated' | 'other';
export type PropulsionType = 'human' | 'electric_assist' | 'electric' | 'combustion' | 'combustion_diesel' | 'hybrid' | 'plug_in_hybrid' | 'hydrogen_fuel_cell';
export type ReturnConstraint = 'free_floating' | 'roundtrip_station' | 'any_station' | 'hybrid';

export interface GbfsSystem {
  /** As the feed says; `1.0` where it says nothing, which is what GBFS prescribes. */
  version: string;
  /** Where the discovery file was read. */
  location: string;
  /** UTC instant of the youngest feed that was read. */
  lastUpdatedAt?: string;
  /** The shortest time to live of the feeds that were read. */
  timeToLiveSeconds?: number;
  information: SystemInformation;
  regions: Region[];
  vehicleTypes: VehicleType[];
  vehicles: Vehicle[];
  stations: Station[];
  pricingPlans: PricingPlan[];
  zones: GeofencingZone[];
  /** GBFS 3: what holds outside every zone. */
  globalRules: ZoneRule[];
  feeds: FeedReport[];
  findings: Finding[];
}

/** What became of a feed that the system names. */
export interface FeedReport {
  feed: string;
  location: string;
  state: 'read' | 'ignored' | 'failed';
  /** How many items of it are in the model. */
  itemCount: number;
  reason?: string;
}

export interface SystemInformation {
  id: string;
  languages: string[];
  name: LocalisedText;
  operator?: LocalisedText;
  /** IANA name. */
  timeZone: string;
  url?: string;
  email?: string;
  phoneNumber?: string;
  startDate?: string;
  openingHours?: string;
  licence?: string;
  attribution?: LocalisedText;
}

export interface Region { id: string; name: LocalisedText }

export interface VehicleType {
  id: string;
  name?: LocalisedText;
  make?: LocalisedText;
  model?: LocalisedText;
  formFactor: FormFactor;
  propulsion: PropulsionType;
  maximumRangeMetres?: number;
  maximumSpeedKilometresPerHour?: number;
  riderCapacity?: number;
  cargoVolumeLitres?: number;
  cargoLoadKilograms?: number;
  minimumAgeYears?: number;
  returnConstraint?: ReturnConstraint;
  defaultPlanId?: string;
  planIds: string[];
}

export interface Vehicle {
  id: string;
  typeId?: string;
  /** Absent while the vehicle stands at a station that gives the place. */
  position?: Position;
  stationId?: string;
  homeStationId?: string;
  planId?: string;
  isReserved: boolean;
  isDisabled: boolean;
  currentRangeMetres?: number;
  /** 0 to 1: fuel or charge. */
  energyFraction?: number;
  lastReportedAt?: string;
  availableUntil?: string;
  /** GBFS 3.1: when it can be booked. */
  availabilities: { from: string; until?: string }[];
  rentalUris: { web?: string; android?: string; ios?: string };
}

export interface Station {
  id: string;
  name: LocalisedText;
  position: Position;
  area?: MultiPolygon;
  regionId?: string;
  address?: string;
  capacity?: number;
  capacityByType: { vehicleTypeIds: string[]; count: number }[];
  isVirtual: boolean;
  /** Vehicles can be charged here; absent when the feed does not say. */
  isChargingStation?: boolean;
  status?: StationStatus;
}

export interface StationStatus {
  vehiclesAvailable: number;
  vehiclesDisabled: number;
  docksAvailable?: number;
  availableByType: { vehicleTypeId: string; count: number }[];
  isInstalled: boolean;
  isRenting: boolean;
  isReturning: boolean;
  lastReportedAt?: string;
}

/**
 * From `start` (inclusive) to `end` (exclusive; open without one) the rate is charged at the start of every
 * `interval`; an interval of 0 charges once. Minutes or kilometres.
 */
export interface PricingSegment { start: number; end?: number; interval: number; rateMinor: number }

export interface PricingPlan {
  id: string;
  name: LocalisedText;
  description: LocalisedText;
  /** ISO 4217. */
  currency: string;
  /** Charged once at the start of a trip. */
  priceMinor: number;
  /** Tax comes on top of every price here. Without it the tax is included, or none is due. */
  isTaxAdded: boolean;
  perMinute: PricingSegment[];
  perKilometre: PricingSegment[];
  /** Prices are raised right now; GBFS does not say by how much. */
  isSurging: boolean;
  reservationPerMinuteMinor?: number;
  reservationFlatMinor?: number;
  fareCap?: { durationMinutes: number; priceMinor: number };
  /** Some amounts were finer than the minor unit and were rounded down. */
  isRounded: boolean;
  /** Parts of the published price could not be read; the plan must not be charged as it is. */
  isIncomplete: boolean;
  url?: string;
}

/** 2.x has one `ride_allowed` for start and end. */
export interface ZoneRule {
  /** Empty: every type. */
  vehicleTypeIds: string[];
  isRideStartAllowed: boolean;
  isRideEndAllowed: boolean;
  isRideThroughAllowed: boolean;
  maximumSpeedKilometresPerHour?: number;
  /** Vehicles have to be parked at stations inside the zone. */
  isStationParkingRequired: boolean;
}

export interface GeofencingZone {
  /** The feature's own id, else one made of its shape, the same at every reading. */
  id: string;
  name: LocalisedText;
  area: MultiPolygon;
  /** In order: the first that applies to a vehicle type holds. */
  rules: ZoneRule[];
  startsAt?: string;
  endsAt?: string;
}
