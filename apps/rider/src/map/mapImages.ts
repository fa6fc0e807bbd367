/** Pictures for the map, painted on a canvas when they are first asked for. */
import type { VehicleType } from '../api/contract';
import { iconShapes } from '../design/iconShapes';
import { vehicleIcons } from '../design/vehicleIcons';

/** Painted at twice the size, for sharp edges on dense screens. */
export const imageRatio = 2;

const batterySteps = 8;

/** The name of a vehicle's picture: its type, its battery in eighths, whether it is the chosen one. */
export function vehicleImageName(type: VehicleType, batteryPercent: number, chosen: boolean): string {
  return `${chosen ? 'chosen' : 'vehicle'}|${type}|${Math.round((batteryPercent / 100) * batterySteps)}`;
}

type Painter = (pen: CanvasRenderingContext2D, dark: boolean) => void;

function paint(width: number, height: number, painter: Painter, dark: boolean): ImageData | undefined {
  const canvas = document.createElement('canvas');
  canvas.width = Math.ceil(width * imageRatio);
  canvas.height = Math.ceil(height * imageRatio);
  const pen = canvas.getContext('2d');
  if (!pen) return undefined;
  pen.scale(imageRatio, imageRatio);
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  painter(pen, dark);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

function disc(pen: CanvasRenderingContext2D, x: number, y: number, radius: number, fill: string, shadow = true): void {
  pen.save();
  if (shadow) {
    pen.shadowColor = 'rgba(9, 20, 16, 0.35)';
    pen.shadowBlur = 5 * imageRatio;
    pen.shadowOffsetY = 1.5 * imageRatio;
  }
  pen.fillStyle = fill;
  pen.beginPath();
  pen.arc(x, y, radius, 0, Math.PI * 2);
  pen.fill();
  pen.restore();
}

function glyph(pen: CanvasRenderingContext2D, type: VehicleType, x: number, y: number, size: number, colour: string): void {
  pen.save();
  pen.translate(x - size / 2, y - size / 2);
  pen.scale(size / 24, size / 24);
  pen.lineWidth = 2.2;
  pen.strokeStyle = colour;
  pen.stroke(new Path2D(iconShapes[vehicleIcons[type]]));
  pen.restore();
}

function batteryRing(pen: CanvasRenderingContext2D, x: number, y: number, radius: number, eighths: number, track: string): void {
  pen.lineWidth = 3;
  pen.strokeStyle = track;
  pen.beginPath();
  pen.arc(x, y, radius, 0, Math.PI * 2);
  pen.stroke();
  if (eighths <= 0) return;
  pen.strokeStyle = eighths >= 4 ? '#17A673' : eighths >= 2 ? '#E8960C' : '#DD3B2E';
  pen.beginPath();
  pen.arc(x, y, radius, -Math.PI / 2, -Math.PI / 2 + (Math.PI * 2 * eighths) / batterySteps);
  pen.stroke();
}

function vehiclePainter(type: VehicleType, eighths: number): Painter {
  return (pen, dark) => {
    disc(pen, 24, 24, 18, dark ? '#22302A' : '#FFFFFF');
    batteryRing(pen, 24, 24, 15.5, eighths, dark ? '#3A4A43' : '#E3E8E1');
    glyph(pen, type, 24, 24, 18, dark ? '#FFFFFF' : '#10231D');
  };
}

function chosenPainter(type: VehicleType, eighths: number): Painter {
  return (pen, dark) => {
    const ink = dark ? '#C8F25C' : '#10231D';
    pen.save();
    pen.shadowColor = 'rgba(9, 20, 16, 0.4)';
    pen.shadowBlur = 8 * imageRatio;
    pen.shadowOffsetY = 3 * imageRatio;
    pen.fillStyle = ink;
    pen.beginPath();
    pen.arc(36, 34, 26, Math.PI * 0.8, Math.PI * 2.2);
    pen.lineTo(36, 72);
    pen.closePath();
    pen.fill();
    pen.restore();
    batteryRing(pen, 36, 34, 21.5, eighths, dark ? 'rgba(16,35,29,0.25)' : 'rgba(255,255,255,0.2)');
    glyph(pen, type, 36, 34, 25, dark ? '#10231D' : '#C8F25C');
  };
}

function clusterPainter(label: string, radius: number): Painter {
  return (pen, dark) => {
    const middle = radius + 8;
    disc(pen, middle, middle, radius + 3, dark ? 'rgba(200,242,92,0.25)' : 'rgba(16,35,29,0.16)', false);
    disc(pen, middle, middle, radius, dark ? '#C8F25C' : '#10231D');
    pen.fillStyle = dark ? '#10231D' : '#FFFFFF';
    pen.font = `700 ${radius > 20 ? 16 : 14}px Figtree-Bold, system-ui, sans-serif`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText(label, middle, middle + 0.5);
  };
}

function bayPainter(charger: boolean): Painter {
  return (pen, dark) => {
    pen.fillStyle = charger ? '#0B5D43' : dark ? '#8DA398' : '#4D665A';
    pen.strokeStyle = dark ? '#131D19' : '#FFFFFF';
    pen.lineWidth = 2;
    pen.beginPath();
    pen.roundRect(4, 4, 20, 20, 6);
    pen.fill();
    pen.stroke();
    if (charger) {
      pen.save();
      pen.translate(7.5, 7.5);
      pen.scale(13 / 24, 13 / 24);
      pen.fillStyle = '#C8F25C';
      pen.fill(new Path2D(iconShapes.zap));
      pen.restore();
      return;
    }
    pen.fillStyle = dark ? '#131D19' : '#FFFFFF';
    pen.font = '800 13px Figtree-Bold, system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText('P', 14, 14.5);
  };
}

const nameFont = '600 12px Figtree-SemiBold, system-ui, sans-serif';

function paintName(text: string, dark: boolean): ImageData | undefined {
  const shown = text.length > 28 ? `${text.slice(0, 27)}…` : text;
  const ruler = document.createElement('canvas').getContext('2d');
  if (!ruler) return undefined;
  ruler.font = nameFont;
  return paint(ruler.measureText(shown).width + 12, 20, (pen) => {
    pen.font = nameFont;
    pen.textBaseline = 'middle';
    pen.lineWidth = 3.5;
    pen.strokeStyle = dark ? '#131D19' : '#FFFFFF';
    pen.strokeText(shown, 6, 10);
    pen.fillStyle = dark ? '#B9C9C0' : '#3E5248';
    pen.fillText(shown, 6, 10);
  }, dark);
}

function paintHatch(dark: boolean): ImageData | undefined {
  return paint(12, 12, (pen) => {
    pen.strokeStyle = dark ? 'rgba(255,122,107,0.35)' : 'rgba(196,54,43,0.28)';
    pen.lineWidth = 1.6;
    for (const offset of [-12, 0, 12]) {
      pen.beginPath();
      pen.moveTo(offset - 2, 14);
      pen.lineTo(offset + 14, -2);
      pen.stroke();
    }
  }, dark);
}

/** The picture of a name that a layer of `overlayLayers` asks for; undefined for any other name. */
export function paintImage(name: string, dark: boolean): ImageData | undefined {
  const [kind = '', ...rest] = name.split('|');
  const [type = 'scooter', eighths = '0'] = rest;
  switch (kind) {
    case 'vehicle':
      return paint(48, 48, vehiclePainter(type as VehicleType, Number(eighths)), dark);
    case 'chosen':
      return paint(72, 76, chosenPainter(type as VehicleType, Number(eighths)), dark);
    case 'cluster': {
      const radius = type.length < 2 ? 17 : type.length < 3 ? 20 : 24;
      return paint(2 * radius + 16, 2 * radius + 16, clusterPainter(type, radius), dark);
    }
    case 'bay':
      return paint(28, 28, bayPainter(false), dark);
    case 'bay-charger':
      return paint(28, 28, bayPainter(true), dark);
    case 'name':
      return paintName(rest.join('|'), dark);
    case 'hatch':
      return paintHatch(dark);
    default:
      return undefined;
  }
}
