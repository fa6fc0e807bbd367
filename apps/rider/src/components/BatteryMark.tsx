import { StyleSheet, View } from 'react-native';
import { usePalette } from '../design/theme';

/** A small battery that fills and changes colour; the figure has to stand beside it. */
export function BatteryMark({ percent }: { percent: number }) {
  const palette = usePalette();
  const colour = percent >= 45 ? palette.good : percent >= 20 ? palette.warn : palette.bad;
  return (
    <View aria-hidden style={styles.mark}>
      <View style={[styles.body, { borderColor: palette.outline }]}>
        <View style={[styles.charge, { width: `${Math.max(8, Math.min(100, percent))}%`, backgroundColor: colour }]} />
      </View>
      <View style={[styles.tip, { backgroundColor: palette.outline }]} />
    </View>
  );
}

const styles = StyleSheet.create({
  mark: { flexDirection: 'row', alignItems: 'center' },
  body: { width: 24, height: 12, borderWidth: 1.5, borderRadius: 4, padding: 1.5 },
  charge: { height: '100%', borderRadius: 1.5 },
  tip: { width: 2, height: 5, marginLeft: 1, borderTopRightRadius: 1, borderBottomRightRadius: 1 },
});
