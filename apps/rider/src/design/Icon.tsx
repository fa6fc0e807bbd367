import Svg, { Path } from 'react-native-svg';
import { type IconName, iconShapes } from './iconShapes';
import { usePalette } from './theme';

interface IconProps {
  name: IconName;
  size?: number;
  color?: string;
  filled?: boolean;
  strokeWidth?: number;
}

/** Decoration: what it means has to be said in words beside it or on the button around it. */
export function Icon({ name, size = 22, color, filled = false, strokeWidth = 2 }: IconProps) {
  const palette = usePalette();
  const stroke = color ?? palette.ink;
  return (
    <Svg width={size} height={size} viewBox="0 0 24 24" fill="none" aria-hidden>
      <Path d={iconShapes[name]} stroke={stroke} fill={filled ? stroke : 'none'} strokeWidth={strokeWidth} strokeLinecap="round" strokeLinejoin="round" />
    </Svg>
  );
}
