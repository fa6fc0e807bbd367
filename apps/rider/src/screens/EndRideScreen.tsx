export function EndRideScreen({ bookingId }: { bookingId: string }) { return <>{bookingId}</>; }
