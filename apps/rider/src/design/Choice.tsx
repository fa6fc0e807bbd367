/** Choosing one of a few: chips in a row, as a radio group; or several, as checkboxes. */
import { Pressable, ScrollView, StyleSheet, View } from 'react-native';
import { Icon } from './Icon';
import type { IconName } from './iconShapes';
import { Text } from './Text';
import { corner, space, touchSize, usePalette } from './theme';

export interface Option<Value> {
  value: Value;
  label: string;
  icon?: IconName;
}

interface ChipProps {
  label: string;
  icon?: IconName | undefined;
  selected: boolean;
  role: 'radio' | 'checkbox';
  raised?: boolean;
  onPress: () => void;
}

function Chip({ label, icon, selected, role, raised = false, onPress }: ChipProps) {
  const palette = usePalette();
  return (
    <Pressable
      role={role}
      aria-checked={selected}
      aria-label={label}
      onPress={onPress}
      style={({ pressed }) => [
        styles.chip,
        { backgroundColor: selected ? palette.ink : raised ? palette.surface : palette.sunken },
        raised && { boxShadow: palette.shadow },
        pressed && styles.pressed,
      ]}
    >
      {icon && <Icon name={icon} size={20} color={selected ? palette.surface : palette.ink} />}
      <Text variant="strong" style={selected && { color: palette.surface }}>
        {label}
      </Text>
    </Pressable>
  );
}

interface ChoiceProps<Value> {
  label: string;
  options: readonly Option<Value>[];
  value: Value;
  onChange: (value: Value) => void;
  /** In one line that scrolls, instead of wrapping. */
  scrolling?: boolean;
  raised?: boolean;
}

export function Choice<Value extends string | number | undefined>({ label, options, value, onChange, scrolling = false, raised = false }: ChoiceProps<Value>) {
  const chips = options.map((option) => (
    <Chip key={String(option.value)} role="radio" label={option.label} icon={option.icon} raised={raised} selected={option.value === value} onPress={() => onChange(option.value)} />
  ));
  if (!scrolling) {
    return (
      <View role="radiogroup" aria-label={label} style={styles.wrapped}>
        {chips}
      </View>
    );
  }
  return (
    <ScrollView horizontal showsHorizontalScrollIndicator={false} role="radiogroup" aria-label={label} style={styles.scroll} contentContainerStyle={styles.line}>
      {chips}
    </ScrollView>
  );
}

interface ManyProps<Value> {
  label: string;
  options: readonly Option<Value>[];
  values: readonly Value[];
  onChange: (values: Value[]) => void;
}

export function ManyChoice<Value extends string>({ label, options, values, onChange }: ManyProps<Value>) {
  return (
    <View role="group" aria-label={label} style={styles.wrapped}>
      {options.map(({ value, label: name, icon }) => (
        <Chip
          key={value}
          role="checkbox"
          label={name}
          icon={icon}
          selected={values.includes(value)}
          onPress={() => onChange(values.includes(value) ? values.filter((other) => other !== value) : [...values, value])}
        />
      ))}
    </View>
  );
}

const styles = StyleSheet.create({
  chip: { minHeight: touchSize, flexDirection: 'row', alignItems: 'center', gap: space.small, paddingHorizontal: space.large, borderRadius: corner.round },
  pressed: { opacity: 0.85 },
  wrapped: { flexDirection: 'row', flexWrap: 'wrap', gap: space.small },
  scroll: { flexGrow: 0, overflow: 'visible' },
  line: { gap: space.small, paddingHorizontal: space.large, paddingVertical: space.hair },
});
