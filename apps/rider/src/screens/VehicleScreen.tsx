export function VehicleScreen({ vehicleId }: { vehicleId: string }) { return <>{vehicleId}</>; }
