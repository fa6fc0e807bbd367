/** "Are you all right?": over everything else, until the rider has answered. */
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { ScrollView, StyleSheet, View } from 'react-native';
import { useSafeAreaInsets } from 'react-native-safe-area-context';
import type { RiderCheck } from '../api/contract';
import { useChange, useChecks } from '../api/queries';
import { Button } from '../design/Button';
import { Icon } from '../design/Icon';
import { Notice } from '../design/Surface';
import { Text } from '../design/Text';
import { corner, space, usePalette } from '../design/theme';
import { checkToShow, seenAs } from '../domain/checks';
import { formatStopwatch } from '../domain/duration';
import { useLanguage } from '../i18n/language';
import { useNow } from './useNow';

interface AnswerProps {
  check: RiderCheck;
  onClose: () => void;
}

function useAnswer(check: RiderCheck) {
  const queries = useQueryClient();
  const change = useChange('answerCheck', (answered) => {
    queries.setQueryData(['checks'], (known: { items: RiderCheck[] } | undefined) => ({ items: (known?.items ?? []).map((each) => (each.incidentId === answered.incidentId ? answered : each)) }));
  });
  return { ...change, say: (answer: 'fine' | 'help') => change.mutate({ params: { incidentId: check.incidentId }, body: { answer } }) };
}

function Question({ check }: { check: RiderCheck }) {
  const { t, time, failure } = useLanguage();
  const palette = usePalette();
  const answer = useAnswer(check);
  const leftMs = Date.parse(check.answerBy) - useNow();
  return (
    <>
      <View style={[styles.sign, { backgroundColor: palette.warnGround }]}>
        <Icon name="triangle-alert" size={34} color={palette.warn} />
      </View>
      <Text variant="display" level={1} align="center" id="safety-check-title">
        {t('check.title')}
      </Text>
      <Text align="center" id="safety-check-text">
        {t('check.body', { time: time(check.occurredAt) })}
      </Text>
      <View role="timer">
        <Text variant="strong" tone={leftMs > 0 ? 'muted' : 'bad'} align="center" tabular>
          {leftMs > 0 ? t('check.left', { time: formatStopwatch(leftMs) }) : t('check.late')}
        </Text>
      </View>
      {answer.isError && (
        <Notice kind="bad" urgent>
          {failure(answer.error)}
        </Notice>
      )}
      <View style={styles.answers}>
        <Button large icon="circle-check" title={t('check.fine')} busy={answer.isPending && answer.variables?.body.answer === 'fine'} onPress={() => answer.say('fine')} />
        <Button large kind="danger" icon="circle-alert" title={t('check.help')} busy={answer.isPending && answer.variables?.body.answer === 'help'} onPress={() => answer.say('help')} />
      </View>
      <Text variant="small" tone="muted" align="center">
        {t('check.emergency')}
      </Text>
    </>
  );
}

function Answered({ check, onClose }: AnswerProps) {
  const { t, failure } = useLanguage();
  const palette = usePalette();
  const answer = useAnswer(check);
  const fine = check.answer === 'fine';
  return (
    <>
      <View style={[styles.sign, { backgroundColor: fine ? palette.goodGround : palette.badGround }]}>
        <Icon name={fine ? 'circle-check' : 'circle-alert'} size={34} color={fine ? palette.good : palette.bad} />
      </View>
      <Text variant="title" level={1} align="center" id="safety-check-title">
        {t(fine ? 'check.fine.title' : 'check.help.title')}
      </Text>
      <Text align="center" id="safety-check-text">
        {t(fine ? 'check.fine.body' : 'check.help.body')}
      </Text>
      {answer.isError && (
        <Notice kind="bad" urgent>
          {failure(answer.error)}
        </Notice>
      )}
      <View style={styles.answers}>
        <Button large title={t('common.close')} onPress={onClose} />
        <Button kind="quiet" title={t(fine ? 'check.help' : 'check.fine')} busy={answer.isPending} onPress={() => answer.say(fine ? 'help' : 'fine')} />
      </View>
    </>
  );
}

interface Focusable {
  focus?: () => void;
}
const focused = (): Focusable | null => (typeof document === 'undefined' ? null : (document.activeElement as Focusable | null));

function Dialog({ check, onClose }: AnswerProps) {
  const palette = usePalette();
  const insets = useSafeAreaInsets();
  const dialog = useRef<View>(null);
  const step = seenAs(check);
  useEffect(() => {
    const before = focused();
    return () => before?.focus?.();
  }, []);
  // To the question and not to an answer: who types at that moment has not said anything yet.
  useEffect(() => (dialog.current as Focusable | null)?.focus?.(), [step]);
  return (
    <View style={[styles.over, { backgroundColor: palette.scrim }]}>
      <View
        ref={dialog}
        role="alertdialog"
        aria-modal
        aria-labelledby="safety-check-title"
        aria-describedby="safety-check-text"
        tabIndex={-1}
        style={[styles.sheet, { backgroundColor: palette.surface, boxShadow: palette.shadow }]}
      >
        <ScrollView contentContainerStyle={[styles.content, { paddingBottom: space.huge + insets.bottom }]}>
          {check.answer === null ? <Question key={check.incidentId} check={check} /> : <Answered key={check.incidentId} check={check} onClose={onClose} />}
        </ScrollView>
      </View>
    </View>
  );
}

/** Holds the app, and asks over it when somebody wants to know. */
export function SafetyCheck({ children }: { children: ReactNode }) {
  const checks = useChecks();
  const [putAway, setPutAway] = useState<ReadonlySet<string>>(new Set());
  const shown = checkToShow(checks, putAway);
  const asking = shown !== undefined;
  const behind = useRef<View>(null);
  // What is behind the question can neither be reached nor read out.
  useEffect(() => {
    const element = behind.current as { inert?: boolean } | null;
    if (element) element.inert = asking;
  }, [asking]);
  return (
    <View style={styles.flex}>
      <View ref={behind} aria-hidden={asking} style={styles.flex}>
        {children}
      </View>
      {shown && <Dialog check={shown} onClose={() => setPutAway((before) => new Set([...before, seenAs(shown)]))} />}
    </View>
  );
}

const styles = StyleSheet.create({
  flex: { flex: 1 },
  over: { position: 'absolute', top: 0, right: 0, bottom: 0, left: 0, justifyContent: 'flex-end', zIndex: 10 },
  sheet: { width: '100%', maxHeight: '100%', borderTopLeftRadius: corner.sheet, borderTopRightRadius: corner.sheet },
  content: { width: '100%', maxWidth: 560, alignSelf: 'center', padding: space.huge, gap: space.large },
  sign: { width: 72, height: 72, borderRadius: corner.round, alignItems: 'center', justifyContent: 'center', alignSelf: 'center' },
  answers: { gap: space.medium },
});
