/** The pages of signing in and out: plain HTML, no script, no assets of others. */

export type Locale = 'en' | 'de';

const texts = {
  en: {
    signIn: 'Sign in', email: 'E-mail address', password: 'Password', submit: 'Sign in', newHere: 'New here? Open an account',
    failed: 'Signing in failed', expired: 'This sign-in has expired. Go back to the app and start again.', signOut: 'Sign out',
    reallySignOut: 'Do you want to sign out?', yes: 'Yes, sign out', no: 'No, stay signed in', signedOut: 'You are signed out', backToApp: 'Back to the app',
    'wrong-credentials': 'E-mail address or password is wrong.', 'account-suspended': 'This account is suspended. Please contact us.',
    'too-many-requests': 'Too many attempts. Please wait a few minutes.', 'other': 'Something went wrong. Please try again.',
  },
  de: {
    signIn: 'Anmelden', email: 'E-Mail-Adresse', password: 'Passwort', submit: 'Anmelden', newHere: 'Neu hier? Konto eröffnen',
    failed: 'Anmeldung fehlgeschlagen', expired: 'Diese Anmeldung ist abgelaufen. Bitte in der App neu beginnen.', signOut: 'Abmelden',
    reallySignOut: 'Möchten Sie sich abmelden?', yes: 'Ja, abmelden', no: 'Nein, angemeldet bleiben', signedOut: 'Sie sind abgemeldet', backToApp: 'Zurück zur App',
    'wrong-credentials': 'E-Mail-Adresse oder Passwort ist falsch.', 'account-suspended': 'Dieses Konto ist gesperrt. Bitte wenden Sie sich an uns.',
    'too-many-requests': 'Zu viele Versuche. Bitte warten Sie einige Minuten.', 'other': 'Etwas ist schiefgegangen. Bitte versuchen Sie es noch einmal.',
  },
} as const;

export type SignInFailure = 'wrong-credentials' | 'account-suspended' | 'too-many-requests' | 'other';

/** The first language that we speak. @param accepted `ui_locales` (space-separated) or an Accept-Language header */
export function localeOf(accepted: string | undefined): Locale {
  for (const tag of (accepted ?? '').split(/[\s,]+/)) {
    const language = tag.slice(0, 2).toLowerCase();
    if (language === 'de' || language === 'en') return language;
  }
  return 'en';
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
export const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');

const style = `
:root { color-scheme: light dark; --ink: #10231c; --paper: #f5f8f6; --card: #fff; --accent: #0a6b4b; --error: #a31616; }
@media (prefers-color-scheme: dark) { :root { --ink: #eaf3ee; --paper: #0d1512; --card: #17211d; --accent: #46d3a0; --error: #ff9a9a; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 24rem; background: var(--card); border-radius: 1rem; padding: 2rem; box-shadow: 0 1px 8px #0003; }
h1 { margin: 0 0 1rem; font-size: 1.5rem; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
input { width: 100%; min-height: 3rem; padding: .5rem .75rem; border: 1px solid currentColor; border-radius: .5rem; background: transparent; color: inherit; font: inherit; }
button { width: 100%; min-height: 3rem; margin-top: 1.5rem; border: 0; border-radius: .5rem; background: var(--accent); color: var(--card); font: inherit; font-weight: 600; cursor: pointer; }
button.quiet { background: transparent; color: inherit; border: 1px solid currentColor; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); } p.error { color: var(--error); font-weight: 600; }
`;

function page(locale: Locale, title: string, content: string): string {
  return `<!doctype html>
<html lang="${locale}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><main><h1>${escapeHtml(title)}</h1>${content}</main></body></html>`;
}

/** @param csrfToken bound to this sign-in; comes back with the form */
export function signInPage(locale: Locale, form: { action: string; csrfToken: string; email?: string; failure?: SignInFailure; registrationUrl?: string }): string {
  const text = texts[locale];
  const failure = form.failure ? `<p class="error" role="alert" id="failure">${escapeHtml(text[form.failure])}</p>` : '';
  const described = form.failure ? ' aria-describedby="failure" aria-invalid="true"' : '';
  return page(locale, text.signIn, `${failure}
<form method="post" action="${escapeHtml(form.action)}">
<input type="hidden" name="csrfToken" value="${escapeHtml(form.csrfToken)}">
<label for="email">${text.email}</label><input id="email" name="email" type="email" autocomplete="username" inputmode="email" required maxlength="254" value="${escapeHtml(form.email ?? '')}"${described}>
<label for="password">${text.password}</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="200"${described}>
<button type="submit">${text.submit}</button>
</form>${form.registrationUrl ? `<p><a href="${escapeHtml(form.registrationUrl)}">${text.newHere}</a></p>` : ''}`);
}

export const expiredPage = (locale: Locale): string => page(locale, texts[locale].failed, `<p role="alert">${texts[locale].expired}</p><p><a href="/">${texts[locale].backToApp}</a></p>`);

export const errorPage = (locale: Locale, description: string): string =>
  page(locale, texts[locale].failed, `<p role="alert">${escapeHtml(description)}</p><p><a href="/">${texts[locale].backToApp}</a></p>`);

/** @param form made by the identity provider, with its own token against forgery; its id is `op.logoutForm` */
export const logoutPage = (locale: Locale, form: string): string =>
  page(locale, texts[locale].signOut, `<p>${texts[locale].reallySignOut}</p>${form}
<button autofocus type="submit" form="op.logoutForm" value="yes" name="logout">${texts[locale].yes}</button>
<button class="quiet" type="submit" form="op.logoutForm">${texts[locale].no}</button>`);

export const loggedOutPage = (locale: Locale): string => page(locale, texts[locale].signedOut, `<p><a href="/">${texts[locale].backToApp}</a></p>`);
