import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { imageTypeOf, type ImageType, withoutMetadata } from './images.ts';

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const join = (...parts: (readonly number[] | Uint8Array)[]): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]));
const uint16 = (value: number): number[] => [value >> 8, value & 255];
const uint32 = (value: number): number[] => [...uint16(Math.floor(value / 65_536)), ...uint16(value & 65_535)];
const uint32le = (value: number): number[] => uint32(value).toReversed();
const segment = (marker: number, payload: readonly number[] | Uint8Array): Uint8Array => join([0xff, marker], uint16(payload.length + 2), payload);

/** An Exif block with the turn of the camera and where it was taken, in either order of bytes. */
function tiff(orientation: number, little: boolean): Uint8Array {
  const short = (value: number) => (little ? uint16(value).toReversed() : uint16(value));
  const long = (value: number) => (little ? uint32le(value) : uint32(value));
  const entry = (tag: number, type: number, count: number, value: number[]) => [...short(tag), ...short(type), ...long(count), ...value];
  return join(text(little ? 'II' : 'MM'), short(42), long(8), short(3), entry(0x010f, 2, 4, [...text('Cam\0')]), entry(0x0112, 3, 1, [...short(orientation), 0, 0]), entry(0x8825, 4, 1, long(50)), long(0), text('GPS 50.1109 N 8.6821 E 2026:11:27'));
}
const exif = (orientation: number, little = false) => segment(0xe1, join(text('Exif\0\0'), tiff(orientation, little)));
const secret = /GPS|50\.1109|Cam|Ada|Pixel|secret|thumb|http:\/\/ns\.adobe/;
const asText = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('latin1');

const start = [0xff, 0xd8];
const finish = [0xff, 0xd9];
const jfif = segment(0xe0, join(text('JFIF\0'), [1, 1, 0, 0, 1, 0, 1, 0, 0]));
const profile = segment(0xe2, join(text('ICC_PROFILE\0'), [1, 1, 7, 7, 7]));
const adobe = segment(0xee, join(text('Adobe'), [0, 100, 0, 0, 0, 0, 0]));
const tables = join(segment(0xdb, Array.from({ length: 65 }, (_, index) => index)), segment(0xc0, [8, 0, 8, 0, 8, 1, 1, 0x11, 0]));
/** Two scans, with a stuffed byte, a restart and a table between them, as progressive pictures have. */
const scans = join(segment(0xda, [1, 1, 0, 0, 63, 0]), [1, 2, 0xff, 0, 3, 0xff, 0xd0, 4], segment(0xc4, [0, 1, 2]), segment(0xda, [1, 1, 0, 0, 63, 1]), [9, 8, 7]);
const words = join(segment(0xe1, text('http://ns.adobe.com/xap/1.0/\0secret')), segment(0xed, text('Photoshop 3.0\0Ada')), segment(0xfe, text('taken by Ada')), segment(0xe2, text('MPF\0thumb')), segment(0xe0, text('JFXX\0thumb')), segment(0xe5, text('Pixel')));
const photo = (orientation: number, little = false) => join(start, jfif, exif(orientation, little), words, profile, adobe, tables, scans, finish, start, exif(1), text('a second picture: GPS'), finish);
const picture = join(profile, adobe, tables, scans, finish);

describe('JPEG', () => {
  test('BOOKING-22: an upright photo keeps its picture, byte by byte, and nothing else', () => {
    const clean = withoutMetadata(photo(1), 'image/jpeg');
    expect(clean).toEqual(join(start, jfif, picture));
    expect(asText(photo(1))).toMatch(secret);
    expect(asText(clean)).not.toMatch(secret);
  });

  test.each([2, 3, 4, 5, 6, 7, 8])('BOOKING-22: a photo that was turned (%i) stays turned, in either order of bytes', (orientation) => {
    for (const little of [false, true]) {
      const clean = withoutMetadata(photo(orientation, little), 'image/jpeg');
      expect(asText(clean)).not.toMatch(secret);
      expect(asText(clean).endsWith(asText(picture))).toBe(true);
      const at = asText(clean).indexOf('Exif\0\0');
      expect([...(clean ?? []).slice(at + 6)].slice(0, 20)).toEqual([0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation]);
    }
  });

  test('BOOKING-22: Exif that lies about its lengths is left out whole', () => {
    for (const broken of [text('Exif\0\0'), join(text('Exif\0\0II'), [42, 0, 255, 255, 255, 127]), join(text('Exif\0\0MM'), [0, 42, 0, 0, 0, 8, 255, 255]), join(text('Exif\0\0XX'), tiff(6, false).subarray(2))]) {
      expect(withoutMetadata(join(start, segment(0xe1, broken), picture), 'image/jpeg')).toEqual(join(start, picture));
    }
  });
});

