export function BookingScreen({ bookingId }: { bookingId: string }) { return <>{bookingId}</>; }
