/** Telemetry of many vehicles in one event: the frames of `iotContract.events.telemetryReceived`. */

/** The fleet is dealt out to so many shares; each keeps the order of its vehicles. */
export const shares = 8;

/** FNV-1a. The same for ever: what a vehicle says has to stay in one share. */
export function shareOf(vehicleId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < vehicleId.length; index++) hash = Math.imul(hash ^ vehicleId.charCodeAt(index), 0x01000193);
  return (hash >>> 8) % shares;
}

const lengthBytes = 5;
export const frameBytes = (vehicleId: string, payload: Uint8Array): number => lengthBytes + vehicleId.length + payload.byteLength;

/** @param vehicleIds ASCII, one for each payload  @returns entries, one after the other: length of the id (1 byte), id, length of the payload (4 bytes, big endian), payload */
export function joinFrames(vehicleIds: readonly string[], payloads: readonly Uint8Array[]): Buffer {
  let total = 0;
  for (const [index, payload] of payloads.entries()) total += frameBytes(vehicleIds[index] ?? '', payload);
  const frames = Buffer.allocUnsafe(total);
  let offset = 0;
  for (const [index, payload] of payloads.entries()) {
    const vehicleId = vehicleIds[index] ?? '';
    offset = frames.writeUInt8(vehicleId.length, offset);
    offset += frames.write(vehicleId, offset, 'latin1');
    offset = frames.writeUInt32BE(payload.byteLength, offset);
    frames.set(payload, offset);
    offset += payload.byteLength;
  }
  return frames;
}