const chunk = (type: string, payload: Uint8Array) => join(uint32(payload.length), text(type), payload, [1, 2, 3, 4]);
const pngStart = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const pngShown = [chunk('IHDR', text('0123456789abc')), chunk('iCCP', text('profile')), chunk('IDAT', text('pixels'))] as const;

test('BOOKING-22: a PNG keeps what it is shown by, and loses Exif, texts, times and what nobody knows', () => {
  const [head, colours, pixels] = pngShown;
  const end = chunk('IEND', text(''));
  const dirty = join(pngStart, head, chunk('eXIf', tiff(6, true)), chunk('tEXt', text('Author\0Ada')), colours, chunk('iTXt', text('XML:com.adobe.xmp\0secret')), chunk('zTXt', text('secret')), chunk('tIME', text('2026GPS')), pixels, chunk('prVt', text('secret')), end, text('GPS behind the end'));
  const clean = withoutMetadata(dirty, 'image/png');
  expect(clean).toEqual(join(pngStart, head, colours, pixels, end));
  expect(asText(dirty)).toMatch(secret);
});

const riff = (...chunks: Uint8Array[]) => join(text('RIFF'), uint32le(4 + chunks.reduce((sum, each) => sum + each.length, 0)), text('WEBP'), ...chunks);
const webpChunk = (type: string, payload: Uint8Array) => join(text(type), uint32le(payload.length), payload, payload.length % 2 === 1 ? [0] : []);

test('BOOKING-22: a WebP keeps its picture and no longer announces what was taken out', () => {
  const pixels = webpChunk('VP8 ', text('pixels!'));
  const header = (flags: number) => webpChunk('VP8X', join([flags, 0, 0, 0], [7, 0, 0, 7, 0, 0]));
  const dirty = join(riff(header(0x08 | 0x04 | 0x10), webpChunk('ALPH', text('abc')), pixels, webpChunk('EXIF', tiff(6, true)), webpChunk('XMP ', text('secret')), webpChunk('JUNK', text('GPS'))), text('GPS behind the end'));
  expect(withoutMetadata(dirty, 'image/webp')).toEqual(riff(header(0x10), webpChunk('ALPH', text('abc')), pixels));
});

test('BOOKING-22: a file that is cut anywhere, or made of rubbish, is refused or becomes a picture, in no time, and cleaning twice changes nothing more', () => {
  const whole: [Uint8Array, ImageType][] = [
    [photo(6), 'image/jpeg'], [join(pngStart, ...pngShown, chunk('tEXt', text('Ada')), chunk('IEND', text(''))), 'image/png'], [riff(webpChunk('VP8 ', text('pixels!')), webpChunk('EXIF', tiff(6, true))), 'image/webp'],
  ];
  const rubbish = fc.oneof(
    ...whole.map(([bytes, type]) => fc.tuple(fc.integer({ min: 12, max: bytes.length }), fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 })).map(([length, changes]) => {
      const changed = bytes.slice(0, length);
      for (const [at, value] of changes) if (at > 11 && at < length) changed[at] = value;
      return [changed, type] as const;
    })),
    fc.tuple(fc.uint8Array({ minLength: 12, maxLength: 200 }), fc.constantFrom<ImageType>('image/jpeg', 'image/png', 'image/webp')),
  );
  fc.assert(fc.property(rubbish, ([bytes, type]) => {
    const clean = withoutMetadata(bytes, type);
    if (clean) expect(withoutMetadata(clean, type)).toEqual(clean);
  }), { numRuns: 2000 });
  const [jpeg] = whole[0] ?? [new Uint8Array()];
  for (let length = 2; length < jpeg.length; length += 7) {
    const clean = withoutMetadata(jpeg.subarray(0, length), 'image/jpeg');
    if (clean) expect(asText(clean)).not.toMatch(secret);
  }
});

test('BOOKING-22: only JPEG, PNG and WebP are images, whatever they are called', () => {
  expect(imageTypeOf(photo(1))).toBe('image/jpeg');
  for (const other of [text('<svg onload="alert(1)">'), text('GIF89a'), text('<html>'), text('BM1234'), join([0, 0, 0, 24], text('ftypheic')), new Uint8Array()]) expect(imageTypeOf(other)).toBeUndefined();
});
