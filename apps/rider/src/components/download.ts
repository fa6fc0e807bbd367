/** Hands a file to the rider: on a phone through the system's share sheet. */
import { Share } from 'react-native';

export async function download(file: Blob, name: string): Promise<void> {
  const address = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(typeof reader.result === 'string' ? reader.result : '');
    reader.onerror = () => reject(new Error(`${name} could not be read`));
    reader.readAsDataURL(file);
  });
  await Share.share({ title: name, url: address });
}
