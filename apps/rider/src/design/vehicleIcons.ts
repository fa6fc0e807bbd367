import type { VehicleType } from '../api/contract';
import type { IconName } from './iconShapes';

export const vehicleIcons: Record<VehicleType, IconName> = { scooter: 'scooter', ebike: 'bike', car: 'car-front', van: 'van' };
export const vehicleTypes: readonly VehicleType[] = ['scooter', 'ebike', 'car', 'van'];
