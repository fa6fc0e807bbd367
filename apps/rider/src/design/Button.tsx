import { ActivityIndicator, Pressable, StyleSheet, View } from 'react-native';
import { Icon } from './Icon';
import type { IconName } from './iconShapes';
import { Text } from './Text';
import { corner, type Palette, space, touchSize, useTheme } from './theme';

type Kind = 'primary' | 'secondary' | 'quiet' | 'spark' | 'danger' | 'onLive';

interface ButtonProps {
  title: string;
  onPress: () => void;
  kind?: Kind;
  icon?: IconName;
  /** Shows a spinner, takes no press, keeps its name. */
  busy?: boolean;
  disabled?: boolean;
  /** A second thing on the right, such as a price. */
  aside?: string;
  grow?: boolean;
  /** For what is pressed in a hurry, with shaking hands. */
  large?: boolean;
}

function coloursOf(kind: Kind, palette: Palette): { ground: string; text: 'onPrimary' | 'ink' | 'onSpark' | 'bad' | 'onLive'; border: string } {
  switch (kind) {
    case 'primary':
      return { ground: palette.primary, text: 'onPrimary', border: palette.primary };
    case 'spark':
      return { ground: palette.spark, text: 'onSpark', border: palette.spark };
    case 'secondary':
      return { ground: palette.sunken, text: 'ink', border: palette.sunken };
    case 'danger':
      return { ground: palette.badGround, text: 'bad', border: palette.badGround };
    case 'onLive':
      return { ground: 'rgba(255,255,255,0.14)', text: 'onLive', border: 'transparent' };
    case 'quiet':
      return { ground: 'transparent', text: 'ink', border: 'transparent' };
  }
}

export function Button({ title, onPress, kind = 'primary', icon, busy = false, disabled = false, aside, grow = false, large = false }: ButtonProps) {
  const { palette, reducedMotion } = useTheme();
  const { ground, text, border } = coloursOf(kind, palette);
  const inactive = disabled || busy;
  // Named by what it shows: a name of its own could differ from that for a moment, while a price changes.
  return (
    <Pressable
      role="button"
      aria-busy={busy}
      disabled={disabled}
      onPress={inactive ? undefined : onPress}
      style={({ pressed }) => [
        styles.button,
        { backgroundColor: ground, borderColor: border },
        grow && styles.grow,
        large && styles.large,
        disabled && { backgroundColor: palette.sunken, borderColor: palette.sunken },
        pressed && !inactive && (reducedMotion ? styles.pressedStill : styles.pressed),
      ]}
    >
      {busy ? <ActivityIndicator aria-hidden color={palette[text]} /> : icon && <Icon name={icon} size={20} color={disabled ? palette.muted : palette[text]} strokeWidth={2.2} />}
      <Text variant="label" tone={disabled ? 'muted' : text} numberOfLines={1} style={styles.title}>
        {title}
      </Text>
      {aside !== undefined && (
        <View style={styles.aside}>
          <Text variant="label" tone={disabled ? 'muted' : text} tabular>
            {aside}
          </Text>
        </View>
      )}
    </Pressable>
  );
}

interface IconButtonProps {
  name: IconName;
  label: string;
  onPress: () => void;
  raised?: boolean;
  selected?: boolean;
  size?: number;
}

export function IconButton({ name, label, onPress, raised = false, selected, size = 22 }: IconButtonProps) {
  const { palette } = useTheme();
  return (
    <Pressable
      role="button"
      aria-label={label}
      {...(selected !== undefined && { 'aria-pressed': selected })}
      onPress={onPress}
      style={({ pressed }) => [
        styles.iconButton,
        raised && { backgroundColor: palette.surface, boxShadow: palette.shadow },
        pressed && { backgroundColor: palette.sunken },
      ]}
    >
      <Icon name={name} size={size} />
    </Pressable>
  );
}

const styles = StyleSheet.create({
  button: {
    minHeight: 54,
    borderRadius: corner.large,
    borderWidth: 1.5,
    paddingHorizontal: space.large,
    flexDirection: 'row',
    alignItems: 'center',
    justifyContent: 'center',
    gap: space.small,
  },
  grow: { flex: 1 },
  large: { minHeight: 76 },
  title: { flexShrink: 1 },
  aside: { marginLeft: 'auto' },
  pressed: { transform: [{ scale: 0.98 }], opacity: 0.92 },
  pressedStill: { opacity: 0.85 },
  iconButton: { width: touchSize, height: touchSize, borderRadius: corner.round, alignItems: 'center', justifyContent: 'center' },
});
