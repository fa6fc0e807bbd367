import { type ReactNode, useId, useState } from 'react';
import { Platform, StyleSheet, TextInput, type TextInputProps, View } from 'react-native';
import { Text } from './Text';
import { corner, space, usePalette } from './theme';

interface FieldProps extends Pick<TextInputProps, 'value' | 'onChangeText' | 'secureTextEntry' | 'keyboardType' | 'inputMode' | 'autoCapitalize' | 'maxLength' | 'multiline' | 'placeholder' | 'onSubmitEditing'> {
  label: string;
  /** What it is, for password keepers and the like. */
  autoComplete?: TextInputProps['autoComplete'];
  hint?: string | undefined;
  error?: string | undefined;
  /** A button inside the field's right edge. */
  trailing?: ReactNode;
}

type Purpose = NonNullable<TextInputProps['autoComplete']>;

/** HTML has its own word for a birthday, which React Native's types do not know. */
function forPlatform(purpose: Purpose): Purpose {
  return Platform.OS === 'web' && purpose === 'birthdate-full' ? ('bday' as Purpose) : purpose;
}

/** A labelled text field that says what is wrong with it. */
export function Field({ label, hint, error, trailing, multiline, autoComplete, ...input }: FieldProps) {
  const palette = usePalette();
  const id = useId();
  const [focused, setFocused] = useState(false);
  const noteId = `${id}-note`;
  const note = error ?? hint;
  return (
    <View style={styles.field}>
      <Text variant="strong" id={`${id}-label`}>
        {label}
      </Text>
      <View
        style={[
          styles.frame,
          { backgroundColor: palette.surface, borderColor: error ? palette.bad : focused ? palette.primary : palette.outline },
          focused && { boxShadow: `0 0 0 3px ${palette.dark ? 'rgba(95,216,166,0.3)' : 'rgba(11,93,67,0.2)'}` },
        ]}
      >
        <TextInput
          {...input}
          {...(autoComplete && { autoComplete: forPlatform(autoComplete) })}
          {...(multiline && { multiline, numberOfLines: 3 })}
          aria-labelledby={`${id}-label`}
          {...(note && { 'aria-describedby': noteId })}
          {...(error && { 'aria-invalid': true })}
          onFocus={() => setFocused(true)}
          onBlur={() => setFocused(false)}
          placeholderTextColor={palette.muted}
          style={[styles.input, { color: palette.ink }, multiline && styles.tall]}
        />
        {trailing}
      </View>
      {note && (
        <Text variant="small" tone={error ? 'bad' : 'muted'} id={noteId}>
          {note}
        </Text>
      )}
    </View>
  );
}

const styles = StyleSheet.create({
  field: { gap: 6 },
  frame: { flexDirection: 'row', alignItems: 'center', borderRadius: corner.medium, borderWidth: 1.5, minHeight: 52 },
  input: { flex: 1, minWidth: 0, minHeight: 48, paddingHorizontal: space.large, fontFamily: 'Figtree-Medium', fontSize: 16, outlineWidth: 0, borderRadius: corner.medium },
  tall: { minHeight: 88, paddingVertical: space.medium, textAlignVertical: 'top' },
});
