/** Photos from this device: on a phone its camera. */
import { launchCameraAsync, requestCameraPermissionsAsync } from 'expo-image-picker';

export interface Photo {
  /** To show it. */
  address: string;
  /** To send it. */
  form: () => FormData;
}

/** Undefined when the rider took none, or does not let the app use the camera. */
export async function takePhoto(): Promise<Photo | undefined> {
  const { granted } = await requestCameraPermissionsAsync();
  if (!granted) return undefined;
  const { assets } = await launchCameraAsync({ mediaTypes: ['images'], quality: 0.7, exif: false });
  const asset = assets?.[0];
  if (!asset) return undefined;
  return {
    address: asset.uri,
    form: () => {
      const form = new FormData();
      // React Native reads the file behind such a description; its type knows only the browser's.
      form.append('photo', { uri: asset.uri, name: asset.fileName ?? 'photo.jpg', type: asset.mimeType ?? 'image/jpeg' } as unknown as Blob);
      return form;
    },
  };
}
