/** The picture on the welcome screen: a city of hexagons, a route through it, vehicles along the route. */
import { useState } from 'react';
import { type LayoutChangeEvent, StyleSheet, View } from 'react-native';
import Svg, { Circle, G, Path } from 'react-native-svg';
import { type IconName, iconShapes } from '../design/iconShapes';

const hexRadius = 46;
const hexWidth = hexRadius * Math.sqrt(3);

function hexagon(x: number, y: number, radius: number): string {
  const corners = Array.from({ length: 6 }, (_, corner) => {
    const angle = (Math.PI / 3) * corner + Math.PI / 6;
    return `${(x + radius * Math.cos(angle)).toFixed(1)} ${(y + radius * Math.sin(angle)).toFixed(1)}`;
  });
  return `M${corners.join('L')}Z`;
}

/** Cells light up in a fixed pattern, so that the picture is the same on every visit. */
function glow(column: number, row: number): number {
  const seed = Math.sin(column * 12.9898 + row * 78.233) * 43758.5453;
  const share = seed - Math.floor(seed);
  return share > 0.72 ? (share - 0.72) * 0.75 : 0;
}

function Cells({ width, height }: { width: number; height: number }) {
  const cells = [];
  for (let row = -1; row * hexRadius * 1.5 < height + hexRadius; row++) {
    for (let column = -1; column * hexWidth < width + hexWidth; column++) {
      const x = column * hexWidth + (row % 2 === 0 ? 0 : hexWidth / 2);
      const y = row * hexRadius * 1.5;
      cells.push(<Path key={`${column} ${row}`} d={hexagon(x, y, hexRadius - 2)} fill="#C8F25C" fillOpacity={glow(column, row)} stroke="#FFFFFF" strokeOpacity={0.07} strokeWidth={1.5} />);
    }
  }
  return <G>{cells}</G>;
}

function Pin({ x, y, icon, chosen = false }: { x: number; y: number; icon: IconName; chosen?: boolean }) {
  const size = chosen ? 34 : 25;
  const scale = (size * 1.05) / 24;
  return (
    <G>
      <Circle cx={x} cy={y} r={size + 7} fill="#C8F25C" fillOpacity={chosen ? 0.2 : 0.08} />
      <Circle cx={x} cy={y} r={size} fill={chosen ? '#C8F25C' : '#FFFFFF'} />
      <Path d={iconShapes[icon]} transform={`translate(${x - 12 * scale} ${y - 12 * scale}) scale(${scale})`} stroke="#10231D" strokeWidth={2} strokeLinecap="round" strokeLinejoin="round" fill="none" />
    </G>
  );
}

export function CityArt() {
  const [{ width, height }, setSize] = useState({ width: 0, height: 0 });
  const measure = ({ nativeEvent }: LayoutChangeEvent): void => setSize({ width: nativeEvent.layout.width, height: nativeEvent.layout.height });
  const at = (x: number, y: number): [number, number] => [width * x, height * y];
  const [ax, ay] = at(0.16, 0.82);
  const [bx, by] = at(0.46, 0.48);
  const [cx, cy] = at(0.84, 0.24);
  const route = `M${ax} ${ay}C${width * 0.34} ${height * 0.92} ${width * 0.22} ${height * 0.44} ${bx} ${by}S${width * 0.66} ${height * 0.1} ${cx} ${cy}`;
  return (
    <View aria-hidden onLayout={measure} style={styles.art}>
      {width > 0 && (
        <Svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
          <Cells width={width} height={height} />
          <Path d={route} stroke="#C8F25C" strokeWidth={14} strokeOpacity={0.16} strokeLinecap="round" fill="none" />
          <Path d={route} stroke="#C8F25C" strokeWidth={4} strokeLinecap="round" strokeDasharray="1 11" fill="none" />
          <Pin x={ax} y={ay} icon="scooter" />
          <Pin x={bx} y={by} icon="bike" chosen />
          <Pin x={cx} y={cy} icon="car-front" />
          <Pin x={width * 0.8} y={height * 0.72} icon="van" />
        </Svg>
      )}
    </View>
  );
}

const styles = StyleSheet.create({ art: { flex: 1, backgroundColor: '#10231D', overflow: 'hidden' } });
