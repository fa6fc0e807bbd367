import { StyleSheet, View } from 'react-native';
import Svg, { Circle } from 'react-native-svg';
import { Text } from '../design/Text';
import { usePalette } from '../design/theme';
import { formatStopwatch } from '../domain/duration';

interface CountdownRingProps {
  leftMs: number;
  /** What the full ring stands for. */
  wholeMs: number;
  label: string;
}

const size = 212;
const radius = 96;
const around = 2 * Math.PI * radius;

/** Time that runs out, as a ring that empties around the digits. Says the minutes to screen readers, not each second. */
export function CountdownRing({ leftMs, wholeMs, label }: CountdownRingProps) {
  const palette = usePalette();
  const share = Math.max(0, Math.min(1, leftMs / Math.max(1, wholeMs)));
  const urgent = leftMs < 120_000;
  const digits = leftMs > 48 * 3_600_000 ? `${Math.floor(leftMs / 86_400_000)} d` : formatStopwatch(leftMs);
  return (
    <View style={styles.ring} role="timer" aria-label={`${digits} ${label}`}>
      <Svg width={size} height={size} viewBox={`0 0 ${size} ${size}`} aria-hidden>
        <Circle cx={size / 2} cy={size / 2} r={radius} stroke={palette.sunken} strokeWidth={12} fill="none" />
        <Circle
          cx={size / 2}
          cy={size / 2}
          r={radius}
          stroke={urgent ? palette.bad : palette.primary}
          strokeWidth={12}
          strokeLinecap="round"
          strokeDasharray={`${around * share} ${around}`}
          transform={`rotate(-90 ${size / 2} ${size / 2})`}
          fill="none"
        />
      </Svg>
      <View style={styles.middle} aria-hidden>
        <Text variant="figure" tone={urgent ? 'bad' : 'ink'} align="center" style={digits.length > 6 && styles.smaller}>
          {digits}
        </Text>
        <Text variant="small" tone="muted" align="center">
          {label}
        </Text>
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  ring: { width: size, height: size, alignSelf: 'center' },
  middle: { position: 'absolute', top: 0, right: 0, bottom: 0, left: 0, alignItems: 'center', justifyContent: 'center', padding: 30 },
  smaller: { fontSize: 34, lineHeight: 40 },
});
