/** Figtree (SIL Open Font License), bundled with the app. */
import bold from '@expo-google-fonts/figtree/700Bold/Figtree_700Bold.ttf';
import extraBold from '@expo-google-fonts/figtree/800ExtraBold/Figtree_800ExtraBold.ttf';
import medium from '@expo-google-fonts/figtree/500Medium/Figtree_500Medium.ttf';
import semiBold from '@expo-google-fonts/figtree/600SemiBold/Figtree_600SemiBold.ttf';

export const fontFiles = { 'Figtree-Medium': medium, 'Figtree-SemiBold': semiBold, 'Figtree-Bold': bold, 'Figtree-ExtraBold': extraBold };
