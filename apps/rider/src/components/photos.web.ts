/** Photos from this device: in the browser a file, or on a phone's browser the camera. */
import { launchImageLibraryAsync } from 'expo-image-picker';

export interface Photo {
  /** To show it. */
  address: string;
  /** To send it. */
  form: () => FormData;
}

/** Undefined when the rider chose none. */
export async function takePhoto(): Promise<Photo | undefined> {
  const { assets } = await launchImageLibraryAsync({ mediaTypes: ['images'], quality: 0.8, exif: false });
  const file = assets?.[0]?.file;
  const address = assets?.[0]?.uri;
  if (!file || !address) return undefined;
  return {
    address,
    form: () => {
      const form = new FormData();
      form.append('photo', file, file.name || 'photo.jpg');
      return form;
    },
  };
}
