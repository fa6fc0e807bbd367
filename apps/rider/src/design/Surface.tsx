/** Plain building blocks: cards, rows of facts, notices, empty and loading states. */
import type { ReactNode } from 'react';
import { ActivityIndicator, type StyleProp, StyleSheet, View, type ViewStyle } from 'react-native';
import { Button } from './Button';
import { Icon } from './Icon';
import type { IconName } from './iconShapes';
import { Text } from './Text';
import { corner, type Palette, space, usePalette } from './theme';

export function Card({ children, style }: { children: ReactNode; style?: StyleProp<ViewStyle> }) {
  const palette = usePalette();
  return <View style={[styles.card, { backgroundColor: palette.surface, borderColor: palette.line }, style]}>{children}</View>;
}

export function Divider() {
  return <View style={{ height: 1, backgroundColor: usePalette().line }} />;
}

type NoticeKind = 'info' | 'good' | 'warn' | 'bad';

const noticeIcons: Record<NoticeKind, IconName> = { info: 'info', good: 'circle-check', warn: 'triangle-alert', bad: 'circle-alert' };

function noticeColours(kind: NoticeKind, palette: Palette): { ground: string; ink: string } {
  switch (kind) {
    case 'good':
      return { ground: palette.goodGround, ink: palette.good };
    case 'warn':
      return { ground: palette.warnGround, ink: palette.warn };
    case 'bad':
      return { ground: palette.badGround, ink: palette.bad };
    case 'info':
      return { ground: palette.sunken, ink: palette.muted };
  }
}

/** A sentence that matters. `urgent` is read out at once by screen readers. */
export function Notice({ kind = 'info', icon, urgent = false, children }: { kind?: NoticeKind; icon?: IconName; urgent?: boolean; children: string }) {
  const palette = usePalette();
  const { ground, ink } = noticeColours(kind, palette);
  return (
    <View {...(urgent && { role: 'alert' as const })} style={[styles.notice, { backgroundColor: ground }]}>
      <Icon name={icon ?? noticeIcons[kind]} size={20} color={ink} />
      <Text variant="small" style={[styles.flex, { color: kind === 'info' ? palette.ink : ink }]}>
        {children}
      </Text>
    </View>
  );
}

interface FactProps {
  icon: IconName;
  label: string;
  value: string;
}

/** A small tile: icon, value, what it is. */
export function Fact({ icon, label, value }: FactProps) {
  const palette = usePalette();
  return (
    <View style={[styles.fact, { backgroundColor: palette.sunken }]}>
      <Icon name={icon} size={20} color={palette.primary} />
      <Text variant="label" tabular numberOfLines={1}>
        {value}
      </Text>
      <Text variant="tiny" tone="muted" numberOfLines={1}>
        {label}
      </Text>
    </View>
  );
}

/** One line of a price, or any name with a value. */
export function Line({ name, value, strong = false }: { name: string; value: string; strong?: boolean }) {
  return (
    <View style={styles.line}>
      <Text variant={strong ? 'heading' : 'body'} tone={strong ? 'ink' : 'muted'} style={styles.flex}>
        {name}
      </Text>
      <Text variant={strong ? 'heading' : 'body'} tabular>
        {value}
      </Text>
    </View>
  );
}

interface EmptyProps {
  icon: IconName;
  title: string;
  body: string;
  action?: { title: string; onPress: () => void };
}

export function Empty({ icon, title, body, action }: EmptyProps) {
  const palette = usePalette();
  return (
    <View style={styles.empty}>
      <View style={[styles.emptyIcon, { backgroundColor: palette.sunken }]}>
        <Icon name={icon} size={30} color={palette.primary} />
      </View>
      <Text variant="heading" level={2} align="center">
        {title}
      </Text>
      <Text tone="muted" align="center">
        {body}
      </Text>
      {action && <Button title={action.title} kind="secondary" onPress={action.onPress} />}
    </View>
  );
}

export function Loading({ label }: { label: string }) {
  return (
    <View style={styles.loading}>
      <ActivityIndicator aria-label={label} size="large" color={usePalette().primary} />
    </View>
  );
}

const styles = StyleSheet.create({
  flex: { flex: 1 },
  card: { borderRadius: corner.large, borderWidth: 1, padding: space.large, gap: space.medium },
  notice: { flexDirection: 'row', gap: space.medium, alignItems: 'flex-start', borderRadius: corner.medium, padding: space.medium },
  fact: { flex: 1, minWidth: 92, borderRadius: corner.medium, padding: space.medium, gap: 2 },
  line: { flexDirection: 'row', gap: space.large, alignItems: 'baseline' },
  empty: { alignItems: 'center', gap: space.medium, paddingVertical: space.vast, paddingHorizontal: space.huge },
  emptyIcon: { width: 68, height: 68, borderRadius: corner.round, alignItems: 'center', justifyContent: 'center' },
  loading: { padding: space.vast, alignItems: 'center' },
});
