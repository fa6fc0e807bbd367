/** The last known of every vehicle: a column for each thing, a row for each vehicle, in typed arrays that grow. */

/** Numbers of records below the highest that are remembered one by one. */
export const rememberedRecords = 64;

/** What came of the number of a record. */
export const novelty = { newest: 0, late: 1, duplicate: 2 } as const;

/** What is kept across a restart, apart from the ids and the zones. */
const keptColumns = [
  'latitudeE7', 'longitudeE7', 'speedCentimetresPerSecond', 'headingDegrees', 'batteryPerMille', 'odometerDecimetres', 'flags', 'atMs', 'heardAtMs', 'sequence', 'bootCount', 'clockOffsetMs', 'marks', 'tripLatitudeE7', 'tripLongitudeE7', 'tripAtMs',
] as const;

/** Of `marks`: what was found out about a vehicle and said. */
export const marks = { batteryLow: 1, offline: 2, zonesKnown: 4 } as const;

export class LiveFleet {
  size = 0;
  readonly ids: string[] = [];
  latitudeE7 = new Int32Array(0);
  longitudeE7 = new Int32Array(0);
  speedCentimetresPerSecond = new Int32Array(0);
  headingDegrees = new Int32Array(0);
  batteryPerMille = new Int32Array(0);
  odometerDecimetres = new Float64Array(0);
  /** Of `telemetryFlags`. */
  flags = new Int32Array(0);
  /** Of the newest record, bounded; never goes back. */
  atMs = new Float64Array(0);
  /** When something came last. */
  heardAtMs = new Float64Array(0);
  /** The highest so far; -1 before the first. */
  sequence = new Float64Array(0);
  bootCount = new Float64Array(0);
  clockOffsetMs = new Float64Array(0);
  marks = new Int32Array(0);
  /** Where and when the last point of a trip was; 0 while locked. */
  tripLatitudeE7 = new Int32Array(0);
  tripLongitudeE7 = new Int32Array(0);
  tripAtMs = new Float64Array(0);
  /** The zones that it is in, by the number of their set. */
  zoneSet = new Int32Array(0);
  /** Bit `i`: the record `sequence - i` was seen by this process. */
  seenLow = new Uint32Array(0);
  seenHigh = new Uint32Array(0);
  /** Positions in a row that could not be. */
  jumps = new Uint8Array(0);
  /** Changed since it was last saved. */
  unsaved = new Uint8Array(0);
  readonly #indexes = new Map<string, number>();

  /** @returns -1 for a vehicle that nothing was heard of */
  find = (vehicleId: string): number => this.#indexes.get(vehicleId) ?? -1;

  /** @returns the row of a vehicle, new when nothing was heard of it */
  rowOf(vehicleId: string): number {
    const known = this.#indexes.get(vehicleId);
    if (known !== undefined) return known;
    const row = this.size++;
    if (row >= this.atMs.length) this.#grow(Math.max(1024, row * 2));
    this.ids.push(vehicleId);
    this.#indexes.set(vehicleId, row);
    this.sequence[row] = -1;
    return row;
  }

  #grow(capacity: number): void {
    for (const name of keptColumns) {
      const grown = this[name] instanceof Int32Array ? new Int32Array(capacity) : new Float64Array(capacity);
      grown.set(this[name]);
      (this as unknown as Record<string, Int32Array | Float64Array>)[name] = grown;
    }
    const copy = <T extends Int32Array | Uint32Array | Uint8Array>(from: T, grown: T): T => {
      grown.set(from);
      return grown;
    };
    this.zoneSet = copy(this.zoneSet, new Int32Array(capacity));
    this.seenLow = copy(this.seenLow, new Uint32Array(capacity));
    this.seenHigh = copy(this.seenHigh, new Uint32Array(capacity));
    this.jumps = copy(this.jumps, new Uint8Array(capacity));
    this.unsaved = copy(this.unsaved, new Uint8Array(capacity));
  }

  /** Marks a record as seen. @returns one of `novelty` */
  see(row: number, sequence: number): number {
    const highest = this.sequence[row] ?? -1;
    const ahead = sequence - highest;
    if (ahead > 0) {
      this.#shift(row, ahead);
      this.sequence[row] = sequence;
      return novelty.newest;
    }
    const behind = -ahead;
    if (behind >= rememberedRecords) return novelty.late;
    const seen = behind < 32 ? this.seenLow : this.seenHigh;
    const bit = 2 ** (behind % 32);
    const word = seen[row] ?? 0;
    if (Math.floor(word / bit) % 2 === 1) return novelty.duplicate;
    seen[row] = word + bit;
    return novelty.late;
  }

  #shift(row: number, by: number): void {
    const low = this.seenLow[row] ?? 0;
    const high = this.seenHigh[row] ?? 0;
    if (by === 1) {
      this.seenHigh[row] = (high << 1) | (low >>> 31);
      this.seenLow[row] = (low << 1) | 1;
    } else if (by < 32) {
      this.seenHigh[row] = (high << by) | (low >>> (32 - by));
      this.seenLow[row] = (low << by) | 1;
    } else {
      this.seenHigh[row] = by < 64 ? low << (by - 32) : 0;
      this.seenLow[row] = 1;
    }
  }

  /** A device that was replaced counts from the beginning again. */
  forgetSequence(row: number): void {
    this.sequence[row] = -1;
    this.seenLow[row] = 0;
    this.seenHigh[row] = 0;
  }

  /** The rows from `from` up to, without, `to`, as bytes. */
  pack(from: number, to: number): Buffer {
    return Buffer.concat(keptColumns.map((name) => {
      const column = this[name];
      return Buffer.from(column.buffer, from * column.BYTES_PER_ELEMENT, (to - from) * column.BYTES_PER_ELEMENT);
    }));
  }

  /** The contrary of `pack`. @throws Error when the bytes are not those of so many vehicles */
  unpack(vehicleIds: readonly string[], bytes: Uint8Array): void {
    const perVehicle = keptColumns.reduce((sum, name) => sum + this[name].BYTES_PER_ELEMENT, 0);
    if (bytes.length !== perVehicle * vehicleIds.length) throw new Error(`${bytes.length} bytes are not the state of ${vehicleIds.length} vehicles`);
    const rows = vehicleIds.map((id) => this.rowOf(id));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let offset = 0;
    for (const name of keptColumns) {
      const column = this[name];
      for (const row of rows) {
        column[row] = column instanceof Int32Array ? view.getInt32(offset, true) : view.getFloat64(offset, true);
        offset += column.BYTES_PER_ELEMENT;
      }
    }
  }
}
